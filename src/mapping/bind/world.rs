//! What a binding knows beyond its own table: the other tables of the database, and where their
//! rows are remembered.

use std::sync::Arc;

use erpbridge_connector::TableSchema;

use crate::mapping::file::{Captures, Compiled, Kept, Table};
use crate::mapping::kept::KeptTable;

/// The tables there are, and those remembered.
pub(in crate::mapping) struct World<'a> {
    /// Every table of the source that the mappings read, as it is now.
    pub schemas: &'a [Arc<TableSchema>],
    /// The remembered tables, in the order of their numbers: mapping and alias.
    pub kept: &'a [(String, String)],
}

impl<'a> World<'a> {
    /// The table of a mapping that stands beside the one with these captures.
    pub(super) fn target(
        &self,
        mapping: &'a Compiled,
        alias: &str,
        captures: &Captures,
    ) -> Option<(&'a Table, &'a TableSchema, &'a Kept)> {
        let table = mapping.tables.get(alias)?;
        let same = |schema: &&Arc<TableSchema>| {
            table
                .selector
                .captures(&schema.name)
                .is_some_and(|other| table.selector.name().is_some() || other == *captures)
        };
        let schema = self.schemas.iter().find(same)?;
        Some((table, schema, mapping.kept.get(alias)?))
    }

    /// The number of a remembered table.
    pub(super) fn number(&self, mapping: &str, alias: &str) -> Option<KeptTable> {
        let number = self.kept.iter().position(|(m, a)| m == mapping && a == alias)?;
        u32::try_from(number).ok().map(KeptTable)
    }
}

/// What rows of a patterned table are remembered under, before their key: rows of two companies
/// must not meet.
pub(in crate::mapping) fn prefix(captures: &Captures) -> Box<str> {
    let mut prefix = String::new();
    for (_, text) in captures {
        prefix.push_str(text);
        prefix.push('\u{1f}');
    }
    prefix.into()
}
