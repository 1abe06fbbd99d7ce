//! What a transaction releases: the changes that waited for rows it brought, and those that have
//! waited too long by its time.
//!
//! They are told behind everything the transaction did itself, each under an ordinal of its own
//! that counts what leaves the ledger. What is tried and waits on takes no ordinal: so the ordinals
//! are the same whether or not a start had the whole ledger tried. Why waiting is safe at all is
//! told in the head of `mapping/waiting`.

use std::sync::Arc;

use erpbridge_connector::Transaction;

use super::convert::ConvertError;
use super::outbox::Outbox;
use super::plans::Plans;
use crate::canonical::{EventBatch, LATE, Late};
use crate::mapping::{Desk, Memory, PlanError, TablePlan, Waiter};

/// Where the events go.
pub(super) enum To<'a> {
    /// To be published, but for those up to this ordinal: they are stored.
    Outbox(&'a mut Outbox, u64),
    /// Into one batch.
    Batch(&'a mut EventBatch),
}

impl To<'_> {
    fn append<R>(
        &mut self,
        transaction: &Transaction,
        ordinal: u64,
        write: impl FnOnce(&mut EventBatch) -> R,
    ) -> R {
        match self {
            Self::Outbox(outbox, stored) if ordinal > *stored => {
                outbox.append(transaction, ordinal, write)
            }
            Self::Outbox(..) => write(&mut EventBatch::new()),
            Self::Batch(batch) => write(batch),
        }
    }
}

/// The end of a transaction, which may release what waits.
pub(super) struct Release<'a, 'r> {
    pub(super) plans: &'a mut Plans,
    pub(super) memory: &'a mut Memory<'r>,
    pub(super) desk: &'a mut Desk,
    pub(super) transaction: &'a Transaction,
    pub(super) to: To<'a>,
}

impl Release<'_, '_> {
    /// Tells everything that may be told now. The last ordinal used, if any.
    ///
    /// It ends: every turn takes a change out of the ledger, or out of those that may be released.
    pub(super) fn run(mut self) -> Result<Option<u64>, ConvertError> {
        let mut next = LATE;
        loop {
            let ready = self.memory.ready()?;
            if ready.is_empty() {
                let overdue = self.memory.overdue(self.transaction.committed_at)?;
                if overdue.is_empty() {
                    return Ok((next > LATE).then(|| next - 1));
                }
                for waiter in overdue {
                    next += u64::from(self.retry(&waiter, next)?);
                }
            }
            for waiter in ready {
                if self.memory.is_in_front(&waiter)? {
                    next += u64::from(self.retry(&waiter, next)?);
                }
            }
        }
    }

    /// Tries a change under this ordinal. Whether it waits no more.
    fn retry(&mut self, waiter: &Waiter, ordinal: u64) -> Result<bool, ConvertError> {
        let named = self.plans.named(&waiter.table());
        let named = named.map_err(|misfit| {
            ConvertError::Drift(format!("{misfit}, and a change of it waits: {}", misfit.hint()))
        })?;
        let (table, plan) = named.unwrap_or_else(|| {
            let table = waiter.shape();
            let plan = TablePlan::unfit(self.plans.source(), &table, "");
            (table, Arc::new(plan))
        });
        let batch = waiter.batch(&table);
        let late = Late { sequence: &self.transaction.sequence, ordinal };
        let Some(change) = waiter.net(&batch, late) else { return Ok(false) };
        let Self { memory, desk, transaction, to, .. } = self;
        let told = to.append(transaction, ordinal, |events| {
            plan.retry(waiter, &change, memory, desk, events)
        });
        told.map_err(|error: PlanError| error.into())
    }
}
