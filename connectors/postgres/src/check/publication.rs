//! The publication: whether it is there, and carries what the mappings read.

use erpbridge_connector::{Finding, ReplicaIdentity};

use super::facts::{Facts, Publication, Table};
use super::tables::has_column_list;
use crate::config::PostgresConfig;
use crate::sql;

pub(super) fn check(facts: &Facts, config: &PostgresConfig) -> Vec<Finding> {
    let Some(publication) = &facts.publication else {
        return vec![missing(facts, config)];
    };
    let mut findings = Vec::new();
    findings.extend(all_tables(publication, facts, config));
    findings.extend(operations(publication, config));
    findings.extend(partitions(publication, facts, config));
    findings.extend(unpublished(publication, facts, config));
    for table in &facts.tables {
        findings.extend(column_list(table, facts, config));
        findings.extend(row_filter(table));
    }
    findings
}

fn subject(config: &PostgresConfig) -> String {
    format!("publication {}", config.publication)
}

/// A slot sees the catalog as it was when the slot was made, so it never finds a publication
/// that is younger: it would fail for ever.
fn missing(facts: &Facts, config: &PostgresConfig) -> Finding {
    let create = create(facts, config);
    let Some(create) = create else {
        return Finding::error(
            subject(config),
            "it does not exist, and none of the mapped tables do",
            "correct the mappings first",
        );
    };
    if facts.slot.is_some() {
        return Finding::error(
            subject(config),
            format!(
                "it does not exist, but slot {} does: a slot cannot use a younger publication",
                config.slot
            ),
            "give up the slot and its position, then start with a new snapshot",
        )
        .with_sql(drop_slot(config))
        .with_sql(create);
    }
    Finding::error(
        subject(config),
        "it does not exist",
        "create it as the owner of the tables, before the bridge starts",
    )
    .with_sql(create)
}

pub(super) fn drop_slot(config: &PostgresConfig) -> String {
    format!("SELECT pg_drop_replication_slot({})", sql::literal(&config.slot))
}

/// Always with a list of tables: `FOR ALL TABLES` would take in tables without a key.
fn create(facts: &Facts, config: &PostgresConfig) -> Option<String> {
    let tables: Vec<String> = facts.wanted().map(|table| sql::table(&table.name)).collect();
    (!tables.is_empty()).then(|| {
        format!(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)",
            sql::identifier(&config.publication),
            tables.join(", ")
        )
    })
}

fn all_tables(
    publication: &Publication,
    facts: &Facts,
    config: &PostgresConfig,
) -> Option<Finding> {
    if !publication.all_tables {
        return None;
    }
    let finding = Finding::warning(
        subject(config),
        "it is FOR ALL TABLES: the ERP's own UPDATE and DELETE will fail on every table that is \
         created without a primary key",
        "publish only the mapped tables",
    );
    // With a slot there is no way that keeps the position: a list cannot replace ALL TABLES, and
    // the slot would not see a new publication.
    match create(facts, config).filter(|_| facts.slot.is_none()) {
        Some(create) => {
            let drop = format!("DROP PUBLICATION {}", sql::identifier(&config.publication));
            Some(finding.with_sql(drop).with_sql(create))
        }
        None => Some(finding),
    }
}

fn operations(publication: &Publication, config: &PostgresConfig) -> Option<Finding> {
    let Publication { insert, update, delete, truncate, .. } = publication;
    let all = [(insert, "insert"), (update, "update"), (delete, "delete"), (truncate, "truncate")];
    let left_out: Vec<&str> = all.iter().filter(|(on, _)| !**on).map(|(_, name)| *name).collect();
    if left_out.is_empty() {
        return None;
    }
    let finding = Finding::warning(
        subject(config),
        format!("it leaves out {}: such changes produce no event", left_out.join(", ")),
        "publish all of them",
    );
    Some(finding.with_sql(format!(
        "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')",
        sql::identifier(&config.publication)
    )))
}

fn partitions(
    publication: &Publication,
    facts: &Facts,
    config: &PostgresConfig,
) -> Option<Finding> {
    let partitioned = facts.wanted().find(|table| table.described.partitioned)?;
    (!publication.via_root).then(|| {
        Finding::error(
            subject(config),
            format!(
                "changes of the partitioned table {} come under the names of its partitions",
                partitioned.name
            ),
            "publish them under the table's own name",
        )
        .with_sql(format!(
            "ALTER PUBLICATION {} SET (publish_via_partition_root = true)",
            sql::identifier(&config.publication)
        ))
    })
}

fn unpublished(
    publication: &Publication,
    facts: &Facts,
    config: &PostgresConfig,
) -> Option<Finding> {
    // Without publish_via_partition_root the partitions stand in the list, not their table; the
    // finding about that is enough.
    let left_out = |table: &&Table| {
        table.published.is_none() && (publication.via_root || !table.described.partitioned)
    };
    let tables: Vec<&Table> = facts.wanted().filter(left_out).collect();
    if tables.is_empty() || publication.all_tables {
        return None;
    }
    let names: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
    let quoted: Vec<String> = tables.iter().map(|table| sql::table(&table.name)).collect();
    let mend = if facts.slot.is_some() {
        "add them; events start with the next change, rows that are there already need a snapshot"
    } else {
        "add them as the owner of the tables"
    };
    let problem = format!("mapped tables are not in it: {}", names.join(", "));
    Some(Finding::error(subject(config), problem, mend).with_sql(format!(
        "ALTER PUBLICATION {} ADD TABLE {}",
        sql::identifier(&config.publication),
        quoted.join(", ")
    )))
}

fn column_list(table: &Table, facts: &Facts, config: &PostgresConfig) -> Option<Finding> {
    let published = table.published.as_ref().filter(|_| has_column_list(table, facts))?;
    let listed = |key: &String| published.columns.contains(key);
    let covered = match table.described.identity {
        ReplicaIdentity::Full => false,
        ReplicaIdentity::Key => table.described.identity_key.iter().all(listed),
        ReplicaIdentity::Nothing => true,
    };
    let name = table.name.to_string();
    let finding = if covered {
        Finding::warning(
            name,
            format!("only these columns are published: {}", published.columns.join(", ")),
            "publish whole rows unless columns are left out on purpose",
        )
    } else {
        Finding::error(
            name,
            "its column list does not cover its replica identity: the ERP's own UPDATE and DELETE \
             fail",
            "publish whole rows",
        )
    };
    let publication = sql::identifier(&config.publication);
    let table = sql::table(&table.name);
    Some(
        finding
            .with_sql(format!("ALTER PUBLICATION {publication} DROP TABLE {table}"))
            .with_sql(format!("ALTER PUBLICATION {publication} ADD TABLE {table}")),
    )
}

fn row_filter(table: &Table) -> Option<Finding> {
    let filter = table.published.as_ref()?.row_filter.as_ref()?;
    Some(Finding::warning(
        table.name.to_string(),
        format!(
            "only rows with {filter} are published: an update that moves a row in or out arrives \
             as insert or delete"
        ),
        "filter in the mapping instead, where the reason is visible",
    ))
}
