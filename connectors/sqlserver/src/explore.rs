//! Looking around for the tools: which tables there are, and some of their rows.
//!
//! # Why this does not hurt a database in use
//!
//! Only SELECT is asked, each time of one table, with a deadline and a short patience for locks;
//! such a session gives way in every deadlock. A sample is limited by `TOP` and ordered only by the
//! primary key, which is an index: the server reads it backwards and stops after the limit. Where
//! rows are asked for by their columns nothing is ordered, because an order would invite it to walk
//! the whole index of the key instead of looking the rows up. Values travel as parameters that are
//! turned into the column's own type, so that an index on it is used.

use std::sync::Arc;

use erpbridge_connector::{
    EXPLORE_DEADLINE, EXPLORE_LOCK_WAIT, Explored, SAMPLE_BYTES, Sample, Sampled, SourceError,
    SourceErrorKind, TableName, TableSchema,
};

use crate::catalog::{self, Described, Instance, TableColumn};
use crate::cell::Cell;
use crate::config::SqlServerConfig;
use crate::session::{Parameter, Row, Session, connect};
use crate::sql;
use crate::values::key_text;

/// A statement takes fewer than 2,100 parameters.
const MOST_PARAMETERS: usize = 2_000;

/// The names of all tables a mapping may name.
pub(crate) async fn names(config: &SqlServerConfig) -> Result<Vec<TableName>, SourceError> {
    let mut session = open(config).await?;
    let mut names = catalog::tables(&mut session).await?;
    session.close().await;
    // The server orders by its own collation.
    names.sort();
    Ok(names)
}

/// These tables as they are now.
pub(crate) async fn describe(
    config: &SqlServerConfig,
    tables: &[TableName],
) -> Result<Vec<Explored>, SourceError> {
    let mut session = open(config).await?;
    let instances = instances(&mut session).await?;
    let mut explored = Vec::new();
    for name in tables {
        let Described { schema, columns } =
            catalog::describe(&mut session, name.clone(), &instances).await?;
        if columns.is_empty() {
            continue;
        }
        explored.push(Explored {
            nullable: columns.iter().map(|column| column.nullable).collect(),
            rows_estimate: catalog::rows_estimate(&mut session, name).await?,
            schema: Arc::new(schema),
        });
    }
    session.close().await;
    Ok(explored)
}

/// A database that is not captured yet can be looked at, too.
async fn instances(session: &mut Session) -> Result<Vec<Instance>, SourceError> {
    match catalog::instances(session).await {
        Err(_) if session.is_usable() => Ok(Vec::new()),
        instances => instances,
    }
}

/// Some rows of a table.
pub(crate) async fn sample(
    config: &SqlServerConfig,
    asked: &Sample,
) -> Result<Sampled, SourceError> {
    let mut session = open(config).await?;
    let instances = instances(&mut session).await?;
    let described = catalog::describe(&mut session, asked.table.clone(), &instances).await?;
    let columns = &described.columns;
    if columns.is_empty() {
        return Err(refused(asked, "there is no such table"));
    }
    let mut rows = Rows { texts: Vec::new(), bytes: 0, max_row_bytes: config.max_row_bytes };
    if asked.columns.is_empty() {
        let statement = newest(&described.schema, columns);
        rows.read(&mut session, asked, &statement, &[]).await?;
    } else {
        let compared = compared(asked, columns)?;
        let at_once = std::cmp::max(MOST_PARAMETERS / asked.columns.len(), 1);
        for keys in asked.keys.chunks(at_once) {
            let statement = matching(&described.schema.name, columns, &compared, keys.len());
            let texts: Vec<String> = keys.iter().flat_map(|key| bound(&compared, key)).collect();
            rows.read(&mut session, asked, &statement, &texts).await?;
        }
    }
    session.close().await;
    Ok(Sampled { table: Arc::new(described.schema), rows: rows.texts })
}

/// A session that cannot stand in anybody's way.
async fn open(config: &SqlServerConfig) -> Result<Session, SourceError> {
    let (lock_timeout, query_timeout) = (EXPLORE_LOCK_WAIT, EXPLORE_DEADLINE);
    connect(&SqlServerConfig { lock_timeout, query_timeout, ..config.clone() }).await
}

fn refused(asked: &Sample, why: &str) -> SourceError {
    let message = format!("sample table `{}`: {why}", asked.table);
    SourceError::new(SourceErrorKind::Setup, message)
}

/// The columns that are compared, in the order in which their values are given.
fn compared<'c>(
    asked: &Sample,
    columns: &'c [TableColumn],
) -> Result<Vec<&'c TableColumn>, SourceError> {
    let column = |name: &String| {
        let found = columns.iter().find(|column| column.name == *name);
        let found = found.ok_or_else(|| refused(asked, &format!("it has no column `{name}`")))?;
        match found.sql_type.equals(&found.name, 1) {
            Some(_) => Ok(found),
            None => Err(refused(asked, &format!("values of `{name}` cannot be compared"))),
        }
    };
    asked.columns.iter().map(column).collect()
}

/// The newest rows by primary key; the first that come without one.
fn newest(table: &TableSchema, columns: &[TableColumn]) -> String {
    let key = table.primary_key.iter().filter_map(|place| table.columns.get(*place));
    let key: Vec<String> =
        key.map(|column| format!("{} DESC", sql::identifier(&column.name))).collect();
    let order =
        if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
    format!("{}{order}", select(&table.name, columns))
}

/// The rows whose columns are as one of so many keys says.
fn matching(
    table: &TableName,
    columns: &[TableColumn],
    compared: &[&TableColumn],
    keys: usize,
) -> String {
    let one = |key: usize| {
        let first = 2 + key * compared.len();
        let tests = (first..)
            .zip(compared)
            .filter_map(|(place, column)| column.sql_type.equals(&column.name, place));
        format!("({})", tests.collect::<Vec<_>>().join(" AND "))
    };
    let keys: Vec<String> = (0..keys).map(one).collect();
    format!("{} WHERE {}", select(table, columns), keys.join(" OR "))
}

fn select(table: &TableName, columns: &[TableColumn]) -> String {
    let list = columns.iter().map(|column| column.sql_type.selected(&column.name));
    let list = list.collect::<Vec<_>>().join(", ");
    format!("SELECT TOP (@P1) {list} FROM {}", sql::table(table))
}

/// The texts of a key as they are bound; a missing one is no value of anything.
fn bound(compared: &[&TableColumn], key: &[String]) -> Vec<String> {
    let text = |(place, column): (usize, &&TableColumn)| {
        let text = key.get(place).map(String::as_str).unwrap_or_default();
        key_text(column.sql_type.kind(), text)
    };
    compared.iter().enumerate().map(text).collect()
}

/// Rows read so far.
struct Rows {
    texts: Vec<Vec<Option<String>>>,
    bytes: usize,
    max_row_bytes: usize,
}

impl Rows {
    async fn read(
        &mut self,
        session: &mut Session,
        asked: &Sample,
        statement: &str,
        texts: &[String],
    ) -> Result<(), SourceError> {
        let left = asked.limit.saturating_sub(self.texts.len());
        // A session with an answer that was not read to its end is of no use any more.
        if left == 0 || !session.is_usable() {
            return Ok(());
        }
        let doing = format!("sample table `{}`", asked.table);
        let mut parameters = vec![Parameter::Integer(i64::try_from(left).unwrap_or(i64::MAX))];
        parameters.extend(texts.iter().map(|text| Parameter::Text(text)));
        let mut answer = session.ask(&doing, statement, &parameters).await?;
        while let Some(row) = answer.next().await? {
            let weight = row.weight();
            self.bytes += weight;
            if weight > self.max_row_bytes || self.bytes > SAMPLE_BYTES {
                break;
            }
            self.texts.push(texts_of(&row));
        }
        Ok(())
    }
}

fn texts_of(row: &Row) -> Vec<Option<String>> {
    let text = |cell: &Cell| match cell {
        Cell::Null => None,
        cell => {
            let mut text = String::new();
            cell.write(&mut text);
            Some(text)
        }
    };
    row.cells_from(0).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::testkit::table;

    use super::*;
    use crate::values::SqlType;

    fn column(name: &str, sql_type: &str) -> TableColumn {
        let sql_type = SqlType { name: sql_type.to_owned(), ..SqlType::default() };
        TableColumn { name: name.to_owned(), sql_type, nullable: false }
    }

    #[test]
    fn only_an_index_gives_an_order_and_values_stay_values() {
        let lines = table("dbo.line(ord integer key, pos integer key, total decimal)");
        let columns = [column("ord", "int"), column("pos", "int"), column("total", "money")];
        let any = newest(&lines, &columns);
        assert!(any.ends_with("FROM [dbo].[line] ORDER BY [ord] DESC, [pos] DESC"), "{any}");
        let some = matching(&lines.name, &columns, &[&columns[0], &columns[2]], 2);
        let filter = "WHERE ([ord] = CAST(@P2 AS int) AND [total] = CAST(@P3 AS money)) \
                      OR ([ord] = CAST(@P4 AS int) AND [total] = CAST(@P5 AS money))";
        assert!(some.ends_with(filter), "{some}");
    }
}
