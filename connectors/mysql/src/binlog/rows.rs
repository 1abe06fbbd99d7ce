//! Rows of one table. Where a row ends depends on the types of its columns, so the rows stay
//! unread here.

use super::bytes::Bytes;
use super::{Malformed, kind};

/// What happened to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// They were inserted: one image each, after.
    Insert,
    /// They were updated: two images each, before and after.
    Update,
    /// As [`Self::Update`], but a JSON column may hold only what changed of the document.
    PartialUpdate,
    /// They were deleted: one image each, before.
    Delete,
}

/// Rows of one table, changed by one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows<'a> {
    /// The table's number in the announcement before.
    pub table_id: u64,
    /// What happened.
    pub change: Change,
    /// How many columns the table has.
    pub columns: usize,
    /// One bit for each column: whether the first image of each row carries it.
    pub present: &'a [u8],
    /// The same for the second image of an update; elsewhere the same as `present`.
    pub present_after: &'a [u8],
    /// The rows, one after the other.
    pub rows: &'a [u8],
}

/// The change that an event type stands for, whether version 2 says more before the rows, and
/// whether the rows are compressed.
pub(super) fn sort(event: u8) -> Option<(Change, bool, bool)> {
    Some(match event {
        kind::WRITE_ROWS_V1 => (Change::Insert, false, false),
        kind::UPDATE_ROWS_V1 => (Change::Update, false, false),
        kind::DELETE_ROWS_V1 => (Change::Delete, false, false),
        kind::WRITE_ROWS => (Change::Insert, true, false),
        kind::UPDATE_ROWS => (Change::Update, true, false),
        kind::DELETE_ROWS => (Change::Delete, true, false),
        kind::PARTIAL_UPDATE_ROWS => (Change::PartialUpdate, true, false),
        kind::WRITE_ROWS_COMPRESSED_V1 => (Change::Insert, false, true),
        kind::UPDATE_ROWS_COMPRESSED_V1 => (Change::Update, false, true),
        kind::DELETE_ROWS_COMPRESSED_V1 => (Change::Delete, false, true),
        kind::WRITE_ROWS_COMPRESSED => (Change::Insert, true, true),
        kind::UPDATE_ROWS_COMPRESSED => (Change::Update, true, true),
        kind::DELETE_ROWS_COMPRESSED => (Change::Delete, true, true),
        _ => return None,
    })
}

impl<'a> Rows<'a> {
    /// Reads the body up to the rows, which may be compressed.
    pub(super) fn read(body: &'a [u8], change: Change, extended: bool) -> Result<Self, Malformed> {
        let mut bytes = Bytes(body);
        let table_id = bytes.number(6)?;
        let _flags = bytes.u16()?;
        if extended {
            // The length counts itself.
            let length = usize::from(bytes.u16()?);
            bytes.take(length.checked_sub(2).ok_or(Malformed::Short)?)?;
        }
        let columns = bytes.packed_length()?;
        let present = bytes.take(columns.div_ceil(8))?;
        let two = matches!(change, Change::Update | Change::PartialUpdate);
        let present_after = if two { bytes.take(columns.div_ceil(8))? } else { present };
        Ok(Self { table_id, change, columns, present, present_after, rows: bytes.rest() })
    }
}
