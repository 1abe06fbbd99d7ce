//! Sums over the rows that point to a row: many ERPs store no running total, only what it adds up
//! from.

use super::formula::Formula;
use super::names::{ColumnName, check_name};
use crate::document::{Entry, Findings, Place};
use crate::mapping::keys;

/// A sum, read like a column of the row that the others point to.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Sum {
    /// The name paths end with.
    pub name: String,
    /// Alias of the table whose rows are summed.
    pub table: String,
    /// Their lookup that leads here.
    pub lookup: String,
    /// The column that is summed; a row without a number adds nothing.
    pub of: ColumnName,
    /// Which of them count.
    pub condition: Option<Formula>,
    /// Where it was written.
    pub place: Place,
}

impl Sum {
    /// Reads `name: { children: table.lookup, of, if }`.
    pub(super) fn parse(entry: &Entry, findings: &mut Findings) -> Option<Self> {
        check_name(&entry.key, &entry.place, findings);
        let fields = entry.value.fields(keys::SUM, findings)?;
        let from = fields.required("children", findings)?;
        let of = fields.required("of", findings);
        let of = of.and_then(|node| ColumnName::parse(node, findings));
        let condition = fields.get("if").and_then(|node| Formula::still(node, findings));
        let Some((table, lookup)) = from.as_text(findings)?.split_once('.') else {
            let mend = "write `children: <table>.<its lookup that leads here>`";
            findings.error(&from.place, "which rows are summed?", mend);
            return None;
        };
        Some(Self {
            name: entry.key.clone(),
            table: table.to_owned(),
            lookup: lookup.to_owned(),
            of: of?,
            condition,
            place: from.place.clone(),
        })
    }

    /// Every column of the summed rows that it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let condition = self.condition.iter().flat_map(Formula::columns);
        std::iter::once(self.of.clone()).chain(condition).collect()
    }
}
