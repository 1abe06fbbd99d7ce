//! What happens when the ERP is no longer what the mapping knows.

use super::names::word;
use crate::document::{Findings, Node};
use crate::mapping::keys;

/// What is done about a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The source stops before the change.
    Stop,
    /// What cannot become an event becomes a dead letter.
    DeadLetter,
    /// It is told and counted, and nothing else.
    Ignore,
}

/// The policies of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drift {
    /// A code its table does not know.
    pub(crate) unknown_code: Policy,
    /// A column that a rule reads is gone or has another type.
    pub(crate) column: Policy,
    /// A table that a pattern takes in and that the mapping does not fit.
    pub(crate) table: Policy,
}

impl Default for Drift {
    fn default() -> Self {
        Self { unknown_code: Policy::DeadLetter, column: Policy::Stop, table: Policy::Stop }
    }
}

const WORDS: [(&str, Policy); 3] =
    [("stop", Policy::Stop), ("dead_letter", Policy::DeadLetter), ("ignore", Policy::Ignore)];

impl Drift {
    /// Reads `{ unknown_code, column, table }`.
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Self {
        let mut drift = Self::default();
        let Some(fields) = node.fields(keys::DRIFT, findings) else { return drift };
        let mut policy = |key: &str, into: &mut Policy| {
            let word = fields.get(key).and_then(|node| word(node, &WORDS, findings));
            *into = word.unwrap_or(*into);
        };
        policy("unknown_code", &mut drift.unknown_code);
        policy("column", &mut drift.column);
        policy("table", &mut drift.table);
        drift
    }
}
