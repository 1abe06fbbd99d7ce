//! Net change per transaction: what happened to a row, once, whatever the ERP did on the way.
//!
//! Several updates fold to one; a delete and an insert of the same key fold to an update; an
//! insert that is deleted again disappears, and so does an update that changed nothing a mapping
//! compares. A changed key is a delete of the old row and an insert of the new one.
//!
//! Folding never crosses a [`ChangeBatch`](erpbridge_connector::ChangeBatch): a batch holds whole
//! transactions, or one window of a large one that is always cut at the same row. So the result,
//! and with it every event id, depends on the log alone.

use std::hash::{BuildHasher, Hash, Hasher};

use erpbridge_connector::{Image, Operation, RowChange, Value};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::plans::BatchPlans;
use crate::canonical::REKEYED;
use crate::mapping::{NetChange, NetImage, TablePlan};

/// Memory that is used again for every transaction.
#[derive(Debug, Default)]
pub struct Scratch {
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

/// Folds the changes of one transaction, or of one window of it, and hands over the net changes
/// in the order in which their rows were first touched, each with the plan of its table.
///
/// Changes of tables without a plan are passed over.
pub fn fold<'b, 'p>(
    changes: impl Iterator<Item = RowChange<'b>>,
    plans: &'p BatchPlans,
    scratch: &mut Scratch,
    mut emit: impl FnMut(&'p TablePlan, NetChange<'b>),
) {
    scratch.places.clear();
    let mut folding = Folding { rows: Vec::new(), scratch };
    for change in changes {
        if let Some(plan) = plans.get(change.table_index()) {
            folding.add(plan, change);
        }
    }
    for row in folding.rows {
        if let Some((plan, net)) = row.net() {
            emit(plan, net);
        }
    }
}

/// One row under way.
struct Row<'b, 'p> {
    plan: &'p TablePlan,
    first: RowChange<'b>,
    /// An image that holds the key.
    key: Image<'b>,
    hash: u64,
    existed: bool,
    rekeyed: bool,
    before: Option<NetImage<'b>>,
    after: Option<NetImage<'b>>,
    operation: Operation,
}

struct Folding<'b, 'p, 's> {
    rows: Vec<Row<'b, 'p>>,
    scratch: &'s mut Scratch,
}

/// What one log entry did to one key.
struct Touch<'b> {
    operation: Operation,
    /// Whether the row came up under a new key.
    rekeyed: bool,
    key: Image<'b>,
    before: Option<Image<'b>>,
    after: Option<NetImage<'b>>,
}

impl<'b, 'p> Folding<'b, 'p, '_> {
    fn add(&mut self, plan: &'p TablePlan, change: RowChange<'b>) {
        match (change.before(), change.after()) {
            (Some(before), Some(after)) if rekeyed(plan, before, after) => {
                let gone = Touch {
                    operation: Operation::Delete,
                    rekeyed: false,
                    key: before,
                    before: Some(before),
                    after: None,
                };
                // What the new image lacks (unchanged TOAST) the old one may hold.
                let come = Touch {
                    operation: Operation::Insert,
                    rekeyed: true,
                    key: after,
                    before: None,
                    after: Some(NetImage::new(after).with_earlier(before)),
                };
                self.touch(plan, change, gone);
                self.touch(plan, change, come);
            }
            (before, after) => {
                let Some(key) = after.or(before) else { return };
                let operation = change.operation();
                let after = after.map(NetImage::new);
                self.touch(plan, change, Touch { operation, rekeyed: false, key, before, after });
            }
        }
    }

    fn touch(&mut self, plan: &'p TablePlan, change: RowChange<'b>, touch: Touch<'b>) {
        if !identifies(plan.key(), touch.key) {
            // Without its whole key a row cannot be recognised again: it stands for itself.
            self.rows.push(Row::new(plan, change, touch, 0));
            return;
        }
        let hash = self.hash(plan, change.table_index(), touch.key);
        let rows = &mut self.rows;
        let known = self.scratch.places.find(hash, |place| {
            rows.get(*place).is_some_and(|row| row.is(plan, change.table_index(), touch.key))
        });
        match known.and_then(|place| rows.get_mut(*place)) {
            Some(row) => row.merge(touch),
            None => {
                let place = rows.len();
                rows.push(Row::new(plan, change, touch, hash));
                self.scratch
                    .places
                    .insert_unique(hash, place, |place| rows.get(*place).map_or(0, |row| row.hash));
            }
        }
    }

    fn hash(&self, plan: &TablePlan, table: usize, key: Image<'_>) -> u64 {
        let mut hasher = self.scratch.hasher.build_hasher();
        table.hash(&mut hasher);
        for column in plan.key() {
            key.get(*column).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl<'b, 'p> Row<'b, 'p> {
    fn new(plan: &'p TablePlan, first: RowChange<'b>, touch: Touch<'b>, hash: u64) -> Self {
        Self {
            plan,
            first,
            key: touch.key,
            hash,
            existed: matches!(touch.operation, Operation::Update | Operation::Delete),
            rekeyed: touch.rekeyed,
            before: touch.before.map(NetImage::new),
            after: touch.after,
            operation: touch.operation,
        }
    }

    fn is(&self, plan: &TablePlan, table: usize, key: Image<'_>) -> bool {
        self.first.table_index() == table
            && plan.key().iter().all(|column| self.key.get(*column) == key.get(*column))
    }

    fn merge(&mut self, touch: Touch<'b>) {
        self.operation = touch.operation;
        self.after = match (self.after.take(), touch.after) {
            // An update keeps what its image does not repeat.
            (Some(earlier), Some(newest)) => Some(newest.over(earlier)),
            (None, newest) => newest,
            (Some(_), None) => None,
        };
    }

    fn net(self) -> Option<(&'p TablePlan, NetChange<'b>)> {
        let operation = match (self.existed, self.after.is_some()) {
            _ if self.operation == Operation::Read => Operation::Read,
            (false, true) => Operation::Insert,
            (true, true) => Operation::Update,
            (true, false) => Operation::Delete,
            (false, false) => return None,
        };
        let after = self.after.map(|after| fill(after, operation, self.before.as_ref()));
        let net = NetChange {
            table: self.first.table(),
            transaction: self.first.transaction(),
            operation,
            before: self.before.filter(|_| operation != Operation::Insert),
            after,
            ordinal: self.first.ordinal(),
            index: if self.rekeyed { REKEYED } else { 0 },
        };
        (!unchanged(self.plan, &net)).then_some((self.plan, net))
    }
}

/// A cell unchanged by an update and missing in its image is what it was before the transaction.
fn fill<'b>(
    after: NetImage<'b>,
    operation: Operation,
    before: Option<&NetImage<'b>>,
) -> NetImage<'b> {
    match (operation, before) {
        (Operation::Update, Some(before)) => after.over(before.clone()),
        _ => after,
    }
}

/// Whether an update left every compared column as it was. Unknown counts as changed: an event
/// too many is recognised by its idempotency key, an event too few by nobody.
fn unchanged(plan: &TablePlan, net: &NetChange<'_>) -> bool {
    let (Operation::Update, Some(before), Some(after)) = (net.operation, &net.before, &net.after)
    else {
        return false;
    };
    let columns = 0..net.table.columns.len();
    columns.filter(|column| plan.compares(*column)).all(|column| {
        let (before, after) = (before.get(column), after.get(column));
        before == after && before != Value::Absent
    })
}

/// Whether the image holds every key column.
fn identifies(columns: &[usize], key: Image<'_>) -> bool {
    !columns.is_empty() && columns.iter().all(|column| key.get(*column) != Value::Absent)
}

fn rekeyed(plan: &TablePlan, before: Image<'_>, after: Image<'_>) -> bool {
    plan.key().iter().any(|column| match (before.get(*column), after.get(*column)) {
        (Value::Absent, _) | (_, Value::Absent) => false,
        (before, after) => before != after,
    })
}
