//! Reading whole tables: every row as it was at one moment of the log.
//!
//! A [`Moment`] is a handful of sessions that see the same instant, and the place at which the log
//! goes on behind it; [`take`] tells how the two are brought together. The sessions read whole
//! tables, each its own. There are two passes ([`Pass`]): seeds, which the bridge remembers, and the
//! snapshot, whose rows become events. At the first start both look at the same moment, seeds
//! first, so that what a snapshot row looks up is of the same instant as the row.
//!
//! # Why nothing is lost or doubled
//!
//! What was committed before the moment's place in the log is in the tables, what comes after it is
//! in the log; only where nothing but an overlap could be had is something in both. Rows carry the
//! sequence just before that place, so that every later commit is newer, and an ordinal that grows
//! in the order the batches enter the queue (`Outlet`). Another moment shows another instant, so a
//! table that was not read to its end is read again from its start; the tables before it need not
//! be, because the position of every batch tells which they are (`Tally`). Only the caller, once
//! [`run`] has returned `Ok`, may send what tells that the pass is complete.
//!
//! A table whose engine keeps no old versions of its rows (anything but `InnoDB`) is read as it is
//! when its turn comes: what was changed since the moment is also in the log, and comes twice.
//!
//! Seeds have no place in the order. They need not even be of the moment the log is followed from:
//! the contract says why the log brings later ones to the same end.
//!
//! # Why the same text
//!
//! Every cell is asked for in a form that loses nothing, text in the bytes of its own character
//! set, and becomes text by the same functions as a cell of the log
//! ([`Answers`](crate::values::Answers)).
//!
//! # Why flat memory
//!
//! Rows are asked for by the queue: while it is full the reader does not read, and the server
//! waits. A reader holds one batch.
//!
//! # What the server bears
//!
//! It keeps what rows were since the moment, as long as the sessions are there. A table is locked
//! against changes of its shape while it is being read: `ALTER TABLE` waits that long, and whoever
//! uses the table waits behind it. `MariaDB` holds the lock until all tables have been read, unless
//! the user may turn off the log of its own session.

use erpbridge_connector::{
    Pass, Position, SourceContext, SourceError, SourceErrorKind, TableSelection, TablesDone,
    Transaction,
};
use futures_util::future::try_join_all;

use crate::catalog::Table;
use crate::config::MysqlConfig;
use crate::outlet::Outlet;
use crate::position::{Coordinates, Identity, Reached};

mod moment;
mod readers;
mod tally;

pub use moment::{LOCK_WAIT, Moment, take};
use readers::Readers;
pub(crate) use tally::Tally;

/// Which tables to read and what for.
pub struct Reading<'a> {
    /// How much at a time.
    pub config: &'a MysqlConfig,
    /// What the bridge wants.
    pub selection: &'a dyn TableSelection,
    /// What for.
    pub pass: Pass,
    /// In whose log the moment has its place.
    pub identity: Identity,
    /// What old images carry; the same as in the log.
    pub old_images: erpbridge_connector::ReplicaIdentity,
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
    Counted(Reached, Option<TablesDone>),
}

/// Reads every table of the moment that the pass wants, and says how many they were.
///
/// `Ok` means that all rows have been sent. A stop in between is an error of kind
/// [`SourceErrorKind::Closed`], so that nobody takes an unfinished pass for a finished one.
pub async fn run(
    reading: &Reading<'_>,
    moment: &mut Moment,
    context: &SourceContext,
) -> Result<usize, SourceError> {
    let read = Box::pin(reading.read(moment, context));
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
    async fn read(
        &self,
        moment: &mut Moment,
        context: &SourceContext,
    ) -> Result<usize, SourceError> {
        let (tables, tally) = self.unread(&moment.tables);
        let transaction = self.transaction(moment, tally.position());
        let outlet = Outlet::new(context.out.clone(), transaction, tally);
        let total = tables.len();
        let readers = Readers::new(self, tables, outlet, &context.status)?;
        let reading = moment.sessions.iter_mut().map(|session| readers.read_tables(session));
        try_join_all(reading).await?;
        Ok(total)
    }

    fn asks_for(&self, table: &Table) -> bool {
        let name = table.shape.name();
        self.selection.wants(&name)
            && match self.pass {
                Pass::Seed => self.selection.seeds(&name),
                Pass::Snapshot => self.selection.snapshots(&name),
            }
    }

    /// What is still to be read, with each table's place in the list; the largest first, because
    /// begun last it would be read alone while the other readers are done.
    fn unread<'t>(&self, tables: &'t [Table]) -> (Vec<(usize, &'t Table)>, Tally) {
        let tables: Vec<&Table> = tables.iter().filter(|table| self.asks_for(table)).collect();
        let tally = match &self.mark {
            Mark::Fixed(position) => Tally::fixed(position.clone()),
            Mark::Counted(at, before) => {
                let names: Vec<_> = tables.iter().map(|table| table.shape.name()).collect();
                Tally::counted(
                    at.clone(),
                    self.identity,
                    TablesDone::none_of(&names),
                    before.as_ref(),
                )
            }
        };
        let listed = tables.into_iter().enumerate();
        let mut unread: Vec<_> = listed.filter(|(place, _)| !tally.has_read(*place)).collect();
        unread.sort_by_key(|(_, table)| std::cmp::Reverse(table.rows_estimate));
        (unread, tally)
    }

    /// What all rows of the pass belong to. Rows of the snapshot stand before every commit that
    /// the log goes on with; seeds say which commits are not in them.
    fn transaction(&self, moment: &Moment, resume: Position) -> Transaction {
        let seed = self.pass == Pass::Seed;
        let place = if seed { &moment.until } else { &moment.log.at };
        Transaction {
            id: if seed { "seed" } else { "snapshot" }.into(),
            sequence: before(place).sequence(self.identity.era),
            committed_at: moment.asked_at,
            resume,
            complete: true,
            snapshot: !seed,
            seed,
        }
    }
}

/// A place where no transaction begins: each is longer than a byte.
fn before(place: &Coordinates) -> Coordinates {
    Coordinates::new(place.file.clone(), place.offset.saturating_sub(1))
}
