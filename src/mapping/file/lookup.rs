//! Lookups: rows that belong to a row, found by their key.

use super::formula::{Formula, Pick};
use super::names::{ColumnName, check_name, word};
use crate::document::{Entry, Findings, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// What happens when the row looked for is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) enum Missing {
    /// The event cannot be made.
    #[default]
    DeadLetter,
    /// What is asked of it is null.
    Null,
}

/// Rows of another table that belong to rows of this one.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Lookup {
    /// The name paths begin with.
    pub name: String,
    /// Alias of the table it leads to.
    pub to: String,
    /// What holds the key of the row it leads to.
    pub by: Box<[Pick<Written>]>,
    /// Which rows lead anywhere; all, if nothing is said.
    pub condition: Option<Formula>,
    /// What happens when it is not there.
    pub missing: Missing,
    /// Where it was written.
    pub place: Place,
}

impl Lookup {
    /// Reads `name: { to, by, if, missing }`.
    pub(super) fn parse(entry: &Entry, findings: &mut Findings) -> Option<Self> {
        check_name(&entry.key, &entry.place, findings);
        if entry.key.contains('.') {
            let mend = "write a name without dots: paths are made of them";
            findings.error(&entry.place, "a lookup's name ends at its first dot", mend);
        }
        let fields = entry.value.fields(keys::LOOKUP, findings)?;
        let to = fields.required("to", findings).and_then(|node| node.as_text(findings));
        let by = fields.required("by", findings).map(|node| Pick::parse_list(node, findings));
        let condition = fields.get("if").and_then(|node| Formula::condition(node, findings));
        let words = [("dead_letter", Missing::DeadLetter), ("null", Missing::Null)];
        let missing = match fields.get("missing") {
            None => Missing::DeadLetter,
            Some(node) if node.is_null() => Missing::Null,
            Some(node) => word(node, &words, findings)?,
        };
        let (name, place) = (entry.key.clone(), entry.place.clone());
        Some(Self { name, to: to?.to_owned(), by: by?, condition, missing, place })
    }
}

impl Lookup {
    /// Every column of its own table that it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let by = self.by.iter().flat_map(Pick::columns);
        by.chain(self.condition.iter().flat_map(Formula::columns)).collect()
    }
}
