//! Expressions, computed for a row.

use super::failure::Failure;
use super::row::Row;
use crate::deadletter::Reason;
use crate::mapping::bind::{Formula, Seen};
use crate::mapping::expression::EvalError;

impl Formula {
    /// Whether it holds; nothing is false.
    pub(super) fn truth(&self, seen: &Seen<'_, '_>) -> Result<bool, Failure> {
        self.program.truth(seen).map_err(|error| self.failure(error))
    }

    /// What it gives, as canonical text.
    pub(super) fn text<'v>(&self, row: &Row<'v>) -> Result<Option<&'v str>, Failure> {
        let seen = Seen { inputs: &self.inputs, is: row.is, was: row.was };
        let mut scratch = row.is.desk.inner();
        let text = self.program.text(&seen, &mut scratch);
        let text = text.map_err(|error| self.failure(error))?;
        Ok(text.map(|text| row.is.desk.copy(text)))
    }

    fn failure(&self, error: EvalError) -> Failure {
        match error {
            EvalError::Absent { slot } => {
                Failure::absent(self.inputs.get(slot).map_or("", |(_, cell)| &cell.name))
            }
            EvalError::Failed { detail } => {
                Failure::new(Reason::Expression, format!("the expression failed: {detail}"))
            }
        }
    }
}
