//! The changes that are not on disk yet, in order, and how far they are settled.
//!
//! Transactions are numbered as they are committed here. Number 0 is for seeds, which belong to no
//! transaction: they count as settled, and there is nothing to undo for them.

use std::collections::VecDeque;
use std::sync::Arc;

use erpbridge_connector::Sequence;

use super::record::Record;

/// The transaction of a seed.
pub(super) const SEED: u64 = 0;
/// What a change takes beside its key and record, here and on its way to disk.
const CHANGE_BYTES: usize = 192;

/// One row set or forgotten.
#[derive(Debug)]
pub(super) struct Change {
    /// The table, by its place among those the store was opened with.
    pub(super) table: u32,
    pub(super) key: Arc<str>,
    /// None: the row was forgotten.
    pub(super) record: Option<Record>,
    pub(super) transaction: u64,
    /// Its place among all changes, from 1.
    pub(super) number: u64,
}

impl Change {
    pub(super) fn bytes(&self) -> usize {
        CHANGE_BYTES + 2 * self.key.len() + 2 * self.record.as_ref().map_or(0, Record::len)
    }
}

/// The changes that are not on disk yet.
#[derive(Debug)]
pub(super) struct Log {
    changes: VecDeque<Change>,
    bytes: usize,
    /// Number of the newest change.
    newest: u64,
    /// Number of the transaction under way.
    under_way: u64,
    /// Whether the transaction under way has changed anything.
    dirty: bool,
    /// Complete transactions that are not settled.
    complete: VecDeque<(u64, Sequence)>,
    /// Transactions up to this number are settled.
    settled: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            changes: VecDeque::new(),
            bytes: 0,
            newest: 0,
            under_way: SEED + 1,
            dirty: false,
            complete: VecDeque::new(),
            settled: SEED,
        }
    }

    /// Memory taken, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of the newest change.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Transactions up to this number are settled.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The number the next change gets.
    pub(super) fn next(&self) -> u64 {
        self.newest + 1
    }

    pub(super) fn push(&mut self, table: u32, key: Arc<str>, record: Option<Record>, seed: bool) {
        self.newest += 1;
        let transaction = if seed { SEED } else { self.under_way };
        self.dirty |= !seed;
        let change = Change { table, key, record, transaction, number: self.newest };
        self.bytes += change.bytes();
        self.changes.push_back(change);
    }

    /// The changes since the last commit are a whole transaction. One that changed nothing needs
    /// no remembering: there is nothing of it to wait for.
    pub(super) fn commit(&mut self, sequence: &Sequence) {
        if std::mem::take(&mut self.dirty) {
            self.complete.push_back((self.under_way, sequence.clone()));
            self.under_way += 1;
        }
    }

    /// Complete transactions up to `sequence` are settled.
    pub(super) fn settle(&mut self, sequence: &Sequence) {
        while let Some((number, _)) = self.complete.front().filter(|(_, own)| own <= sequence) {
            self.settled = *number;
            self.complete.pop_front();
        }
    }

    /// Takes the settled changes from the front.
    pub(super) fn take_settled(&mut self) -> Vec<Change> {
        let settled = self.settled;
        let unsettled = self.changes.iter().position(|change| change.transaction > settled);
        let rest = self.changes.split_off(unsettled.unwrap_or(self.changes.len()));
        let taken = std::mem::replace(&mut self.changes, rest);
        self.bytes -= taken.iter().map(Change::bytes).sum::<usize>();
        taken.into()
    }

    /// Takes all changes.
    pub(super) fn take_all(&mut self) -> Vec<Change> {
        self.bytes = 0;
        std::mem::take(&mut self.changes).into()
    }

    /// Bytes of the settled changes at the front.
    pub(super) fn settled_bytes(&self) -> usize {
        let settled = self.changes.iter().take_while(|change| change.transaction <= self.settled);
        settled.map(Change::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(number: u32) -> Sequence {
        Sequence::new(format!("{number:04}"))
    }

    fn push(log: &mut Log, key: &str, seed: bool) {
        log.push(0, key.into(), None, seed);
    }

    fn keys(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| &*change.key).collect()
    }

    #[test]
    fn only_what_is_complete_and_settled_is_taken() {
        let mut log = Log::new();
        push(&mut log, "a", false);
        log.commit(&sequence(1));
        push(&mut log, "b", false);
        log.commit(&sequence(2));
        push(&mut log, "c", false);
        assert_eq!(keys(&log.take_settled()), [""; 0]);
        log.settle(&sequence(9));
        assert_eq!(keys(&log.take_settled()), ["a", "b"]);
        assert_eq!(keys(&log.take_all()), ["c"]);
        assert_eq!((log.bytes(), log.newest()), (0, 3));
    }

    #[test]
    fn a_transaction_without_changes_settles_nothing_it_should_not() {
        let mut log = Log::new();
        push(&mut log, "a", false);
        log.commit(&sequence(1));
        log.commit(&sequence(2));
        push(&mut log, "b", false);
        log.commit(&sequence(3));
        log.settle(&sequence(2));
        assert_eq!(keys(&log.take_settled()), ["a"]);
    }

    #[test]
    fn seeds_need_not_be_settled_but_keep_their_place() {
        let mut log = Log::new();
        push(&mut log, "seed", true);
        push(&mut log, "change", false);
        push(&mut log, "late seed", true);
        assert!(log.settled_bytes() > 0);
        assert_eq!(keys(&log.take_settled()), ["seed"]);
        assert_eq!(keys(&log.take_settled()), [""; 0]);
        assert_eq!(keys(&log.take_all()), ["change", "late seed"]);
    }
}
