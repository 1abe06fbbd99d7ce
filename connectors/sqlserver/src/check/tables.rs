//! The tables: whether they are there, may be read and are captured as they are now.

use erpbridge_connector::{Finding, TableName};

use super::facts::{Capture, Facts, Rights, Table};
use crate::catalog::Instance;
use crate::config::SqlServerConfig;
use crate::feedback::disable_instance;
use crate::sql::{self, identifier, literal};
use crate::start::{ROLE, enable_table};

/// No table has more instances.
const MOST_INSTANCES: usize = 2;

/// No instance's name is longer.
const LONGEST_NAME: usize = 100;

pub(super) fn check(facts: &Facts, config: &SqlServerConfig) -> Vec<Finding> {
    let user = &facts.server.user;
    let missing = facts.missing.iter().map(|(name, near)| absent(name, near.as_ref(), user));
    let mut findings: Vec<Finding> = missing.collect();
    findings.extend(unmatched(facts, config));
    let capturable = facts.has_feature();
    let known = matches!(facts.capture, Capture::On(_) | Capture::Off);
    for table in &facts.tables {
        findings.extend(unreadable(table, user));
        if capturable && known {
            findings.extend(uncaptured(table, user));
            findings.extend(unready(table));
            findings.extend(guarded(table, user));
            findings.extend(drifted(table));
            findings.extend(two_instances(table));
            findings.extend(disordered(table));
        }
        findings.extend(keyless(table));
    }
    findings
}

/// A table we may not select from does not show, so it looks like one that is not there.
fn absent(name: &TableName, near: Option<&TableName>, user: &str) -> Finding {
    let mend = match near {
        Some(near) => format!("did you mean {near}? If not, grant this login SELECT on it"),
        None => "grant this login SELECT on it, or correct the name in the mapping".to_owned(),
    };
    let problem = "there is no such table in this database, or this login may not see it";
    Finding::error(name.to_string(), problem, mend).with_sql(grant(name, user))
}

fn grant(name: &TableName, user: &str) -> String {
    format!("GRANT SELECT ON {} TO {}", sql::table(name), identifier(user))
}

/// Names that lead nowhere are told one by one; patterns that match nothing only here. It is no
/// error, because a table that matches may be captured any day.
fn unmatched(facts: &Facts, config: &SqlServerConfig) -> Option<Finding> {
    (facts.tables.is_empty() && facts.missing.is_empty()).then(|| {
        Finding::warning(
            format!("database {}", config.database),
            "no table of it that this login may see is one that the mappings read",
            "look whether the patterns of the mappings are right, whether this is the database, \
             and what this login may select from",
        )
    })
}

fn unreadable(table: &Table, user: &str) -> Option<Finding> {
    (!table.readable).then(|| {
        let finding = Finding::error(
            table.name.to_string(),
            "this login may not read it",
            "grant it SELECT on the table",
        );
        finding.with_sql(grant(&table.name, user))
    })
}

fn uncaptured(table: &Table, user: &str) -> Option<Finding> {
    table.instances.is_empty().then(|| {
        let finding =
            Finding::error(table.name.to_string(), "it is not captured", "capture it as db_owner");
        let finding = finding.with_sql(enable_table(&table.name, Some(ROLE)));
        finding.with_sql(add_member(ROLE, user))
    })
}

/// It was enabled, and the job has not come to it.
fn unready(table: &Table) -> Option<Finding> {
    let begun = |instance: &Instance| instance.start.is_some();
    (!table.instances.is_empty() && !table.instances.iter().any(begun)).then(|| {
        Finding::warning(
            table.name.to_string(),
            "its capture is enabled but has not begun: the bridge waits for it",
            "if this lasts for minutes, look whether the capture job and the Agent run",
        )
    })
}

/// Who may read the changes of a table: the right on them is what counts for a direct read, the
/// role is what the server's own functions ask for.
fn guarded(table: &Table, user: &str) -> Vec<Finding> {
    let guard = |(instance, rights): (&Instance, &Rights)| {
        let name = table.name.to_string();
        if !rights.readable {
            let problem = format!("this login may not read its changes in `{}`", instance.name);
            let finding = Finding::error(name, problem, "grant it SELECT on the schema cdc");
            return Some(
                finding.with_sql(format!("GRANT SELECT ON SCHEMA::cdc TO {}", identifier(user))),
            );
        }
        let role = instance.role.as_deref().filter(|_| rights.member == Some(false))?;
        let problem = format!(
            "the changes in `{}` are meant for the role `{role}`, and this login is not in it",
            instance.name
        );
        let mend = "put it into the role, so that whoever looks there sees that it reads them";
        let finding = Finding::warning(name, problem, mend);
        Some(finding.with_sql(add_member(role, user)))
    };
    table.instances.iter().zip(&table.rights).filter_map(guard).collect()
}

/// Columns that came after the instance. The mapping is checked elsewhere for those it needs.
fn drifted(table: &Table) -> Option<Finding> {
    let newest = table.instances.last()?;
    let captured =
        |name: &str| table.captured.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let new: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| !captured(name))
        .collect();
    if new.is_empty() {
        return None;
    }
    let problem =
        format!("instance `{}` does not capture its columns {}", newest.name, new.join(", "));
    let mend = "if a mapping shall read them, capture the table a second time; the bridge goes over \
                to the new instance by itself and says when the old one may be dropped";
    let finding = Finding::warning(table.name.to_string(), problem, mend);
    let room = table.instances.len() < MOST_INSTANCES;
    Some(if room { finding.with_sql(second_instance(table, newest)) } else { finding })
}

fn second_instance(table: &Table, newest: &Instance) -> String {
    let name: String = newest.name.chars().take(LONGEST_NAME - 2).chain("_2".chars()).collect();
    let enable = enable_table(&table.name, newest.role.as_deref());
    format!("{enable}, @capture_instance = {}", literal(&name))
}

/// The statement that puts a user into a role, in every version.
fn add_member(role: &str, user: &str) -> String {
    format!("EXEC sp_addrolemember {}, {}", literal(role), literal(user))
}

fn two_instances(table: &Table) -> Option<Finding> {
    let [older, younger] = table.instances.as_slice() else { return None };
    Some(Finding::warning(
        table.name.to_string(),
        format!(
            "it is captured twice, as `{}` and `{}`, and each change is written twice",
            older.name, younger.name
        ),
        format!(
            "when the bridge's log says that `{}` is drained, run: {}",
            older.name,
            disable_instance(older)
        ),
    ))
}

fn disordered(table: &Table) -> Option<Finding> {
    let newest = table.instances.last().filter(|newest| !newest.ordered)?;
    Some(Finding::warning(
        table.name.to_string(),
        format!(
            "instance `{}` does not tell the order of commands inside a transaction: where a key \
             is changed, insert and delete may come in the wrong order",
            newest.name
        ),
        "install the server's updates (KB 3030352), then capture the table anew",
    ))
}

fn keyless(table: &Table) -> Option<Finding> {
    table.key.is_empty().then(|| {
        Finding::warning(
            table.name.to_string(),
            "it has no primary key: it is read by one long statement, and its rows cannot be told \
             apart downstream",
            "give it a primary key, or name the columns that identify a row in the mapping",
        )
    })
}
