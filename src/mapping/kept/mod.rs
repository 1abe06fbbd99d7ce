//! Last images: what the bridge remembers of rows, so that a mapping can ask for what the log
//! does not carry.
//!
//! A log entry of an ERP often lacks the old row, the header of a line and the name behind a
//! number. [`Rows`] answers as of the position that is being mapped, because it is fed by the same
//! log: a replay from the same position gives the same answers, and so the same events. How rows
//! are held, and how they stay true to the offset over a crash, is [`crate::state`]'s; a mapping
//! only asks.

mod memory;

use std::sync::Arc;

use erpbridge_connector::Value;

pub use memory::MemoryRows;

/// A kept table: its place among those of all mappings of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeptTable(pub u32);

/// The kept columns of one row, as the log wrote them.
///
/// One block of bytes that is shared, never copied: the end of every cell's text as four bytes
/// (little-endian), then the texts. NULL and *absent* are two ends no text can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow(Arc<[u8]>);

const NULL: u32 = u32::MAX;
const ABSENT: u32 = u32::MAX - 1;
const END: usize = size_of::<u32>();

impl KeptRow {
    /// A row of these cells. A cell of 4 GiB or more, which no log carries, counts as absent.
    pub fn new<'v>(cells: impl ExactSizeIterator<Item = Value<'v>>) -> Self {
        let count = cells.len();
        let mut bytes = vec![0; count * END];
        for (place, cell) in cells.enumerate() {
            let end = match cell {
                Value::Null => NULL,
                Value::Absent => ABSENT,
                Value::Text(text) => {
                    bytes.extend_from_slice(text.as_bytes());
                    u32::try_from(bytes.len() - count * END).unwrap_or(ABSENT)
                }
            };
            if let Some(slot) = bytes.get_mut(place * END..(place + 1) * END) {
                slot.copy_from_slice(&end.to_le_bytes());
            }
        }
        Self(bytes.into())
    }

    /// A row of `cells` cells from the bytes [`as_bytes`](Self::as_bytes) gave. What is not such a
    /// row reads as absent.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Cell `place` of a row of `count` cells.
    pub fn get(&self, place: usize, count: usize) -> Value<'_> {
        let end = match self.end(place, count) {
            None | Some(ABSENT) => return Value::Absent,
            Some(NULL) => return Value::Null,
            Some(end) => end,
        };
        let texts = |end: u32| count * END + usize::try_from(end).unwrap_or(usize::MAX);
        let before = (0..place).rev().filter_map(|place| self.end(place, count));
        let start = before.into_iter().find(|end| !matches!(*end, NULL | ABSENT)).unwrap_or(0);
        let text = self.0.get(texts(start)..texts(end)).map(str::from_utf8);
        text.and_then(Result::ok).map_or(Value::Absent, Value::Text)
    }

    fn end(&self, place: usize, count: usize) -> Option<u32> {
        let bytes = self.0.get(place * END..(place + 1) * END).filter(|_| place < count)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}

/// The last images of all kept tables, as of the change that is being mapped.
///
/// A key is the text of the table's key as mappings join it. `parents` are the keys of the rows
/// this one points to, one for each index of the table, in order; none where it points nowhere.
pub trait Rows {
    /// The row with this key.
    ///
    /// # Errors
    /// If the rows cannot be read; nothing that was mapped with them may be published then.
    fn get(&mut self, table: KeptTable, key: &str) -> Result<Option<KeptRow>, RowsError>;

    /// The rows that point to `parent` through index `index` of their table, in order of their
    /// keys as bytes; one more than `limit` at most, so that the caller sees there are too many.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn children(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowsError>;

    /// Remembers a row, in place of what was there.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put(
        &mut self,
        table: KeptTable,
        key: &str,
        row: &KeptRow,
        parents: &[Option<&str>],
    ) -> Result<(), RowsError>;

    /// Forgets a row.
    ///
    /// # Errors
    /// If it cannot be written.
    fn remove(&mut self, table: KeptTable, key: &str) -> Result<(), RowsError>;

    /// Forgets every row whose key begins with `prefix`.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`remove`](Self::remove).
    fn clear(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowsError>;
}

/// The remembered rows cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the remembered rows")]
pub struct RowsError {
    /// `read` or `write`.
    pub action: &'static str,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(
        clippy::option_option,
        clippy::ref_option,
        reason = "absent, NULL and text, as proptest makes them"
    )]
    fn value(cell: &Option<Option<String>>) -> Value<'_> {
        match cell {
            None => Value::Absent,
            Some(None) => Value::Null,
            Some(Some(text)) => Value::Text(text),
        }
    }

    proptest! {
        #[test]
        fn a_kept_row_reads_back_with_null_and_absent_kept_apart(
            cells in prop::collection::vec(any::<Option<Option<String>>>(), 0..9),
        ) {
            let row = KeptRow::new(cells.iter().map(value));
            let row = KeptRow::from_bytes(row.as_bytes());
            for (place, cell) in cells.iter().enumerate() {
                prop_assert_eq!(row.get(place, cells.len()), value(cell));
            }
            prop_assert_eq!(row.get(cells.len(), cells.len()), Value::Absent);
        }

        #[test]
        fn bytes_that_are_no_row_read_as_cells_and_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            place in 0_usize..9,
            count in 0_usize..9,
        ) {
            let row = KeptRow::from_bytes(bytes);
            let _ = row.get(place, count);
        }
    }
}
