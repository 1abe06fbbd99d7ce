//! From row changes to events: skip what is stored already, fold, map, append.

use std::sync::Arc;

use erpbridge_connector::{ChangeBatch, Operation, RowChange};

use super::fold::{Scratch, fold};
use super::outbox::Outbox;
use super::plans::{Misfit, Plans};
use crate::canonical::EventBatch;
use crate::mapping::Mapping;
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
}

/// Turns batches of rows into events, in order.
pub struct Converter {
    plans: Plans,
    scratch: Scratch,
    /// Everything up to and including this is in the stream already. The source may send it
    /// again, because it resumes at a transaction boundary; cleared once passed.
    published: Option<OrderKey>,
}

impl Converter {
    /// A converter for a source that stands at `published`.
    pub fn new(plans: Plans, published: Option<OrderKey>) -> Self {
        Self { plans, scratch: Scratch::default(), published }
    }

    /// Converts one batch.
    ///
    /// # Errors
    /// If a table no longer fits its mapping; nothing was appended then.
    pub fn convert(&mut self, batch: &ChangeBatch, outbox: &mut Outbox) -> Result<Seen, Misfit> {
        let plans = self.plans.of(batch)?;
        let mut seen = Seen::default();
        let mut changes = batch.changes().peekable();
        for (index, transaction) in batch.transactions().iter().enumerate() {
            let mut last = 0;
            let skip_to = self.skip_to(transaction.sequence.as_str());
            let own = std::iter::from_fn(|| changes.next_if(|c| c.transaction_index() == index));
            let own = own.inspect(|change| {
                last = change.ordinal();
                seen.count(change);
            });
            outbox.begin();
            fold(own, &plans, &mut self.scratch, |plan, net| {
                if net.ordinal > skip_to {
                    outbox.append(transaction, net.ordinal, |events| plan.apply(&net, events));
                }
            });
            outbox.end(transaction, last);
        }
        Ok(seen)
    }

    /// The ordinal up to which this transaction is stored; 0 for one that is not.
    fn skip_to(&mut self, sequence: &str) -> u64 {
        let Some(published) = &self.published else { return 0 };
        match sequence.cmp(published.sequence.as_str()) {
            std::cmp::Ordering::Less => u64::MAX,
            std::cmp::Ordering::Equal => published.ordinal,
            std::cmp::Ordering::Greater => {
                self.published = None;
                0
            }
        }
    }
}

/// Converts one batch into one batch of events, however many they are: the same way as
/// [`Converter::convert`], for cases and previews.
///
/// # Errors
/// If a table does not fit its mapping.
pub fn convert_whole(
    batch: &ChangeBatch,
    mapping: Arc<Mapping>,
    source: &str,
) -> Result<EventBatch, Misfit> {
    let plans = Plans::new(source, mapping).of(batch)?;
    let mut scratch = Scratch::default();
    let mut events = EventBatch::new();
    for (index, transaction) in batch.transactions().iter().enumerate() {
        let own = batch.changes().filter(|change| change.transaction_index() == index);
        let last = own.clone().last().map_or(0, |change| change.ordinal());
        fold(own, &plans, &mut scratch, |plan, net| plan.apply(&net, &mut events));
        events.settle(transaction, last);
    }
    Ok(events)
}

impl Seen {
    fn count(&mut self, change: &RowChange<'_>) {
        match change.operation() {
            Operation::Read => self.read += 1,
            Operation::Insert => self.insert += 1,
            Operation::Update => self.update += 1,
            Operation::Delete => self.delete += 1,
        }
    }
}
