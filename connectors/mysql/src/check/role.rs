//! The user: what it may see and do.

use std::collections::BTreeSet;

use erpbridge_connector::{Finding, SnapshotMode};

use super::facts::{Facts, Wanted};
use crate::binlog::Family;
use crate::config::MysqlConfig;
use crate::sql;

pub(super) fn check(facts: &Facts, config: &MysqlConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(shadowed(facts));
    findings.extend(follow(facts));
    findings.extend(look(facts));
    findings.extend(facts.tables.iter().filter(|table| !table.select).map(|t| select(facts, t)));
    if config.snapshot == SnapshotMode::Initial && facts.family == Family::MySql {
        findings.extend(moment(facts));
    }
    findings.extend(prepared(facts));
    findings
}

fn subject(facts: &Facts) -> String {
    format!("user {}", facts.account.name)
}

/// Of two entries the server takes the one with the more exact host, even if it has no name.
fn shadowed(facts: &Facts) -> Option<Finding> {
    facts.account.shadowed.as_ref().map(|given| {
        Finding::error(
            subject(facts),
            format!(
                "the server takes \"{given}\" for this user: it has an anonymous user for \
                     this host, which goes before"
            ),
            "remove the anonymous user, or make ours for this very host",
        )
    })
}

/// <https://dev.mysql.com/doc/refman/5.6/en/privileges-provided.html#priv_replication-slave>
fn follow(facts: &Facts) -> Option<Finding> {
    (!facts.account.may(&["REPLICATION SLAVE"]))
        .then(|| missing(facts, "REPLICATION SLAVE", "it may not follow the log"))
}

fn look(facts: &Facts) -> Option<Finding> {
    let names = ["REPLICATION CLIENT", "BINLOG MONITOR"];
    (!facts.account.may(&names)).then(|| {
        missing(
            facts,
            "REPLICATION CLIENT",
            "it may not ask where the log ends and what is left of it",
        )
    })
}

fn missing(facts: &Facts, privilege: &str, problem: &str) -> Finding {
    Finding::error(subject(facts), problem, "grant it")
        .with_sql(format!("GRANT {privilege} ON *.* TO {}", facts.account.name))
}

fn select(facts: &Facts, wanted: &Wanted) -> Finding {
    let (name, account) = (&wanted.name, &facts.account.name);
    Finding::error(
        name.to_string(),
        format!("user {account} may not read all its columns, so the snapshot would fail"),
        "grant it",
    )
    .with_sql(format!("GRANT SELECT ON {} TO {account}", sql::table(name)))
}

/// A moment needs a lock where the server is busy, or a look at who is writing.
fn moment(facts: &Facts) -> Option<Finding> {
    let account = &facts.account;
    // A table that is not seen may only have been kept from us.
    let unseen = facts.missing.iter().map(|(name, _)| name);
    let mapped = facts.tables.iter().map(|table| &table.name).chain(unseen);
    let unlocked: BTreeSet<&str> = mapped
        .filter(|table| !account.may_on("LOCK TABLES", table))
        .map(|table| table.schema.as_str())
        .collect();
    let (locks, looks) = (unlocked.is_empty(), account.may(&["PROCESS"]));
    let (problem, error) = match (locks, looks) {
        (true, true) => return None,
        (true, false) => (
            "it may not see who is writing, so tables are locked for a moment at each snapshot, \
             even on a quiet server",
            false,
        ),
        (false, true) => (
            "it may not lock tables for a moment: on a busy server, changes of the moment at which \
             a snapshot begins come twice",
            false,
        ),
        (false, false) => (
            "it may neither lock tables for a moment nor see who is writing, so no snapshot can be \
             brought together with a place of the log",
            true,
        ),
    };
    let finding = if error { Finding::error } else { Finding::warning };
    let mut finding = finding(subject(facts), problem.to_owned(), "grant it".to_owned());
    if !looks {
        finding = finding.with_sql(format!("GRANT PROCESS ON *.* TO {}", account.name));
    }
    for database in unlocked {
        let place = account.place(database);
        finding = finding.with_sql(format!("GRANT LOCK TABLES ON {place} TO {}", account.name));
    }
    Some(finding)
}

fn prepared(facts: &Facts) -> Option<Finding> {
    let logged = facts.family == Family::MySql && facts.version >= (8, 0, 0);
    (logged && !facts.may_recover).then(|| {
        Finding::warning(
            subject(facts),
            "it may not list prepared transactions: one that waits for its end while a snapshot \
             begins would be missed",
            "grant it, if distributed (XA) transactions are in use",
        )
        .with_sql(format!("GRANT XA_RECOVER_ADMIN ON *.* TO {}", facts.account.name))
    })
}
