//! Whether a rule fires.

use erpbridge_connector::Value;

use super::failure::Failure;
use super::row::{Row, accepts};
use super::{RulePlan, Work};
use crate::canonical;
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::file::{Coded, Step, Transition};

/// A rule that fires: what its event tells beside the fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fired<'w> {
    pub(super) transition: Option<canonical::Transition<'w>>,
}

impl RulePlan {
    /// `None` if the change is not the rule's.
    pub(super) fn fires<'w>(
        &'w self,
        row: &Row<'w>,
        work: &mut Work<'w>,
    ) -> Result<Option<Fired<'w>>, Failure> {
        if !self.when.has(row.step) {
            return Ok(None);
        }
        let watched = row.step == Step::Updated && !self.changed.is_empty();
        if watched && !self.changed.iter().any(|cell| row.differs(cell)) {
            return Ok(None);
        }
        if !accepts(&self.filter, row.image)? {
            return Ok(None);
        }
        match &self.transition {
            None => Ok(Some(Fired::default())),
            Some(transition) => transition.made(row, work),
        }
    }
}

impl Transition<Cell> {
    fn made<'w>(
        &'w self,
        row: &Row<'w>,
        work: &mut Work<'w>,
    ) -> Result<Option<Fired<'w>>, Failure> {
        let was = row.before.map(|before| self.column.read(before));
        let is = self.column.read(row.image);
        if was == Some(is) {
            return Ok(None);
        }
        let to = match self.state(is) {
            State::Known(state) => state,
            State::None => return Ok(None),
            State::Absent => return Err(Failure::absent(&self.column.name)),
            State::Unknown if work.reported == Some(self.column.index) => return Ok(None),
            State::Unknown => {
                work.reported = Some(self.column.index);
                return Err(unknown_code(&self.column, &self.codes.name));
            }
        };
        // A state before that has no name is a state not known.
        let from = match was.map(|was| self.state(was)) {
            Some(State::Known(state)) => Some(state),
            _ => None,
        };
        let left = self.from.is_empty() || from.is_some_and(|from| lists(&self.from, from));
        let reached = self.to.is_empty() || lists(&self.to, to);
        if from == Some(to) || !left || !reached {
            return Ok(None);
        }
        let axis = self.axis.as_deref();
        let transition = axis.map(|axis| canonical::Transition { axis, from, to });
        Ok(Some(Fired { transition }))
    }

    fn state<'w>(&'w self, value: Value<'w>) -> State<'w> {
        let code = match value {
            Value::Absent => return State::Absent,
            Value::Null => return State::None,
            Value::Text(code) => code,
        };
        match self.codes.look_up(code) {
            Coded::Value(state) => State::Known(state),
            Coded::Null => State::None,
            Coded::Unknown => State::Unknown,
        }
    }
}

enum State<'w> {
    Known(&'w str),
    None,
    Unknown,
    Absent,
}

fn lists(states: &[Box<str>], state: &str) -> bool {
    states.iter().any(|listed| **listed == *state)
}

/// A code its table does not know.
pub(super) fn unknown_code(column: &Cell, table: &str) -> Failure {
    let name = &column.name;
    let detail = format!("column `{name}` holds a code that code table `{table}` does not know");
    Failure::new(Reason::UnknownCode, detail)
}
