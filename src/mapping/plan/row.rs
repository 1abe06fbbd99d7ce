//! What became of a row, seen through a filter.
//!
//! A filter cuts a smaller table out of a larger one. A row that moves into it is new there, and
//! a row that moves out of it is gone from there, whatever the database called the change.

use erpbridge_connector::Operation;

use super::failure::Failure;
use crate::mapping::bind::Cell;
use crate::mapping::file::{Filter, Step};
use crate::mapping::net::{NetChange, NetImage};

/// A change of a row, seen through its table's filter.
pub(super) struct Row<'w> {
    pub(super) change: &'w NetChange<'w>,
    pub(super) step: Step,
    /// The row as it is; as it was, if it is gone.
    pub(super) image: &'w NetImage<'w>,
    /// The row as it was, if it was there before.
    pub(super) before: Option<&'w NetImage<'w>>,
}

impl<'w> Row<'w> {
    /// `None` if the filter does not want the row.
    pub(super) fn of(
        filter: &Filter<Cell>,
        change: &'w NetChange<'_>,
    ) -> Result<Option<Self>, Failure> {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let is = after.map_or(Ok(false), |image| accepts(filter, image))?;
        let was = match (change.operation, before) {
            (Operation::Read | Operation::Insert, _) => false,
            (Operation::Update | Operation::Delete, Some(image)) => accepts(filter, image)?,
            // Binding refuses filters where old rows are unknown, so here every row is meant.
            (Operation::Update | Operation::Delete, None) => is,
        };
        let step = match (was, is) {
            (false, false) => return Ok(None),
            (false, true) if change.operation == Operation::Read => Step::Read,
            (false, true) => Step::Inserted,
            (true, true) => Step::Updated,
            (true, false) => Step::Deleted,
        };
        let image = if step == Step::Deleted { before } else { after };
        let before = before.filter(|_| was);
        Ok(image.map(|image| Self { change, step, image, before }))
    }

    /// The operation as the event tells it.
    pub(super) fn operation(&self) -> Operation {
        match self.step {
            Step::Inserted => Operation::Insert,
            Step::Updated => Operation::Update,
            Step::Deleted => Operation::Delete,
            Step::Read => Operation::Read,
        }
    }

    /// Whether the cell differs from before the transaction; `false` if that is not known.
    pub(super) fn differs(&self, cell: &Cell) -> bool {
        self.before.is_some_and(|before| {
            let (was, is) = (cell.read(before), cell.read(self.image));
            was != is && was != erpbridge_connector::Value::Absent
        })
    }
}

/// Whether an image passes; a cell the log did not carry cannot be judged.
pub(super) fn accepts(filter: &Filter<Cell>, image: &NetImage<'_>) -> Result<bool, Failure> {
    for test in &filter.tests {
        match test.accepts(test.column.read(image)) {
            Some(true) => {}
            Some(false) => return Ok(false),
            None => return Err(Failure::absent(&test.column.name)),
        }
    }
    Ok(true)
}
