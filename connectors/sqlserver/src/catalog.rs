//! What the server knows about its tables and captures: one function per query.
//!
//! Everything is read with the rights the bridge needs anyway: SELECT on the schema `cdc` and on
//! the tables. The flags that say whether a database or table is captured are not asked, because
//! compatible servers leave them unset; the tables of `cdc` themselves tell.

use std::collections::HashMap;
use std::sync::Arc;

use erpbridge_connector::{
    Column, ReplicaIdentity, SourceError, SourceErrorKind, TableName, TableSchema, TableSelection,
};

use crate::config::SqlServerConfig;
use crate::error_number::INVALID_OBJECT;
use crate::position::Lsn;
use crate::session::{Parameter, Row, Session, connect, told};
use crate::sql;
use crate::values::{Large, SqlType};

/// A capture instance: one change table and what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The change table's object id; another one at each enabling.
    pub id: i64,
    /// The captured table's object id.
    pub table_id: i64,
    /// The captured table, as the database spells it; none if we may not see it.
    pub table: Option<TableName>,
    /// The instance's name.
    pub name: String,
    /// Changes from here on are in it: where it began, or what the cleanup has left. None until
    /// capture has come to its begin.
    pub start: Option<Lsn>,
    /// When it was made, in microseconds of the server's local time.
    pub made: i64,
    /// The role whose members may read it through the server's functions.
    pub role: Option<String>,
    /// Whether its rows carry the order of their commands.
    pub ordered: bool,
}

/// One captured column of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedColumn {
    /// Its name.
    pub name: String,
    /// Its place in the update mask, from 1.
    pub ordinal: usize,
    /// Whether it is worked out from others, which the log never carries.
    pub computed: bool,
}

/// What the rows of a change table are.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The table as the log shows it.
    pub schema: Arc<TableSchema>,
    /// For each column of the schema, how it is asked for and what of it may be missing.
    pub columns: Vec<LogColumn>,
}

/// One column of a [`Shape`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogColumn {
    /// Its expression in a select list.
    pub selected: String,
    /// Its place in the update mask, from 1.
    pub ordinal: usize,
    /// Whether it is left out where it did not change.
    pub large: Large,
}

/// A column of a table with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-change-tables-transact-sql>
const INSTANCES: &str = "
SELECT ct.object_id, ct.source_object_id,
       OBJECT_SCHEMA_NAME(ct.source_object_id), OBJECT_NAME(ct.source_object_id),
       ct.capture_instance, ct.start_lsn, CAST(ct.create_date AS datetime2(3)), ct.role_name,
       COL_LENGTH('cdc.' + QUOTENAME(ct.capture_instance + '_CT'), '__$command_id')
FROM cdc.change_tables AS ct
ORDER BY ct.source_object_id, ct.create_date, ct.object_id";

/// All capture instances of the database, those of one table from the oldest to the newest.
pub async fn instances(session: &mut Session) -> Result<Vec<Instance>, SourceError> {
    let doing = "list the capture instances";
    let rows = session.patient_rows(doing, INSTANCES, &[]).await.map_err(not_enabled)?;
    rows.iter().map(|row| instance(row).ok_or_else(|| senseless(doing))).collect()
}

/// Where an instance begins. Zeros are how the server says that it does not know; taken for a
/// place, they would lie before every other, and nothing would ever be missed.
pub(crate) fn begin(bytes: Option<&[u8]>) -> Option<Lsn> {
    bytes.and_then(Lsn::from_bytes).filter(|lsn| *lsn > Lsn::ZERO)
}

fn instance(row: &Row) -> Option<Instance> {
    let table = row.text(2).zip(row.text(3));
    Some(Instance {
        id: row.integer(0)?,
        table_id: row.integer(1)?,
        table: table.map(|(schema, table)| TableName::new(schema, table)),
        name: row.text(4)?.to_owned(),
        start: begin(row.bytes(5)),
        made: row.cell(6).micros().unwrap_or_default(),
        role: row.text(7).map(str::to_owned),
        ordered: row.integer(8).is_some(),
    })
}

/// Without change data capture there is no schema `cdc`.
pub(crate) fn not_enabled(error: SourceError) -> SourceError {
    if told(&error) != Some(INVALID_OBJECT) {
        return error;
    }
    let message = "change data capture is not enabled in this database";
    SourceError::new(SourceErrorKind::Setup, message).with_cause(error).with_hint(
        "run in it EXEC sys.sp_cdc_enable_db as sysadmin, then enable the tables; `check` prints \
         the statements",
    )
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/cdc-captured-columns-transact-sql>
const CAPTURED_COLUMNS: &str = "
SELECT cc.column_name, cc.column_ordinal, cc.is_computed
FROM cdc.captured_columns AS cc
WHERE cc.object_id = @P1
ORDER BY cc.column_ordinal";

/// The captured columns of an instance, in the order of the update mask.
pub async fn captured_columns(
    session: &mut Session,
    instance: &Instance,
) -> Result<Vec<CapturedColumn>, SourceError> {
    let doing = format!("list the captured columns of instance `{}`", instance.name);
    let rows =
        session.patient_rows(&doing, CAPTURED_COLUMNS, &[Parameter::Integer(instance.id)]).await?;
    let column = |row: &Row| {
        Some(CapturedColumn {
            name: row.text(0)?.to_owned(),
            ordinal: usize::try_from(row.integer(1)?).ok()?,
            computed: row.flag(2),
        })
    };
    rows.iter().map(|row| column(row).ok_or_else(|| senseless(&doing))).collect()
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-information-schema-views/columns-transact-sql>
const COLUMNS: &str = "
SELECT c.COLUMN_NAME, c.DATA_TYPE, c.CHARACTER_MAXIMUM_LENGTH, c.NUMERIC_PRECISION,
       COALESCE(c.NUMERIC_SCALE, c.DATETIME_PRECISION), c.COLLATION_NAME, c.IS_NULLABLE
FROM INFORMATION_SCHEMA.COLUMNS AS c
WHERE c.TABLE_SCHEMA = @P1 AND c.TABLE_NAME = @P2
ORDER BY c.ORDINAL_POSITION";

/// The columns of a table with their types.
pub async fn columns(
    session: &mut Session,
    table: &TableName,
) -> Result<Vec<TableColumn>, SourceError> {
    let doing = format!("list the columns of `{table}`");
    let named = [Parameter::Text(&table.schema), Parameter::Text(&table.table)];
    let rows = session.patient_rows(&doing, COLUMNS, &named).await?;
    Ok(rows.iter().map(column).collect())
}

fn column(row: &Row) -> TableColumn {
    let sql_type = SqlType {
        name: row.string(1).to_ascii_lowercase(),
        length: row.integer(2),
        precision: row.integer(3),
        scale: row.integer(4),
        collation: row.text(5).map(str::to_owned),
    };
    let nullable = row.text(6).is_none_or(|answer| answer.eq_ignore_ascii_case("yes"));
    TableColumn { name: row.string(0), sql_type, nullable }
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-information-schema-views/key-column-usage-transact-sql>
const PRIMARY_KEY: &str = "
SELECT k.COLUMN_NAME
FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS t
JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k
  ON k.CONSTRAINT_SCHEMA = t.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = t.CONSTRAINT_NAME
WHERE t.CONSTRAINT_TYPE = 'PRIMARY KEY' AND t.TABLE_SCHEMA = @P1 AND t.TABLE_NAME = @P2
ORDER BY k.ORDINAL_POSITION";

/// The columns of a table's primary key, in key order; none without one.
pub async fn primary_key(
    session: &mut Session,
    table: &TableName,
) -> Result<Vec<String>, SourceError> {
    let doing = format!("read the primary key of `{table}`");
    let named = [Parameter::Text(&table.schema), Parameter::Text(&table.table)];
    let rows = session.patient_rows(&doing, PRIMARY_KEY, &named).await?;
    Ok(rows.iter().map(|row| row.string(0)).collect())
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-information-schema-views/tables-transact-sql>
const TABLES: &str = "
SELECT t.TABLE_SCHEMA, t.TABLE_NAME
FROM INFORMATION_SCHEMA.TABLES AS t
WHERE t.TABLE_TYPE = 'BASE TABLE' AND t.TABLE_SCHEMA <> 'cdc'
ORDER BY t.TABLE_SCHEMA, t.TABLE_NAME";

/// All tables we may see.
pub async fn tables(session: &mut Session) -> Result<Vec<TableName>, SourceError> {
    let rows = session.patient_rows("list the tables", TABLES, &[]).await?;
    Ok(rows.iter().map(|row| TableName::new(row.string(0), row.string(1))).collect())
}

/// A name as the mappings spell it, where they name it outright in another case: most databases
/// do not tell the cases apart, and compatible servers print names in lower case.
pub fn spelled(name: TableName, selection: &dyn TableSelection) -> TableName {
    if selection.wants(&name) {
        return name;
    }
    let same = |named: &TableName| {
        named.schema.eq_ignore_ascii_case(&name.schema)
            && named.table.eq_ignore_ascii_case(&name.table)
    };
    selection.named().into_iter().find(same).unwrap_or(name)
}

/// What the rows of an instance's change table are, for a table of this name.
pub async fn shape(
    session: &mut Session,
    instance: &Instance,
    table: &TableName,
) -> Result<Shape, SourceError> {
    let captured = captured_columns(session, instance).await?;
    let change_table = TableName::new("cdc", format!("{}_CT", instance.name));
    let types = columns(session, &change_table).await?;
    let own_name = instance.table.as_ref().unwrap_or(table);
    let key = primary_key(session, own_name).await?;
    let types: HashMap<String, SqlType> =
        types.into_iter().map(|column| (column.name.to_lowercase(), column.sql_type)).collect();
    let known = captured.into_iter().filter(|column| !column.computed).filter_map(|column| {
        let sql_type = types.get(&column.name.to_lowercase())?;
        Some((column, sql_type))
    });
    let (schema_columns, columns): (Vec<Column>, Vec<LogColumn>) = known
        .map(|(column, sql_type)| {
            let log = LogColumn {
                selected: sql_type.selected(&column.name),
                ordinal: column.ordinal,
                large: sql_type.large(),
            };
            (self::schema_column(column.name, sql_type, false), log)
        })
        .unzip();
    let schema = Arc::new(schema(table.clone(), schema_columns, &key));
    Ok(Shape { schema, columns })
}

fn schema_column(name: String, sql_type: &SqlType, missing_in_log: bool) -> Column {
    Column { name, kind: sql_type.kind(), type_name: sql_type.spelled(), missing_in_log }
}

/// A key of which the log lacks a column is no key there.
fn schema(name: TableName, columns: Vec<Column>, key: &[String]) -> TableSchema {
    let place =
        |key: &String| columns.iter().position(|column| column.name.eq_ignore_ascii_case(key));
    let primary_key = key.iter().map(place).collect::<Option<_>>().unwrap_or_default();
    TableSchema { name, columns, primary_key, identity: ReplicaIdentity::Full }
}

/// Every wanted table, captured or not, with the columns the log will not carry marked.
pub async fn discover(
    config: &SqlServerConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<TableSchema>, SourceError> {
    let mut session = connect(config).await?;
    let instances = instances(&mut session).await?;
    let mut schemas = Vec::new();
    for own_name in tables(&mut session).await? {
        let name = spelled(own_name.clone(), selection);
        if selection.wants(&name) {
            let described = describe(&mut session, own_name, &instances).await?;
            schemas.push(TableSchema { name, ..described.schema });
        }
    }
    session.close().await;
    Ok(schemas)
}

/// A table as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Its shape, with the columns the log will not carry marked.
    pub(crate) schema: TableSchema,
    /// Its columns in the same order.
    pub(crate) columns: Vec<TableColumn>,
}

/// Describes a table as it is now; its newest instance tells what the log carries.
pub(crate) async fn describe(
    session: &mut Session,
    name: TableName,
    instances: &[Instance],
) -> Result<Described, SourceError> {
    let own = |instance: &&Instance| instance.table.as_ref() == Some(&name);
    let captured = match instances.iter().rev().find(own) {
        Some(instance) => captured_columns(session, instance).await?,
        None => Vec::new(),
    };
    let in_log = |name: &str| {
        let same =
            |column: &CapturedColumn| !column.computed && column.name.eq_ignore_ascii_case(name);
        captured.iter().any(same)
    };
    let key = primary_key(session, &name).await?;
    let columns = columns(session, &name).await?;
    let shown = columns
        .iter()
        .map(|column| schema_column(column.name.clone(), &column.sql_type, !in_log(&column.name)));
    Ok(Described { schema: schema(name, shown.collect(), &key), columns })
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-partitions-transact-sql>
const ROWS: &str = "
SELECT SUM(p.rows) FROM sys.partitions AS p
WHERE p.object_id = OBJECT_ID(@P1) AND p.index_id IN (0, 1)";

/// How many rows the server believes a table has; none where it does not tell.
pub async fn rows_estimate(
    session: &mut Session,
    table: &TableName,
) -> Result<Option<u64>, SourceError> {
    let quoted = sql::table(table);
    match session.row("ask how large the table is", ROWS, &[Parameter::Text(&quoted)]).await {
        Ok(row) => Ok(row.and_then(|row| u64::try_from(row.integer(0)?).ok())),
        // It is only for people.
        Err(_) if session.is_usable() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn senseless(doing: &str) -> SourceError {
    let message = format!("{doing}: the server's answer makes no sense");
    SourceError::new(SourceErrorKind::Decode, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_no_begin_of_an_instance() {
        let lsn: Lsn = "0000002a:00000198:0003".parse().unwrap();
        assert_eq!(begin(Some(lsn.as_bytes())), Some(lsn));
        assert_eq!(begin(Some(&[0; 10])), None);
        assert_eq!(begin(None), None);
    }
}
