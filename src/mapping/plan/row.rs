//! What became of a row, seen through a filter.
//!
//! A filter cuts a smaller table out of a larger one. A row that moves into it is new there, and
//! a row that moves out of it is gone from there, whatever the database called the change.

use erpbridge_connector::{Operation, Value};

use super::failure::Failure;
use super::sight::Sight;
use crate::mapping::bind::{Cell, Formula, Seen};
use crate::mapping::file::{Filter, Step};
use crate::mapping::stage::Bound;

/// A row as rules see it.
#[derive(Clone, Copy)]
pub(in crate::mapping) struct Row<'v> {
    pub(super) step: Step,
    /// The row as it is; as it was, if it is gone.
    pub(super) is: Sight<'v>,
    /// The row as it was, if it was there before.
    pub(super) was: Option<Sight<'v>>,
}

impl<'v> Row<'v> {
    /// A row that nothing happened to.
    pub(super) fn alone(is: Sight<'v>) -> Self {
        Self { step: Step::Read, is, was: None }
    }

    /// Whether it is gone.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.step, Step::Deleted | Step::Moved)
    }

    /// The operation as the event tells it.
    pub(super) fn operation(&self) -> Operation {
        match self.step {
            Step::Inserted => Operation::Insert,
            Step::Updated => Operation::Update,
            Step::Deleted | Step::Moved => Operation::Delete,
            Step::Read => Operation::Read,
        }
    }

    /// Whether the cell differs from before the transaction; `false` if that is not known.
    pub(super) fn differs(&self, cell: &Cell) -> bool {
        let own = cell.own().is_some();
        self.was.as_ref().filter(|_| own).is_some_and(|before| {
            // Most cells are the same text, and need no reading to be the same.
            before.raw(cell.origin) != self.is.raw(cell.origin) && {
                let (was, is) = (cell.read(before), cell.read(&self.is));
                was != is && was != Value::Absent
            }
        })
    }

    /// Whether an expression holds.
    pub(super) fn holds(&self, formula: &Formula) -> Result<bool, Failure> {
        formula.truth(&Seen { inputs: &formula.inputs, is: self.is, was: self.was })
    }

    /// Whether the row passes a filter; a cell the log did not carry cannot be judged.
    pub(super) fn passes(&self, filter: &Filter<Bound>) -> Result<bool, Failure> {
        for test in &filter.tests {
            match test.accepts(test.column.read(&self.is)) {
                Some(true) => {}
                Some(false) => return Ok(false),
                None => return Err(Failure::absent(&test.column.name)),
            }
        }
        filter.condition.as_ref().map_or(Ok(true), |condition| self.holds(condition))
    }
}

/// What became of a row that was, or was not, in a filter, and is, or is not.
pub(super) fn step(operation: Operation, was: bool, is: bool) -> Option<Step> {
    match (was, is) {
        (false, false) => None,
        (false, true) if operation == Operation::Read => Some(Step::Read),
        (false, true) => Some(Step::Inserted),
        (true, true) => Some(Step::Updated),
        (true, false) => Some(Step::Deleted),
    }
}
