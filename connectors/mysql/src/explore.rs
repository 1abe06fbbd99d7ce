//! Looking around for the tools: which tables there are, and some of their rows.
//!
//! # Why this does not hurt a database in use
//!
//! Every question runs in a read-only transaction with a short patience for locks and a deadline,
//! which the server keeps itself where it can (`MySQL` 5.7.8, `MariaDB` 10.1). A sample is
//! `LIMIT`ed, and ordered only by the primary key of an `InnoDB` table, which is the table itself:
//! it is read backwards and left after the limit. Where rows are asked for by their columns nothing
//! is ordered. Values are written as the column's type wants them, so that an index on it is used;
//! what such a comparison finds too much (most collations know no upper case) is left out here.

use std::pin::pin;
use std::sync::Arc;

use erpbridge_connector::{
    ColumnKind, EXPLORE_DEADLINE, EXPLORE_LOCK_WAIT, Explored, SAMPLE_BYTES, Sample, Sampled,
    SourceError, SourceErrorKind, TableName, TableSchema,
};
use futures_util::TryStreamExt;
use mysql_async::Row;
use mysql_async::prelude::Queryable;

use crate::binlog::Family;
use crate::catalog::{self, Table};
use crate::config::MysqlConfig;
use crate::session::{Session, connect, server_error};
use crate::sql;
use crate::values::{Answers, Cells};

/// The names of all tables a mapping may name.
pub(crate) async fn names(config: &MysqlConfig) -> Result<Vec<TableName>, SourceError> {
    within_deadline(async {
        let mut session = open(config).await?;
        let mut relations = catalog::relations(&mut session).await?;
        session.close().await;
        relations.retain(catalog::Relation::has_rows);
        Ok(relations.into_iter().map(|relation| relation.name).collect())
    })
    .await
}

/// These tables as they are now.
pub(crate) async fn describe(
    config: &MysqlConfig,
    tables: &[TableName],
) -> Result<Vec<Explored>, SourceError> {
    within_deadline(async {
        let mut session = open(config).await?;
        let identity = catalog::identity(&mut session).await?;
        let mut found = catalog::describe(&mut session, tables).await?;
        session.close().await;
        found.sort_by_key(|found| tables.iter().position(|name| *name == found.shape.name()));
        let explored = |Table { shape, rows_estimate, .. }: Table| Explored {
            schema: Arc::new(shape.schema(identity)),
            nullable: shape.columns.iter().map(|column| column.nullable).collect(),
            rows_estimate,
        };
        Ok(found.into_iter().map(explored).collect())
    })
    .await
}

/// Some rows of a table.
pub(crate) async fn sample(config: &MysqlConfig, asked: &Sample) -> Result<Sampled, SourceError> {
    within_deadline(async {
        let mut session = open(config).await?;
        let identity = catalog::identity(&mut session).await?;
        let found = catalog::describe(&mut session, std::slice::from_ref(&asked.table)).await?;
        let found =
            found.into_iter().next().ok_or_else(|| refused(asked, "there is no such table"));
        let found = found?;
        let table = Arc::new(found.shape.schema(identity));
        if let Some(column) = asked.columns.iter().find(|column| table.column(column).is_none()) {
            return Err(refused(asked, &format!("it has no column `{column}`")));
        }
        let answers = Answers::new(&found.shape)
            .map_err(|column| refused(asked, &format!("its column `{column}` cannot be read")))?;
        let rows = match select(&found, &table, &answers, asked) {
            Some(statement) => {
                let question = Question { asked, table: &table, answers: &answers, statement };
                question.rows(&mut session, config.max_row_bytes).await?
            }
            None => Vec::new(),
        };
        session.close().await;
        Ok(Sampled { table, rows })
    })
    .await
}

fn refused(asked: &Sample, why: &str) -> SourceError {
    let message = format!("sample table `{}`: {why}", asked.table);
    SourceError::new(SourceErrorKind::Setup, message)
}

async fn within_deadline<T>(
    question: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, SourceError> {
    tokio::time::timeout(EXPLORE_DEADLINE, Box::pin(question)).await.unwrap_or_else(|_| {
        let message = format!("the server has not answered within {EXPLORE_DEADLINE:?}");
        Err(SourceError::new(SourceErrorKind::Busy, message))
    })
}

/// A session in a read-only transaction that cannot stand in anybody's way. It ends with the
/// session.
async fn open(config: &MysqlConfig) -> Result<Session, SourceError> {
    let mut session = connect(config).await?;
    let (family, version) = (session.family(), session.version());
    let deadline = match family {
        Family::MySql if version >= (5, 7, 8) => {
            format!(", max_execution_time = {}", EXPLORE_DEADLINE.as_millis())
        }
        Family::MariaDb if version >= (10, 1, 0) => {
            format!(", max_statement_time = {}", EXPLORE_DEADLINE.as_secs())
        }
        _ => String::new(),
    };
    let wait = EXPLORE_LOCK_WAIT.as_secs();
    let statements = format!(
        "SET SESSION lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}{deadline}; \
         START TRANSACTION READ ONLY"
    );
    session.run("begin to look at the database", &statements).await?;
    Ok(session)
}

/// The statement; none where nothing can be found.
fn select(found: &Table, table: &TableSchema, answers: &Answers, asked: &Sample) -> Option<String> {
    let filter = if asked.columns.is_empty() {
        if found.keeps_versions() { newest(table) } else { String::new() }
    } else {
        filter(table, asked)?
    };
    let (columns, name, limit) = (answers.columns(), sql::table(&table.name), asked.limit);
    (limit > 0).then(|| format!("SELECT {columns} FROM {name}{filter} LIMIT {limit}"))
}

fn newest(table: &TableSchema) -> String {
    let key = table.primary_key.iter().filter_map(|column| table.columns.get(*column));
    let key: Vec<String> =
        key.map(|column| format!("{} DESC", sql::identifier(&column.name))).collect();
    if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) }
}

fn filter(table: &TableSchema, asked: &Sample) -> Option<String> {
    let one = |key: &Vec<String>| {
        let equal = |(name, text): (&String, &String)| {
            let column = table.columns.get(table.column(name)?)?;
            Some(format!("{} = {}", sql::identifier(name), value(column.kind, text)?))
        };
        let tests: Option<Vec<String>> = asked.columns.iter().zip(key).map(equal).collect();
        Some(format!("({})", tests?.join(" AND ")))
    };
    // A text that is no value of its column is in no row.
    let keys: Vec<String> = asked.keys.iter().filter_map(one).collect();
    (!keys.is_empty()).then(|| format!(" WHERE {}", keys.join(" OR ")))
}

/// A canonical text as a literal of its column's type; `None` if it is none. (A text that is
/// compared with a number would be taken for zero.)
fn value(kind: ColumnKind, text: &str) -> Option<String> {
    match kind {
        ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64 => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (number && digits.starts_with(|first: char| first.is_ascii_digit()))
                .then(|| text.to_owned())
        }
        ColumnKind::Bytes => {
            let digits = text.strip_prefix("\\x")?;
            digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| format!("X'{digits}'"))
        }
        ColumnKind::Instant => Some(sql::literal(text.strip_suffix("+00").unwrap_or(text))),
        _ => Some(sql::literal(text)),
    }
}

/// A question that can be asked.
struct Question<'a> {
    asked: &'a Sample,
    table: &'a TableSchema,
    answers: &'a Answers,
    statement: String,
}

impl Question<'_> {
    async fn rows(
        &self,
        session: &mut Session,
        max_row_bytes: usize,
    ) -> Result<Vec<Vec<Option<String>>>, SourceError> {
        let doing = format!("sample table `{}`", self.table.name);
        let failed = |error| server_error(error, &doing);
        let opened = session.conn().exec_stream::<Row, _, _>(self.statement.as_str(), ()).await;
        let mut found = pin!(opened.map_err(failed)?);
        let (mut rows, mut bytes, mut cells) = (Vec::new(), 0, Cells::default());
        while let Some(row) = found.try_next().await.map_err(failed)? {
            self.answers.read(&row, &mut cells).map_err(|error| {
                SourceError::new(SourceErrorKind::Decode, doing.clone()).with_cause(error)
            })?;
            let row: Vec<Option<String>> =
                cells.values().map(|value| value.text().map(str::to_owned)).collect();
            let weight: usize = row.iter().flatten().map(String::len).sum();
            bytes += weight;
            if weight > max_row_bytes || bytes > SAMPLE_BYTES {
                break;
            }
            if self.is_asked_for(&row) {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn is_asked_for(&self, row: &[Option<String>]) -> bool {
        let cell = |name: &String| row.get(self.table.column(name)?)?.as_ref();
        let equal = |key: &Vec<String>| {
            self.asked.columns.iter().zip(key).all(|(name, text)| cell(name) == Some(text))
        };
        self.asked.columns.is_empty() || self.asked.keys.iter().any(equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_value_of_its_column_or_none() {
        let cases = [
            (ColumnKind::Integer, "-12", Some("-12")),
            (ColumnKind::Integer, "x", None),
            (ColumnKind::Decimal, "1.50 OR 1=1", None),
            (ColumnKind::Bytes, "\\x00ff", Some("X'00ff'")),
            (ColumnKind::Bytes, "00ff", None),
            (ColumnKind::Text, "it's", Some("'it''s'")),
            (ColumnKind::Instant, "2024-01-02 03:04:05+00", Some("'2024-01-02 03:04:05'")),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(value(kind, text).as_deref(), expected, "{text}");
        }
    }
}
