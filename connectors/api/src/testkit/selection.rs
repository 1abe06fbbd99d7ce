//! Which tables a check wants, seeds and reads.

use crate::{TableName, TableSelection};

/// Tables by name, as a mapping without patterns selects them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    wanted: Vec<TableName>,
    seeded: Vec<TableName>,
    unread: Vec<TableName>,
}

impl Tables {
    /// These tables, without seeds.
    pub fn new<'t>(wanted: impl IntoIterator<Item = &'t TableName>) -> Self {
        Self { wanted: wanted.into_iter().cloned().collect(), ..Self::default() }
    }

    /// Asks for seeds of these.
    #[must_use]
    pub fn seeding<'t>(mut self, tables: impl IntoIterator<Item = &'t TableName>) -> Self {
        self.seeded.extend(tables.into_iter().cloned());
        self
    }

    /// Leaves these out of the first start's snapshot.
    #[must_use]
    pub fn not_reading<'t>(mut self, tables: impl IntoIterator<Item = &'t TableName>) -> Self {
        self.unread.extend(tables.into_iter().cloned());
        self
    }
}

impl TableSelection for Tables {
    fn wants(&self, table: &TableName) -> bool {
        self.wanted.contains(table)
    }

    fn named(&self) -> Vec<TableName> {
        self.wanted.clone()
    }

    fn seeds(&self, table: &TableName) -> bool {
        self.seeded.contains(table)
    }

    fn snapshots(&self, table: &TableName) -> bool {
        self.wants(table) && !self.unread.contains(table)
    }
}
