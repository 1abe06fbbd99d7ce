//! Mapping files: what a row change means to the business. The language is described in
//! `mappings/README.md`.
//!
//! ```text
//! file (as written, with line numbers) → compile (checked against the event schemas)
//!     → bind (checked against a table's columns) → apply (per net change)
//! ```
//!
//! `file` reads and compiles, `bind` meets a table, `plan` runs; `codec` decodes text. Nothing
//! here does I/O beyond reading the files it is asked to load.

mod bind;
pub mod cases;
mod codec;
mod file;
mod kept;
mod keys;
mod load;
mod net;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use erpbridge_connector::{Finding, TableName, TableSchema, TableSelection};

use self::file::Compiled;
pub use self::kept::{KeptRow, KeptTable, MemoryRows, Rows, RowsError};
pub use self::load::is_mapping_file;
pub use self::net::{NetChange, NetImage};
pub use self::plan::TablePlan;
use crate::document::Findings;

/// All mappings of one source, compiled.
#[derive(Clone, Debug)]
pub struct Mapping {
    compiled: Arc<[Compiled]>,
    warnings: Vec<Finding>,
}

impl Mapping {
    /// What the files hold that is not wrong, but worth a look.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The tables the mappings read.
    pub fn selection(&self) -> Arc<dyn TableSelection> {
        let used =
            |compiled: &Compiled, alias: &str| compiled.rules.iter().any(|rule| rule.on == alias);
        let tables = self.compiled.iter().flat_map(|compiled| {
            let tables = compiled.tables.values().filter(|table| used(compiled, &table.alias));
            tables.map(|table| table.name.clone())
        });
        Arc::new(Named { tables: tables.collect() })
    }

    /// The events the mappings can make, sorted.
    pub fn event_types(&self) -> Vec<String> {
        let rules = self.compiled.iter().flat_map(|compiled| &compiled.rules);
        let names: BTreeSet<&str> = rules.map(|rule| rule.event.name.as_str()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// `<mapping>@<content hash>` of every mapping, as events carry it.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.compiled.iter().map(|compiled| compiled.version.as_str())
    }

    /// Binds the mappings to a table as it looks now. `None` if no mapping reads it. Call it once
    /// per table and shape; the plan is what runs.
    pub fn bind(
        &self,
        source: &str,
        table: &Arc<TableSchema>,
    ) -> Result<Option<TablePlan>, Vec<Finding>> {
        let mut findings = Findings::new();
        let plan = bind::bind(&self.compiled, source, table, &mut findings);
        if findings.has_errors() { Err(findings.into_vec()) } else { Ok(plan) }
    }
}

/// The tables that are named outright.
struct Named {
    tables: BTreeSet<TableName>,
}

impl TableSelection for Named {
    fn wants(&self, table: &TableName) -> bool {
        self.tables.contains(table)
    }

    fn named(&self) -> Vec<TableName> {
        self.tables.iter().cloned().collect()
    }
}
