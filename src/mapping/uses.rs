//! What a mapping reads of a table, and what for: asked by whoever shows its rows to others.

use std::collections::{BTreeMap, BTreeSet};

use erpbridge_connector::TableSchema;

use super::Mapping;
use super::file::{AllUses, Use};

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

    /// The texts that its expressions name.
    pub fn texts(&self) -> BTreeSet<String> {
        self.compiled.iter().flat_map(|mapping| AllUses::of(mapping).texts).collect()
    }
}
