//! The tables: whether they exist, and whether the log can tell their updates and deletes.

use erpbridge_connector::{Finding, ReplicaIdentity, TableName};

use super::facts::{Facts, Table};
use crate::catalog::in_log;
use crate::config::PostgresConfig;
use crate::sql;

pub(super) fn check(facts: &Facts, config: &PostgresConfig) -> Vec<Finding> {
    let mut findings: Vec<Finding> = absent(facts).chain(unfit(facts)).collect();
    findings.extend(unmatched(facts, config));
    findings.extend(subscribed(facts));
    for table in &facts.tables {
        if table.wanted {
            findings.extend(unlogged(table));
        }
        findings.extend(identity(table, facts));
        if table.wanted {
            findings.extend(generated(table, facts, config));
        }
    }
    findings
}

fn absent(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.missing.iter().map(|(name, nearest)| {
        let mend = match nearest {
            Some(nearest) => format!("did you mean {nearest}? Names are case-sensitive"),
            None => "correct the name in the mapping".to_owned(),
        };
        Finding::error(name.to_string(), "there is no such table in this database", mend)
    })
}

/// Names that lead nowhere are told one by one; patterns that match nothing only here. It is no
/// error, because a table that matches may be created any day.
fn unmatched(facts: &Facts, config: &PostgresConfig) -> Option<Finding> {
    let nothing = facts.wanted().next().is_none();
    (nothing && facts.missing.is_empty() && facts.unfit.is_empty()).then(|| {
        Finding::warning(
            format!("database {}", config.database),
            "no table of it is one that the mappings read",
            "look whether the patterns of the mappings are right, and whether this is the database",
        )
    })
}

fn unfit(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.unfit.iter().map(|(name, what)| {
        let mend = match *what {
            "a partition" => "map the partitioned table it belongs to",
            _ => "map the tables that hold the rows",
        };
        Finding::error(
            name.to_string(),
            format!("it is {what}, which has no changes of its own in the log"),
            mend,
        )
    })
}

/// What a subscription brings is in the log like any other change, without a word that it is not
/// this database's own. Where it comes, in the end, of our own events, it goes round for ever.
fn subscribed(facts: &Facts) -> impl Iterator<Item = Finding> {
    let mapped = |name: &TableName| facts.wanted().any(|table| table.name == *name);
    facts.subscribed.iter().filter(move |filled| mapped(&filled.table)).map(|filled| {
        Finding::warning(
            filled.table.to_string(),
            format!(
                "subscription {} fills it: what another database changed arrives as if it had \
                 been changed here, and goes round for ever if that depends on our events",
                filled.subscription
            ),
            "follow the database where the rows are written, or make sure that nothing writes our \
             events back there",
        )
    })
}

fn unlogged(table: &Table) -> Option<Finding> {
    table.unlogged.then(|| {
        Finding::error(
            table.name.to_string(),
            "it is unlogged: its changes are in no log",
            "make it a logged table (this writes the whole table once)",
        )
        .with_sql(format!("ALTER TABLE {} SET LOGGED", sql::table(&table.name)))
    })
}

/// A table without identity in a publication of updates breaks the ERP's own statements: the
/// server refuses them. So this is an error for every published table, mapped or not, and for
/// every mapped one *before* it is published.
fn identity(table: &Table, facts: &Facts) -> Option<Finding> {
    let changes = facts.publication.as_ref().is_none_or(|p| p.update || p.delete);
    if !changes {
        return None;
    }
    match table.described.identity {
        ReplicaIdentity::Nothing => Some(unusable_identity(table)),
        ReplicaIdentity::Key if table.remembered => None,
        ReplicaIdentity::Key if table.wanted && !has_column_list(table, facts) => {
            Some(key_identity(table))
        }
        _ => None,
    }
}

fn unusable_identity(table: &Table) -> Finding {
    let when = if table.published.is_some() { "fails" } else { "would fail once published" };
    Finding::error(
        table.name.to_string(),
        format!("it has no usable replica identity: the ERP's own UPDATE and DELETE on it {when}"),
        "give it a primary key, or log whole rows",
    )
    .with_sql(full(table))
}

fn key_identity(table: &Table) -> Finding {
    Finding::warning(
        table.name.to_string(),
        "the log carries only the key of the row before: deletes name nothing but the key, \
         mappings see no old values, and large values that did not change are absent, except in \
         columns that the bridge remembers",
        "remember the rows (`keep: all` on the table in its mapping), or log them whole (measured: \
         1.26 times the log on rows of about 200 bytes)",
    )
    .with_sql(full(table))
}

/// Partitions do not take the identity over from the table they belong to.
fn full(table: &Table) -> String {
    let name = sql::table(&table.name);
    if !table.described.partitioned {
        return format!("ALTER TABLE {name} REPLICA IDENTITY FULL");
    }
    format!(
        "DO $$ DECLARE part regclass; BEGIN \
         FOR part IN SELECT relid FROM pg_partition_tree({}::regclass) LOOP \
         EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part); END LOOP; END $$",
        sql::literal(&name)
    )
}

/// With a column list `FULL` is not an option: the list would no longer cover the identity.
pub(super) fn has_column_list(table: &Table, facts: &Facts) -> bool {
    let Some(published) = &table.published else { return false };
    let mut columns = table.described.columns.iter().filter(|column| !column.generated);
    columns.any(|column| !in_log(column, Some(published), facts.version))
}

fn generated(table: &Table, facts: &Facts, config: &PostgresConfig) -> Option<Finding> {
    let published = table.published.as_ref();
    let names: Vec<&str> = table
        .described
        .columns
        .iter()
        .filter(|column| column.generated && !in_log(column, published, facts.version))
        .map(|column| column.column.name.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let finding = Finding::warning(
        table.name.to_string(),
        format!("its generated columns are not in the log: {}", names.join(", ")),
        "map the columns they are computed from",
    );
    if facts.version < 18 {
        return Some(finding);
    }
    Some(finding.with_sql(format!(
        "ALTER PUBLICATION {} SET (publish_generated_columns = stored)",
        sql::identifier(&config.publication)
    )))
}
