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
/// So many dead letters may wait. They are stored one by one and each holds its row, so a mapping
/// that fits no row of a large table would otherwise take in the whole table.
const WAITING_LETTERS: usize = 1000;
/// So many transactions may wait. Those without an event do not make a unit larger.
const WAITING_TRANSACTIONS: usize = 20_000;

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
    /// Ordinal of the row change under way, and how many events the open unit held before it.
    change: Option<(u64, usize)>,
    /// Where to resume if the transaction under way is never finished.
    resume: Option<Position>,
}

impl Outbox {
    /// An empty outbox of a source that resumes after this position.
    pub fn new(resume: Option<Position>) -> Self {
        Self { resume, ..Self::default() }
    }

    /// Whether another batch of rows may be mapped: at most one sealed unit waits, and the open
    /// one is not heavy with what does not seal it.
    pub fn wants_more(&self) -> bool {
        let open = &self.open.events;
        self.sealed.is_empty()
            && open.dead_letters.len() < WAITING_LETTERS
            && open.settled().len() < WAITING_TRANSACTIONS
    }

    /// Takes the next unit: a sealed one, else the open one with what it has.
    pub fn take(&mut self) -> Option<Unit> {
        if let Some(unit) = self.sealed.pop_front() {
            return Some(unit);
        }
        if self.open.is_empty() {
            return None;
        }
        (self.transaction_start, self.change) = (0, None);
        Some(std::mem::take(&mut self.open))
    }

    /// Says that the events that follow belong to a new transaction.
    pub fn begin(&mut self) {
        (self.transaction_start, self.change) = (self.open.events.len(), None);
    }

    /// Lets `write` append events of one row change, and cuts a unit before that change, or before
    /// its transaction, if it has become too large. What follows with the same ordinal is of the
    /// same change: a new key is a row that goes and a row that comes.
    pub fn append<R>(
        &mut self,
        transaction: &Transaction,
        ordinal: u64,
        write: impl FnOnce(&mut EventBatch) -> R,
    ) -> R {
        let here = (ordinal, self.open.events.len());
        let (_, change_start) = self.change.filter(|(of, _)| *of == ordinal).unwrap_or(here);
        self.change = Some((ordinal, change_start));
        let written = write(&mut self.open.events);
        self.cut_if_full(transaction, ordinal, change_start);
        written
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
        self.change = Some((ordinal, change_start - at));
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
    use crate::deadletter::{DeadLetter, Reason};

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

    #[test]
    fn a_row_that_goes_and_comes_under_a_new_key_is_never_cut_in_two() {
        let mut outbox = Outbox::new(None);
        let transaction = transaction(1, true);
        outbox.begin();
        let event = |batch: &mut EventBatch| {
            batch.event(1000);
        };
        for ordinal in 1..1000 {
            outbox.append(&transaction, ordinal, event);
        }
        // Gone and come: two net changes of one ordinal, of which a replay knows only both.
        outbox.append(&transaction, 1000, event);
        outbox.append(&transaction, 1000, event);
        outbox.end(&transaction, 1000);
        let units = units(outbox);
        assert_eq!(units.iter().map(|unit| unit.events.len()).collect::<Vec<_>>(), [999, 2]);
        assert_eq!(units[0].events.settled().last().unwrap().ordinal, 999);
    }

    #[test]
    fn what_does_not_seal_a_unit_is_bounded_all_the_same() {
        let mut letters = Outbox::new(None);
        let mut filtered = Outbox::new(None);
        let mut batches = 0;
        while letters.wants_more() {
            let transaction = transaction(1, true);
            letters.append(&transaction, 1, |batch| batch.dead_letters.push(letter()));
            batches += 1;
        }
        assert_eq!(batches, WAITING_LETTERS);
        assert!(letters.take().is_some() && letters.wants_more());
        (0..WAITING_TRANSACTIONS).for_each(|number| add(&mut filtered, number, &[0]));
        assert!(!filtered.wants_more());
    }

    fn letter() -> DeadLetter {
        DeadLetter {
            id: String::new(),
            table: String::new(),
            rule: None,
            reason: Reason::Decode,
            detail: String::new(),
            sequence: Sequence::new("0A"),
            ordinal: 1,
            position: Position::new("p"),
            row: serde_json::Value::Null,
        }
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
