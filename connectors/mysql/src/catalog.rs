//! What the server knows about its tables and about its log: one function per query.
//!
//! `information_schema` shows only what the user may see, and only as it is now. Which shape a
//! table had at a place of the log is another question, answered by whoever follows the log.

use std::collections::{BTreeMap, HashMap, HashSet};

use erpbridge_connector::{
    ReplicaIdentity, SourceError, SourceErrorKind, TableName, TableSchema, TableSelection,
    Timestamp,
};
use mysql_async::prelude::ColumnIndex;
use mysql_async::{Row, Value};

use crate::config::MysqlConfig;
use crate::gtid::GtidSet;
use crate::position::Coordinates;
use crate::session::{Session, connect};
use crate::shape::{ColumnShape, TableShape};
use crate::sql;

/// A table with rows of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it takes to read its rows.
    pub shape: TableShape,
    /// The storage engine.
    pub engine: String,
    /// How many rows the server believes it has.
    pub rows_estimate: Option<u64>,
}

impl Table {
    /// Whether it can be read as of a moment: only `InnoDB` keeps what rows were.
    pub fn keeps_versions(&self) -> bool {
        self.engine.eq_ignore_ascii_case("InnoDB")
    }
}

/// Anything that is listed among the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) name: TableName,
    /// `BASE TABLE`, `VIEW`, `SYSTEM VERSIONED`, `SEQUENCE`.
    pub(crate) kind: String,
}

impl Relation {
    pub(crate) fn has_rows(&self) -> bool {
        self.kind == "BASE TABLE"
    }
}

/// Where the log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The end of the last transaction written.
    pub at: Coordinates,
    /// The transactions before it, where the server names them so. Read first, so it may lack
    /// the last ones, but never names one that is not before the place.
    pub gtids: Option<GtidSet>,
}

/// The wanted tables as they are now, as the contract describes them.
pub async fn discover(
    config: &MysqlConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<TableSchema>, SourceError> {
    let mut session = connect(config).await?;
    let identity = identity(&mut session).await?;
    let tables = tables(&mut session, |table| selection.wants(table)).await?;
    session.close().await;
    Ok(tables.iter().map(|table| table.shape.schema(identity)).collect())
}

/// The tables that are asked for, in the order of their names.
pub async fn tables(
    session: &mut Session,
    asked: impl Fn(&TableName) -> bool,
) -> Result<Vec<Table>, SourceError> {
    let mut names = relations(session).await?;
    names.retain(|relation| relation.has_rows() && asked(&relation.name));
    let names: Vec<TableName> = names.into_iter().map(|relation| relation.name).collect();
    describe(session, &names).await
}

/// The system's own databases, which no mapping can want.
pub(crate) const SYSTEM: &str =
    "('information_schema', 'mysql', 'performance_schema', 'sys', 'innodb')";

/// Everything that is listed among the tables, in the order of the names.
pub(crate) async fn relations(session: &mut Session) -> Result<Vec<Relation>, SourceError> {
    let sql = format!(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables \
         WHERE table_schema NOT IN {SYSTEM}"
    );
    let relation = |row: &Row| Relation { name: name(row), kind: text(row, 2) };
    let mut relations = session.read("list the tables", &sql, relation).await?;
    // Not by the server: its order of names depends on a collation.
    relations.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(relations)
}

/// Describes tables by their names; one that is gone is left out.
pub(crate) async fn describe(
    session: &mut Session,
    names: &[TableName],
) -> Result<Vec<Table>, SourceError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<&TableName> = names.iter().collect();
    let among = among(names);
    let mut sizes = sizes(session, &among).await?;
    let mut keys = primary_keys(session, &among).await?;
    let mut columns = columns(session, &among).await?;
    let mut tables = Vec::new();
    for name in names {
        let Some(Size { engine, rows_estimate }) = sizes.remove(name) else { continue };
        let mut columns = columns.remove(name).unwrap_or_default();
        let key = keys.remove(name).unwrap_or_default();
        for column in &mut columns {
            column.key = key.get(&column.name).copied();
        }
        let shape = TableShape { schema: name.schema.clone(), table: name.table.clone(), columns };
        tables.push(Table { shape, engine, rows_estimate });
    }
    tables.retain(|table| wanted.contains(&table.shape.name()));
    Ok(tables)
}

/// A condition on names. The server compares them without case, so more may come than is asked.
fn among(names: &[TableName]) -> String {
    let mut schemas: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in names {
        schemas.entry(&name.schema).or_default().push(sql::literal(&name.table));
    }
    let condition = |(schema, tables): (&str, Vec<String>)| {
        let schema = sql::literal(schema);
        format!("(table_schema = {schema} AND table_name IN ({}))", tables.join(", "))
    };
    schemas.into_iter().map(condition).collect::<Vec<_>>().join(" OR ")
}

struct Size {
    engine: String,
    rows_estimate: Option<u64>,
}

async fn sizes(
    session: &mut Session,
    among: &str,
) -> Result<HashMap<TableName, Size>, SourceError> {
    let sql = format!(
        "SELECT table_schema, table_name, engine, table_rows FROM information_schema.tables \
         WHERE ({among})"
    );
    let size =
        |row: &Row| (name(row), Size { engine: text(row, 2), rows_estimate: number(row, 3) });
    Ok(session.read("describe the tables", &sql, size).await?.into_iter().collect())
}

/// The columns of a key and their places in it, from 1.
type Key = HashMap<String, u16>;

async fn primary_keys(
    session: &mut Session,
    among: &str,
) -> Result<HashMap<TableName, Key>, SourceError> {
    let sql = format!(
        "SELECT table_schema, table_name, column_name, seq_in_index \
         FROM information_schema.statistics WHERE index_name = 'PRIMARY' AND ({among})"
    );
    let mut keys: HashMap<TableName, Key> = HashMap::new();
    let part = |row: &Row| (name(row), text(row, 2), number(row, 3));
    for (table, column, place) in session.read("list the primary keys", &sql, part).await? {
        let place = place.and_then(|place| u16::try_from(place).ok());
        keys.entry(table).or_default().extend(place.map(|place| (column, place)));
    }
    Ok(keys)
}

async fn columns(
    session: &mut Session,
    among: &str,
) -> Result<HashMap<TableName, Vec<ColumnShape>>, SourceError> {
    let sql = format!(
        "SELECT table_schema, table_name, column_name, data_type, column_type, \
         character_set_name, character_octet_length, datetime_precision, is_nullable, extra \
         FROM information_schema.columns WHERE ({among}) \
         ORDER BY table_schema, table_name, ordinal_position"
    );
    let mut columns: HashMap<TableName, Vec<ColumnShape>> = HashMap::new();
    for (table, column) in session.read("list the columns", &sql, column).await? {
        columns.entry(table).or_default().push(column);
    }
    Ok(columns)
}

fn column(row: &Row) -> (TableName, ColumnShape) {
    let precision = number(row, 7).and_then(|precision| u8::try_from(precision).ok());
    let shape = ColumnShape {
        name: text(row, 2),
        data_type: text(row, 3).to_ascii_lowercase(),
        column_type: text(row, 4),
        character_set: optional(row, 5),
        octet_length: number(row, 6),
        datetime_precision: precision,
        nullable: text(row, 8) == "YES",
        key: None,
        generated: is_generated(&text(row, 9)),
    };
    (name(row), shape)
}

/// `VIRTUAL GENERATED` and `STORED GENERATED`, before MariaDB 10.2 `VIRTUAL` and `PERSISTENT`.
/// `DEFAULT_GENERATED` is a column with an expression as its default.
fn is_generated(extra: &str) -> bool {
    let mut words = extra.split([' ', ',']);
    words.any(|word| matches!(word, "VIRTUAL" | "STORED" | "PERSISTENT"))
}

/// What old images carry, as the server is set now. Sessions may have it otherwise.
pub(crate) async fn identity(session: &mut Session) -> Result<ReplicaIdentity, SourceError> {
    // Servers before 5.6 have no such setting, and log whole rows.
    let image = variables(session, &["binlog_row_image"]).await?.remove("binlog_row_image");
    let full = image.is_none_or(|image| image.eq_ignore_ascii_case("FULL"));
    Ok(if full { ReplicaIdentity::Full } else { ReplicaIdentity::Key })
}

/// The server's global settings of these names, in lower case; one this server does not know is
/// left out, where `SELECT @@…` would be an error.
pub(crate) async fn variables(
    session: &mut Session,
    names: &[&str],
) -> Result<HashMap<String, String>, SourceError> {
    let names: Vec<String> = names.iter().map(|name| sql::literal(name)).collect();
    let sql = format!("SHOW GLOBAL VARIABLES WHERE variable_name IN ({})", names.join(", "));
    let setting = |row: &Row| (text(row, 0).to_ascii_lowercase(), text(row, 1));
    Ok(session.read("read the server's settings", &sql, setting).await?.into_iter().collect())
}

/// Where the log ends. `MASTER` went with `MySQL` 8.4, `BINARY LOG` came with 8.2 and is not known
/// to older `MariaDB` servers.
pub async fn log_end(session: &mut Session) -> Result<LogEnd, SourceError> {
    let doing = "ask where the log ends";
    let statement =
        if session.speaks_of_sources() { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let read = session.read(doing, statement, |row| {
        let at = Coordinates::new(text(row, "File"), number(row, "Position")?);
        // The server breaks a long set into lines.
        let gtids = optional(row, "Executed_Gtid_Set").map(|set| set.replace(['\n', ' '], ""));
        let gtids = gtids.filter(|set| !set.is_empty()).and_then(|set| set.parse().ok());
        Some(LogEnd { at, gtids })
    });
    read.await?.into_iter().flatten().next().ok_or_else(no_log)
}

/// The place in the log of a snapshot that was just taken: `MariaDB` only.
/// <https://mariadb.com/kb/en/enhancements-for-start-transaction-with-consistent-snapshot/>
pub(crate) async fn snapshot_place(session: &mut Session) -> Result<Coordinates, SourceError> {
    let doing = "ask for the snapshot's place in the log";
    let status = |row: &Row| (text(row, 0).to_ascii_lowercase(), text(row, 1));
    let sql = "SHOW STATUS LIKE 'binlog_snapshot_%'";
    let mut status: HashMap<_, _> = session.read(doing, sql, status).await?.into_iter().collect();
    let file = status.remove("binlog_snapshot_file").filter(|file| !file.is_empty());
    let offset = status.remove("binlog_snapshot_position").and_then(|text| text.parse().ok());
    file.zip(offset).map(|(file, offset)| Coordinates::new(file, offset)).ok_or_else(no_log)
}

/// The last transaction of each domain before a place: `MariaDB` only.
/// <https://mariadb.com/kb/en/binlog_gtid_pos/>
pub(crate) async fn gtids_before(
    session: &mut Session,
    at: &Coordinates,
) -> Result<Option<GtidSet>, SourceError> {
    let sql = format!("SELECT BINLOG_GTID_POS({}, {})", sql::literal(&at.file), at.offset);
    let read = session.read("ask which transactions a place stands for", &sql, |row| text(row, 0));
    let gtids = read.await?.into_iter().next().filter(|gtids| !gtids.is_empty());
    Ok(gtids.and_then(|gtids| gtids.parse().ok()))
}

/// The server's clock, when the question was taken up.
pub(crate) async fn clock(session: &mut Session) -> Result<Timestamp, SourceError> {
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)";
    let micros = session.read("read the server's clock", sql, |row| text(row, 0).parse().ok());
    let micros = micros.await?.into_iter().flatten().next();
    Ok(Timestamp::from_micros(micros.unwrap_or_default()))
}

pub(crate) fn no_log() -> SourceError {
    SourceError::new(SourceErrorKind::Setup, "the server writes no binary log")
        .with_hint("set log_bin and binlog_format=ROW in the server's configuration and restart it")
}

/// A row's first two cells as a name.
fn name(row: &Row) -> TableName {
    TableName::new(text(row, 0), text(row, 1))
}

/// A cell as text; empty for NULL and for a column that this server does not have.
pub(crate) fn text(row: &Row, column: impl ColumnIndex + Copy) -> String {
    optional(row, column).unwrap_or_default()
}

/// A cell as text, if there is any.
pub(crate) fn optional(row: &Row, column: impl ColumnIndex + Copy) -> Option<String> {
    let place = column.idx(row.columns_ref())?;
    match row.as_ref(place)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A cell as a number, if it is one.
pub(crate) fn number(row: &Row, column: impl ColumnIndex + Copy) -> Option<u64> {
    optional(row, column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_that_is_an_expression_makes_no_generated_column() {
        for (extra, generated) in [
            ("", false),
            ("auto_increment", false),
            ("DEFAULT_GENERATED on update CURRENT_TIMESTAMP", false),
            ("VIRTUAL GENERATED", true),
            ("STORED GENERATED", true),
            ("PERSISTENT", true),
            ("STORED GENERATED, INVISIBLE", true),
        ] {
            assert_eq!(is_generated(extra), generated, "{extra}");
        }
    }

    #[test]
    fn names_of_one_database_are_asked_for_together() {
        let names = [("b", "x"), ("a", "it's"), ("b", "y")].map(|(s, t)| TableName::new(s, t));
        assert_eq!(
            among(&names),
            "(table_schema = 'a' AND table_name IN ('it''s')) OR \
             (table_schema = 'b' AND table_name IN ('x', 'y'))"
        );
    }
}
