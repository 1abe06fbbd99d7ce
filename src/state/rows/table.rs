//! One kept table on disk, for writing and for reading.

use std::ops::Bound;
use std::sync::Arc;

use redb::{
    Database, Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
    Table, TableDefinition, WriteTransaction,
};

use super::disk::{Bytes, index_name, rows_name};
use super::error::{DAMAGED, Fault, RowStoreErrorKind};
use super::record::{Record, index_key};

/// A table open for writing in a transaction. Rows are written at once, index entries when it is
/// finished and in order, because a B-tree likes its keys sorted.
pub(super) struct Writing<'t> {
    rows: Table<'t, Bytes, Bytes>,
    index: Table<'t, Bytes, ()>,
    /// Keys of index entries, and whether they are set or taken away.
    entries: Vec<(Vec<u8>, bool)>,
    /// The record of the row last replaced.
    before: Vec<u8>,
    encoded: Vec<u8>,
}

impl<'t> Writing<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, number: u32) -> Result<Self, Fault> {
        Ok(Self {
            rows: transaction.open_table(TableDefinition::new(&rows_name(number)))?,
            index: transaction.open_table(TableDefinition::new(&index_name(number)))?,
            entries: Vec::new(),
            before: Vec::new(),
            encoded: Vec::new(),
        })
    }

    /// Sets or removes a row. Gives what was stored before.
    pub(super) fn replace(
        &mut self,
        key: &[u8],
        record: Option<&Record>,
    ) -> Result<Option<&[u8]>, Fault> {
        self.before.clear();
        let known = {
            let before = match record {
                Some(record) => {
                    record.encode(key, &mut self.encoded);
                    self.rows.insert(key, self.encoded.as_slice())?
                }
                None => self.rows.remove(key)?,
            };
            before.is_some_and(|before| {
                self.before.extend_from_slice(before.value());
                true
            })
        };
        if !known {
            self.note(key, None, record);
            return Ok(None);
        }
        let old = Record::decode(key, &self.before).ok_or(DAMAGED)?;
        if record.is_none_or(|record| record.parents != old.parents) {
            self.note(key, Some(&old), record);
        }
        Ok(Some(&self.before))
    }

    fn note(&mut self, key: &[u8], old: Option<&Record>, new: Option<&Record>) {
        for (record, set) in [(old, false), (new, true)] {
            let parents = record.into_iter().flat_map(|record| record.parents.iter());
            let entries = parents.enumerate().filter_map(|(index, parent)| {
                parent.map(|parent| (index_key(index, parent, key), set))
            });
            self.entries.extend(entries);
        }
    }

    /// Writes the index entries. Gives the number of rows.
    pub(super) fn finish(mut self) -> Result<u64, Fault> {
        // Stable: of several words about one entry, the last counts.
        self.entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (key, set) in &self.entries {
            if *set {
                self.index.insert(key.as_slice(), ())?;
            } else {
                self.index.remove(key.as_slice())?;
            }
        }
        Ok(self.rows.len()?)
    }
}

/// Rows and index of a table.
type Opened = (ReadOnlyTable<Bytes, Bytes>, ReadOnlyTable<Bytes, ()>);

/// All kept tables, as of the newest transaction on disk when they were last asked after
/// [`renew`](Self::renew).
pub(super) struct Reading {
    db: Arc<Database>,
    /// Numbers of the tables on disk, by their place among those the store was opened with.
    numbers: Vec<u32>,
    snapshot: Option<ReadTransaction>,
    tables: Vec<Option<Opened>>,
}

impl Reading {
    pub(super) fn new(db: Arc<Database>, numbers: Vec<u32>) -> Self {
        let tables = numbers.iter().map(|_| None).collect();
        Self { db, numbers, snapshot: None, tables }
    }

    /// Lets go of the state that was read from: the next look sees the newest. Must follow every
    /// transaction on disk, because what is read from cannot be reused by the file.
    pub(super) fn renew(&mut self) {
        self.tables.fill_with(|| None);
        self.snapshot = None;
    }

    pub(super) fn row(&mut self, table: usize, key: &str) -> Result<Option<Record>, Fault> {
        let (rows, _) = self.table(table)?;
        let Some(stored) = rows.get(key.as_bytes())? else { return Ok(None) };
        Record::decode(key.as_bytes(), stored.value()).map(Some).ok_or(DAMAGED)
    }

    /// The keys from this one on, as far as they begin with `prefix`; `most` of them.
    pub(super) fn keys(
        &mut self,
        table: usize,
        from: Bound<&[u8]>,
        prefix: &str,
        most: usize,
    ) -> Result<Vec<String>, Fault> {
        let (rows, _) = self.table(table)?;
        let mut keys = Vec::new();
        for entry in rows.range::<&[u8]>((from, Bound::Unbounded))?.take(most) {
            let key = str::from_utf8(entry?.0.value()).map_err(|_| DAMAGED)?.to_owned();
            if !key.starts_with(prefix) {
                break;
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// The index entries from this one on.
    pub(super) fn entries(
        &mut self,
        table: usize,
        from: &[u8],
    ) -> Result<Range<'static, Bytes, ()>, Fault> {
        let (_, index) = self.table(table)?;
        Ok(index.range(from..)?)
    }

    fn table(&mut self, place: usize) -> Result<&Opened, Fault> {
        let (Some(number), Some(slot)) = (self.numbers.get(place), self.tables.get_mut(place))
        else {
            return Err(Fault::Kind(RowStoreErrorKind::NoTable));
        };
        if slot.is_none() {
            let snapshot = match &mut self.snapshot {
                Some(snapshot) => snapshot,
                none => none.insert(self.db.begin_read()?),
            };
            let rows = snapshot.open_table(TableDefinition::new(&rows_name(*number)))?;
            let index = snapshot.open_table(TableDefinition::new(&index_name(*number)))?;
            *slot = Some((rows, index));
        }
        slot.as_ref().ok_or(DAMAGED)
    }
}
