//! Which plan maps which table: bound once per table and shape, found by index per row.

use std::sync::Arc;

use erpbridge_connector::{ChangeBatch, Finding, TableName, TableSchema};

use crate::mapping::{Mapping, Policy, TablePlan};

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
    /// The tables there are, as they are now: lookups lead to them.
    schemas: Vec<Arc<TableSchema>>,
    known: Vec<(Arc<TableSchema>, Option<Arc<TablePlan>>)>,
    drifts: Vec<&'static str>,
}

/// The plans of one batch: place `i` belongs to table `i` of the batch.
#[derive(Default)]
pub struct BatchPlans(Vec<Option<Arc<TablePlan>>>);

/// A table as it is now, and its plan.
type Named = (Arc<TableSchema>, Arc<TablePlan>);

impl BatchPlans {
    /// The plan of the batch's table at this place, if it is mapped.
    pub fn get(&self, table: usize) -> Option<&TablePlan> {
        self.0.get(table)?.as_deref()
    }
}

impl Plans {
    /// No table seen yet; `schemas` are the tables the source has.
    pub fn new(
        source: impl Into<String>,
        mapping: Arc<Mapping>,
        schemas: Vec<Arc<TableSchema>>,
    ) -> Self {
        Self { source: source.into(), mapping, schemas, known: Vec::new(), drifts: Vec::new() }
    }

    /// The mappings.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Name of the source.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// What tells these mappings from others.
    pub(super) fn versions(&self) -> String {
        self.mapping.versions().collect::<Vec<_>>().join(" ")
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

    /// The plan of a table.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn plan(
        &mut self,
        table: &Arc<TableSchema>,
    ) -> Result<Option<Arc<TablePlan>>, Misfit> {
        if let Some((_, plan)) = self.known.iter().find(|(known, _)| Arc::ptr_eq(known, table)) {
            return Ok(plan.clone());
        }
        self.learn(table);
        let plan = match self.mapping.bind(&self.source, table, &self.schemas) {
            Ok(plan) => plan,
            Err(findings) => self.unfit(table, findings)?,
        };
        let plan = plan.map(Arc::new);
        self.known.push((Arc::clone(table), plan.clone()));
        Ok(plan)
    }

    /// The plan of the table of that name and the table as it is now, if it is there and mapped.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn named(&mut self, name: &TableName) -> Result<Option<Named>, Misfit> {
        let Some(table) = self.schemas.iter().find(|table| table.name == *name).cloned() else {
            return Ok(None);
        };
        Ok(self.plan(&table)?.map(|plan| (table, plan)))
    }

    /// What the mapping says to do with a table it does not fit.
    fn unfit(
        &mut self,
        table: &Arc<TableSchema>,
        findings: Vec<Finding>,
    ) -> Result<Option<TablePlan>, Misfit> {
        let (policy, kind) = self.mapping.misfit_policy(&table.name);
        self.drifts.push(kind);
        let misfit = Misfit { table: table.name.to_string(), findings };
        if policy == Policy::Stop {
            return Err(misfit);
        }
        let (source, hint) = (self.source.as_str(), misfit.hint());
        tracing::error!(source, table = misfit.table, hint, "the mapping does not fit this table");
        let letters = policy == Policy::DeadLetter;
        Ok(letters.then(|| TablePlan::unfit(source, table, &misfit.to_string())))
    }

    /// The kinds of drift met since the last call.
    pub fn take_drifts(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.drifts)
    }

    /// A new shape of a table replaces the old one: the log never goes back to it. Plans of other
    /// tables may lead to it, so they are made again.
    fn learn(&mut self, table: &Arc<TableSchema>) {
        if self.schemas.iter().any(|known| known == table) {
            return;
        }
        self.schemas.retain(|known| known.name != table.name);
        self.schemas.push(Arc::clone(table));
        self.known.clear();
    }
}
