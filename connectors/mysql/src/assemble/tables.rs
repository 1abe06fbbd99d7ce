//! The tables as the log has announced them, by the numbers it gives them.

use std::collections::HashMap;
use std::sync::Arc;

use erpbridge_connector::{ReplicaIdentity, TableName, TableSchema};

use crate::binlog::{ColumnMap, Malformed, TableMap};
use crate::shape::{Disagreement, TableShape};
use crate::values::{Plan, Walk};

/// An announcement that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The table.
    pub name: TableName,
    table_id: u64,
    layout: Box<[u8]>,
}

impl Announcement {
    /// Keeps what the log announces.
    pub fn of(map: &TableMap<'_>) -> Self {
        Self {
            name: TableName::new(map.schema, map.table),
            table_id: map.table_id,
            layout: map.layout.into(),
        }
    }

    /// As the log has it.
    pub fn map(&self) -> TableMap<'_> {
        TableMap {
            table_id: self.table_id,
            schema: &self.name.schema,
            table: &self.name.table,
            layout: &self.layout,
        }
    }

    /// The columns announced.
    pub fn columns(&self) -> Result<Vec<ColumnMap<'_>>, Malformed> {
        self.map().columns()
    }
}

/// How the rows of an announced table are taken.
#[derive(Debug)]
pub(super) enum Reading {
    /// They are wanted.
    Wanted(Plan),
    /// They are counted.
    Counted(Walk),
    /// They cannot even be counted.
    Opaque,
}

/// An announced table.
#[derive(Debug)]
pub(super) struct Table {
    announcement: Announcement,
    pub(super) reading: Reading,
}

impl Table {
    pub(super) const fn name(&self) -> &TableName {
        &self.announcement.name
    }
}

/// A shape, and the one before it.
pub(super) type Replaced = (Arc<TableSchema>, Arc<TableSchema>);

/// All tables announced and not forgotten.
#[derive(Debug, Default)]
pub(super) struct Tables {
    announced: HashMap<u64, Arc<Table>>,
    /// The shapes last told, whatever numbers they had.
    schemas: HashMap<TableName, Arc<TableSchema>>,
}

impl Tables {
    /// Whether this was announced before, in these very bytes.
    pub(super) fn knows(&self, map: &TableMap<'_>) -> bool {
        self.announced.get(&map.table_id).is_some_and(|known| known.announcement.map() == *map)
    }

    pub(super) fn get(&self, table_id: u64) -> Option<Arc<Table>> {
        self.announced.get(&table_id).map(Arc::clone)
    }

    /// Takes note of a table nobody wants. What its rows are like decides only how they are
    /// counted, so an announcement that cannot be read stops nothing.
    pub(super) fn pass_over(&mut self, announcement: &Announcement) {
        let columns = announcement.columns().ok();
        let walk = columns.and_then(|columns| Walk::new(&columns));
        let reading = walk.map_or(Reading::Opaque, Reading::Counted);
        self.insert(announcement, reading);
    }

    /// Takes note of a wanted table. Returns its shape and the one before if they differ; a shape
    /// that comes again keeps its identity in memory.
    pub(super) fn announce(
        &mut self,
        announcement: &Announcement,
        shape: &TableShape,
        identity: ReplicaIdentity,
    ) -> Result<Option<Replaced>, Disagreement> {
        let columns = announcement.columns()?;
        let mut plan = Plan::new(shape, &columns, identity)?;
        let previous = self.schemas.get(&announcement.name).map(Arc::clone);
        let change = match previous {
            Some(previous) if *previous == *plan.schema => {
                plan.schema = previous;
                None
            }
            previous => previous.map(|previous| (Arc::clone(&plan.schema), previous)),
        };
        self.schemas.insert(announcement.name.clone(), Arc::clone(&plan.schema));
        self.insert(announcement, Reading::Wanted(plan));
        Ok(change)
    }

    /// The numbers mean nothing any more.
    pub(super) fn forget_numbers(&mut self) {
        self.announced.clear();
    }

    /// Announcements of these tables must be read anew, even if they are the same bytes.
    pub(super) fn forget(&mut self, names: &[TableName]) {
        self.announced.retain(|_, table| !names.contains(table.name()));
    }

    fn insert(&mut self, announcement: &Announcement, reading: Reading) {
        /// The server gives a table a new number whenever it opens it.
        const MOST: usize = 10_000;
        if self.announced.len() >= MOST {
            self.announced.clear();
        }
        let table = Table { announcement: announcement.clone(), reading };
        self.announced.insert(announcement.table_id, Arc::new(table));
    }
}
