//! Whether a rule fires.

use erpbridge_connector::Value;

use super::failure::{Failure, unknown_code};
use super::row::Row;
use super::{Desk, RulePlan, Work};
use crate::canonical;
use crate::deadletter::Reason;
use crate::mapping::bind::Origin;
use crate::mapping::file::{Coded, State, Step, Transition};
use crate::mapping::stage::Bound;

/// A rule that fires: what its event tells beside the fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fired<'w> {
    pub(super) transition: Option<canonical::Transition<'w>>,
    /// Since when an exception is open.
    pub(super) since: Option<&'w str>,
}

impl Fired<'_> {
    /// The same, whatever becomes of the row.
    pub(super) fn keep<'d>(&self, desk: &'d Desk) -> Fired<'d> {
        let transition = self.transition.map(|step| canonical::Transition {
            axis: desk.copy(step.axis),
            from: step.from.map(|from| desk.copy(from)),
            to: desk.copy(step.to),
        });
        Fired { transition, since: self.since.map(|since| desk.copy(since)) }
    }
}

impl RulePlan {
    /// `None` if the change is not the rule's.
    pub(super) fn fires<'w>(
        &'w self,
        row: &Row<'w>,
        work: &mut Work<'_, '_>,
    ) -> Result<Option<Fired<'w>>, Failure> {
        let watched = row.step == Step::Updated && !self.changed.is_empty();
        if watched && !self.changed.iter().any(|cell| row.differs(cell)) {
            return Ok(None);
        }
        if !row.passes(&self.filter)? {
            return Ok(None);
        }
        if let Some(became) = &self.became {
            let was = row.was.map_or(Ok(false), |was| Row::alone(was).holds(became))?;
            if was || !row.holds(became)? {
                return Ok(None);
            }
        }
        match &self.transition {
            None => Ok(Some(Fired::default())),
            Some(transition) => transition.made(row, work),
        }
    }
}

/// The state of a row, as far as it is known.
enum Told<'w> {
    Known(&'w str),
    None,
    Unknown(Failure, Option<Origin>),
}

impl Transition<Bound> {
    fn made<'w>(
        &'w self,
        row: &Row<'w>,
        work: &mut Work<'_, '_>,
    ) -> Result<Option<Fired<'w>>, Failure> {
        if let State::Column(cell, _) = &self.of {
            let was = row.was.map(|before| cell.read(&before));
            if was == Some(cell.read(&row.is)) {
                return Ok(None);
            }
        }
        let to = match self.told(row)? {
            Told::Known(state) => state,
            Told::None => return Ok(None),
            // Several rules watch one status column; its unknown code is told once.
            Told::Unknown(_, Some(origin)) if work.reported == Some(origin) => return Ok(None),
            Told::Unknown(failure, origin) => {
                work.reported = origin;
                return Err(failure);
            }
        };
        // A state before that has no name is a state not known.
        let from = match row.was.map(|was| self.told(&Row::alone(was))) {
            Some(Ok(Told::Known(state))) => Some(state),
            _ => None,
        };
        let left = self.from.is_empty() || from.is_some_and(|from| lists(&self.from, from));
        let reached = self.to.is_empty() || lists(&self.to, to);
        if from == Some(to) || !left || !reached {
            return Ok(None);
        }
        let axis = self.axis.as_deref();
        let transition = axis.map(|axis| canonical::Transition { axis, from, to });
        Ok(Some(Fired { transition, since: None }))
    }

    /// Why the state of a row cannot be told, if it cannot.
    pub(super) fn trouble(&self, row: &Row<'_>) -> Option<Failure> {
        match self.told(row) {
            Ok(Told::Known(_) | Told::None) => None,
            Ok(Told::Unknown(failure, _)) | Err(failure) => Some(failure),
        }
    }

    fn told<'w>(&'w self, row: &Row<'w>) -> Result<Told<'w>, Failure> {
        let (cell, table) = match &self.of {
            State::Column(cell, table) => (cell, table),
            State::Formula(formula) => return Ok(self.computed(formula.text(row)?)),
        };
        let code = match cell.read(&row.is) {
            Value::Absent => return Err(Failure::absent(&cell.name)),
            Value::Null => return Ok(Told::None),
            Value::Text(code) => code,
        };
        Ok(match table.look_up(code, row.is.company) {
            Coded::Value(state) => Told::Known(state),
            Coded::Null => Told::None,
            Coded::Unknown => {
                Told::Unknown(unknown_code(&cell.name, code, table), Some(cell.origin))
            }
        })
    }

    fn computed<'w>(&'w self, state: Option<&'w str>) -> Told<'w> {
        match state {
            None => Told::None,
            Some(state) if self.states.admits(state) => Told::Known(state),
            Some(_) => {
                let detail =
                    format!("the expression of the state gives none of {}", self.states.describe());
                Told::Unknown(Failure::new(Reason::Decode, detail), None)
            }
        }
    }
}

fn lists(states: &[Box<str>], state: &str) -> bool {
    states.iter().any(|listed| **listed == *state)
}
