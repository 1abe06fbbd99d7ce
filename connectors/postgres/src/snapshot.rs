//! The first reading of the tables: every row as it was at the slot's consistent point.
//!
//! The replication session creates the slot and exports the snapshot of that moment; several
//! readers import it, each over its own connection, and read whole tables. What was committed
//! before the consistent point is in the snapshot, what comes after it is in the slot, nothing is
//! in both. The exporting session must stay idle until the readers have imported it.
//!
//! # Why nothing is lost or doubled
//!
//! Rows carry the sequence just before the consistent point, so that every later commit is newer,
//! and an ordinal that grows in the order the batches enter the queue (`Outlet`). They all
//! resume at the same position: a snapshot that breaks off is read again from the start, because
//! a new export shows another moment. Only the caller, once [`run`] has returned `Ok`, may send a
//! progress beyond the snapshot.
//!
//! # Why the same text
//!
//! `COPY` prints a cell with its type's output function, as logical decoding does, under the same
//! pinned settings; [`canonical`](crate::values::canonical) is applied on both ways.
//!
//! # Why flat memory
//!
//! Rows are asked for by the stream: while the queue to the bridge is full the reader does not
//! poll, the connection does not read, and the server waits. A reader holds one batch.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use erpbridge_connector::{
    Pass, Phase, Position, Sequence, SourceContext, SourceError, SourceErrorKind, SourceStatus,
    TableProgress, TableSelection, Timestamp, Transaction,
};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use tokio::sync::{Mutex, watch};

use crate::catalog::{self, PublishedTable};
use crate::config::PostgresConfig;
use crate::outlet::Outlet;
use crate::position::Lsn;
use crate::session::{Session, connect, server_error};
use crate::sql;

/// Reads every wanted table of the publication as of the exported snapshot.
///
/// `Ok` means that all rows have been sent. A stop in between is an error of kind
/// [`SourceErrorKind::Closed`], so that nobody takes an unfinished snapshot for a finished one.
pub async fn run(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
    snapshot_name: &str,
    consistent_point: Lsn,
    resume: Position,
    context: &SourceContext,
) -> Result<(), SourceError> {
    let reading =
        Box::pin(read_all(config, selection, snapshot_name, consistent_point, resume, context));
    tokio::select! {
        // Rows read but not sent are lost with this branch; the snapshot will be read anew.
        done = reading => done,
        () = context.stop.cancelled() => Err(stopped()),
    }
}

fn stopped() -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "stopped before the snapshot was complete")
}

async fn read_all(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
    snapshot_name: &str,
    consistent_point: Lsn,
    resume: Position,
    context: &SourceContext,
) -> Result<(), SourceError> {
    let first = import(config, snapshot_name).await?;
    let mut tables = catalog::tables(&first, &config.publication, selection).await?;
    // The largest first: begun last, it would be read alone while the other readers are done.
    tables.sort_by_key(|table| std::cmp::Reverse(table.rows_estimate));
    announce(&context.status, &tables);
    let transaction = transaction(&first, consistent_point, resume).await?;

    let readers = std::cmp::min(config.snapshot_tables_in_parallel, tables.len());
    let mut sessions = vec![first];
    while sessions.len() < readers {
        sessions.push(import(config, snapshot_name).await?);
    }
    let snapshot = Snapshot {
        config,
        status: &context.status,
        waiting: std::sync::Mutex::new(tables.into_iter().enumerate().collect()),
        outlet: Mutex::new(Outlet::new(context.out.clone(), transaction)),
    };
    try_join_all(sessions.into_iter().map(|session| snapshot.read_tables(session))).await?;
    Ok(())
}

/// A session that sees the database as of the exported snapshot.
async fn import(config: &PostgresConfig, snapshot_name: &str) -> Result<Session, SourceError> {
    let session = connect(config).await?;
    let statements = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
        sql::literal(snapshot_name)
    );
    let imported = session.client().batch_execute(&statements).await;
    imported.map_err(|error| not_imported(error, snapshot_name))?;
    Ok(session)
}

/// An export lives as long as the session that made it; when that has gone, all begins anew.
fn not_imported(error: tokio_postgres::Error, snapshot_name: &str) -> SourceError {
    let doing = format!("import snapshot `{snapshot_name}`");
    let gone = error.code().is_some_and(|code| matches!(code.code(), "22023" | "42704" | "55000"));
    let error = server_error(error, &doing);
    if !gone {
        return error;
    }
    let message = format!("{doing}: the session that exported it has ended");
    SourceError::new(SourceErrorKind::Connection, message).with_cause(error)
}

/// <https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT>
const NOW: &str = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";

/// What all rows of the snapshot belong to. One less than the consistent point sorts before every
/// commit the slot will give, because a commit ends at or after that point.
async fn transaction(
    session: &Session,
    consistent_point: Lsn,
    resume: Position,
) -> Result<Transaction, SourceError> {
    let row = session.client().query_one(NOW, &[]).await;
    let micros = row.and_then(|row| row.try_get(0));
    let micros = micros.map_err(|error| server_error(error, "read the server's clock"))?;
    Ok(Transaction {
        id: "snapshot".into(),
        sequence: Sequence::new(format!("{:016X}", consistent_point.get().saturating_sub(1))),
        committed_at: Timestamp::from_micros(micros),
        resume,
        complete: true,
        snapshot: true,
        seed: false,
    })
}

fn announce(status: &watch::Sender<SourceStatus>, tables: &[PublishedTable]) {
    status.send_modify(|status| {
        status.phase = Phase::Snapshot;
        status.snapshot = tables
            .iter()
            .map(|table| TableProgress {
                table: table.schema.name.clone(),
                pass: Pass::Snapshot,
                rows: 0,
                estimate: table.rows_estimate,
                complete: false,
            })
            .collect();
    });
}

/// A running snapshot: what is still to be read, and the way out.
struct Snapshot<'a> {
    config: &'a PostgresConfig,
    status: &'a watch::Sender<SourceStatus>,
    /// With each table's place in the status.
    waiting: std::sync::Mutex<VecDeque<(usize, PublishedTable)>>,
    outlet: Mutex<Outlet>,
}

impl Snapshot<'_> {
    /// One reader: takes table after table until none is left.
    async fn read_tables(&self, session: Session) -> Result<(), SourceError> {
        while let Some((place, table)) = self.next_table() {
            let name = &table.schema.name;
            let estimate = table.rows_estimate;
            let started = Instant::now();
            tracing::info!(table = %name, estimate, "snapshot of table begins");
            let rows = self.read_table(&session, place, &table).await?;
            self.progress(place, |progress| progress.complete = true);
            let elapsed = started.elapsed();
            tracing::info!(table = %name, rows, ?elapsed, "snapshot of table complete");
        }
        session.close().await;
        Ok(())
    }

    fn next_table(&self) -> Option<(usize, PublishedTable)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        waiting.pop_front()
    }

    fn progress(&self, place: usize, change: impl FnMut(&mut TableProgress)) {
        self.status
            .send_modify(|status| status.snapshot.get_mut(place).into_iter().for_each(change));
    }

    async fn read_table(
        &self,
        session: &Session,
        place: usize,
        table: &PublishedTable,
    ) -> Result<u64, SourceError> {
        // Without columns there are no cells to read, and no mapping that could want them.
        if table.schema.columns.is_empty() {
            return Ok(0);
        }
        let doing = format!("read table `{}` for the snapshot", table.schema.name);
        let opened = session.client().copy_out(select(table).as_str()).await;
        let mut rows = pin!(opened.map_err(|error| server_error(error, &doing))?);
        let mut total = 0;
        let mut pending = Pending::new(table.schema.columns.len());
        loop {
            let row = rows.try_next().await.map_err(|error| server_error(error, &doing))?;
            let ended = row.is_none();
            if let Some(row) = row {
                self.bound(&row, table)?;
                pending.push(row);
            }
            if ended || pending.bytes >= self.config.batch_bytes {
                let sent = self.outlet.lock().await.send(&table.schema, pending.take()).await?;
                self.progress(place, |progress| progress.rows += sent);
                total += sent;
            }
            if ended {
                return Ok(total);
            }
        }
    }

    /// The server sends one row per message, so a message is as large as its row.
    fn bound(&self, row: &Bytes, table: &PublishedTable) -> Result<(), SourceError> {
        let limit = self.config.max_row_bytes;
        if row.len() <= limit {
            return Ok(());
        }
        let name = &table.schema.name;
        let message =
            format!("a row of table `{name}` has {} bytes, the limit is {limit}", row.len());
        Err(SourceError::new(SourceErrorKind::TooLarge, message)
            .with_hint("raise max_row_bytes, or leave the large column out of the publication"))
    }
}

/// <https://www.postgresql.org/docs/current/sql-copy.html>
///
/// `ONLY`, because the rows of a table that inherits are logged as its own; a partitioned table
/// has no rows but those of its partitions.
fn select(table: &PublishedTable) -> String {
    let columns = sql::identifiers(table.schema.columns.iter().map(|column| column.name.as_str()));
    let only = if table.partitioned { "" } else { "ONLY " };
    let name = sql::table(&table.schema.name);
    let filter = table.row_filter.as_ref().map(|filter| format!(" WHERE ({filter})"));
    format!("COPY (SELECT {columns} FROM {only}{name}{}) TO STDOUT", filter.unwrap_or_default())
}

/// Rows of one reader, received but not yet sent.
struct Pending {
    rows: Vec<Bytes>,
    bytes: usize,
    /// What a row weighs in a batch beside its text.
    row_overhead: usize,
}

impl Pending {
    fn new(columns: usize) -> Self {
        Self { rows: Vec::new(), bytes: 0, row_overhead: 64 + 8 * columns }
    }

    fn push(&mut self, row: Bytes) {
        self.bytes += row.len() + self.row_overhead;
        self.rows.push(row);
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};

    use super::*;

    fn table() -> PublishedTable {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            missing_in_log: false,
        };
        PublishedTable {
            oid: 1,
            schema: Arc::new(TableSchema {
                name: TableName::new("erp", "Order"),
                columns: vec![column("No", ColumnKind::Text), column("open", ColumnKind::Bool)],
                primary_key: vec![0],
                identity: ReplicaIdentity::Full,
            }),
            rows_estimate: None,
            partitioned: false,
            row_filter: None,
        }
    }

    #[test]
    fn a_plain_table_is_read_without_the_tables_that_inherit_from_it() {
        let mut table = table();
        let read = "COPY (SELECT \"No\", \"open\" FROM ONLY \"erp\".\"Order\") TO STDOUT";
        assert_eq!(select(&table), read);
        table.partitioned = true;
        table.row_filter = Some("(\"No\" < 'x'::text)".to_owned());
        assert_eq!(
            select(&table),
            "COPY (SELECT \"No\", \"open\" FROM \"erp\".\"Order\" \
             WHERE ((\"No\" < 'x'::text))) TO STDOUT"
        );
    }
}
