//! From row changes to events: fold, remember, connect, map, append; skipping what is stored.
//!
//! **As of the end of the transaction.** All changes of a transaction (or of one window of a large
//! one) are folded first. Then every change remembers its row, then every change connects what it
//! links, and only then events are made, so that what they look up does not depend on the order in
//! which an ERP happens to write.
//!
//! **What waited** for a row that the transaction brought is told behind the transaction's own
//! events: see [`release`](super::release).
//!
//! **What is stored already** is remembered and connected again, because memory may be older than
//! the stream, but makes no event again. Memory goes back to a place the source is resumed at, and
//! from there the log gives the same memory, and the same events.

use erpbridge_connector::{ChangeBatch, Operation, Position, RowChange, Transaction, Truncated};

use super::fold::{Scratch, fold, unchanged};
use super::outbox::Outbox;
use super::plans::{BatchPlans, Misfit, Plans};
use super::release::{Release, To};
use super::remembered::Remembered;
use crate::canonical::EventBatch;
use crate::mapping::{
    Desk, Memory, NetChange, PlanError, Rows, RowsError, TablePlan, Trial, Waiting,
};
use crate::publish::OrderKey;

/// How many row changes were seen, by operation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Rows found by a snapshot.
    pub read: u64,
    /// Inserts.
    pub insert: u64,
    /// Updates.
    pub update: u64,
    /// Deletes.
    pub delete: u64,
    /// Rows sent to be remembered.
    pub seed: u64,
}

/// Why a batch could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// A table no longer fits its mapping. Nothing of the batch was appended.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Remembered rows cannot be read or written. What was appended must not be published.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The ERP is no longer what the mapping knows, and the mapping says to stop then.
    #[error("the ERP has changed: {0}")]
    Drift(String),
}

impl From<PlanError> for ConvertError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Rows(error) => Self::Rows(error),
            PlanError::Drift(detail) => Self::Drift(detail),
        }
    }
}

/// Turns batches of rows into events, in order.
pub struct Converter {
    plans: Plans,
    scratch: Scratch,
    desk: Desk,
    /// The rows remembered so far.
    remembered: Remembered,
    /// Everything up to and including this is in the stream already. The source may send it
    /// again, because it resumes at a transaction boundary; cleared once passed.
    published: Option<OrderKey>,
    /// Whether this run has looked through what waits.
    swept: bool,
    /// The transaction of which only parts have come.
    open: Option<(Transaction, u64)>,
}

/// One transaction's changes, folded.
type Folded<'b, 'p> = Vec<(&'p TablePlan, NetChange<'b>)>;

impl Converter {
    /// A converter for a source that stands at `published`.
    pub fn new(
        plans: Plans,
        desk: Desk,
        remembered: Remembered,
        published: Option<OrderKey>,
    ) -> Self {
        let (scratch, swept, open) = (Scratch::default(), false, None);
        Self { plans, scratch, desk, remembered, published, swept, open }
    }

    /// Converts one batch.
    ///
    /// # Errors
    /// See [`ConvertError`].
    pub fn convert(
        &mut self,
        batch: &ChangeBatch,
        outbox: &mut Outbox,
    ) -> Result<Seen, ConvertError> {
        let plans = self.plans.of(batch)?;
        let mut seen = Seen::default();
        let mut changes = batch.changes().peekable();
        for (index, transaction) in batch.transactions().iter().enumerate() {
            let mut last = 0;
            let own = std::iter::from_fn(|| changes.next_if(|c| c.transaction_index() == index));
            let own = own.inspect(|change| {
                last = change.ordinal();
                seen.count(change, transaction);
            });
            let folded = fold(own, &plans, &mut self.scratch);
            self.end_of_other(transaction, outbox);
            let known = !transaction.seed && self.remembered.knows(&transaction.sequence);
            // Seeds have no place in the order: they may be of later than what is to come.
            let skip_to = if transaction.seed {
                0
            } else {
                skip_to(&mut self.published, transaction.sequence.as_str())
            };
            if known && skip_to == u64::MAX {
                continue;
            }
            let mut memory = self.plans.mapping().memory(self.remembered.rows());
            if !self.swept {
                memory.expect_any();
            }
            let folded = prepare(folded, transaction, &mut memory, &mut self.desk)?;
            if transaction.seed {
                continue;
            }
            outbox.begin();
            for (plan, net) in folded {
                apply(plan, &net, skip_to, &mut memory, &mut self.desk, outbox)?;
            }
            let ends = transaction.complete && !transaction.snapshot;
            if ends && !self.swept && skip_to < u64::MAX {
                memory.sweep(&self.plans.versions())?;
                self.swept = true;
            }
            if ends {
                let (plans, memory, desk) = (&mut self.plans, &mut memory, &mut self.desk);
                let to = To::Outbox(outbox, skip_to);
                let told = Release { plans, memory, desk, transaction, to }.run()?;
                last = told.unwrap_or(last);
            }
            outbox.end(transaction, last);
            if ends {
                self.remembered.commit(&transaction.sequence);
            } else if !transaction.snapshot {
                self.open = Some((transaction.clone(), last));
            }
        }
        Ok(seen)
    }

    /// Forgets the rows of tables that were emptied by one statement. Nothing is told of it.
    ///
    /// # Errors
    /// See [`ConvertError`].
    pub(super) fn truncate(
        &mut self,
        truncated: &Truncated,
        outbox: &mut Outbox,
    ) -> Result<(), ConvertError> {
        let transaction = &truncated.transaction;
        self.end_of_other(transaction, outbox);
        if self.remembered.knows(&transaction.sequence) {
            return Ok(());
        }
        for table in &truncated.tables {
            let Some(plan) = self.plans.plan(table)? else { continue };
            plan.forget(&mut self.plans.mapping().memory(self.remembered.rows()))?;
        }
        self.open = Some((transaction.clone(), truncated.ordinal));
        Ok(())
    }

    /// A position has come from the source: everything before it is here.
    pub(super) fn reached(&mut self, position: &Position, outbox: &mut Outbox) {
        // One before the open transaction says nothing of its end.
        if let Some((open, ordinal)) = self.open.take_if(|(open, _)| open.resume != *position) {
            self.end(Transaction { resume: position.clone(), ..open }, ordinal, outbox);
        }
    }

    /// A transaction whose last part holds nothing that is wanted, as one that ends by emptying a
    /// table, is over when another one begins.
    fn end_of_other(&mut self, transaction: &Transaction, outbox: &mut Outbox) {
        if transaction.seed || transaction.snapshot {
            return;
        }
        let other = |(open, _): &mut (Transaction, u64)| open.sequence != transaction.sequence;
        let ended = self.open.take_if(other);
        // The same one: it is put back with its next part, unless that is the last.
        self.open = None;
        if let Some((open, ordinal)) = ended {
            self.end(open, ordinal, outbox);
        }
    }

    /// What is remembered of it must not be left behind by a position after it.
    fn end(&mut self, transaction: Transaction, ordinal: u64, outbox: &mut Outbox) {
        self.remembered.commit(&transaction.sequence);
        outbox.begin();
        outbox.end(&Transaction { complete: true, ..transaction }, ordinal);
    }

    /// What waits for rows to come.
    ///
    /// # Errors
    /// If remembered rows cannot be read.
    pub(super) fn waiting(&mut self) -> Result<Waiting, ConvertError> {
        Ok(self.plans.mapping().memory(self.remembered.rows()).waiting()?)
    }

    /// The kinds of drift met since the last call.
    pub(super) fn take_drifts(&mut self) -> Vec<&'static str> {
        self.plans.take_drifts()
    }

    /// A copy of the rows of a converter that has them in memory only.
    #[cfg(test)]
    pub(super) fn remembered_rows(&self) -> crate::mapping::MemoryRows {
        self.remembered.memory_rows().expect("the rows are in memory").clone()
    }

    /// What is remembered.
    pub(super) fn remembered(&mut self) -> &mut Remembered {
        &mut self.remembered
    }

    /// Hands over what is remembered, to be closed.
    pub(super) fn into_remembered(self) -> Remembered {
        self.remembered
    }
}

/// Makes the events of a change, unless they are stored.
fn apply(
    plan: &TablePlan,
    net: &NetChange<'_>,
    skip_to: u64,
    memory: &mut Memory<'_>,
    desk: &mut Desk,
    outbox: &mut Outbox,
) -> Result<(), PlanError> {
    if net.ordinal > skip_to {
        let write = |events: &mut EventBatch| plan.apply(net, memory, desk, events);
        outbox.append(net.transaction, net.ordinal, write)
    } else if plan.is_stateful() || memory.may_wait(false)? {
        plan.apply(net, memory, desk, &mut EventBatch::new())
    } else {
        Ok(())
    }
}

/// The ordinal up to which this transaction is stored; 0 for one that is not.
fn skip_to(published: &mut Option<OrderKey>, sequence: &str) -> u64 {
    let Some(known) = published else { return 0 };
    match sequence.cmp(known.sequence.as_str()) {
        std::cmp::Ordering::Less => u64::MAX,
        std::cmp::Ordering::Equal => known.ordinal,
        std::cmp::Ordering::Greater => {
            *published = None;
            0
        }
    }
}

/// Remembers every row and connects what is linked; what changed nothing is left out then. Rows
/// found by a snapshot were seeds before.
fn prepare<'b, 'p>(
    mut folded: Folded<'b, 'p>,
    transaction: &Transaction,
    memory: &mut Memory<'_>,
    desk: &mut Desk,
) -> Result<Folded<'b, 'p>, RowsError> {
    if transaction.seed {
        memory.seed();
    }
    if transaction.seed || !transaction.snapshot {
        for (plan, net) in folded.iter_mut().filter(|(plan, _)| plan.keeps()) {
            plan.remember(net, memory, desk)?;
        }
        for (plan, net) in &folded {
            plan.connect(net, memory, desk)?;
        }
    }
    folded.retain(|(plan, net)| !unchanged(plan, net));
    Ok(folded)
}

/// Converts one batch into one batch of events, however many they are: the same way as
/// [`Converter::convert`], for cases and previews.
///
/// # Errors
/// If a table does not fit its mapping, or remembered rows cannot be read.
pub fn convert_whole(
    batch: &ChangeBatch,
    plans: &mut Plans,
    rows: &mut dyn Rows,
    desk: &mut Desk,
) -> Result<EventBatch, ConvertError> {
    let mut events = EventBatch::new();
    convert_into(&mut events, batch, plans, rows, desk)?;
    Ok(events)
}

/// The same, appended to a batch.
pub fn convert_into(
    events: &mut EventBatch,
    batch: &ChangeBatch,
    plans: &mut Plans,
    rows: &mut dyn Rows,
    desk: &mut Desk,
) -> Result<(), ConvertError> {
    let bound: BatchPlans = plans.of(batch)?;
    let mut scratch = Scratch::default();
    for (index, transaction) in batch.transactions().iter().enumerate() {
        let own = batch.changes().filter(|change| change.transaction_index() == index);
        let last = own.clone().last().map_or(0, |change| change.ordinal());
        let mut memory = plans.mapping().memory(rows);
        let folded = prepare(fold(own, &bound, &mut scratch), transaction, &mut memory, desk)?;
        if transaction.seed {
            continue;
        }
        for (plan, net) in folded {
            plan.apply(&net, &mut memory, desk, events)?;
        }
        if transaction.complete && !transaction.snapshot {
            let (memory, to) = (&mut memory, To::Batch(events));
            Release { plans, memory, desk, transaction, to }.run()?;
        }
        events.settle(transaction, last);
    }
    Ok(())
}

/// Tries the mapping on every row of a batch, each by itself; nothing is remembered.
///
/// # Errors
/// If a table does not fit its mapping.
pub fn attempt_whole(
    batch: &ChangeBatch,
    plans: &mut Plans,
    rows: &mut dyn Rows,
    desk: &mut Desk,
    trial: &mut Trial,
) -> Result<(), ConvertError> {
    let bound: BatchPlans = plans.of(batch)?;
    let mut scratch = Scratch::default();
    let mut memory = plans.mapping().memory(rows);
    for change in batch.changes() {
        for (plan, net) in fold(std::iter::once(change), &bound, &mut scratch) {
            plan.attempt(&net, &mut memory, desk, trial);
        }
    }
    Ok(())
}

impl Seen {
    fn count(&mut self, change: &RowChange<'_>, transaction: &Transaction) {
        match change.operation() {
            _ if transaction.seed => self.seed += 1,
            Operation::Read => self.read += 1,
            Operation::Insert => self.insert += 1,
            Operation::Update => self.update += 1,
            Operation::Delete => self.delete += 1,
        }
    }
}
