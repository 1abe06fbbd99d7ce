//! How a row, an index entry and an undone change lie on disk.
//!
//! | what | bytes |
//! |---|---|
//! | record | checksum of key and rest (4), number of parents (2), parents, row |
//! | parent | length (4) and text; length `u32::MAX`: it points nowhere |
//! | index entry | number of the index (2), length of the parent (4), parent, key |
//! | undo entry | checksum of the rest (4), table (4), length of the key (4), key, record before or nothing |
//!
//! Lengths in front, so that no text can be mistaken for another; numbers big-endian. redb checks
//! its pages only after a crash, so every record carries a checksum of its own.

use std::sync::Arc;

use crate::mapping::KeptRow;

const NOWHERE: u32 = u32::MAX;

/// The keys of the rows a row points to, as they are stored. None for a table without indexes,
/// which is most tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parents(Option<Arc<[u8]>>);

impl Parents {
    pub(super) fn new(parents: &[Option<&str>]) -> Self {
        if parents.is_empty() {
            return Self(None);
        }
        let mut bytes = Vec::new();
        for parent in parents {
            // A text of 4 GiB or more comes from no log; it points nowhere.
            let length = parent.map_or(Ok(NOWHERE), |text| u32::try_from(text.len()));
            let length = length.unwrap_or(NOWHERE);
            bytes.extend_from_slice(&length.to_be_bytes());
            if length != NOWHERE {
                bytes.extend_from_slice(parent.unwrap_or_default().as_bytes());
            }
        }
        Self(Some(bytes.into()))
    }

    /// Each parent in order of the indexes; empty for a table without.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (parent, after) = split_parent(rest)?;
            rest = after;
            Some(parent)
        })
    }

    pub(super) fn points_to(&self, index: usize, parent: &str) -> bool {
        self.iter().nth(index).flatten() == Some(parent.as_bytes())
    }

    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

fn split_parent(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = split_u32(bytes)?;
    if length == NOWHERE {
        return Some((None, rest));
    }
    let (parent, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(parent), rest))
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// A row with what it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) row: KeptRow,
    pub(super) parents: Parents,
}

impl Record {
    /// How much of memory and disk it takes, about.
    pub(super) fn len(&self) -> usize {
        self.row.as_bytes().len() + self.parents.len()
    }

    /// Writes the record under `key` over what `bytes` held.
    pub(super) fn encode(&self, key: &[u8], bytes: &mut Vec<u8>) {
        let count = u16::try_from(self.parents.iter().count()).unwrap_or(u16::MAX);
        bytes.clear();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&count.to_be_bytes());
        bytes.extend_from_slice(self.parents.as_bytes());
        bytes.extend_from_slice(self.row.as_bytes());
        seal(key, bytes);
    }

    /// Reads what [`encode`](Self::encode) wrote under this key; none for anything else.
    pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let body = unseal(key, bytes)?;
        let (count, body) = body.split_first_chunk()?;
        let (mut length, mut rest) = (0, body);
        for _ in 0..u16::from_be_bytes(*count) {
            rest = split_parent(rest)?.1;
            length = body.len() - rest.len();
        }
        let parents = body.get(..length).filter(|bytes| !bytes.is_empty()).map(Arc::from);
        Some(Self { row: KeptRow::from_bytes(rest), parents: Parents(parents) })
    }
}

/// The key of an index entry.
pub(super) fn index_key(index: usize, parent: &[u8], key: &[u8]) -> Vec<u8> {
    let mut bytes = index_prefix(index, parent);
    bytes.extend_from_slice(key);
    bytes
}

/// What all entries of a parent begin with; the rest is the key.
pub(super) fn index_prefix(index: usize, parent: &[u8]) -> Vec<u8> {
    let index = u16::try_from(index).unwrap_or(u16::MAX);
    let length = u32::try_from(parent.len()).unwrap_or(NOWHERE);
    let mut bytes = Vec::with_capacity(parent.len() + 24);
    bytes.extend_from_slice(&index.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(parent);
    bytes
}

/// What a row was before a transaction that is not settled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undo<'b> {
    /// The table, by its number in the catalogue.
    pub(super) table: u32,
    pub(super) key: &'b [u8],
    /// The record as it was stored; none if there was no such row.
    pub(super) before: Option<&'b [u8]>,
}

impl<'b> Undo<'b> {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let length = u32::try_from(self.key.len()).unwrap_or(NOWHERE);
        bytes.clear();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.table.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(self.key);
        // No record is empty: it begins with its checksum.
        bytes.extend_from_slice(self.before.unwrap_or_default());
        seal(&[], bytes);
    }

    pub(super) fn decode(bytes: &'b [u8]) -> Option<Self> {
        let (table, rest) = split_u32(unseal(&[], bytes)?)?;
        let (length, rest) = split_u32(rest)?;
        let (key, before) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        Some(Self { table, key, before: Some(before).filter(|bytes| !bytes.is_empty()) })
    }
}

/// Writes the checksum of the key and the rest into the first four bytes.
fn seal(key: &[u8], bytes: &mut [u8]) {
    if let Some((sum, body)) = bytes.split_first_chunk_mut() {
        *sum = checksum(key, body).to_be_bytes();
    }
}

fn unseal<'b>(key: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (sum, body) = split_u32(bytes)?;
    (sum == checksum(key, body)).then_some(body)
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), body)
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Value;
    use proptest::prelude::*;

    use super::*;

    fn record(cells: &[String], parents: &[Option<String>]) -> Record {
        let parents: Vec<_> = parents.iter().map(Option::as_deref).collect();
        Record {
            row: KeptRow::new(cells.iter().map(|cell| Value::Text(cell))),
            parents: Parents::new(&parents),
        }
    }

    fn encoded(record: &Record, key: &[u8]) -> Vec<u8> {
        let mut bytes = vec![9; 3];
        record.encode(key, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn a_record_reads_back_with_its_parents(
            key: String,
            cells: Vec<String>,
            parents in prop::collection::vec(any::<Option<String>>(), 0..4),
        ) {
            let record = record(&cells, &parents);
            let read = Record::decode(key.as_bytes(), &encoded(&record, key.as_bytes()));
            prop_assert_eq!(read.as_ref(), Some(&record));
            for (index, parent) in parents.iter().enumerate() {
                let text = parent.as_deref().unwrap_or_default();
                prop_assert_eq!(record.parents.points_to(index, text), parent.is_some());
            }
        }

        #[test]
        fn a_damaged_byte_of_a_record_or_another_key_is_noticed(at in 0_usize..30, by in 1_u8..) {
            let record = record(&["open".to_owned()], &[Some("PO1".to_owned()), None]);
            let mut bytes = encoded(&record, b"1");
            prop_assert_eq!(Record::decode(b"2", &bytes), None);
            let at = at % bytes.len();
            bytes[at] ^= by;
            prop_assert_eq!(Record::decode(b"1", &bytes), None);
        }

        #[test]
        fn an_undone_change_reads_back(table: u32, key: Vec<u8>, before: Option<Vec<u8>>) {
            let before = before.filter(|bytes| !bytes.is_empty());
            let undo = Undo { table, key: &key, before: before.as_deref() };
            let mut bytes = Vec::new();
            undo.encode(&mut bytes);
            prop_assert_eq!(Undo::decode(&bytes), Some(undo));
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            prop_assert_eq!(Record::decode(b"1", &bytes), None);
            prop_assert_eq!(Undo::decode(&bytes), None);
        }
    }

    #[test]
    fn the_entries_of_one_parent_begin_alike_and_those_of_no_other_do() {
        let prefix = index_prefix(0, b"PO1");
        assert!(index_key(0, b"PO1", b"a").starts_with(&prefix));
        assert!(!index_key(0, b"PO10", b"a").starts_with(&prefix));
        assert!(!index_key(1, b"PO1", b"a").starts_with(&prefix));
    }
}
