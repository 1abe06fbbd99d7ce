//! A database as a mapping sees it: its tables, samples of their rows, and the rows those look up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use erpbridge_connector::{
    ChangeBatch, Explored, Explorer, Finding, Sample, Sampled, SourceError, SourceErrorKind,
    TableName, TableSchema,
};

use super::asked::AskedRows;
use super::batch;
use crate::canonical::EventBatch;
use crate::mapping::{Desk, Mapping, Pseudonym, Trial, Whereabouts};
use crate::pipeline::{ConvertError, Plans, attempt_whole, convert_whole};

/// Lookups lead over no more tables than this.
const MAX_STEPS: usize = 10;
/// So many rows are asked for in one statement.
const KEYS_AT_ONCE: usize = 200;
/// So many rows are taken in for them; no sum adds up more.
const ROWS_AT_ONCE: usize = 10_000;

/// A database and a mapping that are looked at together.
pub struct Site {
    explorer: Arc<dyn Explorer>,
    mapping: Arc<Mapping>,
    names: Vec<TableName>,
    tables: Vec<Explored>,
    /// Those that the mapping fits.
    fitting: Vec<Arc<TableSchema>>,
    misfits: Vec<Finding>,
    plans: Plans,
    rows: AskedRows,
    desk: Desk,
    /// What was fetched because something asked for it.
    fetched: BTreeSet<Whereabouts>,
}

impl Site {
    /// Asks for the tables. `source` names the source events would be of.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn visit(
        source: &str,
        explorer: Arc<dyn Explorer>,
        mapping: Arc<Mapping>,
        pseudonym: Option<Arc<Pseudonym>>,
    ) -> Result<Self, SourceError> {
        let names = explorer.names().await?;
        let selection = mapping.selection(&[]);
        let wanted: Vec<TableName> =
            names.iter().filter(|name| selection.wants(name)).cloned().collect();
        let tables = explorer.describe(&wanted).await?;
        let schemas: Vec<Arc<TableSchema>> =
            tables.iter().map(|table| Arc::clone(&table.schema)).collect();
        let (mut fitting, mut misfits) = (Vec::new(), Vec::new());
        for schema in &schemas {
            match mapping.bind(source, schema, &schemas) {
                Ok(Some(_)) => fitting.push(Arc::clone(schema)),
                Ok(None) => {}
                Err(mut found) => misfits.append(&mut found),
            }
        }
        let plans = Plans::new(source, Arc::clone(&mapping), schemas);
        let (rows, desk) = (AskedRows::default(), Desk::with_pseudonym(pseudonym));
        let fetched = BTreeSet::new();
        Ok(Self { explorer, mapping, names, tables, fitting, misfits, plans, rows, desk, fetched })
    }

    /// The mapping.
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// All tables of the database.
    pub fn names(&self) -> &[TableName] {
        &self.names
    }

    /// The tables the mapping reads.
    pub fn tables(&self) -> &[Explored] {
        &self.tables
    }

    /// Where the mapping does not fit them.
    pub fn misfits(&self) -> &[Finding] {
        &self.misfits
    }

    /// Whether the mapping does not fit a table.
    pub fn is_misfit(&self, table: &TableName) -> bool {
        !self.fitting.iter().any(|schema| schema.name == *table)
    }

    /// Some rows of every table that the mapping reads and fits, and what they look up.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn sample(&mut self, limit: usize) -> Result<Vec<Sampled>, SourceError> {
        let mut samples = Vec::new();
        for schema in self.fitting.clone() {
            samples.push(self.explorer.sample(&Sample::any(schema.name.clone(), limit)).await?);
        }
        let mut samples = self.as_known(samples);
        samples.retain(|sample| !sample.rows.is_empty());
        self.remember(&samples).await?;
        Ok(samples)
    }

    /// The rows of one sample, and what they look up.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn rows(&mut self, asked: &Sample) -> Result<Vec<Sampled>, SourceError> {
        if self.is_misfit(&asked.table) {
            let message =
                format!("the mapping reads no table `{}`, or does not fit it", asked.table);
            return Err(SourceError::new(SourceErrorKind::Setup, message)
                .with_hint("run `erpbridge map check --source` first"));
        }
        let sampled = self.explorer.sample(asked).await?;
        let samples = self.as_known(vec![sampled]);
        self.remember(&samples).await?;
        Ok(samples)
    }

    /// Tries every rule on these rows.
    pub fn attempt(&mut self, samples: &[Sampled], trial: &mut Trial) {
        let batch = batch::seeds(samples);
        let tried = attempt_whole(&batch, &mut self.plans, &mut self.rows, &mut self.desk, trial);
        debug_assert!(tried.is_ok(), "only tables that fit are sampled");
    }

    /// The events of a batch of these tables.
    ///
    /// # Errors
    /// If the mapping says to stop for what it does not know.
    pub fn convert(&mut self, batch: &ChangeBatch) -> Result<EventBatch, ConvertError> {
        convert_whole(batch, &mut self.plans, &mut self.rows, &mut self.desk)
    }

    /// Remembers the rows, then those they look up, then those *these* look up. Returns what was
    /// fetched.
    ///
    /// # Errors
    /// If the database cannot be asked.
    async fn remember(&mut self, samples: &[Sampled]) -> Result<(), SourceError> {
        self.seed(samples);
        for _ in 0..MAX_STEPS {
            self.attempt(samples, &mut Trial::default());
            let schemas: Vec<Arc<TableSchema>> =
                self.tables.iter().map(|table| Arc::clone(&table.schema)).collect();
            let mut asked = self.rows.take_asked(&self.mapping, &schemas);
            asked.retain(|whereabouts| self.fetched.insert(whereabouts.clone()));
            if asked.is_empty() {
                break;
            }
            let found = self.fetch(asked).await?;
            self.seed(&found);
        }
        Ok(())
    }

    /// Every row that was looked up for the rows remembered so far.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn looked_up(&self) -> Result<Vec<Sampled>, SourceError> {
        self.fetch(self.fetched.clone()).await
    }

    async fn fetch(&self, asked: BTreeSet<Whereabouts>) -> Result<Vec<Sampled>, SourceError> {
        let mut groups: BTreeMap<(TableName, Vec<String>), Vec<Vec<String>>> = BTreeMap::new();
        for Whereabouts { table, columns, values } in asked {
            groups.entry((table, columns)).or_default().push(values);
        }
        let mut found = Vec::new();
        for ((table, columns), keys) in groups {
            for keys in keys.chunks(KEYS_AT_ONCE) {
                let (table, columns, keys) = (table.clone(), columns.clone(), keys.to_vec());
                let asked = Sample::with(table, columns, keys, ROWS_AT_ONCE);
                match self.explorer.sample(&asked).await {
                    Ok(sampled) => found.push(sampled),
                    // A text that is no value of the column leads to no row.
                    Err(error) if error.kind() == SourceErrorKind::Decode => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.as_known(found))
    }

    fn seed(&mut self, samples: &[Sampled]) {
        let fits = |sample: &&Sampled| self.fitting.contains(&sample.table);
        let samples: Vec<Sampled> = samples.iter().filter(fits).cloned().collect();
        let seeded = self.convert(&batch::seeds(&samples));
        debug_assert!(seeded.is_ok(), "only tables that fit are remembered, and in memory");
    }

    /// Plans know tables by their shape as it was described; a sample brings its own.
    fn as_known(&self, samples: Vec<Sampled>) -> Vec<Sampled> {
        let known = |sample: Sampled| {
            let table = self.fitting.iter().find(|schema| ***schema == *sample.table)?;
            Some(Sampled { table: Arc::clone(table), rows: sample.rows })
        };
        samples.into_iter().filter_map(known).collect()
    }
}
