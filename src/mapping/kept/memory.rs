//! Rows remembered in memory only: for cases and previews, which hold few.

use std::collections::BTreeMap;

use super::{KeptRow, KeptTable, Rows, RowsError};

/// Last images in memory. It forgets them with the process, and searches for children by looking
/// at every row of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows {
    tables: BTreeMap<KeptTable, BTreeMap<Box<str>, Held>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    row: KeptRow,
    parents: Box<[Option<Box<str>>]>,
}

impl MemoryRows {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Rows for MemoryRows {
    fn get(&mut self, table: KeptTable, key: &str) -> Result<Option<KeptRow>, RowsError> {
        let held = self.tables.get(&table).and_then(|rows| rows.get(key));
        Ok(held.map(|held| held.row.clone()))
    }

    fn children(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowsError> {
        let rows = self.tables.get(&table).into_iter().flatten();
        let children = rows
            .filter(|(_, held)| held.parents.get(index).and_then(Option::as_deref) == Some(parent));
        let children = children.take(limit.saturating_add(1));
        Ok(children.map(|(key, held)| (key.clone(), held.row.clone())).collect())
    }

    fn put(
        &mut self,
        table: KeptTable,
        key: &str,
        row: &KeptRow,
        parents: &[Option<&str>],
    ) -> Result<(), RowsError> {
        let parents = parents.iter().map(|parent| parent.map(Box::from)).collect();
        let held = Held { row: row.clone(), parents };
        self.tables.entry(table).or_default().insert(key.into(), held);
        Ok(())
    }

    fn remove(&mut self, table: KeptTable, key: &str) -> Result<(), RowsError> {
        if let Some(rows) = self.tables.get_mut(&table) {
            rows.remove(key);
        }
        Ok(())
    }

    fn clear(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowsError> {
        if let Some(rows) = self.tables.get_mut(&table) {
            rows.retain(|key, _| !key.starts_with(prefix));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Value;

    use super::*;

    const LINES: KeptTable = KeptTable(1);

    fn row(text: &str) -> KeptRow {
        KeptRow::new([Value::Text(text)].into_iter())
    }

    #[test]
    fn children_come_in_order_of_their_keys_and_follow_their_row() {
        let mut rows = MemoryRows::new();
        for (key, order) in [("3", "a"), ("1", "a"), ("2", "b")] {
            rows.put(LINES, key, &row(key), &[None, Some(order)]).unwrap();
        }
        rows.put(LINES, "2", &row("moved"), &[None, Some("a")]).unwrap();
        rows.remove(LINES, "3").unwrap();
        let children = rows.children(LINES, 1, "a", 9).unwrap();
        assert_eq!(children, [("1".into(), row("1")), ("2".into(), row("moved"))]);
        assert_eq!(rows.children(LINES, 1, "b", 9).unwrap(), []);
        assert_eq!(rows.children(LINES, 0, "a", 9).unwrap(), []);
        assert_eq!(rows.children(LINES, 1, "a", 0).unwrap().len(), 1);
        assert_eq!(rows.get(KeptTable(0), "1").unwrap(), None);
    }
}
