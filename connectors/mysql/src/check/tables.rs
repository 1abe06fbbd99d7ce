//! The tables: whether they exist, and whether the log tells all that happens to them.

use erpbridge_connector::Finding;

use super::facts::{Cascade, Facts, Wanted};
use crate::binlog::Family;
use crate::shape::ColumnShape;
use crate::sql;
use crate::values;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = absent(facts).chain(unfit(facts)).collect();
    findings.extend(unmatched(facts));
    for table in &facts.tables {
        findings.extend(unreadable(table));
        findings.extend(hidden(table));
        findings.extend(engine(table));
        findings.extend(cascades(table, facts));
    }
    findings
}

/// A table of which nothing is granted is not even listed.
fn absent(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.missing.iter().map(|(name, nearest)| match nearest {
        Some(nearest) => Finding::error(
            name.to_string(),
            "there is no such table on this server",
            format!("did you mean {nearest}? Names are case-sensitive"),
        ),
        None => Finding::error(
            name.to_string(),
            "there is no such table on this server, or the user may not see it",
            "correct the name in the mapping, or grant it",
        )
        .with_sql(format!(
            "GRANT SELECT ON {} TO {}",
            sql::table(name),
            facts.account.name
        )),
    })
}

/// Names that lead nowhere are told one by one; patterns that match nothing only here. It is no
/// error, because a table that matches may be created any day.
fn unmatched(facts: &Facts) -> Option<Finding> {
    let nothing = facts.tables.is_empty() && facts.missing.is_empty() && facts.unfit.is_empty();
    nothing.then(|| {
        let problem = if facts.sees_tables {
            "no table on it is one that the mappings read"
        } else {
            "the user sees no table on it"
        };
        let mend = "look whether the patterns of the mappings are right, what the user may read, \
                    and whether this is the server";
        Finding::warning("server", problem, mend)
    })
}

fn unfit(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.unfit.iter().map(|(name, what)| {
        let (problem, mend) = match *what {
            "a system-versioned table" => (
                "it is a system-versioned table, whose old rows are in the log as rows, with \
                 columns that nothing names",
                "map another table, or drop the versioning",
            ),
            _ => (
                "it is not a table, and has no changes of its own in the log",
                "map the tables that hold the rows",
            ),
        };
        let problem = problem.replace("not a table", &format!("{what}, not a table"));
        Finding::error(name.to_string(), problem, mend)
    })
}

fn unreadable(wanted: &Wanted) -> Vec<Finding> {
    let name = wanted.name.to_string();
    let old = |column: &ColumnShape| {
        column.column_type.contains("mariadb-5.3") && column.datetime_precision.unwrap_or(0) > 0
    };
    let mut findings = Vec::new();
    for column in &wanted.table.shape.columns {
        if old(column) {
            let problem = format!(
                "column {} is stored in the old format of MariaDB 5.3, whose width the log does \
                 not tell",
                column.name
            );
            findings.push(
                Finding::error(&name, problem, "rebuild the table (this writes it once)")
                    .with_sql(format!("ALTER TABLE {} FORCE", sql::table(&wanted.name))),
            );
        } else if !values::readable(column) {
            let (column, kind) = (&column.name, &column.column_type);
            let set = column_set(wanted, column);
            findings.push(Finding::error(
                &name,
                format!("column {column} is of a type that cannot be read: {kind}{set}"),
                "convert the column to another type or character set",
            ));
        }
    }
    findings
}

fn column_set(wanted: &Wanted, name: &str) -> String {
    let mut columns = wanted.table.shape.columns.iter();
    let set = columns.find(|column| column.name == name);
    let set = set.and_then(|column| column.character_set.as_ref());
    set.map(|set| format!(" in character set {set}")).unwrap_or_default()
}

fn hidden(wanted: &Wanted) -> Option<Finding> {
    wanted.hidden_hash.then(|| {
        Finding::error(
            wanted.name.to_string(),
            "it has a unique index over a column too long for one; for this the server keeps a \
             hidden column, which is in the log and in no list of columns",
            "make the index not unique, or the column shorter",
        )
    })
}

/// Only `InnoDB` knows transactions and keeps what rows were.
fn engine(wanted: &Wanted) -> Option<Finding> {
    (!wanted.table.keeps_versions()).then(|| {
        Finding::warning(
            wanted.name.to_string(),
            format!(
                "its engine is {}: what a transaction does to it stays when the transaction is \
                 rolled back, and what changes while a snapshot is read comes twice",
                wanted.table.engine
            ),
            "convert it (this writes the whole table once, and nobody can write to it meanwhile)",
        )
        .with_sql(format!("ALTER TABLE {} ENGINE = InnoDB", sql::table(&wanted.name)))
    })
}

/// Since 9.7 what a foreign key does is in the log. Before, only what the statement itself did.
fn cascades(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    if facts.family == Family::MySql && facts.version >= (9, 7, 0) {
        return None;
    }
    let by = |cascade: &Cascade| {
        format!("{} ({}, from {})", cascade.constraint, cascade.rule, cascade.parent)
    };
    let of_table = facts.cascades.iter().filter(|cascade| cascade.child == wanted.name);
    let keys: Vec<String> = of_table.map(by).collect();
    (!keys.is_empty()).then(|| {
        Finding::warning(
            wanted.name.to_string(),
            format!(
                "its rows are changed by foreign keys, and these changes are not in the log: {}",
                keys.join("; ")
            ),
            "let the mapping of the parent table speak for its rows as well, or have the ERP \
             change them itself (ON DELETE RESTRICT)",
        )
    })
}
