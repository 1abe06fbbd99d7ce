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
pub(super) struct Scratch {
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

/// Folds the changes of one transaction, or of one window of it, to the net changes in the order
/// in which their rows were first touched, each with the plan of its table. Updates that changed
/// nothing are among them: what was before may still be remembered.
///
/// Changes of tables without a plan are passed over.
pub(super) fn fold<'b, 'p>(
    changes: impl Iterator<Item = RowChange<'b>>,
    plans: &'p BatchPlans,
    scratch: &mut Scratch,
) -> Vec<(&'p TablePlan, NetChange<'b>)> {
    scratch.places.clear();
    let mut folding = Folding { rows: Vec::new(), scratch };
    for change in changes {
        if let Some(plan) = plans.get(change.table_index()) {
            folding.add(plan, change);
        }
    }
    folding.rows.into_iter().filter_map(Row::net).collect()
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
                // MySQL's minimal images have the key in the row before only.
                let whole = |image: &Image<'b>| identifies(plan.key(), *image);
                let Some(key) = after.filter(whole).or(before).or(after) else { return };
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
        if let Some(row) = known.and_then(|place| rows.get_mut(*place)) {
            row.merge(touch);
            return;
        }
        let place = rows.len();
        rows.push(Row::new(plan, change, touch, hash));
        let hash_of = |place: &usize| rows.get(*place).map_or(0, |row| row.hash);
        self.scratch.places.insert_unique(hash, place, hash_of);
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
        if self.existed && self.before.is_none() {
            // Updates without an old image left alone what a later old image carries: the key.
            self.before = touch.before.map(NetImage::new);
        }
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
            late: None,
            index: if self.rekeyed { REKEYED } else { 0 },
        };
        Some((self.plan, net))
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
pub(super) fn unchanged(plan: &TablePlan, net: &NetChange<'_>) -> bool {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use erpbridge_connector::{
        BatchBuilder, ChangeBatch, Column, ColumnKind, Position, ReplicaIdentity, Sequence,
        TableName, TableSchema, Timestamp, Transaction,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::mapping::Mapping;
    use crate::pipeline::plans::Plans;

    const MAPPING: &str = "\
mapping: test
company: { constant: main }
tables:
  item: { table: erp.item, ignore: [counter], deleted: physical }
events:
  - emit: masterdata.item.upserted
    on: item
    when: [inserted, updated]
    fields: { description: name }
  - emit: masterdata.item.deleted
    on: item
    when: deleted
";

    type Row = [Option<&'static str>; 3];

    /// One entry of the log: ordinals count from 1.
    #[derive(Clone, Copy, Debug)]
    enum Entry {
        Insert(Row),
        Update(Option<Row>, Row),
        Delete(Row),
    }
    use Entry::{Delete, Insert, Update};

    fn table() -> Arc<TableSchema> {
        let column = |name: &str| Column {
            name: name.into(),
            kind: ColumnKind::Text,
            type_name: "text".into(),
            missing_in_log: false,
        };
        Arc::new(TableSchema {
            name: TableName::new("erp", "item"),
            columns: vec![column("code"), column("name"), column("counter")],
            primary_key: vec![0],
            identity: ReplicaIdentity::Full,
        })
    }

    fn batch(entries: &[Entry]) -> ChangeBatch {
        let table = table();
        let values = |row: Row| row.map(|cell| cell.map_or(Value::Absent, Value::Text));
        let mut builder = BatchBuilder::new();
        builder.begin(Transaction {
            id: "1".into(),
            sequence: Sequence::new("01"),
            committed_at: Timestamp::default(),
            resume: Position::new("0"),
            complete: true,
            snapshot: false,
            seed: false,
        });
        for (ordinal, entry) in (1_u64..).zip(entries) {
            match *entry {
                Insert(row) => {
                    builder.change(&table, Operation::Insert, ordinal).after(values(row));
                }
                Update(before, after) => {
                    let mut images = builder.change(&table, Operation::Update, ordinal);
                    if let Some(before) = before {
                        images.before(values(before));
                    }
                    images.after(values(after));
                }
                Delete(row) => {
                    builder.change(&table, Operation::Delete, ordinal).before(values(row));
                }
            }
        }
        builder.finish()
    }

    fn image(image: Option<&NetImage<'_>>) -> String {
        let cell = |value: Value<'_>| match value {
            Value::Absent => "?".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Text(text) => text.to_owned(),
        };
        image.map_or("-".into(), |image| {
            (0..3).map(|column| cell(image.get(column))).collect::<Vec<_>>().join(" ")
        })
    }

    /// `ordinal operation before > after`, one line per net change.
    fn net(entries: &[Entry]) -> Vec<String> {
        let mapping = Mapping::from_texts(&[("test.yaml", MAPPING)]).unwrap();
        let batch = batch(entries);
        let plans = Plans::new("test", Arc::new(mapping), Vec::new()).of(&batch).unwrap();
        let mut lines = Vec::new();
        for (plan, net) in fold(batch.changes(), &plans, &mut Scratch::default()) {
            if unchanged(plan, &net) {
                continue;
            }
            let NetChange { ordinal, operation, before, after, index, .. } = net;
            let rekeyed = if index > 0 { "'" } else { "" };
            let (before, after) = (image(before.as_ref()), image(after.as_ref()));
            lines.push(format!("{ordinal}{rekeyed} {operation:?} {before} > {after}"));
        }
        lines
    }

    const A: Row = [Some("A"), Some("one"), Some("1")];
    const A2: Row = [Some("A"), Some("two"), Some("1")];
    const A3: Row = [Some("A"), Some("three"), Some("1")];

    #[test]
    fn several_updates_of_a_row_are_one_change_from_the_first_image_to_the_last() {
        let entries = [Update(Some(A), A2), Update(Some(A2), A3)];
        assert_eq!(net(&entries), ["1 Update A one 1 > A three 1"]);
    }

    #[test]
    fn delete_and_insert_of_the_same_key_are_an_update() {
        assert_eq!(net(&[Delete(A), Insert(A2)]), ["1 Update A one 1 > A two 1"]);
    }

    #[test]
    fn an_insert_that_is_updated_is_an_insert_and_one_that_is_deleted_is_nothing() {
        assert_eq!(net(&[Insert(A), Update(Some(A), A2)]), ["1 Insert - > A two 1"]);
        assert!(net(&[Insert(A), Update(Some(A), A2), Delete(A2)]).is_empty());
    }

    #[test]
    fn an_update_that_changes_nothing_but_ignored_columns_is_nothing() {
        let counted = [Some("A"), Some("one"), Some("2")];
        assert!(net(&[Update(Some(A), counted)]).is_empty());
        assert!(net(&[Delete(A), Insert(counted)]).is_empty());
        assert!(net(&[Update(Some(A), A2), Update(Some(A2), A)]).is_empty());
    }

    #[test]
    fn without_the_image_before_an_update_counts_as_a_change() {
        assert_eq!(net(&[Update(None, A)]), ["1 Update - > A one 1"]);
    }

    #[test]
    fn a_cell_missing_in_the_last_image_comes_from_the_one_before_it() {
        let toasted = [Some("A"), None, Some("2")];
        assert_eq!(net(&[Insert(A), Update(None, toasted)]), ["1 Insert - > A one 2"]);
        assert_eq!(net(&[Update(None, A2), Update(None, toasted)]), ["1 Update - > A two 2"]);
        assert_eq!(net(&[Update(None, toasted)]), ["1 Update - > A ? 2"]);
    }

    #[test]
    fn a_changed_key_is_a_delete_and_an_insert_told_apart() {
        let b = [Some("B"), Some("one"), Some("1")];
        assert_eq!(net(&[Update(Some(A), b)]), ["1 Delete A one 1 > -", "1' Insert - > B one 1"]);
    }

    #[test]
    fn a_row_updated_without_an_old_image_and_deleted_has_the_old_image_of_its_delete() {
        let key = [Some("A"), None, None];
        assert_eq!(net(&[Update(None, A2), Delete(key)]), ["1 Delete A ? ? > -"]);
        assert_eq!(
            net(&[Update(None, A2), Delete(key), Insert(A3)]),
            ["1 Update A ? ? > A three 1"]
        );
    }

    #[test]
    fn images_that_hold_only_what_changed_are_folded_by_the_key_of_the_row_before() {
        let key = [Some("A"), None, None];
        let (two, three) = ([None, Some("two"), None], [None, Some("three"), None]);
        let entries = [Update(Some(key), two), Update(Some(key), three)];
        assert_eq!(net(&entries), ["1 Update A ? ? > A three ?"]);
        assert_eq!(net(&[Update(Some(key), two), Delete(key)]), ["1 Delete A ? ? > -"]);
    }

    #[test]
    fn rows_come_in_the_order_of_their_first_touch() {
        let b = [Some("B"), Some("one"), Some("1")];
        let entries = [Insert(A), Insert(b), Update(Some(A), A2)];
        assert_eq!(net(&entries), ["1 Insert - > A two 1", "2 Insert - > B one 1"]);
    }

    proptest! {
        /// Against a table that is simply played through: what is net is the difference between
        /// the table before and after.
        #[test]
        fn the_net_change_is_the_difference_of_the_table(
            steps in prop::collection::vec((0_usize..3, 0_usize..3, any::<bool>()), 0..40),
            start in prop::collection::vec(prop::option::of(0_usize..3), 3),
        ) {
            const KEYS: [&str; 3] = ["A", "B", "C"];
            const NAMES: [&str; 3] = ["one", "two", "three"];
            let row = |key: usize, name: usize| [Some(KEYS[key]), Some(NAMES[name]), Some("1")];
            let mut now = start.clone();
            let mut entries = Vec::new();
            for (key, name, delete) in steps {
                match (now[key], delete) {
                    (None, true) => continue,
                    (None, false) => entries.push(Insert(row(key, name))),
                    (Some(old), false) => entries.push(Update(Some(row(key, old)), row(key, name))),
                    (Some(old), true) => entries.push(Delete(row(key, old))),
                }
                now[key] = (!delete).then_some(name);
            }
            let mut expected: Vec<String> = (0..3).filter_map(|key| {
                let told = |name: Option<usize>| name.map_or("-".to_owned(), |name| {
                    format!("{} {} 1", KEYS[key], NAMES[name])
                });
                let operation = match (start[key], now[key]) {
                    (None, Some(_)) => "Insert",
                    (Some(_), None) => "Delete",
                    (Some(old), Some(new)) if old != new => "Update",
                    _ => return None,
                };
                Some(format!("{operation} {} > {}", told(start[key]), told(now[key])))
            }).collect();
            let strip = |line: &String| line.split_once(' ').unwrap().1.to_owned();
            let mut found: Vec<String> = net(&entries).iter().map(strip).collect();
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
