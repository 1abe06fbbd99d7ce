//! What the checks judge, read from the server in a few queries.

use std::collections::HashMap;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, TableSelection};
use mysql_async::Row;

use super::account::{self, Account};
use super::names::{Missing, Unfit, misnamed};
use crate::binlog::Family;
use crate::catalog::{self, Relation, SYSTEM, Table, text};
use crate::session::Session;
use crate::sql;

/// The whole picture.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers of the server")]
pub(super) struct Facts {
    pub(super) family: Family,
    pub(super) version: (u16, u16, u16),
    pub(super) settings: HashMap<String, String>,
    pub(super) account: Account,
    /// The databases the log is restricted to, and those it leaves out; none if that may not be
    /// asked.
    pub(super) filter: Option<Filter>,
    /// Whether it takes over what another server writes.
    pub(super) replica: bool,
    /// Whether it belongs to Amazon's service, which purges the log by a setting of its own.
    pub(super) on_rds: bool,
    /// Whether prepared transactions may be listed.
    pub(super) may_recover: bool,
    /// Whether any table that is not the system's own can be seen.
    pub(super) sees_tables: bool,
    /// The wanted tables.
    pub(super) tables: Vec<Wanted>,
    /// Names the mappings use outright and no table bears, each with the nearest that exists.
    pub(super) missing: Missing,
    /// What bears such a name but cannot be followed: `(name, what it is)`.
    pub(super) unfit: Unfit,
    pub(super) cascades: Vec<Cascade>,
}

impl Facts {
    /// A setting; empty where this server has none of that name.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// A setting that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        // Days may have a fraction.
        self.setting(name).split('.').next().and_then(|whole| whole.parse().ok())
    }

    /// Whether a setting is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.setting(name), "ON" | "1")
    }

    /// Whether the server has a setting of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }
}

/// Which databases the log holds.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) only: Vec<String>,
    pub(super) not: Vec<String>,
}

impl Filter {
    /// Whether changes of this database are left out of the log.
    pub(super) fn leaves_out(&self, database: &str) -> bool {
        let among = |list: &[String]| list.iter().any(|listed| listed == database);
        (!self.only.is_empty() && !among(&self.only)) || among(&self.not)
    }
}

/// A table the mappings read.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: TableName,
    pub(super) table: Table,
    /// Whether every column may be read.
    pub(super) select: bool,
    /// It has a unique index over something too long for one, which makes a hidden column.
    pub(super) hidden_hash: bool,
}

/// A foreign key by which the server changes rows on its own.
#[derive(Debug)]
pub(super) struct Cascade {
    pub(super) child: TableName,
    pub(super) parent: TableName,
    pub(super) constraint: String,
    /// `ON DELETE CASCADE`
    pub(super) rule: String,
}

pub(super) async fn read(
    session: &mut Session,
    selection: &dyn TableSelection,
) -> Result<Facts, SourceError> {
    let relations = catalog::relations(session).await?;
    let (missing, unfit) = misnamed(&relations, selection);
    Ok(Facts {
        family: session.family(),
        version: session.version(),
        settings: catalog::variables(session, SETTINGS).await?,
        account: account::read(session).await?,
        filter: filter(session).await?,
        replica: replica(session).await?,
        on_rds: on_rds(session).await?,
        may_recover: may_recover(session).await?,
        sees_tables: !relations.is_empty(),
        tables: tables(session, selection, &relations).await?,
        missing,
        unfit,
        cascades: cascades(session).await?,
    })
}

const SETTINGS: &[&str] = &[
    "binlog_encryption",
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "expire_logs_days",
    "innodb_flush_log_at_trx_commit",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "max_binlog_total_size",
    "server_id",
    "sync_binlog",
    "wsrep_on",
];

/// <https://dev.mysql.com/doc/refman/5.6/en/show-master-status.html>
async fn filter(session: &mut Session) -> Result<Option<Filter>, SourceError> {
    let statement =
        if session.speaks_of_sources() { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let list = |row: &Row, column: &str| {
        let list = text(row, column);
        list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let filter =
        |row: &Row| Filter { only: list(row, "Binlog_Do_DB"), not: list(row, "Binlog_Ignore_DB") };
    let read = session.read("ask which databases the log holds", statement, filter).await;
    Ok(permitted(read)?.map(|filters| filters.into_iter().next().unwrap_or_default()))
}

/// What may not be asked is no reason to fail: another finding says what is missing.
fn permitted<T>(answer: Result<T, SourceError>) -> Result<Option<T>, SourceError> {
    match answer {
        Err(error) if error.kind() == SourceErrorKind::Privilege => Ok(None),
        answer => answer.map(Some),
    }
}

async fn replica(session: &mut Session) -> Result<bool, SourceError> {
    let statement =
        if session.speaks_of_sources() { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
    let read = session.read("ask whether it is a replica", statement, |_| ()).await;
    Ok(permitted(read)?.is_some_and(|rows| !rows.is_empty()))
}

async fn on_rds(session: &mut Session) -> Result<bool, SourceError> {
    let sql = "SHOW GLOBAL VARIABLES LIKE 'basedir'";
    let basedir = session.read("ask where the server lives", sql, |row| text(row, 1)).await?;
    Ok(basedir.iter().any(|directory| directory.starts_with("/rdsdbbin")))
}

async fn may_recover(session: &mut Session) -> Result<bool, SourceError> {
    let read = session.read("list prepared transactions", "XA RECOVER", |_| ()).await;
    Ok(permitted(read)?.is_some())
}

async fn tables(
    session: &mut Session,
    selection: &dyn TableSelection,
    relations: &[Relation],
) -> Result<Vec<Wanted>, SourceError> {
    let wanted = relations.iter().filter(|relation| relation.has_rows());
    let names: Vec<TableName> =
        wanted.map(|relation| relation.name.clone()).filter(|name| selection.wants(name)).collect();
    let hashed = hashed(session).await?;
    let mut tables = Vec::new();
    for table in catalog::describe(session, &names).await? {
        let name = table.shape.name();
        let select = may_select(session, &name).await?;
        let hidden_hash = hashed.contains(&name);
        tables.push(Wanted { name, table, select, hidden_hash });
    }
    Ok(tables)
}

/// Asks for every column and for no row. What is granted says less: it may be granted by column.
async fn may_select(session: &mut Session, name: &TableName) -> Result<bool, SourceError> {
    let sql = format!("SELECT * FROM {} LIMIT 0", sql::table(name));
    let read = session.read(&format!("look into table `{name}`"), &sql, |_| ()).await;
    Ok(permitted(read)?.is_some())
}

/// `InnoDB` has no hash indexes but those that `MariaDB` makes for long columns.
async fn hashed(session: &mut Session) -> Result<Vec<TableName>, SourceError> {
    let sql = format!(
        "SELECT DISTINCT table_schema, table_name FROM information_schema.statistics \
         WHERE index_type = 'HASH' AND non_unique = 0 AND table_schema NOT IN {SYSTEM}"
    );
    let name = |row: &Row| TableName::new(text(row, 0), text(row, 1));
    session.read("look for unique indexes over long columns", &sql, name).await
}

/// <https://dev.mysql.com/doc/refman/5.6/en/information-schema-referential-constraints-table.html>
async fn cascades(session: &mut Session) -> Result<Vec<Cascade>, SourceError> {
    let sql = format!(
        "SELECT constraint_schema, table_name, unique_constraint_schema, referenced_table_name, \
         constraint_name, delete_rule, update_rule \
         FROM information_schema.referential_constraints \
         WHERE constraint_schema NOT IN {SYSTEM} \
         AND (delete_rule IN ('CASCADE', 'SET NULL') OR update_rule IN ('CASCADE', 'SET NULL')) \
         ORDER BY constraint_schema, table_name, constraint_name"
    );
    let cascade = |row: &Row| {
        let rules = [("DELETE", text(row, 5)), ("UPDATE", text(row, 6))];
        let acts = |(_, rule): &(&str, String)| matches!(rule.as_str(), "CASCADE" | "SET NULL");
        let rules = rules.iter().filter(|rule| acts(rule));
        Cascade {
            child: TableName::new(text(row, 0), text(row, 1)),
            parent: TableName::new(text(row, 2), text(row, 3)),
            constraint: text(row, 4),
            rule: rules.map(|(on, rule)| format!("ON {on} {rule}")).collect::<Vec<_>>().join(" "),
        }
    };
    session.read("look for foreign keys that change rows", &sql, cascade).await
}

/// Whether a server's setting, if it has it, is a number above zero.
pub(super) fn positive(facts: &Facts, name: &str) -> bool {
    facts.number(name).is_some_and(|number| number > 0)
}
