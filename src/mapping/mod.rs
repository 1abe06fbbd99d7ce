//! Mapping files: what a row change means to the business. The language is described in
//! `mappings/README.md`.
//!
//! ```text
//! file (as written, with line numbers) → compile (checked against the event schemas)
//!     → bind (checked against a table's columns) → apply (per net change)
//! ```
//!
//! `file` reads and compiles, `bind` meets a table, `plan` runs; `codec` decodes text, `expression`
//! computes, `kept` and `memory` say what may be asked of rows seen before. Nothing here does I/O
//! beyond reading the files it is asked to load.

mod bind;
pub mod cases;
mod codec;
mod examine;
mod expression;
mod file;
mod kept;
pub(crate) mod keys;
mod load;
mod memory;
mod net;
mod owners;
mod plan;
mod stage;
#[cfg(test)]
mod tests;
mod uses;
mod waiting;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use erpbridge_connector::{Finding, TableName, TableSchema, TableSelection};
use xxhash_rust::xxh3::Xxh3;

use self::bind::World;
pub use self::codec::Pseudonym;
use self::file::{Compiled, Patience};
pub use self::file::{Policy, Use};
pub use self::kept::{KeptRow, KeptTable, MemoryRows, Rows, RowsError};
pub use self::load::is_mapping_file;
use self::memory::Ledgers;
pub use self::memory::Memory;
pub use self::net::{NetChange, NetImage};
pub use self::owners::contradictions;
pub use self::plan::{Desk, PlanError, TablePlan, Trial};
use self::waiting::Ledger;
pub use self::waiting::{Waiter, Waiting};
pub use self::whereabouts::Whereabouts;
use crate::document::Findings;

/// A table whose rows are remembered, or a ledger of the bridge itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptShape {
    /// `<mapping>/<alias>`, or the ledger's own name.
    pub name: String,
    /// Differs when rows remembered under another mapping are of no use.
    pub shape: u64,
    /// How many indexes it has.
    pub indexes: usize,
}

/// All mappings of one source, compiled.
#[derive(Clone, Debug)]
pub struct Mapping {
    compiled: Arc<[Compiled]>,
    /// Mapping and alias of every remembered table, in the order of their numbers.
    kept: Arc<[(String, String)]>,
    /// How long changes wait for rows they look up: every time that is written, once.
    patience: Arc<[Patience]>,
    warnings: Vec<Finding>,
}

impl Mapping {
    fn new(compiled: Vec<Compiled>, warnings: Vec<Finding>) -> Self {
        let kept = compiled.iter().flat_map(|mapping| {
            let name = &mapping.name;
            mapping.kept.keys().map(move |alias| (name.clone(), alias.clone()))
        });
        let tables = compiled.iter().flat_map(|mapping| mapping.tables.values());
        let lookups = tables.flat_map(|table| &table.lookups);
        let patience: BTreeSet<Patience> =
            lookups.filter_map(|lookup| lookup.missing.patience()).collect();
        let (kept, patience) = (kept.collect(), patience.into_iter().collect());
        Self { kept, patience, compiled: compiled.into(), warnings }
    }

    /// What the files hold that is not wrong, but worth a look.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The tables the mappings read. Rows of the remembered tables `missing` must be seeded.
    pub fn selection(&self, missing: &[KeptTable]) -> Arc<dyn TableSelection> {
        let numbers = missing.iter().filter_map(|table| usize::try_from(table.0).ok());
        let seeds = numbers.filter_map(|number| self.kept.get(number).cloned()).collect();
        Arc::new(Selection { mappings: Arc::clone(&self.compiled), seeds })
    }

    /// What must be remembered, in the order of the numbers of [`KeptTable`]; the ledgers last.
    pub fn kept(&self) -> Vec<KeptShape> {
        let tables = self.kept.iter().filter_map(|(name, alias)| {
            let mapping = self.compiled.iter().find(|mapping| mapping.name == *name)?;
            let (table, kept) = (mapping.tables.get(alias)?, mapping.kept.get(alias)?);
            let mut hash = Xxh3::new();
            table.selector.text().hash(&mut hash);
            let key = table.key.iter().flatten().map(|column| column.name.as_str());
            key.collect::<Vec<_>>().hash(&mut hash);
            kept.columns.hash(&mut hash);
            // Children are found by what the lookup said when their row was remembered.
            for lookup in kept.indexes.iter().filter_map(|index| table.lookup(index)) {
                (&lookup.to, &lookup.name, lookup.leads()).hash(&mut hash);
            }
            // Keys are remembered as they are read, and rows that are not wanted are not.
            format!("{:?} {:?}", mapping.read, table.read).hash(&mut hash);
            let columns: BTreeMap<_, _> =
                table.columns.iter().map(|(name, (_, read))| (name, read)).collect();
            format!("{columns:?}").hash(&mut hash);
            let tests = table.filter.tests.iter();
            let tests = tests.map(|test| (&test.column.name, test.negated, &test.values));
            format!("{:?}", tests.collect::<Vec<_>>()).hash(&mut hash);
            table.filter.condition.as_ref().map(|only| only.expression.text()).hash(&mut hash);
            Some(KeptShape {
                name: format!("{name}/{alias}"),
                shape: hash.finish(),
                indexes: kept.indexes.len(),
            })
        });
        let ledger = |name: &str| KeptShape { name: name.into(), shape: 0, indexes: 0 };
        let links = self.has_links().then(|| ledger("links"));
        let exceptions = self.has_exceptions().then(|| ledger("exceptions"));
        let waiting = self
            .has_waiting()
            .then(|| KeptShape { indexes: waiting::INDEXES, ..ledger("waiting") });
        let tokens = self.remembers().then(|| ledger("tokens"));
        tables.chain(links).chain(exceptions).chain(waiting).chain(tokens).collect()
    }

    /// Of the remembered tables that hold no rows, those whose rows the database has. A ledger of
    /// links that was lost is filled from the tables that hold links.
    pub fn to_seed(&self, empty: &[KeptTable]) -> Vec<KeptTable> {
        let number = |place: usize| u32::try_from(place).map(KeptTable);
        let links = number(self.kept.len()).is_ok_and(|links| empty.contains(&links));
        let links = links && self.has_links();
        let tables = self.kept.iter().enumerate().filter_map(|(place, (name, alias))| {
            let table = number(place).ok()?;
            let holds = |mapping: &Compiled| {
                mapping.name == *name && mapping.links.iter().any(|link| link.on == *alias)
            };
            let linking = links && self.compiled.iter().any(holds);
            (linking || empty.contains(&table)).then_some(table)
        });
        tables.collect()
    }

    /// Whether anything must be remembered.
    pub fn remembers(&self) -> bool {
        !self.kept.is_empty() || self.has_links() || self.has_exceptions()
    }

    /// The memory of one transaction over these rows.
    pub fn memory<'r>(&self, rows: &'r mut dyn Rows) -> Memory<'r> {
        let number = |place: usize| u32::try_from(place).ok().map(KeptTable);
        let (links, tables) = (self.has_links(), self.kept.len());
        let exceptions = tables + usize::from(links);
        let waiting = exceptions + usize::from(self.has_exceptions());
        let tokens = waiting + usize::from(self.has_waiting());
        let ledgers = Ledgers {
            links: number(tables).filter(|_| links),
            exceptions: number(exceptions).filter(|_| self.has_exceptions()),
            // Where nothing else is remembered, it is for as long as the run lasts.
            tokens: number(tokens),
        };
        let waiting = number(waiting).filter(|_| self.has_waiting());
        Memory::new(rows, ledgers, Ledger::new(waiting, Arc::clone(&self.patience)))
    }

    /// Whether there is a ledger of what waits. It is there even if no lookup waits any more:
    /// something may wait from before.
    fn has_waiting(&self) -> bool {
        !self.kept.is_empty()
    }

    fn has_links(&self) -> bool {
        self.compiled.iter().any(|mapping| !mapping.links.is_empty())
    }

    fn has_exceptions(&self) -> bool {
        self.compiled.iter().any(|mapping| !mapping.exceptions.is_empty())
    }

    /// What is done if the mappings do not fit a table, and which kind of drift that is. A table
    /// that is remembered is never passed over: what is looked up would grow old.
    pub fn misfit_policy(&self, table: &TableName) -> (Policy, &'static str) {
        let mut found = None;
        for mapping in self.compiled.iter() {
            let own = mapping.tables.values().filter(|own| mapping.uses(&own.alias));
            for own in own.filter(|own| own.selector.captures(table).is_some()) {
                let named = own.selector.name().is_some();
                let (policy, kind) = if named {
                    (mapping.drift.column, "column")
                } else {
                    (mapping.drift.table, "table")
                };
                let kept = mapping.kept.contains_key(&own.alias);
                let policy = if kept { Policy::Stop } else { policy };
                if found.is_none() || policy == Policy::Stop {
                    found = Some((policy, kind));
                }
            }
        }
        found.unwrap_or((Policy::Stop, "column"))
    }

    /// The events the mappings can make, sorted.
    pub fn event_types(&self) -> Vec<String> {
        let rules = self.compiled.iter().flat_map(Compiled::all_rules);
        let names: BTreeSet<&str> = rules.map(|rule| rule.event.name.as_str()).collect();
        let links = self.has_links().then_some("correlation.link.established");
        names.into_iter().chain(links).map(str::to_owned).collect()
    }

    /// `<mapping>@<content hash>` of every mapping, as events carry it.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.compiled.iter().map(|compiled| compiled.version.as_str())
    }

    /// Binds the mappings to a table as it looks now, among the other tables of the source.
    /// `None` if no mapping reads it. Call it once per table and shape; the plan is what runs.
    pub fn bind(
        &self,
        source: &str,
        table: &Arc<TableSchema>,
        schemas: &[Arc<TableSchema>],
    ) -> Result<Option<TablePlan>, Vec<Finding>> {
        let mut findings = Findings::new();
        let world = World { schemas, kept: &self.kept };
        let plan = bind::bind(&self.compiled, &world, source, table, &mut findings);
        if findings.has_errors() { Err(findings.into_vec()) } else { Ok(plan) }
    }
}

/// The tables that mappings read.
struct Selection {
    mappings: Arc<[Compiled]>,
    /// Mapping and alias of the remembered tables that have no rows yet.
    seeds: Vec<(String, String)>,
}

impl Selection {
    /// Whether a mapping's table, for which `test` holds, stands for this one.
    fn any(&self, table: &TableName, test: impl Fn(&Compiled, &str) -> bool) -> bool {
        self.mappings.iter().any(|mapping| {
            mapping.tables.values().any(|known| {
                test(mapping, &known.alias) && known.selector.captures(table).is_some()
            })
        })
    }
}

impl TableSelection for Selection {
    fn wants(&self, table: &TableName) -> bool {
        self.any(table, Compiled::uses)
    }

    fn seeds(&self, table: &TableName) -> bool {
        self.any(table, |mapping, alias| {
            self.seeds.iter().any(|(name, seeded)| *name == mapping.name && seeded == alias)
        })
    }

    fn remembers(&self, table: &TableName) -> bool {
        let lacks =
            |mapping: &Compiled, alias: &str| mapping.uses(alias) && !mapping.remembers(alias);
        self.wants(table) && !self.any(table, lacks)
    }

    fn snapshots(&self, table: &TableName) -> bool {
        self.any(table, Compiled::snapshots)
    }

    fn named(&self) -> Vec<TableName> {
        let used = self
            .mappings
            .iter()
            .flat_map(|mapping| mapping.tables.values().filter(|table| mapping.uses(&table.alias)));
        let names: BTreeSet<&TableName> = used.filter_map(|table| table.selector.name()).collect();
        names.into_iter().cloned().collect()
    }
}
