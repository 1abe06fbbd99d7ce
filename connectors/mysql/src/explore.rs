//! Looking around for the tools: which tables there are, and some of their rows.
//!
//! # Why this does not hurt a database in use
//!
//! Every question runs in a read-only transaction with a short patience for locks, and if it takes
//! too long the server is told to give it up. A sample is `LIMIT`ed, and ordered only by the primary
//! key, which the server is made to read backwards, so it stops after the limit. Where rows are
//! asked for by their columns nothing is ordered, because an order would invite the server to walk
//! the whole key instead of looking the rows up.
//!
//! # Why only rows that were asked for come
//!
//! To the server `'2x'` is a 2 where a number is asked for, and `a` is an `A` in most collations. So
//! a text that is no value of its column is not even asked for, and of what comes, rows whose texts
//! are others are left out.

use std::pin::pin;
use std::sync::Arc;

use erpbridge_connector::{
    ColumnKind, EXPLORE_DEADLINE, EXPLORE_LOCK_WAIT, Explored, SAMPLE_BYTES, Sample, Sampled,
    SourceError, SourceErrorKind, TableName, TableSchema,
};
use futures_util::TryStreamExt;
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::time::timeout;

use crate::catalog::{self, Table};
use crate::config::MysqlConfig;
use crate::session::{Session, connect, server_error};
use crate::sql;
use crate::values::{Answers, Cells};

/// The names of all tables a mapping may name.
pub(crate) async fn names(config: &MysqlConfig) -> Result<Vec<TableName>, SourceError> {
    let relations = asking(config, async |session| catalog::relations(session).await).await?;
    let tables = relations.into_iter().filter(catalog::Relation::has_rows);
    Ok(tables.map(|relation| relation.name).collect())
}

/// These tables as they are now.
pub(crate) async fn describe(
    config: &MysqlConfig,
    tables: &[TableName],
) -> Result<Vec<Explored>, SourceError> {
    let described = asking(config, async |session| {
        let identity = catalog::identity(session).await?;
        let found = catalog::describe(session, tables).await?;
        Ok(found.into_iter().map(|table| explored(&table, identity)).collect())
    });
    described.await
}

fn explored(table: &Table, identity: erpbridge_connector::ReplicaIdentity) -> Explored {
    Explored {
        schema: Arc::new(table.shape.schema(identity)),
        nullable: table.shape.columns.iter().map(|column| column.nullable).collect(),
        rows_estimate: table.rows_estimate,
    }
}

/// Some rows of a table.
pub(crate) async fn sample(config: &MysqlConfig, asked: &Sample) -> Result<Sampled, SourceError> {
    asking(config, async |session| sample_with(session, config.max_row_bytes, asked).await).await
}

async fn sample_with(
    session: &mut Session,
    max_row_bytes: usize,
    asked: &Sample,
) -> Result<Sampled, SourceError> {
    let refused = |why: String| {
        let message = format!("sample table `{}`: {why}", asked.table);
        SourceError::new(SourceErrorKind::Setup, message)
    };
    let identity = catalog::identity(session).await?;
    let found = catalog::describe(session, std::slice::from_ref(&asked.table)).await?;
    let found = found.into_iter().next().ok_or_else(|| refused("there is no such table".into()))?;
    let schema = Arc::new(found.shape.schema(identity));
    let columns = asked.columns.iter().map(|name| {
        schema.column(name).ok_or_else(|| refused(format!("it has no column `{name}`")))
    });
    let columns: Vec<usize> = columns.collect::<Result<_, _>>()?;
    let answers = Answers::new(&found.shape)
        .map_err(|column| refused(format!("column `{column}` cannot be read")))?;
    let rows = match select(&schema, &answers, &columns, asked) {
        Some(statement) => rows(session, &answers, &statement, max_row_bytes).await?,
        None => Vec::new(),
    };
    let rows = rows.into_iter().filter(|row| as_asked(row, &columns, asked)).collect();
    Ok(Sampled { table: schema, rows })
}

/// Asks something in a read-only transaction that cannot stand in anybody's way, and for no longer
/// than may be.
async fn asking<T>(
    config: &MysqlConfig,
    ask: impl AsyncFnOnce(&mut Session) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let mut session = connect(config).await?;
    let patience = format!("SET SESSION lock_wait_timeout = {}", EXPLORE_LOCK_WAIT.as_secs());
    let begin = format!("{patience}; START TRANSACTION READ ONLY");
    session.run("begin to look at the database", &begin).await?;
    let thread = session.conn().id();
    if let Ok(answer) = timeout(EXPLORE_DEADLINE, Box::pin(ask(&mut session))).await {
        session.close().await;
        return answer;
    }
    drop(session);
    // It would work on for as long as nobody reads its answer.
    let mut killer = connect(config).await?;
    killer.run("give up a question", &format!("KILL {thread}")).await?;
    killer.close().await;
    let message = format!("the server took longer than {EXPLORE_DEADLINE:?} for an answer");
    Err(SourceError::new(SourceErrorKind::Busy, message)
        .with_hint("ask for rows by columns that have an index, or in a quiet hour"))
}

/// The statement; none where nothing can be found.
fn select(
    table: &TableSchema,
    answers: &Answers,
    columns: &[usize],
    asked: &Sample,
) -> Option<String> {
    if asked.limit == 0 {
        return None;
    }
    let how = if columns.is_empty() { newest(table) } else { filter(table, columns, asked)? };
    let (cells, name, limit) = (answers.columns(), sql::table(&table.name), asked.limit);
    Some(format!("SELECT {cells} FROM {name}{how} LIMIT {limit}"))
}

fn newest(table: &TableSchema) -> String {
    let key = table.primary_key.iter().filter_map(|column| table.columns.get(*column));
    let key: Vec<String> =
        key.map(|column| format!("{} DESC", sql::identifier(&column.name))).collect();
    if key.is_empty() {
        return String::new();
    }
    format!(" FORCE INDEX FOR ORDER BY (PRIMARY) ORDER BY {}", key.join(", "))
}

/// `None` if no key is one that a row can have.
fn filter(table: &TableSchema, columns: &[usize], asked: &Sample) -> Option<String> {
    let one = |key: &Vec<String>| {
        let tests = columns.iter().zip(key).map(|(place, text)| {
            let column = table.columns.get(*place)?;
            Some(format!("{} = {}", sql::identifier(&column.name), literal(column.kind, text)?))
        });
        Some(format!("({})", tests.collect::<Option<Vec<_>>>()?.join(" AND ")))
    };
    let keys: Vec<String> = asked.keys.iter().filter_map(one).collect();
    (!keys.is_empty()).then(|| format!(" WHERE {}", keys.join(" OR ")))
}

/// A canonical text as the server reads it; `None` if it is no value of this kind.
fn literal(kind: ColumnKind, text: &str) -> Option<String> {
    Some(match kind {
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64 => {
            let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            (text.bytes().all(plain) && text.parse::<f64>().is_ok()).then(|| text.to_owned())?
        }
        ColumnKind::Bytes => {
            let digits = text.strip_prefix("\\x")?;
            let plain = digits.len() % 2 == 0 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| format!("X'{digits}'"))?
        }
        ColumnKind::Instant => sql::literal(text.strip_suffix("+00").unwrap_or(text)),
        _ => sql::literal(text),
    })
}

fn as_asked(row: &[Option<String>], columns: &[usize], asked: &Sample) -> bool {
    let has = |key: &Vec<String>| {
        columns.iter().zip(key).all(|(place, text)| row.get(*place) == Some(&Some(text.clone())))
    };
    columns.is_empty() || asked.keys.iter().any(has)
}

async fn rows(
    session: &mut Session,
    answers: &Answers,
    statement: &str,
    max_row_bytes: usize,
) -> Result<Vec<Vec<Option<String>>>, SourceError> {
    let doing = "read a sample";
    let opened = session.conn().exec_stream::<Row, _, _>(statement, ()).await;
    let mut answer = pin!(opened.map_err(|error| server_error(error, doing))?);
    let (mut rows, mut bytes, mut cells) = (Vec::new(), 0, Cells::default());
    while let Some(row) = answer.try_next().await.map_err(|error| server_error(error, doing))? {
        answers.read(&row, &mut cells).map_err(|unreadable| {
            SourceError::new(SourceErrorKind::Decode, doing).with_cause(unreadable)
        })?;
        let row: Vec<Option<String>> =
            cells.values().map(|value| value.text().map(str::to_owned)).collect();
        let length: usize = row.iter().flatten().map(String::len).sum();
        bytes += length;
        if length > max_row_bytes || bytes > SAMPLE_BYTES {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_value_of_its_column_is_not_asked_for() {
        for (kind, text, expected) in [
            (ColumnKind::Integer, "-42", Some("-42")),
            (ColumnKind::Integer, "2x", None),
            (ColumnKind::Integer, "", None),
            (ColumnKind::Integer, "1 OR 1=1", None),
            (ColumnKind::Decimal, "1.10", Some("1.10")),
            (ColumnKind::Decimal, "1-1", None),
            (ColumnKind::Bytes, "\\xdead", Some("X'dead'")),
            (ColumnKind::Bytes, "\\xdea", None),
            (ColumnKind::Bytes, "dead", None),
            (ColumnKind::Instant, "2024-01-02 03:04:05+00", Some("'2024-01-02 03:04:05'")),
            (ColumnKind::Text, "it's", Some("'it''s'")),
        ] {
            assert_eq!(literal(kind, text).as_deref(), expected, "{text}");
        }
    }
}
