//! Remembered rows on their way with the position.
//!
//! Where a mapping remembers rows, a restart resumes at the position the *rows* are true to, and
//! what the stream has since is recognised and skipped. So no position may be recorded, and the
//! database may forget nothing, before the rows are on disk up to it: a [`Milestone`] waits here
//! until they are. Snapshots pass at once: until the first position after one, a restart reads
//! everything again.

use std::time::Duration;

use erpbridge_connector::{Position, Sequence};
use tokio::sync::watch;
use tokio::time::Instant;

use super::settle::Milestone;
use crate::mapping::{MemoryRows, Rows};
use crate::state::{RowStore, RowStoreError};

/// How often rows are made durable.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// What a source's mappings remember.
pub struct Remembered {
    rows: Kind,
    /// The newest milestone that waits for the rows to be on disk.
    waiting: Option<Milestone>,
    /// The one they are on their way to.
    flushing: Option<Milestone>,
    flush_from: Instant,
    /// Whether all seeds are in. Before, the rows are true to no position.
    seeded: bool,
    founding: Founding,
}

/// How far the first position is that new seeds have on disk. Events of the log that are made
/// with seeds a crash would lose could not be made the same way again: the tables have moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Founding {
    /// There are no new seeds, or they are on disk.
    Done,
    /// The seeds are in; the position after them is still to come.
    Seeded,
    /// It has come. Nothing more may be read before it is on disk.
    Waiting,
}

enum Kind {
    /// Nothing.
    Nothing(MemoryRows),
    /// Rows on disk.
    Store {
        store: Box<RowStore>,
        durable: watch::Receiver<Option<Position>>,
        known: Option<Sequence>,
    },
}

impl Remembered {
    /// Nothing is remembered.
    pub fn nothing() -> Self {
        Self::new(Kind::Nothing(MemoryRows::new()))
    }

    /// These rows, in memory only.
    #[cfg(test)]
    pub(super) fn in_memory(rows: MemoryRows) -> Self {
        Self::new(Kind::Nothing(rows))
    }

    /// The rows, if they are in memory only.
    #[cfg(test)]
    pub(super) fn memory_rows(&self) -> Option<&MemoryRows> {
        match &self.rows {
            Kind::Nothing(rows) => Some(rows),
            Kind::Store { .. } => None,
        }
    }

    /// These rows.
    pub fn in_store(store: RowStore) -> Self {
        let (durable, known) = (store.durable(), store.sequence());
        let seeded = store.unseeded().is_empty();
        Self { seeded, ..Self::new(Kind::Store { store: Box::new(store), durable, known }) }
    }

    fn new(rows: Kind) -> Self {
        let (waiting, flushing, flush_from) = (None, None, Instant::now());
        Self { rows, waiting, flushing, flush_from, seeded: true, founding: Founding::Done }
    }

    /// The rows.
    pub fn rows(&mut self) -> &mut dyn Rows {
        match &mut self.rows {
            Kind::Nothing(rows) => rows,
            Kind::Store { store, .. } => &mut **store,
        }
    }

    /// Whether the rows of this transaction are remembered already.
    pub(super) fn knows(&self, sequence: &Sequence) -> bool {
        match &self.rows {
            Kind::Store { known: Some(known), .. } => sequence <= known,
            _ => false,
        }
    }

    /// All seeds are in.
    pub(super) fn seeded(&mut self) {
        self.seeded = true;
        if let Kind::Store { store, .. } = &mut self.rows {
            self.founding = Founding::Seeded;
            store.seeded();
        }
    }

    /// A position has come from the source. The first one after the seeds is the one their table
    /// rows go to disk with.
    pub(super) fn progress(&mut self) {
        if self.founding == Founding::Seeded {
            self.founding = Founding::Waiting;
        }
    }

    /// Whether more may be read from the source: not while seeds are on their way to disk.
    pub(super) fn wants_more(&self) -> bool {
        self.founding != Founding::Waiting
    }

    /// The rows since the last call belong to this transaction, which is complete.
    pub(super) fn commit(&mut self, sequence: &Sequence) {
        if let Kind::Store { store, .. } = &mut self.rows {
            store.commit(sequence);
        }
    }

    /// A position was reached: everything before it can be found again in NATS. Gives it back if
    /// it need not wait for the rows.
    pub(super) fn reach(&mut self, milestone: Milestone) -> Option<Milestone> {
        let Kind::Store { store, .. } = &mut self.rows else { return Some(milestone) };
        if milestone.snapshot || !self.seeded {
            return Some(milestone);
        }
        store.settle(milestone.sequence.as_ref(), &milestone.position);
        self.waiting = Some(milestone);
        None
    }

    /// When to call [`flush`](Self::flush) next, if anything waits.
    pub(super) fn next_flush(&self) -> Option<Instant> {
        (self.waiting.is_some() || self.flushing.is_some()).then_some(self.flush_from)
    }

    /// Makes rows durable. Gives the newest milestone they are on disk for, if that is news.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn flush(&mut self) -> Result<Option<Milestone>, RowStoreError> {
        let Kind::Store { store, durable, .. } = &mut self.rows else { return Ok(None) };
        if Instant::now() < self.flush_from {
            return Ok(None);
        }
        self.flush_from = Instant::now() + FLUSH_INTERVAL;
        store.flush()?;
        let landed = landed(&mut self.flushing, durable);
        if landed.is_some() && self.founding == Founding::Waiting {
            self.founding = Founding::Done;
        }
        if self.flushing.is_none() {
            self.flushing = self.waiting.take();
            // What was given now may be on disk at the next call.
            store.flush()?;
        }
        Ok(landed)
    }

    /// Waits until there is room for more rows in memory.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) async fn room(&mut self) -> Result<(), RowStoreError> {
        match &mut self.rows {
            Kind::Nothing(_) => Ok(()),
            Kind::Store { store, .. } => store.room().await,
        }
    }

    /// Makes everything durable that is settled, and closes. Gives the last milestone.
    ///
    /// # Errors
    /// If it cannot be written; the next start goes back to what was.
    pub(super) async fn close(mut self) -> Result<Option<Milestone>, RowStoreError> {
        let last = self.waiting.take().or(self.flushing.take());
        match self.rows {
            Kind::Nothing(_) => Ok(None),
            Kind::Store { store, .. } => store.close().await.map(|()| last),
        }
    }
}

fn landed(
    flushing: &mut Option<Milestone>,
    durable: &mut watch::Receiver<Option<Position>>,
) -> Option<Milestone> {
    let on_disk = durable.borrow_and_update().clone()?;
    flushing.take_if(|milestone| milestone.position == on_disk)
}
