//! A table as a mapping sees it.

use std::collections::HashMap;

use erpbridge_connector::TableName;

use super::filter::Filter;
use super::names::{ColumnName, word};
use super::reading::ReadingRules;
use super::scope::Scope;
use crate::document::{Fields, Findings, Node, Place};
use crate::mapping::keys;

/// What the ERP means by deleting a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Deleted {
    /// The business called it off.
    Cancelled,
    /// It moved to a history table; nothing happened to it.
    Archived,
    /// What it recorded was taken back.
    Reversed,
    /// It should never have been, or is simply gone.
    Physical,
    /// Nothing anybody needs to know.
    Ignore,
}

impl Deleted {
    /// The words mappings use.
    pub(super) const NAMES: [(&'static str, Self); 5] = [
        ("cancelled", Self::Cancelled),
        ("archived", Self::Archived),
        ("reversed", Self::Reversed),
        ("physical", Self::Physical),
        ("ignore", Self::Ignore),
    ];

    /// Whether an event with this name says what the delete means.
    pub(super) fn fits(self, event: &str) -> bool {
        match self {
            Self::Cancelled => event == "cancelled",
            Self::Archived => event == "archived",
            Self::Reversed => event == "reversed",
            Self::Physical => !["cancelled", "archived", "reversed"].contains(&event),
            Self::Ignore => false,
        }
    }
}

/// A table as a mapping sees it.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Table {
    /// The name rules use.
    pub alias: String,
    /// The table.
    pub name: TableName,
    /// What identifies a row, if not the primary key.
    pub key: Option<Vec<ColumnName>>,
    /// Which rows are meant.
    pub filter: Filter<ColumnName>,
    /// Columns whose change alone is no change.
    pub ignore: Vec<ColumnName>,
    /// What a delete means, if it is said.
    pub deleted: Option<Deleted>,
    /// Its own company, over the mapping's.
    pub company: Option<Scope<ColumnName>>,
    /// Its own plant, over the mapping's.
    pub plant: Option<Scope<ColumnName>>,
    /// Reading rules of the whole table.
    pub read: ReadingRules,
    /// Reading rules of single columns.
    pub columns: HashMap<String, (Place, ReadingRules)>,
    /// Where it was written.
    pub place: Place,
}

impl Table {
    pub(super) fn parse(
        alias: &str,
        place: &Place,
        node: &Node,
        findings: &mut Findings,
    ) -> Option<Self> {
        let fields = node.fields(keys::TABLE, findings)?;
        let name = fields.required("table", findings).and_then(|node| table_name(node, findings));
        let scope = |what: &str, findings: &mut Findings| {
            fields.get(what).and_then(|node| Scope::parse(what, node, findings))
        };
        let company = scope("company", findings);
        let plant = scope("plant", findings);
        let list = |node: &Node, findings: &mut Findings| ColumnName::parse_list(node, findings);
        Some(Self {
            alias: alias.to_owned(),
            name: name?,
            key: fields.get("key").map(|node| list(node, findings)),
            filter: fields
                .get("where")
                .map(|node| Filter::parse(node, findings))
                .unwrap_or_default(),
            ignore: fields.get("ignore").map(|node| list(node, findings)).unwrap_or_default(),
            deleted: fields.get("deleted").and_then(|node| word(node, &Deleted::NAMES, findings)),
            company,
            plant,
            read: fields
                .get("read")
                .map(|node| ReadingRules::parse(node, findings))
                .unwrap_or_default(),
            columns: columns(&fields, findings),
            place: place.clone(),
        })
    }
}

fn columns(fields: &Fields<'_>, findings: &mut Findings) -> HashMap<String, (Place, ReadingRules)> {
    let entries = fields.get("columns").and_then(|node| node.as_map(findings)).unwrap_or_default();
    let read = entries.iter().map(|entry| {
        let rules = ReadingRules::parse_column(&entry.value, findings);
        (entry.key.clone(), (entry.place.clone(), rules))
    });
    read.collect()
}

fn table_name(node: &Node, findings: &mut Findings) -> Option<TableName> {
    let text = node.as_text(findings)?;
    match text.split_once('.') {
        Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
            Some(TableName::new(schema, table))
        }
        _ => {
            let problem = format!("`{text}` does not name a table");
            findings.error(&node.place, problem, "write `schema.table`, as the database spells it");
            None
        }
    }
}
