//! Reading whole tables: every row as it was at one moment of the log.
//!
//! A session exports what it sees, a [`Moment`]; several readers import it, each over its own
//! connection, and read whole tables. The exporting session must stay as it is until the readers
//! have imported it. There are two passes ([`Pass`]): seeds, which the bridge remembers, and the
//! snapshot, whose rows become events. At the first start both look at the moment the slot began
//! at, seeds first, so that what a snapshot row looks up is of the same instant as the row.
//!
//! # Why nothing is lost or doubled
//!
//! What was committed before a slot's consistent point is in the snapshot it exported, what comes
//! after it is in the slot, nothing is in both. Rows carry the sequence just before that point, so
//! that every later commit is newer, and an ordinal that grows in the order the batches enter the
//! queue (`Outlet`). A new export shows another moment, so a table that was not read to its end is
//! read again from its start; the tables before it need not be, because the position of every batch
//! tells which they are (`Tally`). How the moments are brought together is told in `begin`. Only
//! the caller, once [`run`] has returned `Ok`, may send what tells that the pass is complete.
//!
//! Seeds have no place in the order. They need not even be of the moment the log is followed from:
//! the README says why the log brings later ones to the same end.
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

use erpbridge_connector::{
    Pass, Position, SourceContext, SourceError, SourceErrorKind, TableSelection, TablesDone,
    Timestamp, Transaction,
};
use futures_util::future::try_join_all;

use crate::catalog::{self, PublishedTable};
use crate::config::PostgresConfig;
use crate::outlet::Outlet;
use crate::position::{Identity, Lsn, NotAnLsn};
use crate::session::{Session, connect, server_error};
use crate::sql;

mod readers;
mod tally;

use readers::Readers;
pub(crate) use tally::Tally;

/// A moment of the database that several sessions can look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The name it is imported by, while the session that exported it stays as it is.
    pub snapshot: String,
    /// Nothing committed at or after this place is seen. What a slot exported shows everything
    /// that was committed before it.
    pub at: Lsn,
}

/// Which tables to read, as of when and what for.
pub struct Reading<'a> {
    /// The database.
    pub config: &'a PostgresConfig,
    /// What the bridge wants.
    pub selection: &'a dyn TableSelection,
    /// As of when.
    pub moment: &'a Moment,
    /// What for.
    pub pass: Pass,
    /// The position its rows carry.
    pub mark: Mark,
}

/// Which position the rows of a pass carry: where to resume once they are durable.
#[derive(Clone, Debug)]
pub enum Mark {
    /// This one.
    Fixed(Position),
    /// The moment's own, with the tables that have been read by then. These have been before, and
    /// are not read again.
    Counted(Identity, Option<TablesDone>),
}

/// Reads every table of the publication that the pass wants, and says how many they were.
///
/// `Ok` means that all rows have been sent. A stop in between is an error of kind
/// [`SourceErrorKind::Closed`], so that nobody takes an unfinished pass for a finished one.
pub async fn run(reading: &Reading<'_>, context: &SourceContext) -> Result<usize, SourceError> {
    let read = Box::pin(reading.read(context));
    tokio::select! {
        // Rows read but not sent are lost with this branch; the tables will be read anew.
        done = read => done,
        () = context.stop.cancelled() => Err(stopped(reading.pass)),
    }
}

fn stopped(pass: Pass) -> SourceError {
    let what = match pass {
        Pass::Seed => "stopped before all seeds were sent",
        Pass::Snapshot => "stopped before the snapshot was complete",
    };
    SourceError::new(SourceErrorKind::Closed, what)
}

impl Reading<'_> {
    async fn read(&self, context: &SourceContext) -> Result<usize, SourceError> {
        let first = import(self.config, &self.moment.snapshot).await?;
        let tables = self.tables(&first).await?;
        let (tables, tally) = self.unread(tables);
        let transaction = self.transaction(&first, tally.position()).await?;
        let outlet = Outlet::new(context.out.clone(), transaction, tally);
        let (total, parallel) = (tables.len(), self.config.snapshot_tables_in_parallel);
        let readers = Readers::new(self.config, self.pass, tables, outlet, &context.status);
        let mut sessions = vec![first];
        while sessions.len() < std::cmp::min(parallel, total) {
            sessions.push(import(self.config, &self.moment.snapshot).await?);
        }
        try_join_all(sessions.into_iter().map(|session| readers.read_tables(session))).await?;
        Ok(total)
    }

    /// In the order of their names.
    async fn tables(&self, session: &Session) -> Result<Vec<PublishedTable>, SourceError> {
        let Self { config, selection, pass, .. } = self;
        let asked = catalog::tables(session, &config.publication, |table| {
            selection.wants(table)
                && match pass {
                    Pass::Seed => selection.seeds(table),
                    Pass::Snapshot => selection.snapshots(table),
                }
        });
        asked.await
    }

    /// What is still to be read, with each table's place in the list; the largest first, because
    /// begun last it would be read alone while the other readers are done.
    fn unread(&self, tables: Vec<PublishedTable>) -> (Vec<(usize, PublishedTable)>, Tally) {
        let tally = match &self.mark {
            Mark::Fixed(position) => Tally::fixed(position.clone()),
            Mark::Counted(identity, before) => {
                let names = tables.iter().map(|table| &table.schema.name);
                Tally::counted(
                    self.moment.at,
                    *identity,
                    TablesDone::none_of(names),
                    before.as_ref(),
                )
            }
        };
        let listed = tables.into_iter().enumerate();
        let mut unread: Vec<_> = listed.filter(|(place, _)| !tally.has_read(*place)).collect();
        unread.sort_by_key(|(_, table)| std::cmp::Reverse(table.rows_estimate));
        (unread, tally)
    }

    /// What all rows of the pass belong to. One less than the moment's place sorts before every
    /// commit that is not in it, because places in the log are even.
    async fn transaction(
        &self,
        session: &Session,
        resume: Position,
    ) -> Result<Transaction, SourceError> {
        let row = session.client().query_one(NOW, &[]).await;
        let micros = row.and_then(|row| row.try_get(0));
        let micros = micros.map_err(|error| server_error(error, "read the server's clock"))?;
        let seed = self.pass == Pass::Seed;
        Ok(Transaction {
            id: if seed { "seed" } else { "snapshot" }.into(),
            sequence: Lsn::new(self.moment.at.get().saturating_sub(1)).sequence(),
            committed_at: Timestamp::from_micros(micros),
            resume,
            complete: true,
            snapshot: !seed,
            seed,
        })
    }
}

/// <https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT>
const NOW: &str = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";

/// Whether a commit may be in the log for long before other sessions see it.
pub async fn commits_wait_for_standbys(session: &Session) -> Result<bool, SourceError> {
    let ask = "SELECT current_setting('synchronous_standby_names') <> ''";
    let answer = session.client().query_one(ask, &[]).await.and_then(|row| row.try_get(0));
    answer.map_err(|error| server_error(error, "ask whether commits wait for standbys"))
}

/// Exports what is there now, without waiting for anybody. The moment passes with the session.
///
/// No slot vouches for it, so its place is only a bound: whatever is seen was committed before it,
/// but a commit that waits for a standby is in the log and not yet seen. Where there are none,
/// seeds may be read as of it; a snapshot may not.
pub async fn export(session: &Session) -> Result<Moment, SourceError> {
    let doing = "export a snapshot";
    let begun = session.client().batch_execute(BEGIN).await;
    begun.map_err(|error| server_error(error, doing))?;
    let row = session.client().query_one(EXPORT, &[]).await;
    let read = |row: tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get::<_, String>(1)?));
    let (snapshot, at) = row.and_then(read).map_err(|error| server_error(error, doing))?;
    let at = at.parse().map_err(|error: NotAnLsn| {
        let message = format!("{doing}: the server names no place in its log");
        SourceError::new(SourceErrorKind::Decode, message).with_cause(error)
    })?;
    Ok(Moment { snapshot, at })
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The end of the log is read after the snapshot was taken, by the same statement.
const EXPORT: &str = "
SELECT pg_export_snapshot(),
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
             ELSE pg_current_wal_insert_lsn() END)::text";

/// A session that sees the database as of the exported snapshot.
async fn import(config: &PostgresConfig, snapshot_name: &str) -> Result<Session, SourceError> {
    let session = connect(config).await?;
    let statements = format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}", sql::literal(snapshot_name));
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
