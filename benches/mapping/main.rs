//! What the mapping costs: fold, look up, map and write one event, on one core, without I/O.
//!
//! The reference, measured in the same run, is copying the rows' text and nothing else: what no
//! mapping could be cheaper than. Allocations are counted, because on the steady path there should
//! be none that grow with the columns.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use erpbridge::canonical::EventBatch;
use erpbridge::mapping::{Desk, Mapping, MemoryRows};
use erpbridge::pipeline::{Plans, convert_into, convert_whole};
use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind as Kind, Operation, Position, ReplicaIdentity,
    Sequence, TableName, TableSchema, Timestamp, Transaction, Value,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROWS: usize = 1000;
const ROUNDS: usize = 200;

fn main() {
    let mapping = Mapping::from_texts(&[("mapping.yaml", include_str!("mapping.yaml"))]).unwrap();
    let schemas = vec![orders(), items(), lines()];
    let mut plans = Plans::new("bench", Arc::new(mapping), schemas.clone());
    let (mut rows, mut desk) = (MemoryRows::default(), Desk::default());
    convert_whole(&seeds(&schemas), &mut plans, &mut rows, &mut desk).unwrap();
    let batch = changes(schemas.last().unwrap());
    let mut former = EventBatch::new().freeze();
    let mut map = || {
        let mut events = EventBatch::sized_like(&former);
        convert_into(&mut events, &batch, &mut plans, &mut rows, &mut desk).unwrap();
        assert_eq!((events.len(), events.dead_letters.len()), (ROWS, 0));
        former = black_box(events.freeze());
        former.bytes()
    };
    map();
    let reference = measure(|| copy(&batch));
    let mapped = measure(&mut map);
    println!("mapping: {ROWS} changed lines of 15 columns, {ROUNDS} rounds, one core");
    println!("  copying the rows' text    {:>7.0} ns per row", reference.nanoseconds);
    println!(
        "  fold, look up, map, write {:>7.0} ns per event, {:.2} allocations, {:.0} bytes allocated",
        mapped.nanoseconds, mapped.allocations, mapped.bytes
    );
    println!("  ratio                     {:>7.1}", mapped.nanoseconds / reference.nanoseconds);
}

struct Measured {
    nanoseconds: f64,
    allocations: f64,
    bytes: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn measure(mut work: impl FnMut() -> usize) -> Measured {
    let region = Region::new(ALLOCATOR);
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    let events = (ROWS * ROUNDS) as f64;
    let stats = region.change();
    Measured {
        nanoseconds: begun.elapsed().as_secs_f64() * 1e9 / events,
        allocations: (stats.allocations + stats.reallocations) as f64 / events,
        bytes: stats.bytes_allocated as f64 / events,
    }
}

fn copy(batch: &ChangeBatch) -> usize {
    let mut out = Vec::with_capacity(batch.bytes());
    for change in batch.changes() {
        let Some(image) = change.after() else { continue };
        for value in image.values() {
            out.extend_from_slice(value.text().unwrap_or_default().as_bytes());
        }
    }
    black_box(out).len()
}

fn table(name: &str, columns: &[(&str, Kind)]) -> Arc<TableSchema> {
    let column = |(name, kind): &(&str, Kind)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        type_name: format!("{kind:?}"),
        missing_in_log: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("erp", name),
        columns: columns.iter().map(column).collect(),
        primary_key: vec![0],
        identity: ReplicaIdentity::Full,
    })
}

fn orders() -> Arc<TableSchema> {
    table("po", &[("id", Kind::Integer), ("number", Kind::Text)])
}

fn items() -> Arc<TableSchema> {
    table("item", &[("id", Kind::Integer), ("code", Kind::Text)])
}

fn lines() -> Arc<TableSchema> {
    use Kind::{Decimal, Float64, Integer, Text};
    let columns = [
        ("id", Integer),
        ("co", Text),
        ("pl", Text),
        ("po", Integer),
        ("line", Integer),
        ("item_id", Integer),
        ("text", Text),
        ("qty", Float64),
        ("rec", Float64),
        ("uom", Text),
        ("price", Decimal),
        ("cur", Text),
        ("disc", Decimal),
        ("tax", Text),
        ("due", Integer),
        ("wh", Text),
        ("st", Text),
    ];
    table("po_line", &columns)
}

fn transaction(number: usize, seed: bool) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: Sequence::new(format!("{number:016}")),
        committed_at: Timestamp::from_micros(1_774_000_000_000_000),
        resume: Position::new(number.to_string()),
        complete: true,
        snapshot: seed,
        seed,
    }
}

fn seeds(schemas: &[Arc<TableSchema>]) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    builder.begin(transaction(0, true));
    for (schema, text) in schemas.iter().zip(["N", "ITEM-"]) {
        for id in 0..100_u64 {
            let (key, name) = (id.to_string(), format!("{text}{id:06}"));
            let cells = [Value::Text(&key), Value::Text(&name)];
            builder.change(schema, Operation::Read, id + 1).after(cells);
        }
    }
    builder.finish()
}

/// Ten lines of a transaction, each with its quantity received.
fn changes(schema: &Arc<TableSchema>) -> ChangeBatch {
    let mut builder = BatchBuilder::new();
    for row in 0..ROWS {
        if row % 10 == 0 {
            builder.begin(transaction(row / 10 + 1, false));
        }
        let (id, order, item) =
            (row.to_string(), (row / 10 % 100).to_string(), (row % 100).to_string());
        let line = (row % 10 * 10).to_string();
        let cells = |received, state| {
            [
                &id,
                "01 ",
                "M30 ",
                &order,
                &line,
                &item,
                "Hexagon bolt M8x40, zinc plated",
                "120.5",
                received,
                "PC ",
                "12.3400",
                "EUR",
                "2.50",
                "V1 ",
                "126325",
                "MAIN",
                state,
            ]
            .map(Value::Text)
        };
        let ordinal = u64::try_from(row % 10).unwrap() + 1;
        let mut images = builder.change(schema, Operation::Update, ordinal);
        images.before(cells("0", "O")).after(cells("60.250000000000004", "R"));
    }
    builder.finish()
}
