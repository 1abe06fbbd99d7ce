//! Children: the rows that point to a row, carried in its event (the lines of an order).

use super::codec::CodeTables;
use super::field::{Field, parse_fields};
use super::formula::{Formula, Pick};
use super::names::ColumnName;
use crate::canonical::FieldDef;
use crate::document::{Findings, Node, Place};
use crate::mapping::keys;
use crate::mapping::stage::Written;

/// Rows of another table whose lookup leads to this row.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Children {
    /// Alias of their table.
    pub table: String,
    /// Their lookup that leads here.
    pub lookup: String,
    /// Which of them are carried; all, if nothing is said.
    pub condition: Option<Formula>,
    /// What identifies an item, if not its table's key.
    pub key: Option<Box<[Pick<Written>]>>,
    /// The column they are sorted by, if not by their keys.
    pub sort: Option<ColumnName>,
    /// What they are written as.
    pub fields: Vec<Field<Written>>,
    /// Where it was written.
    pub place: Place,
}

impl Children {
    /// Reads `{ children: table.lookup, if, sort, key, fields }`.
    pub(super) fn parse(
        items: &[FieldDef],
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        let fields = node.fields(keys::CHILDREN, findings)?;
        let from = fields.required("children", findings)?;
        let Some((table, lookup)) = from.as_text(findings)?.split_once('.') else {
            let mend = "write `children: <table>.<its lookup that leads here>`";
            findings.error(&from.place, "whose children are these?", mend);
            return None;
        };
        let written = fields.required("fields", findings)?;
        let parsed = parse_fields(items, written, codes, findings);
        for def in items.iter().filter(|def| def.required) {
            if !parsed.iter().any(|field| *field.name == def.name) {
                let problem = format!("an item needs the field `{}`", def.name);
                findings.error(&written.place, problem, format!("map it: {}", def.description));
            }
        }
        Some(Self {
            table: table.to_owned(),
            lookup: lookup.to_owned(),
            condition: fields.get("if").and_then(|node| Formula::still(node, findings)),
            key: fields.get("key").map(|node| Pick::parse_list(node, findings)),
            sort: fields.get("sort").and_then(|node| ColumnName::parse(node, findings)),
            fields: parsed,
            place: from.place.clone(),
        })
    }
}
