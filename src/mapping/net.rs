//! A row's net change over one transaction: what a mapping rule sees.
//!
//! ERPs update one row two to four times in a transaction, and rewrite rows by delete and insert.
//! A rule sees the row before the transaction and the row at its end, once.

use std::sync::Arc;

use erpbridge_connector::{Image, Operation, TableSchema, Transaction, Value};

/// A row at one moment, put together from the images the log carried: a cell absent in the newest
/// image (unchanged TOAST) is taken from the one before it.
#[derive(Clone, Debug)]
pub struct NetImage<'b> {
    newest: Image<'b>,
    earlier: Vec<Image<'b>>,
}

impl<'b> NetImage<'b> {
    /// An image that stands for itself.
    pub fn new(newest: Image<'b>) -> Self {
        Self { newest, earlier: Vec::new() }
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
        let complete = self.newest.values().all(|value| value != Value::Absent);
        if !complete {
            self.earlier.push(older.newest);
            self.earlier.extend(older.earlier);
        }
        self
    }

    /// The cell of column `column`.
    pub fn get(&self, column: usize) -> Value<'b> {
        match self.newest.get(column) {
            Value::Absent => self.fill(column),
            value => value,
        }
    }

    fn fill(&self, column: usize) -> Value<'b> {
        let values = self.earlier.iter().map(|image| image.get(column));
        values.into_iter().find(|value| *value != Value::Absent).unwrap_or(Value::Absent)
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
    /// Index of the first event made from it: 0, or [`REKEYED`](crate::canonical::REKEYED) for a
    /// row that came up under a new key.
    pub index: u32,
}
