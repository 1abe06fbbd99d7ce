//! Rows of a sample as a connector would send them.

use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Operation, Position, ReplicaIdentity, Sampled, Sequence,
    TableSchema, Timestamp, Transaction, Value,
};

/// 2026-01-01T00:00:00Z, as cases begin; every row is committed one second after the one before.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// The rows as images to remember.
pub(super) fn seeds(samples: &[Sampled]) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    builder.begin(Transaction { seed: true, snapshot: true, ..transaction(0) });
    let rows = samples.iter().flat_map(|sample| sample.rows.iter().map(|row| (&sample.table, row)));
    for (ordinal, (table, row)) in (1..).zip(rows) {
        builder.change(table, Operation::Read, ordinal).after(image(table, row, false));
    }
    builder.finish()
}

/// Every row as a transaction of its own in which this happened to it.
pub(super) fn played(samples: &[Sampled], operation: Operation) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    let rows = samples.iter().flat_map(|sample| sample.rows.iter().map(|row| (&sample.table, row)));
    for (number, (table, row)) in (1_i64..).zip(rows) {
        let snapshot = operation == Operation::Read;
        builder.begin(Transaction { snapshot, ..transaction(number) });
        let mut images = builder.change(table, operation, 1);
        if operation == Operation::Delete {
            images.before(image(table, row, table.identity != ReplicaIdentity::Full));
        } else {
            images.after(image(table, row, false));
        }
    }
    builder.finish()
}

fn transaction(number: i64) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: Sequence::new(format!("{number:016}")),
        committed_at: Timestamp::from_micros(BEGINNING + number * 1_000_000),
        resume: Position::new(number.to_string()),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

/// What the log carries of a row.
fn image<'r>(
    table: &'r Arc<TableSchema>,
    row: &'r [Option<String>],
    key_only: bool,
) -> impl Iterator<Item = Value<'r>> {
    table.columns.iter().zip(row).enumerate().map(move |(place, (column, cell))| {
        if column.missing_in_log || (key_only && !table.primary_key.contains(&place)) {
            return Value::Absent;
        }
        cell.as_deref().map_or(Value::Null, Value::Text)
    })
}
