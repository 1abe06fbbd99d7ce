//! Which rows a view lets through: its table's filter, on the row as it is and as it was.
//!
//! The filter is judged in two places. A change is judged with what its row looks up. What is
//! remembered is judged by the row alone, so that others do not find a row that is outside of the
//! filter; where only a lookup could tell, the row is remembered and others find it.

use erpbridge_connector::{Operation, Value};

use super::failure::Trouble;
use super::look::look_up;
use super::row::{Row, step};
use super::sight::{Ground, LookedRows, Sight};
use super::{Desk, Pass, Step, View};
use crate::mapping::bind::Cell;
use crate::mapping::expression::Moment;
use crate::mapping::memory::Memory;
use crate::mapping::net::{NetChange, NetImage};

impl View {
    /// What became of the row, if the table's filter lets it through.
    pub(super) fn pass<'c>(
        &self,
        change: &'c NetChange<'c>,
        looked: &mut LookedRows,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<Option<Pass<'c>>, Trouble> {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let is = match after {
            Some(image) if self.stays_out(change.operation, image, desk) => false,
            Some(image) => self.accepts(image, looked, memory, desk)?,
            None => false,
        };
        let was = match (change.operation, before) {
            (Operation::Read | Operation::Insert, _) => false,
            (Operation::Update | Operation::Delete, Some(image)) if !self.forgot(image) => {
                let mut own = LookedRows::new();
                own.resize_with(self.slots.len(), Default::default);
                self.accepts(image, &mut own, memory, desk)?
            }
            // A row that is not remembered was not in the filter.
            (Operation::Update | Operation::Delete, _) if self.keeping.is_some() => false,
            // Binding refuses filters where old rows are unknown, so here every row is meant.
            (Operation::Update | Operation::Delete, _) => is || after.is_none(),
        };
        let Some(step) = step(change.operation, was, is) else { return Ok(None) };
        let image = if step == Step::Deleted { before } else { after };
        let before = before.filter(|_| was);
        Ok(image.map(|image| Pass { change, step, image, before }))
    }

    pub(super) fn accepts(
        &self,
        image: &NetImage<'_>,
        looked: &mut LookedRows,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<bool, Trouble> {
        let ground = Ground::Net(image);
        look_up(&self.slots, &self.filter_slots, ground, looked, desk, memory)?;
        let sight = Sight { row: ground, looked, company: None, desk };
        Ok(Row::alone(sight).passes(&self.filter)?)
    }

    /// Whether the row passes the filter, as far as the row itself tells.
    pub(super) fn wants(&self, operation: Operation, image: &NetImage<'_>, desk: &Desk) -> bool {
        if self.stays_out(operation, image, desk) {
            return false;
        }
        let row = Row::alone(Sight { row: Ground::Net(image), looked: &[], company: None, desk });
        let own = self.filter.tests.iter().filter(|test| test.column.own().is_some());
        let mut judged = own.map(|test| test.accepts(test.column.read(&row.is)));
        let alone =
            |(moment, cell): &(Moment, Cell)| *moment == Moment::New && cell.own().is_some();
        let condition = self.filter.condition.as_ref().filter(|c| c.inputs.iter().all(alone));
        judged.all(|passes| passes != Some(false))
            && condition.is_none_or(|condition| row.holds(condition).unwrap_or(true))
    }

    /// Whether an update left alone every column that decides, of a row that is not remembered:
    /// it was not in the filter, and is not now.
    fn stays_out(&self, operation: Operation, image: &NetImage<'_>, desk: &Desk) -> bool {
        if operation != Operation::Update || !self.forgot(image) {
            return false;
        }
        let sight = Sight { row: Ground::Net(image), looked: &[], company: None, desk };
        let inputs = self.filter.condition.iter().flat_map(|condition| &condition.inputs);
        let cells = self.filter.tests.iter().map(|test| &test.column);
        let mut own = cells.chain(inputs.map(|(_, cell)| cell)).filter(|cell| cell.own().is_some());
        let mut decides = false;
        own.all(|cell| {
            decides = true;
            cell.read(&sight) == Value::Absent
        }) && decides
    }

    /// Whether an old image lacks what only memory could have told, and memory did not.
    fn forgot(&self, image: &NetImage<'_>) -> bool {
        self.keeping.is_some() && !image.is_remembered() && !image.is_complete()
    }
}
