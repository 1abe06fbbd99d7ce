//! Tables: what they look like, and their rows by version.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::sql::Column;
use crate::value::Value;
use crate::value::kind::Kind;
use crate::value::order::append_key;

/// The cells of a row, in the order of the table's columns.
pub(crate) type Cells = Arc<[Value]>;
/// Bytes that sort as the rows of a table do.
pub(crate) type Key = Box<[u8]>;

/// A column with the number it keeps for its life.
#[derive(Clone, Debug)]
pub(crate) struct TableColumn {
    pub(crate) id: i32,
    pub(crate) column: Column,
}

/// A user's table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) id: i32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<TableColumn>,
    /// Places of the key's columns, in key order; empty for a heap.
    pub(crate) key: Vec<usize>,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    next_column: i32,
    /// Numbers rows without a key, identities and row versions.
    counter: i64,
    rows: BTreeMap<Key, Vec<Version>>,
}

/// A row from one commit to the next; `None` once deleted.
#[derive(Clone, Debug)]
struct Version {
    commit: u64,
    row: Option<Cells>,
}

impl Table {
    pub(crate) fn new(id: i32, name: (&str, &str), columns: Vec<Column>, created: i64) -> Self {
        let mut table = Self {
            id,
            schema: name.0.to_owned(),
            name: name.1.to_owned(),
            columns: Vec::new(),
            key: Vec::new(),
            created,
            modified: created,
            next_column: 1,
            counter: 0,
            rows: BTreeMap::new(),
        };
        for column in columns {
            table.add_column(column);
        }
        table
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The place of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.column.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn add_column(&mut self, column: Column) {
        self.columns.push(TableColumn { id: self.next_column, column });
        self.next_column += 1;
        self.reshape(|cells| cells.push(Value::Null));
    }

    pub(crate) fn drop_column(&mut self, place: usize) {
        self.columns.remove(place);
        for key in &mut self.key {
            *key -= usize::from(*key > place);
        }
        self.reshape(|cells| drop(cells.remove(place)));
    }

    /// Changes every version of every row; old versions are seen through the new shape, as no
    /// test looks at a table's past across a change of its shape.
    pub(crate) fn reshape(&mut self, mut change: impl FnMut(&mut Vec<Value>)) {
        for version in self.rows.values_mut().flatten() {
            if let Some(row) = &version.row {
                let mut cells = row.to_vec();
                change(&mut cells);
                version.row = Some(cells.into());
            }
        }
    }

    /// The next number for identities and row versions.
    pub(crate) fn count(&mut self) -> i64 {
        self.counter += 1;
        self.counter
    }

    /// Where a row belongs; a row without key columns goes to the end.
    pub(crate) fn key_of(&mut self, cells: &[Value]) -> Key {
        let mut key = Vec::new();
        for &place in &self.key {
            if let (Some(cell), Some(column)) = (cells.get(place), self.columns.get(place)) {
                append_key(&mut key, cell, column.column.of);
            }
        }
        if self.key.is_empty() {
            append_key(&mut key, &Value::Int(self.count()), Kind::BigInt.into());
        }
        key.into()
    }

    /// The row with this key as last written.
    pub(crate) fn current(&self, key: &[u8]) -> Option<&Cells> {
        self.rows.get(key)?.last()?.row.as_ref()
    }

    /// All rows as last written, with their keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Cells)> {
        self.rows.iter().filter_map(|(key, versions)| Some((key, versions.last()?.row.as_ref()?)))
    }

    /// Writes the row of a key, as of a commit; `None` deletes it.
    pub(crate) fn write(&mut self, key: Key, commit: u64, row: Option<Cells>) {
        let versions = self.rows.entry(key).or_default();
        // What one transaction does to a row twice is one version.
        versions.retain(|version| version.commit != commit);
        versions.push(Version { commit, row });
    }

    /// At most `limit` rows within the bounds as they were after a commit, in key order or backwards.
    pub(crate) fn scan(
        &self,
        as_of: u64,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        (limit, backwards): (usize, bool),
    ) -> Vec<(Key, Cells)> {
        let visible = |versions: &[Version]| {
            versions.iter().rev().find(|version| version.commit <= as_of)?.row.clone()
        };
        let rows = self.rows.range::<[u8], _>(bounds);
        let rows = rows.filter_map(|(key, versions)| Some((key.clone(), visible(versions)?)));
        if backwards { rows.rev().take(limit).collect() } else { rows.take(limit).collect() }
    }

    /// How many rows there are at most; costs nothing to ask.
    pub(crate) fn at_most(&self) -> usize {
        self.rows.len()
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.all().count()
    }
}
