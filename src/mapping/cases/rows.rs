//! The transactions of a case as a connector would send them.
//!
//! The replica identity of a table decides what of the old row is carried, as it does in a real
//! log, so that a case cannot show the mapping more than production will.

use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Operation, Position, ReplicaIdentity, Sequence, TableSchema,
    Timestamp, Transaction, Value,
};

use super::read::{Cells, Change, Given};

/// 2026-01-01T00:00:00Z; every transaction of a case commits one second after the one before.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// The rows that are there before a case begins, as seeds: those it is given, and those it updates
/// or deletes without having made them.
pub(super) fn seeds<'c>(
    given: impl Iterator<Item = &'c Given>,
    transactions: &'c [Vec<Change>],
) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    builder.begin(Transaction { seed: true, snapshot: true, ..transaction(0) });
    let mut known = Vec::new();
    let mut rows: Vec<(&Arc<TableSchema>, &Cells)> = Vec::new();
    for given in given {
        known.push((&given.table.name, key(&given.table, &given.row)));
        rows.push((&given.table, &given.row));
    }
    for change in transactions.iter().flatten() {
        let row = (&change.table.name, key(&change.table, &change.row));
        if known.contains(&row) {
            continue;
        }
        known.push(row);
        if change.operation != Operation::Insert {
            rows.push((&change.table, &change.row));
        }
    }
    for (ordinal, (table, row)) in (1..).zip(rows) {
        builder.change(table, Operation::Read, ordinal).after(values(row));
    }
    builder.finish()
}

fn key(table: &TableSchema, row: &Cells) -> Vec<Option<String>> {
    table.primary_key.iter().map(|column| row.get(*column).cloned().flatten()).collect()
}

fn transaction(number: i64) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: Sequence::new(format!("{number:016}")),
        committed_at: Timestamp::from_micros(BEGINNING + (number - 1) * 1_000_000),
        resume: Position::new(number.to_string()),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

/// All transactions in one batch.
pub(super) fn batch(transactions: &[Vec<Change>]) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    for (number, changes) in (1_i64..).zip(transactions) {
        let snapshot = changes.iter().any(|change| change.operation == Operation::Read);
        builder.begin(Transaction { snapshot, ..transaction(number) });
        for (ordinal, change) in (1..).zip(changes) {
            change.add(ordinal, &mut builder);
        }
    }
    builder.finish()
}

impl Change {
    fn add(&self, ordinal: u64, builder: &mut BatchBuilder) {
        let mut images = builder.change(&self.table, self.operation, ordinal);
        match self.operation {
            Operation::Update if self.carries_before() => {
                images.before(self.before()).after(self.after());
            }
            Operation::Read | Operation::Insert | Operation::Update => {
                images.after(self.after());
            }
            Operation::Delete => {
                images.before(self.before());
            }
        }
    }

    /// An update under key identity carries its old key only where the key changed.
    fn carries_before(&self) -> bool {
        match self.table.identity {
            ReplicaIdentity::Full => true,
            ReplicaIdentity::Nothing => false,
            ReplicaIdentity::Key => {
                let differs = |(index, value): &(usize, Option<String>)| {
                    self.table.primary_key.contains(index) && self.row.get(*index) != Some(value)
                };
                self.set.iter().any(differs)
            }
        }
    }

    fn before(&self) -> impl Iterator<Item = Value<'_>> {
        values(&self.row)
            .enumerate()
            .map(|(index, value)| if carried(&self.table, index) { value } else { Value::Absent })
    }

    fn after(&self) -> impl Iterator<Item = Value<'_>> {
        values(&self.row).enumerate().map(|(index, value)| {
            let set = self.set.iter().rfind(|(column, _)| *column == index);
            match set {
                _ if self.absent.contains(&index) => Value::Absent,
                Some((_, new)) => new.as_deref().map_or(Value::Null, Value::Text),
                None => value,
            }
        })
    }
}

fn values(cells: &Cells) -> impl Iterator<Item = Value<'_>> {
    cells.iter().map(|cell| cell.as_deref().map_or(Value::Null, Value::Text))
}

fn carried(table: &TableSchema, column: usize) -> bool {
    table.identity == ReplicaIdentity::Full || table.primary_key.contains(&column)
}
