//! Events that wait to be published, cut into publish units.
//!
//! A unit holds at most [`UNIT_MESSAGES`] events (the server's limit for an atomic batch). A
//! transaction that fits is never split over two; a larger one is cut between two row changes,
//! so that "everything up to this order key is stored" stays one comparison.

use std::collections::VecDeque;

use erpbridge_connector::{Position, Progress, Transaction};

use crate::canonical::EventBatch;

/// Events per publish unit.
pub const UNIT_MESSAGES: usize = 1000;
/// Bytes per publish unit, unless one row change alone gives more.
pub const UNIT_BYTES: usize = 8 << 20;

/// A publish unit: events, and what is known once they are stored.
#[derive(Debug, Default)]
pub struct Unit {
    /// The events and the transactions they belong to.
    pub events: EventBatch,
    /// The source's own word that everything before a position has been sent.
    pub progress: Option<Progress>,
}

impl Unit {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.events.dead_letters.is_empty()
            && self.events.settled().is_empty()
            && self.progress.is_none()
    }
}

/// Units in order: sealed ones, and one still open.
#[derive(Debug, Default)]
pub struct Outbox {
    sealed: VecDeque<Unit>,
    open: Unit,
    /// How many events the open unit held when the transaction under way began.
    transaction_start: usize,
    /// Where to resume if the transaction under way is never finished.
    resume: Option<Position>,
}

impl Outbox {
    /// An empty outbox of a source that resumes after this position.
    pub fn new(resume: Option<Position>) -> Self {
        Self { resume, ..Self::default() }
    }

    /// Whether another batch of rows may be mapped: at most one sealed unit waits.
    pub fn wants_more(&self) -> bool {
        self.sealed.is_empty()
    }

    /// Takes the next unit: a sealed one, else the open one with what it has.
    pub fn take(&mut self) -> Option<Unit> {
        if let Some(unit) = self.sealed.pop_front() {
            return Some(unit);
        }
        if self.open.is_empty() {
            return None;
        }
        self.transaction_start = 0;
        Some(std::mem::take(&mut self.open))
    }

    /// Says that the events that follow belong to a new transaction.
    pub fn begin(&mut self) {
        self.transaction_start = self.open.events.len();
    }

    /// Lets `write` append the events of one row change, and cuts a unit before them, or before
    /// their transaction, if it has become too large.
    pub fn append(
        &mut self,
        transaction: &Transaction,
        ordinal: u64,
        write: impl FnOnce(&mut EventBatch),
    ) {
        let before = self.open.events.len();
        write(&mut self.open.events);
        let full =
            self.open.events.len() > UNIT_MESSAGES || self.open.events.bytes() > UNIT_BYTES;
        if full && before > 0 {
            self.cut(transaction, ordinal, before);
        }
    }

    /// Says that everything of the transaction up to `ordinal` has been appended.
    pub fn end(&mut self, transaction: &Transaction, ordinal: u64) {
        self.open.events.settle(transaction, ordinal);
        if transaction.complete {
            self.resume = Some(transaction.resume.clone());
            self.open.progress = None;
        }
    }

    /// Notes that everything so far leads up to this position.
    pub fn progress(&mut self, progress: Progress) {
        self.resume = Some(progress.position.clone());
        self.open.progress = Some(progress);
    }

    fn cut(&mut self, transaction: &Transaction, ordinal: u64, change_start: usize) {
        let whole = self.transaction_start > 0;
        let at = if whole { self.transaction_start } else { change_start };
        let rest = self.open.events.split_off(at);
        if !whole {
            // The transaction is larger than a unit: this part of it ends before `ordinal`, and
            // the source must resume before the transaction until the rest is stored.
            let resume = self.resume.as_ref().unwrap_or(&transaction.resume).clone();
            let part = Transaction { complete: false, resume, ..transaction.clone() };
            self.open.events.settle(&part, ordinal.saturating_sub(1));
        }
        let rest = Unit { events: rest, progress: None };
        self.sealed.push_back(std::mem::replace(&mut self.open, rest));
        self.transaction_start = 0;
    }
}
