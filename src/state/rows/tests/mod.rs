//! Tests of the store as a whole.

mod crash;
mod disk;
mod failures;
mod model;
mod shapes;
mod together;

use std::time::{Duration, Instant};

use erpbridge_connector::{Position, Sequence, Value};

use super::error::Blame;
use super::{Limits, RowStore, RowStoreError, TableShape};
use crate::mapping::{KeptRow, KeptTable, Rows};
use disk::Disk;

const HEADERS: KeptTable = KeptTable(0);
const LINES: KeptTable = KeptTable(1);
const DEADLINE: Duration = Duration::from_secs(30);
/// Small enough that a handful of rows goes to disk before it is settled.
const TIGHT: Limits = Limits { cache_bytes: 4_000, dirty_bytes: 6_000 };

fn shape(name: &str, shape: u64) -> TableShape {
    TableShape { name: format!("shop/{name}"), shape }
}

fn tables() -> Vec<TableShape> {
    vec![shape("headers", 1), shape("lines", 1)]
}

fn row(text: &str) -> KeptRow {
    KeptRow::new([Value::Text(text), Value::Null].into_iter())
}

fn text(row: &KeptRow) -> String {
    match row.get(0, 2) {
        Value::Text(text) => text.to_owned(),
        other => panic!("a cell is {other:?}"),
    }
}

fn get(store: &mut RowStore, table: KeptTable, key: &str) -> Option<String> {
    store.get(table, key).unwrap().as_ref().map(text)
}

fn children(store: &mut RowStore, parent: &str, limit: usize) -> Vec<(String, String)> {
    let found = store.children(LINES, 0, parent, limit).unwrap();
    found.iter().map(|(key, row)| (key.to_string(), text(row))).collect()
}

fn put_line(store: &mut RowStore, key: &str, cell: &str, header: Option<&str>) {
    store.put(LINES, key, &row(cell), &[header]).unwrap();
}

fn sequence(number: usize) -> Sequence {
    Sequence::new(format!("{number:08}"))
}

fn position(number: usize) -> Position {
    Position::new(format!("at:{number}"))
}

/// The number of a [`position`].
fn number(position: &Position) -> usize {
    position.as_str().strip_prefix("at:").unwrap().parse().unwrap()
}

fn open_on(disk: &Disk, tables: &[TableShape], limits: Limits) -> Result<RowStore, RowStoreError> {
    let blame = Blame::new(std::path::Path::new("a disk for tests"));
    let db = disk.database(&blame)?;
    RowStore::with(db, blame, tables, limits, Box::new(|| None))
}

/// An open store whose tables are seeded, with nothing in them, at position 0.
fn seeded(disk: &Disk, limits: Limits) -> RowStore {
    let mut store = open_on(disk, &tables(), limits).unwrap();
    store.seeded();
    settle(&mut store, 0);
    store
}

/// Everything up to this transaction is settled and, when this returns, durable.
fn settle(store: &mut RowStore, transaction: usize) {
    store.settle(Some(&sequence(transaction)), &position(transaction));
    until_durable(store, transaction);
}

fn until_durable(store: &mut RowStore, transaction: usize) {
    let durable = store.durable();
    let deadline = Instant::now() + DEADLINE;
    while durable.borrow().as_ref() != Some(&position(transaction)) {
        assert!(Instant::now() < deadline, "transaction {transaction} did not become durable");
        store.flush().unwrap();
        std::thread::yield_now();
    }
}

fn close(store: RowStore) -> Result<(), RowStoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(store.close())
}
