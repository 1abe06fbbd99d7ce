//! A row's net change over one transaction: what a mapping rule sees.
//!
//! ERPs update one row two to four times in a transaction, and rewrite rows by delete and insert.
//! A rule sees the row before the transaction and the row at its end, once.

use std::sync::Arc;

use erpbridge_connector::{Image, Operation, TableSchema, Transaction, Value};

use super::kept::KeptRow;
use crate::canonical::Late;

/// A row at one moment, put together from the images the log carried: a cell absent in the newest
/// image (unchanged TOAST) is taken from the one before it, and at last from what is remembered.
#[derive(Clone, Debug, Default)]
pub struct NetImage<'b> {
    newest: Option<Image<'b>>,
    earlier: Vec<Image<'b>>,
    remembered: Vec<Remembered>,
    /// Whether it is what memory had filled in before, written down.
    recalled: bool,
}

/// The kept cells of a row.
#[derive(Clone, Debug)]
struct Remembered {
    row: KeptRow,
    /// The cell of every column.
    places: Arc<[Option<u16>]>,
    count: usize,
}

impl<'b> NetImage<'b> {
    /// An image that stands for itself.
    pub fn new(newest: Image<'b>) -> Self {
        Self { newest: Some(newest), ..Self::default() }
    }

    /// Adds an older image of the same row; it fills cells absent in all newer ones.
    #[must_use]
    pub fn with_earlier(mut self, image: Image<'b>) -> Self {
        self.earlier.push(image);
        self
    }

    /// This image laid over an older one of the same row: what it lacks comes from there.
    #[must_use]
    pub fn over(mut self, older: Self) -> Self {
        if !self.is_complete() {
            self.earlier.extend(older.newest);
            self.earlier.extend(older.earlier);
            self.remembered.extend(older.remembered);
        }
        self
    }

    /// Whether the log itself carried every cell.
    pub fn is_complete(&self) -> bool {
        self.newest.is_some_and(|image| image.values().all(|value| value != Value::Absent))
    }

    /// Whether memory had the row.
    pub fn is_remembered(&self) -> bool {
        self.recalled || !self.remembered.is_empty()
    }

    /// The same, with what memory once filled in.
    #[must_use]
    pub(super) fn recalled(mut self, recalled: bool) -> Self {
        self.recalled = recalled;
        self
    }

    /// The cell of column `column`.
    pub fn get(&self, column: usize) -> Value<'_> {
        match self.newest.map(|image| image.get(column)) {
            None | Some(Value::Absent) => self.fill(column),
            Some(value) => value,
        }
    }

    fn fill(&self, column: usize) -> Value<'_> {
        let mut values = self.earlier.iter().map(|image| image.get(column));
        let value = values.find(|value| *value != Value::Absent);
        let kept = || self.remembered.iter().find_map(|kept| kept.get(column));
        value.or_else(kept).unwrap_or(Value::Absent)
    }
}

impl Remembered {
    fn get(&self, column: usize) -> Option<Value<'_>> {
        let place = (*self.places.get(column)?)?;
        Some(self.row.get(usize::from(place), self.count))
    }
}

/// What one transaction did to one row, all its changes taken together.
#[derive(Clone, Debug)]
pub struct NetChange<'b> {
    /// The table as it was at the last of the changes.
    pub table: &'b Arc<TableSchema>,
    /// The transaction.
    pub transaction: &'b Transaction,
    /// `Read`, `Insert`, `Update` or `Delete`: the net effect.
    pub operation: Operation,
    /// The row before the transaction, as far as the log carried it.
    pub before: Option<NetImage<'b>>,
    /// The row at the end of the transaction; none if it is gone.
    pub after: Option<NetImage<'b>>,
    /// Ordinal of the first of the changes: it identifies the net change and orders it, so that
    /// a header inserted before its lines stays before them.
    pub ordinal: u64,
    /// Where its events are told, if it waited.
    pub late: Option<Late<'b>>,
    /// Index of the first event made from it: 0, or [`REKEYED`](crate::canonical::REKEYED) for a
    /// row that came up under a new key.
    pub index: u32,
}

impl NetChange<'_> {
    /// The ordinal its events are told under.
    pub(super) fn told_as(&self) -> u64 {
        self.late.map_or(self.ordinal, |late| late.ordinal)
    }

    /// Fills from memory what the log did not carry of the old row, and of the new one what it
    /// left out because it did not change.
    pub(super) fn fill_before(&mut self, row: &KeptRow, places: &Arc<[Option<u16>]>, count: usize) {
        if !matches!(self.operation, Operation::Update | Operation::Delete) {
            return;
        }
        let remembered = Remembered { row: row.clone(), places: Arc::clone(places), count };
        let before = self.before.get_or_insert_default();
        before.remembered.push(remembered.clone());
        if let Some(after) = &mut self.after {
            after.remembered.push(remembered);
        }
    }
}
