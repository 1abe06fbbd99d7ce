//! Looking around for the tools: which tables there are, and some of their rows.
//!
//! # Why this does not hurt a database in use
//!
//! Every question runs in a read-only transaction with a deadline and a short patience for locks.
//! A sample is `LIMIT`ed, and ordered only by the primary key, which is an index: sorting is
//! turned off for the planner, so it reads the index backwards and stops after the limit. Where
//! rows are asked for by their columns nothing is ordered, because an order would invite the
//! planner to walk the whole index of the key instead of looking the rows up. Values travel as
//! literals without a type, which take the column's own, so that an index on it is used.

use std::pin::pin;

use erpbridge_connector::{
    EXPLORE_DEADLINE, EXPLORE_LOCK_WAIT, Explored, SAMPLE_BYTES, Sample, Sampled, SourceError,
    SourceErrorKind, TableName, TableSchema,
};
use futures_util::TryStreamExt;

use crate::config::PostgresConfig;
use crate::session::{Session, connect, server_error};
use crate::{catalog, copy, sql, values};

/// The names of all tables a mapping may name.
pub(crate) async fn names(config: &PostgresConfig) -> Result<Vec<TableName>, SourceError> {
    let session = open(config).await?;
    let published = catalog::published(&session, &config.publication).await?;
    let mut relations = catalog::relations(&session).await?;
    session.close().await;
    relations.retain(|relation| {
        let published = published.iter().any(|table| table.oid == relation.oid);
        catalog::has_own_rows(relation, published)
    });
    let mut names: Vec<TableName> = relations.into_iter().map(|relation| relation.name).collect();
    // The server orders by its own collation.
    names.sort();
    Ok(names)
}

/// These tables as they are now.
pub(crate) async fn describe(
    config: &PostgresConfig,
    tables: &[TableName],
) -> Result<Vec<Explored>, SourceError> {
    let session = open(config).await?;
    let asked = |name: &TableName| tables.contains(name);
    let mut found = catalog::explore(&session, &config.publication, asked).await?;
    session.close().await;
    found.sort_by_key(|found| tables.iter().position(|name| *name == found.schema.name));
    Ok(found)
}

/// Some rows of a table.
pub(crate) async fn sample(
    config: &PostgresConfig,
    asked: &Sample,
) -> Result<Sampled, SourceError> {
    let session = open(config).await?;
    let named = |name: &TableName| *name == asked.table;
    let found = catalog::explore(&session, &config.publication, named).await?;
    let table = found.into_iter().next().map(|found| found.schema).ok_or_else(|| {
        let message = format!("sample table `{}`: there is no such table", asked.table);
        SourceError::new(SourceErrorKind::Setup, message)
    })?;
    let unknown = asked.columns.iter().find(|column| table.column(column).is_none());
    if let Some(column) = unknown {
        let message = format!("sample table `{}`: it has no column `{column}`", asked.table);
        return Err(SourceError::new(SourceErrorKind::Setup, message));
    }
    let rows = match select(&table, asked) {
        Some(statement) => rows(&session, &table, &statement, config.max_row_bytes).await?,
        None => Vec::new(),
    };
    session.close().await;
    Ok(Sampled { table, rows })
}

/// A session in a read-only transaction that cannot stand in anybody's way. It ends with the
/// session.
async fn open(config: &PostgresConfig) -> Result<Session, SourceError> {
    let session = connect(config).await?;
    let statements = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
         SET LOCAL statement_timeout = {};
         SET LOCAL lock_timeout = {};
         SET LOCAL enable_sort = off;
         SET LOCAL max_parallel_workers_per_gather = 0",
        EXPLORE_DEADLINE.as_millis(),
        EXPLORE_LOCK_WAIT.as_millis()
    );
    let begun = session.client().batch_execute(&statements).await;
    begun.map_err(|error| server_error(error, "begin to look at the database"))?;
    Ok(session)
}

/// The statement; none where nothing can be found.
///
/// Unlike in the snapshot, rows of tables that inherit are taken in where there is no index to
/// read backwards, which only a person looking would notice.
fn select(table: &TableSchema, asked: &Sample) -> Option<String> {
    let nothing = asked.limit == 0 || table.columns.is_empty();
    if nothing || (!asked.columns.is_empty() && asked.keys.is_empty()) {
        return None;
    }
    let columns = sql::identifiers(table.columns.iter().map(|column| column.name.as_str()));
    let filter = if asked.columns.is_empty() { newest(table) } else { filter(asked) };
    let (name, limit) = (sql::table(&table.name), asked.limit);
    Some(format!("COPY (SELECT {columns} FROM {name}{filter} LIMIT {limit}) TO STDOUT"))
}

fn newest(table: &TableSchema) -> String {
    let key = table.primary_key.iter().filter_map(|column| table.columns.get(*column));
    let key: Vec<String> =
        key.map(|column| format!("{} DESC", sql::identifier(&column.name))).collect();
    if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) }
}

fn filter(asked: &Sample) -> String {
    let one = |key: &Vec<String>| {
        let equal = |(column, text): (&String, &String)| {
            format!("{} = {}", sql::identifier(column), sql::literal(text))
        };
        let tests: Vec<String> = asked.columns.iter().zip(key).map(equal).collect();
        format!("({})", tests.join(" AND "))
    };
    let keys: Vec<String> = asked.keys.iter().map(one).collect();
    format!(" WHERE {}", keys.join(" OR "))
}

async fn rows(
    session: &Session,
    table: &TableSchema,
    statement: &str,
    max_row_bytes: usize,
) -> Result<Vec<Vec<Option<String>>>, SourceError> {
    let doing = format!("sample table `{}`", table.name);
    let opened = session.client().copy_out(statement).await;
    let mut lines = pin!(opened.map_err(|error| server_error(error, &doing))?);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(line) = lines.try_next().await.map_err(|error| server_error(error, &doing))? {
        bytes += line.len();
        if line.len() > max_row_bytes || bytes > SAMPLE_BYTES {
            break;
        }
        rows.push(row(&line, table).map_err(|malformed| {
            SourceError::new(SourceErrorKind::Decode, doing.clone()).with_cause(malformed)
        })?);
    }
    Ok(rows)
}

fn row(line: &[u8], table: &TableSchema) -> Result<Vec<Option<String>>, copy::Malformed> {
    let cells = copy::cells(copy::line(line)?);
    let text = |(cell, column): (Option<_>, &erpbridge_connector::Column)| {
        cell.map(|text: std::borrow::Cow<'_, str>| values::canonical(column.kind, &text).to_owned())
    };
    let row: Vec<Option<String>> = cells.zip(&table.columns).map(text).collect();
    let (found, expected) = (row.len(), table.columns.len());
    if found == expected { Ok(row) } else { Err(copy::Malformed::Cells { found, expected }) }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::testkit::table;

    use super::*;

    #[test]
    fn only_an_index_gives_an_order_and_values_stay_values() {
        let lines = table("erp.line(ord integer key, pos integer key, note text)");
        let name = lines.name.clone();
        let any = select(&lines, &Sample::any(name.clone(), 5)).unwrap();
        assert!(any.contains("ORDER BY \"ord\" DESC, \"pos\" DESC LIMIT 5"), "{any}");
        let (columns, keys) = (vec!["note".to_owned()], vec![vec!["it's".to_owned()]]);
        let some = select(&lines, &Sample::with(name.clone(), columns.clone(), keys, 5)).unwrap();
        assert!(some.contains("WHERE (\"note\" = 'it''s') LIMIT 5"), "{some}");
        assert_eq!(select(&lines, &Sample::with(name, columns, Vec::new(), 5)), None);
    }
}
