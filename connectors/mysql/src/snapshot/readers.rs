//! The readers: each takes table after table and sends its rows in batches.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use erpbridge_connector::{
    Pass, Phase, SourceError, SourceErrorKind, SourceStatus, TableName, TableProgress, TableSchema,
};
use futures_util::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use tokio::sync::{Mutex, watch};

use super::Reading;
use crate::catalog::Table;
use crate::outlet::{Outlet, Rows};
use crate::session::{Session, server_error};
use crate::sql;
use crate::values::Answers;

/// A table that nobody has begun to read.
struct Waiting {
    /// Its place in the status.
    shown: usize,
    /// Its place in the list of tables.
    listed: usize,
    name: TableName,
    estimate: Option<u64>,
    schema: Arc<TableSchema>,
    answers: Answers,
}

/// A running pass: what is still to be read, and the way out.
pub(super) struct Readers<'a> {
    pass: Pass,
    batch_bytes: usize,
    max_row_bytes: usize,
    status: &'a watch::Sender<SourceStatus>,
    waiting: std::sync::Mutex<VecDeque<Waiting>>,
    outlet: Mutex<Outlet>,
}

impl<'a> Readers<'a> {
    /// Readers of these tables, in this order, each with its place in the list of all.
    pub(super) fn new(
        reading: &Reading<'_>,
        tables: Vec<(usize, &Table)>,
        outlet: Outlet,
        status: &'a watch::Sender<SourceStatus>,
    ) -> Result<Self, SourceError> {
        let first = announce(status, reading.pass, tables.iter().map(|(_, table)| *table));
        let waiting = |(shown, (listed, table)): (usize, (usize, &Table))| {
            let answers =
                Answers::new(&table.shape).map_err(|column| unreadable(table, &column))?;
            Ok(Waiting {
                shown,
                listed,
                name: table.shape.name(),
                estimate: table.rows_estimate,
                schema: Arc::new(table.shape.schema(reading.old_images)),
                answers,
            })
        };
        let waiting: Result<_, SourceError> = (first..).zip(tables).map(waiting).collect();
        Ok(Self {
            pass: reading.pass,
            batch_bytes: reading.config.batch_bytes,
            max_row_bytes: reading.config.max_row_bytes,
            status,
            waiting: std::sync::Mutex::new(waiting?),
            outlet: Mutex::new(outlet),
        })
    }

    /// One reader: takes table after table until none is left.
    pub(super) async fn read_tables(&self, session: &mut Session) -> Result<(), SourceError> {
        let pass = self.pass;
        while let Some(next) = self.next_table() {
            let (table, estimate) = (&next.name, next.estimate);
            let started = Instant::now();
            tracing::info!(%table, ?pass, estimate, "begin to read a table");
            session.run("begin to read a table", "SAVEPOINT erpbridge").await?;
            let rows = self.read_table(session, &next).await?;
            // What was seen stays the same; the lock on the table's shape goes.
            session.run("leave a table", "ROLLBACK TO SAVEPOINT erpbridge").await?;
            self.progress(next.shown, |progress| progress.complete = true);
            let elapsed = started.elapsed();
            tracing::info!(%table, ?pass, rows, ?elapsed, "read a table");
        }
        Ok(())
    }

    fn next_table(&self) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn progress(&self, place: usize, change: impl FnMut(&mut TableProgress)) {
        self.status
            .send_modify(|status| status.snapshot.get_mut(place).into_iter().for_each(change));
    }

    async fn read_table(&self, session: &mut Session, table: &Waiting) -> Result<u64, SourceError> {
        let failed = |error| not_read(error, &table.name);
        let opened = session.conn().exec_stream::<Row, _, _>(select(table), ()).await;
        let mut rows = pin!(opened.map_err(failed)?);
        let mut total = 0;
        let mut pending = Pending::default();
        loop {
            let row = rows.try_next().await.map_err(failed)?;
            let ended = row.is_none();
            if let Some(row) = row {
                pending.push(row, self.max_row_bytes).map_err(|bytes| too_large(table, bytes))?;
            }
            if ended || pending.bytes >= self.batch_bytes {
                let (schema, answers) = (&table.schema, &table.answers);
                let rows = Rows { schema, answers, read: pending.take() };
                let last = ended.then_some(table.listed);
                let sent = self.outlet.lock().await.send(rows, last).await?;
                self.progress(table.shown, |progress| progress.rows += sent);
                total += sent;
            }
            if ended {
                return Ok(total);
            }
        }
    }
}

/// Shows the tables of this pass behind those of the other, and says where the first one stands.
fn announce<'t>(
    status: &watch::Sender<SourceStatus>,
    pass: Pass,
    tables: impl Iterator<Item = &'t Table>,
) -> usize {
    let mut first = 0;
    status.send_modify(|status| {
        status.phase = Phase::Snapshot;
        status.snapshot.retain(|table| table.pass != pass);
        first = status.snapshot.len();
        status.snapshot.extend(tables.map(|table| TableProgress {
            table: table.shape.name(),
            pass,
            rows: 0,
            estimate: table.rows_estimate,
            complete: false,
        }));
    });
    first
}

/// What is read once has no place in a cache of queries.
fn select(table: &Waiting) -> String {
    format!("SELECT SQL_NO_CACHE {} FROM {}", table.answers.columns(), sql::table(&table.name))
}

fn unreadable(table: &Table, column: &str) -> SourceError {
    let message = format!("column `{column}` of table `{}` cannot be read", table.shape);
    SourceError::new(SourceErrorKind::Setup, message)
        .with_hint("run erpbridge check: it says why, and what to do about it")
}

fn too_large(table: &Waiting, bytes: usize) -> SourceError {
    let message = format!("a row of table `{}` has {bytes} bytes, more than allowed", table.name);
    SourceError::new(SourceErrorKind::TooLarge, message).with_hint("raise max_row_bytes")
}

/// A table that was changed since the moment cannot be read as of it; at the next moment it can.
fn not_read(error: mysql_async::Error, table: &TableName) -> SourceError {
    // Definition changed; no such column; no such table.
    let changed = matches!(&error, mysql_async::Error::Server(told)
        if matches!(told.code, 1412 | 1054 | 1146));
    let doing = format!("read table `{table}`");
    let error = server_error(error, &doing);
    if !changed {
        return error;
    }
    let message = format!("{doing}: its shape has been changed since the reading began");
    SourceError::new(SourceErrorKind::Busy, message).with_cause(error)
}

/// Rows of one reader, received but not yet sent.
#[derive(Default)]
struct Pending {
    rows: Vec<Row>,
    bytes: usize,
}

impl Pending {
    /// Adds a row, or says how large it is if it is too large.
    fn push(&mut self, row: Row, limit: usize) -> Result<(), usize> {
        let bytes = (0..row.len()).filter_map(|place| row.as_ref(place)).map(weight).sum();
        if bytes > limit {
            return Err(bytes);
        }
        self.bytes += bytes + size_of::<Row>();
        self.rows.push(row);
        Ok(())
    }

    fn take(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}

fn weight(cell: &Value) -> usize {
    let text = if let Value::Bytes(bytes) = cell { bytes.len() } else { 0 };
    size_of::<Value>() + text
}
