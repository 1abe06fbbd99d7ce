//! Rows in memory: those used lately, and those the disk does not have yet.
//!
//! One map for both, so that the newest image of a row is found with one look-up and without
//! allocating. A row whose newest change is not on disk is never let go; of the others, those not
//! asked for since the clock's hand last passed are.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::record::Record;

/// What an entry takes beside its key and its record: the slot, its place in the table, and the
/// counts of the shared blocks.
const SLOT_BYTES: usize = 136;
/// Slots the hand passes for each row that comes in. More than one, so that the bound is reached
/// soon; few, so that a put costs about the same always.
const STEPS: usize = 8;

#[derive(Debug)]
struct Slot {
    table: u32,
    key: Arc<str>,
    /// None: there is no such row.
    record: Option<Record>,
    /// Number of the newest change of the row; 0 for one read from disk.
    change: u64,
    used: bool,
}

impl Slot {
    fn bytes(&self) -> usize {
        SLOT_BYTES + self.key.len() + self.record.as_ref().map_or(0, Record::len)
    }
}

/// What is known of a row in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<'h> {
    /// It is this.
    Row(&'h Record),
    /// There is no such row.
    Nothing,
}

impl<'h> Known<'h> {
    pub(super) fn record(self) -> Option<&'h Record> {
        match self {
            Self::Row(record) => Some(record),
            Self::Nothing => None,
        }
    }
}

/// The rows in memory.
#[derive(Debug)]
pub(super) struct Hot {
    places: HashTable<usize>,
    slots: Vec<Slot>,
    hand: usize,
    bytes: usize,
    limit: usize,
}

impl Hot {
    pub(super) fn new(limit: usize) -> Self {
        Self { places: HashTable::new(), slots: Vec::new(), hand: 0, bytes: 0, limit }
    }

    /// Memory taken, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a row, if anything.
    pub(super) fn get(&mut self, table: u32, key: &str) -> Option<Known<'_>> {
        let place = self.place(table, key)?;
        let slot = self.slots.get_mut(place)?;
        slot.used = true;
        Some(slot.record.as_ref().map_or(Known::Nothing, Known::Row))
    }

    /// The keys of the rows of a table in memory that begin with `prefix`.
    pub(super) fn keys(&self, table: u32, prefix: &str) -> Vec<Arc<str>> {
        let own = |slot: &&Slot| slot.table == table && slot.record.is_some();
        let own = self.slots.iter().filter(own).filter(|slot| slot.key.starts_with(prefix));
        own.map(|slot| Arc::clone(&slot.key)).collect()
    }

    /// Sets a row as of a change, in place of what was known. Gives the key to share.
    pub(super) fn put(
        &mut self,
        table: u32,
        key: &str,
        record: Option<Record>,
        change: u64,
    ) -> Arc<str> {
        if let Some(slot) = self.place(table, key).and_then(|place| self.slots.get_mut(place)) {
            self.bytes -= slot.bytes();
            slot.record = record;
            slot.change = change;
            slot.used = true;
            self.bytes += slot.bytes();
            return Arc::clone(&slot.key);
        }
        let key: Arc<str> = key.into();
        let slot = Slot { table, key: Arc::clone(&key), record, change, used: false };
        self.bytes += slot.bytes();
        let slots = &self.slots;
        self.places.insert_unique(hash(table, &key), slots.len(), |place| hash_of(slots, *place));
        self.slots.push(slot);
        key
    }

    /// Lets rows go until the bound is kept, unless their newest change is after `durable`.
    pub(super) fn make_room(&mut self, durable: u64) {
        for _ in 0..STEPS {
            if self.bytes <= self.limit {
                return;
            }
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            match self.slots.get_mut(self.hand) {
                Some(slot) if slot.used => slot.used = false,
                Some(slot) if slot.change <= durable => self.let_go(self.hand),
                _ => {}
            }
            self.hand += 1;
        }
    }

    /// The last slot, which is a young one, takes the place of the one that goes: the hand comes by
    /// there last.
    fn let_go(&mut self, place: usize) {
        let last = self.slots.len() - 1;
        self.unlist(place, None);
        if place != last {
            self.unlist(last, Some(place));
        }
        self.bytes -= self.slots.swap_remove(place).bytes();
    }

    fn unlist(&mut self, place: usize, moved_to: Option<usize>) {
        let hash = hash_of(&self.slots, place);
        if let Ok(mut entry) = self.places.find_entry(hash, |at| *at == place) {
            match moved_to {
                Some(to) => *entry.get_mut() = to,
                None => drop(entry.remove()),
            }
        }
    }

    fn place(&self, table: u32, key: &str) -> Option<usize> {
        let same = |place: &usize| {
            let slot = self.slots.get(*place);
            slot.is_some_and(|slot| slot.table == table && *slot.key == *key)
        };
        self.places.find(hash(table, key), same).copied()
    }
}

fn hash(table: u32, key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), u64::from(table))
}

fn hash_of(slots: &[Slot], place: usize) -> u64 {
    slots.get(place).map_or(0, |slot| hash(slot.table, &slot.key))
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Value;

    use super::*;
    use crate::mapping::KeptRow;
    use crate::state::rows::record::Parents;

    fn record(text: &str) -> Record {
        let row = KeptRow::new([Value::Text(text)].into_iter());
        Record { row, parents: Parents::default() }
    }

    fn fill(hot: &mut Hot, rows: u64, change: impl Fn(u64) -> u64, durable: u64) {
        for number in 0..rows {
            hot.put(0, &number.to_string(), Some(record("x")), change(number));
            hot.make_room(durable);
        }
    }

    #[test]
    fn the_newest_image_is_found_and_tables_are_kept_apart() {
        let mut hot = Hot::new(1 << 20);
        hot.put(0, "1", Some(record("old")), 1);
        hot.put(0, "1", Some(record("new")), 2);
        hot.put(1, "1", None, 3);
        assert_eq!(hot.get(0, "1"), Some(Known::Row(&record("new"))));
        assert_eq!(hot.get(1, "1"), Some(Known::Nothing));
        assert_eq!(hot.get(2, "1"), None);
    }

    #[test]
    fn memory_stays_within_the_bound_however_many_rows_come() {
        let mut hot = Hot::new(20_000);
        fill(&mut hot, 10_000, |_| 0, 0);
        assert!(hot.bytes() <= 20_000 + 2 * SLOT_BYTES, "{}", hot.bytes());
        let counted: usize = hot.slots.iter().map(Slot::bytes).sum();
        assert_eq!((hot.bytes(), hot.places.len()), (counted, hot.slots.len()));
        for (place, slot) in hot.slots.iter().enumerate() {
            assert_eq!(hot.place(0, &slot.key), Some(place));
        }
    }

    #[test]
    fn a_row_that_is_not_on_disk_is_never_let_go() {
        let mut hot = Hot::new(1_000);
        fill(&mut hot, 500, |number| if number % 2 == 0 { 7 } else { 5 }, 6);
        for number in (0..500).step_by(2) {
            assert!(hot.get(0, &number.to_string()).is_some(), "{number}");
        }
        assert!(hot.slots.len() < 300, "{}", hot.slots.len());
    }

    #[test]
    fn a_row_in_use_outlives_those_seen_once() {
        let mut hot = Hot::new(20_000);
        hot.put(0, "used", Some(record("x")), 0);
        for number in 0..10_000 {
            hot.put(0, &number.to_string(), Some(record("x")), 0);
            hot.make_room(0);
            assert!(hot.get(0, "used").is_some(), "{number}");
        }
    }
}
