//! Which plan maps which table: bound once per table and shape, found by index per row.

use std::sync::Arc;

use erpbridge_connector::{ChangeBatch, Finding, TableSchema};

use crate::mapping::{Mapping, TablePlan};

/// A mapping does not fit a table as it is now.
#[derive(Debug, thiserror::Error)]
#[error("the mapping does not fit table \"{table}\" as it is now")]
pub struct Misfit {
    /// The table.
    pub table: String,
    /// What does not fit, and how to mend it.
    pub findings: Vec<Finding>,
}

impl Misfit {
    /// What a person should do about each finding, in one line.
    pub fn hint(&self) -> String {
        let one = |f: &Finding| format!("{}: {}; {}", f.subject, f.problem, f.mend);
        self.findings.iter().map(one).collect::<Vec<_>>().join(". ")
    }
}

/// The plans of all tables seen in this run.
pub struct Plans {
    source: String,
    mapping: Arc<Mapping>,
    known: Vec<(Arc<TableSchema>, Option<Arc<TablePlan>>)>,
}

/// The plans of one batch: place `i` belongs to table `i` of the batch.
#[derive(Default)]
pub struct BatchPlans(Vec<Option<Arc<TablePlan>>>);

impl BatchPlans {
    /// The plan of the batch's table at this place, if it is mapped.
    pub fn get(&self, table: usize) -> Option<&TablePlan> {
        self.0.get(table)?.as_deref()
    }
}

impl Plans {
    /// No table seen yet.
    pub fn new(source: impl Into<String>, mapping: Arc<Mapping>) -> Self {
        Self { source: source.into(), mapping, known: Vec::new() }
    }

    /// The plans for the tables of a batch.
    ///
    /// # Errors
    /// If a table has changed so that its mapping no longer fits. Nothing of the batch has been
    /// mapped then, so nothing is lost: the position has not moved.
    pub fn of(&mut self, batch: &ChangeBatch) -> Result<BatchPlans, Misfit> {
        let plans = batch.tables().iter().map(|table| self.plan(table));
        Ok(BatchPlans(plans.collect::<Result<_, _>>()?))
    }

    fn plan(&mut self, table: &Arc<TableSchema>) -> Result<Option<Arc<TablePlan>>, Misfit> {
        if let Some((_, plan)) = self.known.iter().find(|(known, _)| Arc::ptr_eq(known, table)) {
            return Ok(plan.clone());
        }
        let plan = self
            .mapping
            .bind(&self.source, table)
            .map_err(|findings| Misfit { table: table.name.to_string(), findings })?;
        let plan = plan.map(Arc::new);
        // A new shape of a table replaces the old one: the log never goes back to it.
        self.known.retain(|(known, _)| known.name != table.name);
        self.known.push((Arc::clone(table), plan.clone()));
        Ok(plan)
    }
}
