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
const UNIT_BYTES: usize = 4 << 20;

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
        let change_start = self.open.events.len();
        write(&mut self.open.events);
        self.cut_if_full(transaction, ordinal, change_start);
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

    fn cut_if_full(&mut self, transaction: &Transaction, ordinal: u64, change_start: usize) {
        let (messages, bytes) = (self.open.events.len(), self.open.events.bytes());
        if change_start == 0 || (messages <= UNIT_MESSAGES && bytes <= UNIT_BYTES) {
            return;
        }
        let whole = self.transaction_start > 0;
        let at = if whole { self.transaction_start } else { change_start };
        self.cut(transaction, ordinal, at, whole);
        // The transaction's own part may be too large as well.
        self.cut_if_full(transaction, ordinal, change_start - at);
    }

    fn cut(&mut self, transaction: &Transaction, ordinal: u64, at: usize, whole: bool) {
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

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Sequence, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn transaction(number: usize, complete: bool) -> Transaction {
        Transaction {
            id: number.to_string().into(),
            sequence: Sequence::new(format!("{number:016X}")),
            committed_at: Timestamp::from_micros(0),
            resume: Position::new(format!("after {number}")),
            complete,
            snapshot: false,
            seed: false,
        }
    }

    /// Appends a transaction whose row changes give these many events each.
    fn add(outbox: &mut Outbox, number: usize, events: &[usize]) {
        let transaction = transaction(number, true);
        outbox.begin();
        for (place, count) in events.iter().enumerate() {
            let ordinal = u64::try_from(place).unwrap() + 1;
            outbox.append(&transaction, ordinal, |batch| {
                for event in 0..*count {
                    let mut builder = batch.event(ordinal);
                    builder.subject(|out| out.extend_from_slice(b"s"));
                    builder.header("ce-id", &format!("{number}:{ordinal}:{event}"));
                }
            });
        }
        outbox.end(&transaction, u64::try_from(events.len()).unwrap());
    }

    fn units(mut outbox: Outbox) -> Vec<Unit> {
        std::iter::from_fn(|| outbox.take()).collect()
    }

    fn ids(units: Vec<Unit>) -> Vec<Vec<String>> {
        let frozen = units.into_iter().map(|unit| unit.events.freeze());
        let ids = frozen.map(|batch| {
            batch.messages().map(|m| m.header("ce-id").unwrap().to_owned()).collect::<Vec<_>>()
        });
        ids.collect()
    }

    #[test]
    fn a_transaction_that_fits_is_never_split() {
        let mut outbox = Outbox::new(None);
        add(&mut outbox, 1, &[1; 700]);
        add(&mut outbox, 2, &[1; 700]);
        let units = units(outbox);
        assert_eq!(units.iter().map(|unit| unit.events.len()).collect::<Vec<_>>(), [700, 700]);
        assert!(units.iter().all(|unit| unit.events.settled().len() == 1));
    }

    #[test]
    fn a_part_of_a_large_transaction_resumes_before_it() {
        let mut outbox = Outbox::new(Some(Position::new("start")));
        add(&mut outbox, 1, &[1]);
        add(&mut outbox, 2, &vec![1; 2500]);
        let units = units(outbox);
        let last = |unit: &Unit| {
            let settled = unit.events.settled().last().unwrap();
            (settled.resume.to_string(), settled.ordinal, settled.complete)
        };
        assert_eq!(last(units.first().unwrap()), ("after 1".to_owned(), 1, true));
        assert_eq!(last(units.get(1).unwrap()), ("after 1".to_owned(), 1000, false));
        assert_eq!(last(units.get(2).unwrap()), ("after 1".to_owned(), 2000, false));
        assert_eq!(last(units.get(3).unwrap()), ("after 2".to_owned(), 2500, true));
    }

    proptest! {
        #[test]
        fn events_keep_their_order_and_those_of_one_change_stay_together(
            transactions in prop::collection::vec(
                prop::collection::vec(0_usize..9, 1..400), 1..20),
        ) {
            let mut outbox = Outbox::new(None);
            let mut expected = Vec::new();
            for (number, events) in transactions.iter().enumerate() {
                add(&mut outbox, number, events);
                for (place, count) in events.iter().enumerate() {
                    let id = |event| format!("{number}:{}:{event}", place + 1);
                    expected.extend((0..*count).map(id));
                }
            }
            let units = ids(units(outbox));
            prop_assert!(units.iter().all(|unit| unit.len() <= UNIT_MESSAGES));
            let change = |id: &String| id.rsplit_once(':').unwrap().0.to_owned();
            for pair in units.windows(2) {
                let (Some(last), Some(first)) = (pair[0].last(), pair[1].first()) else { continue };
                prop_assert_ne!(change(last), change(first));
            }
            prop_assert_eq!(units.concat(), expected);
        }
    }
}
