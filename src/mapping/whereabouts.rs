//! Where a remembered row lies in the database: the way back from what a mapping asks memory for
//! to the table and the columns it can be read by.
//!
//! The way back exists where keys are columns. A key that an expression makes, or one that reading
//! rules changed, names no row of the database; whoever asks has to do without.

use std::sync::Arc;

use erpbridge_connector::{TableName, TableSchema};

use super::Mapping;
use super::bind::prefix;
use super::file::{Compiled, Pick, Selector, Table};
use super::kept::KeptTable;
use super::stage::Written;

/// Rows of the database: those of a table whose `columns` hold `values`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whereabouts {
    /// The table.
    pub table: TableName,
    /// Its columns.
    pub columns: Vec<String>,
    /// What they hold, in their order.
    pub values: Vec<String>,
}

impl Mapping {
    /// Where the row with this key lies.
    pub fn row_at(
        &self,
        table: KeptTable,
        key: &str,
        schemas: &[Arc<TableSchema>],
    ) -> Option<Whereabouts> {
        let (_, table) = self.kept_table(table)?;
        let (schema, key) = beside(table, key, schemas)?;
        let primary = schema.primary_key.iter().filter_map(|place| schema.columns.get(*place));
        let columns = match &table.key {
            Some(columns) => columns.iter().map(|column| column.name.clone()).collect(),
            None => primary.map(|column| column.name.clone()).collect(),
        };
        whereabouts(schema, columns, key)
    }

    /// Where the rows lie that point to `parent` by an index of their table.
    pub fn children_at(
        &self,
        table: KeptTable,
        index: usize,
        parent: &str,
        schemas: &[Arc<TableSchema>],
    ) -> Option<Whereabouts> {
        let (mapping, table) = self.kept_table(table)?;
        let lookup = mapping.kept.get(&table.alias)?.indexes.iter().nth(index)?;
        let (schema, parent) = beside(table, parent, schemas)?;
        let column = |pick: &Pick<Written>| match pick {
            Pick::Column(column) => Some(column.name.clone()),
            Pick::Formula(_) => None,
        };
        let columns = table.lookup(lookup)?.by.iter().map(column).collect::<Option<_>>()?;
        whereabouts(schema, columns, parent)
    }

    fn kept_table(&self, number: KeptTable) -> Option<(&Compiled, &Table)> {
        let (name, alias) = self.kept.get(usize::try_from(number.0).ok()?)?;
        let mapping = self.compiled.iter().find(|mapping| mapping.name == *name)?;
        Some((mapping, mapping.tables.get(alias)?))
    }
}

/// The table of the database that an alias stands for beside the row a key was made of, and the
/// key without what says beside which.
fn beside<'s, 'k>(
    table: &Table,
    key: &'k str,
    schemas: &'s [Arc<TableSchema>],
) -> Option<(&'s TableSchema, &'k str)> {
    schemas.iter().find_map(|schema| {
        let captures = table.selector.captures(&schema.name)?;
        let head = match table.selector {
            Selector::Name(_) => Box::default(),
            Selector::Pattern(_) => prefix(&captures),
        };
        Some((&**schema, key.strip_prefix(&*head)?))
    })
}

fn whereabouts(schema: &TableSchema, columns: Vec<String>, key: &str) -> Option<Whereabouts> {
    let part = |part: &str| part.replace("%2F", "/").replace("%25", "%");
    // The key of one column is its text as it is.
    let values: Vec<String> = match columns.len() {
        1 => vec![key.to_owned()],
        _ => key.split('/').map(part).collect(),
    };
    (columns.len() == values.len()).then(|| Whereabouts {
        table: schema.name.clone(),
        columns,
        values,
    })
}
