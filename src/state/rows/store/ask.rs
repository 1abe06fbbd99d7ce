//! What a mapping asks and what the log tells.

use std::ops::Bound;

use super::{Kept, RowStore, place};
use crate::mapping::{KeptRow, KeptTable, Rows, RowsError};
use crate::state::rows::error::{DAMAGED, Fault, RowStoreError, RowStoreErrorKind};
use crate::state::rows::log::Change;
use crate::state::rows::record::{Parents, Record, index_key, index_prefix};

impl Rows for RowStore {
    fn get(&mut self, table: KeptTable, key: &str) -> Result<Option<KeptRow>, RowsError> {
        if let Some(known) = self.hot.get(table.0, key) {
            self.counters.hits.add(1);
            return Ok(known.record().map(|record| record.row.clone()));
        }
        Ok(self.record(table, key)?.map(|record| record.row))
    }

    fn children(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowsError> {
        Ok(self.find(table, index, parent, limit)?)
    }

    fn put(
        &mut self,
        table: KeptTable,
        key: &str,
        row: &KeptRow,
        parents: &[Option<&str>],
    ) -> Result<(), RowsError> {
        let record = Record { row: row.clone(), parents: Parents::new(parents) };
        Ok(self.change(table, key, Some(record))?)
    }

    fn remove(&mut self, table: KeptTable, key: &str) -> Result<(), RowsError> {
        Ok(self.change(table, key, None)?)
    }

    fn clear(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowsError> {
        Ok(self.forget_all(table, prefix)?)
    }
}

/// So many keys are read in one go.
const KEYS: usize = if cfg!(test) { 3 } else { 1000 };

impl RowStore {
    /// Sets a row or, without a record, forgets it.
    fn change(
        &mut self,
        table: KeptTable,
        key: &str,
        record: Option<Record>,
    ) -> Result<(), RowStoreError> {
        self.poll()?;
        let number = self.log.next();
        let kept = self.tables.get_mut(place(table));
        let kept = kept.ok_or_else(|| self.blame.plain("write", RowStoreErrorKind::NoTable))?;
        if let Some(record) = &record {
            kept.note_entries(key, record, number);
        }
        let key = self.hot.put(table.0, key, record.clone(), number);
        self.log.push(table.0, key, record, kept.seeding);
        self.hot.make_room(self.on_disk);
        self.relieve()
    }

    /// Forgets the rows whose keys begin with `prefix`: those in memory, and then those on disk,
    /// where memory does not know better. What goes to disk meanwhile was forgotten already.
    fn forget_all(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowStoreError> {
        for key in self.hot.keys(table.0, prefix) {
            self.change(table, &key, None)?;
        }
        let mut from = Bound::Included(prefix.to_owned());
        loop {
            let (blame, reading) = (self.blame.clone(), &mut self.reading);
            let start = from.as_ref().map(String::as_bytes);
            let keys = blame.guard("read", || reading.keys(place(table), start, prefix, KEYS))?;
            let Some(last) = keys.last().cloned() else { return Ok(()) };
            for key in keys {
                if self.record(table, &key)?.is_some() {
                    self.change(table, &key, None)?;
                }
            }
            from = Bound::Excluded(last);
        }
    }

    /// The record of a row, from memory or from disk.
    fn record(&mut self, table: KeptTable, key: &str) -> Result<Option<Record>, RowStoreError> {
        if let Some(known) = self.hot.get(table.0, key) {
            self.counters.hits.add(1);
            return Ok(known.record().cloned());
        }
        self.counters.misses.add(1);
        let reading = &mut self.reading;
        let record = self.blame.guard("read", || reading.row(place(table), key))?;
        self.hot.put(table.0, key, record.clone(), 0);
        self.hot.make_room(self.on_disk);
        Ok(record)
    }

    /// The rows that point to `parent`. An index entry is only a hint: the row itself says where it
    /// points now.
    fn find(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowStoreError> {
        self.counters.searches.add(1);
        let prefix = index_prefix(index, parent.as_bytes());
        let (blame, reading) = (self.blame.clone(), &mut self.reading);
        let stored = blame.guard("read", || reading.entries(place(table), &prefix))?;
        let mut stored = stored.map(|entry| Ok(entry?.0.value().to_vec())).peekable();
        let mut children = Vec::new();
        let mut from = Bound::Included(prefix.clone());
        while children.len() <= limit {
            let fresh = self.tables.get(place(table)).and_then(|kept| kept.next_entry(&from));
            let Some(next) = blame.guard("read", || earlier(&mut stored, fresh))? else { break };
            let Some(key) = next.strip_prefix(prefix.as_slice()) else { break };
            let key = blame.guard("read", || str::from_utf8(key).map_err(|_| DAMAGED))?;
            if let Some(record) = self.record(table, key)?
                && record.parents.points_to(index, parent)
            {
                children.push((key.into(), record.row));
            }
            from = Bound::Excluded(next);
        }
        Ok(children)
    }
}

impl Kept {
    /// Remembers the entries of a change until it is on disk.
    pub(super) fn note_entries(&mut self, key: &str, record: &Record, change: u64) {
        for (index, parent) in record.parents.iter().enumerate() {
            if let Some(parent) = parent {
                self.fresh.insert(index_key(index, parent, key.as_bytes()), change);
            }
        }
    }

    /// Forgets the entries of a change that is on disk, unless a newer change made them again.
    pub(super) fn forget_entries(&mut self, change: &Change) {
        let parents = change.record.iter().flat_map(|record| record.parents.iter());
        for (index, parent) in parents.enumerate() {
            let Some(parent) = parent else { continue };
            let entry = index_key(index, parent, change.key.as_bytes());
            if self.fresh.get(&entry) == Some(&change.number) {
                self.fresh.remove(&entry);
            }
        }
    }

    /// The first entry from here on.
    fn next_entry(&self, from: &Bound<Vec<u8>>) -> Option<&[u8]> {
        let later = (from.as_ref().map(Vec::as_slice), Bound::Unbounded);
        self.fresh.range::<[u8], _>(later).next().map(|(entry, _)| entry.as_slice())
    }
}

/// The earlier of the next stored entry and the next fresh one; once, if they are the same.
fn earlier(
    stored: &mut std::iter::Peekable<impl Iterator<Item = Result<Vec<u8>, redb::StorageError>>>,
    fresh: Option<&[u8]>,
) -> Result<Option<Vec<u8>>, Fault> {
    match (stored.peek(), fresh) {
        (None, Some(fresh)) => Ok(Some(fresh.to_vec())),
        (Some(Ok(entry)), Some(fresh)) if fresh < entry.as_slice() => Ok(Some(fresh.to_vec())),
        _ => Ok(stored.next().transpose()?),
    }
}
