//! Remembered rows that note what they were asked for and did not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use erpbridge_connector::TableSchema;

use crate::mapping::{KeptRow, KeptTable, Mapping, MemoryRows, Rows, RowsError, Whereabouts};

/// Rows in memory, and what somebody asked for.
#[derive(Debug, Default)]
pub(super) struct AskedRows {
    rows: MemoryRows,
    missed: BTreeSet<(KeptTable, String)>,
    children: BTreeSet<(KeptTable, usize, String)>,
}

impl AskedRows {
    /// Where in the database the rows lie that were asked for since the last call.
    pub(super) fn take_asked(
        &mut self,
        mapping: &Mapping,
        schemas: &[Arc<TableSchema>],
    ) -> BTreeSet<Whereabouts> {
        let missed = std::mem::take(&mut self.missed);
        let rows = missed.iter().filter_map(|(table, key)| mapping.row_at(*table, key, schemas));
        let mut asked: BTreeSet<Whereabouts> = rows.collect();
        let children = std::mem::take(&mut self.children);
        asked.extend(children.iter().filter_map(|(table, index, parent)| {
            mapping.children_at(*table, *index, parent, schemas)
        }));
        asked
    }
}

impl Rows for AskedRows {
    fn get(&mut self, table: KeptTable, key: &str) -> Result<Option<KeptRow>, RowsError> {
        let found = self.rows.get(table, key)?;
        if found.is_none() {
            self.missed.insert((table, key.to_owned()));
        }
        Ok(found)
    }

    fn children(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowsError> {
        // Some may be there because a sample held them; only the database knows them all.
        self.children.insert((table, index, parent.to_owned()));
        self.rows.children(table, index, parent, limit)
    }

    fn put(
        &mut self,
        table: KeptTable,
        key: &str,
        row: &KeptRow,
        parents: &[Option<&str>],
    ) -> Result<(), RowsError> {
        self.rows.put(table, key, row, parents)
    }

    fn remove(&mut self, table: KeptTable, key: &str) -> Result<(), RowsError> {
        self.rows.remove(table, key)
    }

    fn clear(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowsError> {
        self.rows.clear(table, prefix)
    }
}
