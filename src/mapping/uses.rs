//! What a mapping reads of a table, and what for: asked by whoever shows its rows to others.

use std::collections::{BTreeMap, BTreeSet};

use erpbridge_connector::{TableName, TableSchema};

use super::Mapping;
use super::bind::prefix;
use super::file::{AllUses, Selector, Use};

impl Mapping {
    /// What each column of a table is read for. Columns that are not read are not in it.
    pub fn uses(&self, table: &TableSchema) -> BTreeMap<String, BTreeSet<Use>> {
        let mut found: BTreeMap<String, BTreeSet<Use>> = BTreeMap::new();
        for mapping in self.compiled.iter() {
            let all = AllUses::of(mapping);
            for own in mapping.tables.values().filter(|own| mapping.uses(&own.alias)) {
                if own.selector.captures(&table.name).is_none() {
                    continue;
                }
                let uses = all.tables.get(&own.alias).into_iter().flatten();
                let kept = mapping.kept.get(&own.alias).into_iter().flat_map(|kept| &kept.columns);
                for (column, uses) in uses {
                    found.entry(column.clone()).or_default().extend(uses);
                }
                for column in kept {
                    found.entry(column.clone()).or_default().insert(Use::Plain);
                }
            }
        }
        for column in table.primary_key.iter().filter_map(|place| table.columns.get(*place)) {
            found.entry(column.name.clone()).or_default().insert(Use::Key);
        }
        found.retain(|column, _| table.column(column).is_some());
        found
    }

    /// Of the tables of a database, those that must be there with this one for its rows to be
    /// mapped.
    pub fn around(&self, table: &TableName, all: &[TableName]) -> Vec<TableName> {
        let mut found = BTreeSet::new();
        for mapping in self.compiled.iter() {
            for own in mapping.tables.values() {
                let Some(captures) = own.selector.captures(table) else { continue };
                let near = mapping.around(&own.alias);
                let near = near.into_iter().filter_map(|alias| mapping.tables.get(alias));
                for near in near {
                    // Rows of a pattern's tables meet only within equal captures.
                    let beside = |name: &&TableName| {
                        let other = near.selector.captures(name);
                        other.is_some_and(|other| match near.selector {
                            Selector::Name(_) => true,
                            Selector::Pattern(_) => prefix(&other) == prefix(&captures),
                        })
                    };
                    found.extend(all.iter().filter(beside).cloned());
                }
            }
        }
        found.into_iter().collect()
    }

    /// The texts that its expressions name.
    pub fn texts(&self) -> BTreeSet<String> {
        self.compiled.iter().flat_map(|mapping| AllUses::of(mapping).texts).collect()
    }
}
