//! The tables as the log describes them.
//!
//! The server announces a table before its first row and again after every change of its shape,
//! by object id. Rows are read by the announcement, never by the catalogue: the catalogue shows
//! the table as it is now, and the log may be hours behind. Three things the announcement does
//! not say are asked of the catalogue all the same, and may be newer than the row: the primary
//! key (under a full identity the log flags every column as key), what a domain rests on, and how
//! a type is spelled.

use std::collections::HashMap;
use std::sync::Arc;

use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};

use crate::pgoutput::{Relation, RelationColumn};
use crate::values;

/// What the catalogue says of an announced table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// The columns of the primary key, in key order.
    pub primary_key: Vec<String>,
    /// For each announced column its type; shorter where a type is gone since.
    pub types: Vec<TypeFacts>,
}

/// What the catalogue says of a column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFacts {
    /// The kind of the type it rests on.
    pub kind: ColumnKind,
    /// As SQL spells it: `numeric(12,4)`.
    pub name: String,
}

/// An announced table.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its shape; none if nobody wants its rows.
    pub table: Option<Arc<TableSchema>>,
    /// Which columns a key-only image carries.
    pub key: Vec<bool>,
}

/// All tables announced on this connection, by object id.
#[derive(Debug, Default)]
pub struct Relations {
    announced: HashMap<u32, Announced>,
}

impl Relations {
    /// The table with this object id.
    pub fn get(&self, oid: u32) -> Option<&Announced> {
        self.announced.get(&oid)
    }

    /// The shape of this table and the columns of its key-only images, if its rows are wanted.
    pub fn wanted(&self, oid: u32) -> Option<(&Arc<TableSchema>, &[bool])> {
        let announced = self.announced.get(&oid)?;
        Some((announced.table.as_ref()?, &announced.key))
    }

    /// Takes note of a table nobody wants.
    pub fn announce_unwanted(&mut self, relation: &Relation<'_>) {
        self.announced.insert(relation.oid, Announced { table: None, key: Vec::new() });
    }

    /// Takes note of a wanted table. Returns its shape and the one before if they differ. An
    /// announcement that repeats a shape keeps the shape's identity in memory.
    pub fn announce(
        &mut self,
        relation: &Relation<'_>,
        facts: &TableFacts,
    ) -> Option<(Arc<TableSchema>, Arc<TableSchema>)> {
        let shape = shape(relation, facts);
        let previous = self.announced.get(&relation.oid).and_then(|known| known.table.clone());
        let table = match &previous {
            Some(previous) if **previous == shape => Arc::clone(previous),
            _ => Arc::new(shape),
        };
        let key = relation.columns.iter().map(|column| column.key).collect();
        let announced = Announced { table: Some(Arc::clone(&table)), key };
        self.announced.insert(relation.oid, announced);
        previous.filter(|previous| !Arc::ptr_eq(previous, &table)).map(|previous| (table, previous))
    }
}

/// The announced table's name.
pub fn name(relation: &Relation<'_>) -> TableName {
    TableName::new(relation.schema, relation.table)
}

fn shape(relation: &Relation<'_>, facts: &TableFacts) -> TableSchema {
    let mut types = facts.types.iter();
    let columns: Vec<Column> =
        relation.columns.iter().map(|described| column(described, types.next())).collect();
    TableSchema {
        name: name(relation),
        primary_key: primary_key(&columns, &facts.primary_key),
        columns,
        identity: identity(relation.identity),
    }
}

fn column(described: &RelationColumn<'_>, facts: Option<&TypeFacts>) -> Column {
    let (kind, type_name) = match facts {
        Some(TypeFacts { kind, name }) => (*kind, name.clone()),
        None => (
            values::kind(described.type_oid).unwrap_or(ColumnKind::Other),
            format!("type {}", described.type_oid),
        ),
    };
    Column { name: described.name.to_owned(), kind, type_name, missing_in_log: false }
}

/// A key that is not wholly among the columns belongs to another moment of the table: no key is
/// better than half of one.
fn primary_key(columns: &[Column], names: &[String]) -> Vec<usize> {
    let place = |name: &String| columns.iter().position(|column| column.name == *name);
    names.iter().map(place).collect::<Option<_>>().unwrap_or_default()
}

fn identity(letter: u8) -> ReplicaIdentity {
    match letter {
        b'f' => ReplicaIdentity::Full,
        b'n' => ReplicaIdentity::Nothing,
        _ => ReplicaIdentity::Key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation<'a>(columns: &[(&'a str, bool, u32)], identity: u8) -> Relation<'a> {
        let columns = columns
            .iter()
            .map(|&(name, key, type_oid)| RelationColumn { key, name, type_oid, type_modifier: -1 })
            .collect();
        Relation { oid: 1, schema: "erp", table: "item", identity, columns }
    }

    fn facts(primary_key: &[&str]) -> TableFacts {
        let primary_key = primary_key.iter().map(|&name| name.to_owned()).collect();
        TableFacts { primary_key, types: Vec::new() }
    }

    #[test]
    fn a_repeated_announcement_keeps_the_shape() {
        let mut relations = Relations::default();
        let item = relation(&[("code", true, 25)], b'd');
        assert!(relations.announce(&item, &facts(&["code"])).is_none());
        let first = relations.get(1).unwrap().table.clone().unwrap();
        assert!(relations.announce(&item, &facts(&["code"])).is_none());
        assert!(Arc::ptr_eq(&first, relations.get(1).unwrap().table.as_ref().unwrap()));
    }

    #[test]
    fn a_new_column_is_a_new_shape() {
        let mut relations = Relations::default();
        relations.announce(&relation(&[("code", true, 25)], b'd'), &facts(&["code"]));
        let wider = relation(&[("code", true, 25), ("qty", false, 1700)], b'd');
        let (now, before) = relations.announce(&wider, &facts(&["code"])).unwrap();
        assert_eq!((now.columns.len(), before.columns.len()), (2, 1));
        assert_eq!(now.columns[1].kind, ColumnKind::Decimal);
    }

    #[test]
    fn the_primary_key_comes_from_the_catalogue_even_under_a_full_identity() {
        let mut relations = Relations::default();
        let full = relation(&[("a", true, 25), ("b", true, 25), ("c", true, 25)], b'f');
        relations.announce(&full, &facts(&["c", "a"]));
        let table = relations.get(1).unwrap().table.clone().unwrap();
        assert_eq!(table.primary_key, [2, 0]);
        assert_eq!(table.identity, ReplicaIdentity::Full);
    }

    #[test]
    fn a_key_of_another_moment_is_no_key() {
        let mut relations = Relations::default();
        relations.announce(&relation(&[("a", true, 25)], b'd'), &facts(&["a", "renamed"]));
        assert!(relations.get(1).unwrap().table.as_ref().unwrap().primary_key.is_empty());
    }

    #[test]
    fn a_domain_has_the_kind_of_what_it_rests_on() {
        let mut relations = Relations::default();
        let types = vec![TypeFacts { kind: ColumnKind::Decimal, name: "erp.quantity".to_owned() }];
        let facts = TableFacts { primary_key: Vec::new(), types };
        relations.announce(&relation(&[("qty", false, 16_500)], b'd'), &facts);
        let table = relations.get(1).unwrap().table.clone().unwrap();
        assert_eq!(table.columns[0].kind, ColumnKind::Decimal);
        assert_eq!(table.columns[0].type_name, "erp.quantity");
    }
}
