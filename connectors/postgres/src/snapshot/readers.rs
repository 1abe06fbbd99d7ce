//! The readers: each takes table after table and sends its rows in batches.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::PoisonError;
use std::time::Instant;

use bytes::Bytes;
use erpbridge_connector::{Pass, Phase, SourceError, SourceErrorKind, SourceStatus, TableProgress};
use futures_util::TryStreamExt;
use tokio::sync::{Mutex, watch};

use crate::catalog::PublishedTable;
use crate::config::PostgresConfig;
use crate::outlet::Outlet;
use crate::session::{Session, server_error};
use crate::sql;

/// A table that nobody has begun to read.
struct Waiting {
    /// Its place in the status.
    shown: usize,
    /// Its place in the list of tables.
    listed: usize,
    table: PublishedTable,
}

/// A running pass: what is still to be read, and the way out.
pub(super) struct Readers<'a> {
    config: &'a PostgresConfig,
    pass: Pass,
    status: &'a watch::Sender<SourceStatus>,
    waiting: std::sync::Mutex<VecDeque<Waiting>>,
    outlet: Mutex<Outlet>,
}

impl<'a> Readers<'a> {
    /// Readers of these tables, in this order, each with its place in the list of all.
    pub(super) fn new(
        config: &'a PostgresConfig,
        pass: Pass,
        tables: Vec<(usize, PublishedTable)>,
        outlet: Outlet,
        status: &'a watch::Sender<SourceStatus>,
    ) -> Self {
        let first = announce(status, pass, tables.iter().map(|(_, table)| table));
        let waiting = |(shown, (listed, table))| Waiting { shown, listed, table };
        let waiting = std::sync::Mutex::new((first..).zip(tables).map(waiting).collect());
        Self { config, pass, status, waiting, outlet: Mutex::new(outlet) }
    }

    /// One reader: takes table after table until none is left.
    pub(super) async fn read_tables(&self, session: Session) -> Result<(), SourceError> {
        let pass = self.pass;
        while let Some(next) = self.next_table() {
            let name = &next.table.schema.name;
            let estimate = next.table.rows_estimate;
            let started = Instant::now();
            tracing::info!(table = %name, ?pass, estimate, "begin to read a table");
            let rows = self.read_table(&session, &next).await?;
            self.progress(next.shown, |progress| progress.complete = true);
            let elapsed = started.elapsed();
            tracing::info!(table = %name, ?pass, rows, ?elapsed, "read a table");
        }
        session.close().await;
        Ok(())
    }

    fn next_table(&self) -> Option<Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn progress(&self, place: usize, change: impl FnMut(&mut TableProgress)) {
        self.status
            .send_modify(|status| status.snapshot.get_mut(place).into_iter().for_each(change));
    }

    async fn read_table(
        &self,
        session: &Session,
        Waiting { shown, listed, table }: &Waiting,
    ) -> Result<u64, SourceError> {
        // Without columns there are no cells to read, and no mapping that could want them.
        if table.schema.columns.is_empty() {
            return self.outlet.lock().await.send(&table.schema, Vec::new(), Some(*listed)).await;
        }
        let doing = format!("read table `{}`", table.schema.name);
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
                let last = ended.then_some(*listed);
                let mut outlet = self.outlet.lock().await;
                let sent = outlet.send(&table.schema, pending.take(), last).await?;
                self.progress(*shown, |progress| progress.rows += sent);
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

/// Shows the tables of this pass behind those of the other, and says where the first one stands.
fn announce<'t>(
    status: &watch::Sender<SourceStatus>,
    pass: Pass,
    tables: impl Iterator<Item = &'t PublishedTable>,
) -> usize {
    let mut first = 0;
    status.send_modify(|status| {
        status.phase = Phase::Snapshot;
        status.snapshot.retain(|table| table.pass != pass);
        first = status.snapshot.len();
        status.snapshot.extend(tables.map(|table| TableProgress {
            table: table.schema.name.clone(),
            pass,
            rows: 0,
            estimate: table.rows_estimate,
            complete: false,
        }));
    });
    first
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
