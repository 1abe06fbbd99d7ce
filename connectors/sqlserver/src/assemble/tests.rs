//! What comes out for which row changes.

use erpbridge_connector::testkit::table;
use erpbridge_connector::{ChangeBatch, Operation, Timestamp, Value};

use super::*;
use crate::catalog::{Instance, LogColumn, Shape};
use crate::cell::Cell;
use crate::change_tables::{Change, ChangePlace};
use crate::stream::Images;
use crate::values::Large;

const LIMITS: Limits = Limits { batch_bytes: 1 << 20, window_bytes: 1 << 20, row_bytes: 1 << 20 };

fn lsn(block: u32) -> Lsn {
    format!("00000001:{block:08x}:0001").parse().unwrap()
}

fn commit(block: u32) -> Commit {
    let at = Timestamp::from_micros(i64::from(block));
    Commit { lsn: lsn(block), begin: lsn(1), local: 0, at, transaction: vec![1] }
}

/// `(id, note)`, where the note is a large value.
fn captured() -> Captured {
    captured_as("dbo.item(id integer key, note text, old text)")
}

fn captured_as(line: &str) -> Captured {
    let schema = table(line);
    let large = [Large::No, Large::Max, Large::Old];
    let column = |(ordinal, large)| LogColumn { selected: String::new(), ordinal, large };
    let columns = (1..).zip(large).map(column).collect();
    let instance = Instance {
        id: 1,
        table_id: 1,
        table: None,
        name: "dbo_item".to_owned(),
        start: Some(lsn(1)),
        made: 0,
        role: None,
        ordered: true,
    };
    Captured { instance, start: lsn(1), shape: Arc::new(Shape { schema, columns }) }
}

fn change(mask: u8, cells: [Option<&str>; 3]) -> Change {
    let place = ChangePlace { lsn: lsn(9), command: 1, record: lsn(2), operation: 2 };
    let cell = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
    Change::new(place, vec![mask], cells.map(cell).into())
}

fn entry(block: u32, ordinal: u64, images: Images) -> Entry {
    Entry { lsn: lsn(block), ordinal, images }
}

fn insert(block: u32, ordinal: u64) -> Entry {
    entry(block, ordinal, Images::Insert(change(7, [Some("1"), Some("note"), None])))
}

fn assembler(limits: Limits) -> Assembler {
    Assembler::new(limits, lsn(1), Position::new("start"))
}

fn batches(out: Outbox) -> Vec<ChangeBatch> {
    let batch = |event| match event {
        SourceEvent::Changes(batch) => Some(batch),
        _ => None,
    };
    out.into_iter().filter_map(batch).collect()
}

fn images(images: Images) -> (Operation, Vec<Value<'static>>, Vec<Value<'static>>) {
    let mut out = Outbox::new();
    let mut assembler = assembler(LIMITS);
    assembler.take(&commit(9), &captured(), &entry(9, 1, images), &mut out).unwrap();
    assembler.complete(Position::new("after"), &mut out);
    assembler.flush(&mut out);
    let batches: &'static [ChangeBatch] = Box::leak(batches(out).into_boxed_slice());
    let row = batches[0].changes().next().unwrap();
    let cells = |image: Option<erpbridge_connector::Image<'static>>| {
        image.map(|image| image.values().collect()).unwrap_or_default()
    };
    (row.operation(), cells(row.before()), cells(row.after()))
}

#[test]
fn a_large_value_that_did_not_change_is_absent() {
    let before = change(0b001, [Some("1"), None, None]);
    let after = change(0b001, [Some("2"), None, None]);
    let (operation, before, after) = images(Images::Update(Some(before), after));
    assert_eq!(operation, Operation::Update);
    assert_eq!(before, [Value::Text("1"), Value::Absent, Value::Absent]);
    assert_eq!(after, [Value::Text("2"), Value::Absent, Value::Absent]);
}

#[test]
fn a_large_value_that_became_null_is_null() {
    let before = change(0b110, [Some("1"), Some("was"), None]);
    let after = change(0b110, [Some("1"), None, None]);
    let (_, before, after) = images(Images::Update(Some(before), after));
    assert_eq!(before, [Value::Text("1"), Value::Text("was"), Value::Absent]);
    assert_eq!(after, [Value::Text("1"), Value::Null, Value::Null]);
}

#[test]
fn a_deleted_row_tells_all_but_its_old_large_types() {
    let (operation, before, after) = images(Images::Delete(change(7, [Some("1"), None, None])));
    assert_eq!(operation, Operation::Delete);
    assert_eq!(before, [Value::Text("1"), Value::Null, Value::Absent]);
    assert!(after.is_empty());
}

#[test]
fn an_inserted_row_is_whole() {
    let row = change(7, [Some("1"), Some(""), Some("x")]);
    let (operation, before, after) = images(Images::Insert(row));
    assert_eq!(operation, Operation::Insert);
    assert!(before.is_empty());
    assert_eq!(after, [Value::Text("1"), Value::Text(""), Value::Text("x")]);
}

#[test]
fn small_transactions_travel_together_and_each_says_where_to_resume() {
    let (mut out, mut assembler) = (Outbox::new(), assembler(LIMITS));
    for block in [5, 6] {
        assembler.take(&commit(block), &captured(), &insert(block, 1), &mut out).unwrap();
        assert!(assembler.belongs_elsewhere(lsn(7)) && !assembler.belongs_elsewhere(lsn(block)));
        assembler.complete(Position::new(format!("after {block}")), &mut out);
    }
    assembler.flush(&mut out);
    let batches = batches(out);
    assert_eq!(batches.len(), 1);
    let told: Vec<_> = batches[0]
        .transactions()
        .iter()
        .map(|t| (t.resume.to_string(), t.complete, t.committed_at.as_micros()))
        .collect();
    assert_eq!(told, [("after 5".to_owned(), true, 5), ("after 6".to_owned(), true, 6)]);
    assert_eq!(assembler.reached(), lsn(6));
}

#[test]
fn a_large_transaction_is_cut_where_its_rows_say_whatever_came_before() {
    let limits = Limits { window_bytes: 400, ..LIMITS };
    let cut = |rows_before: u64| -> Vec<usize> {
        let (mut out, mut assembler) = (Outbox::new(), assembler(limits));
        for ordinal in 1..=rows_before {
            assembler.take(&commit(4), &captured(), &insert(4, ordinal), &mut out).unwrap();
        }
        assembler.complete(Position::new("between"), &mut out);
        assembler.flush(&mut out);
        out.clear();
        for ordinal in 1..=7 {
            assembler.take(&commit(5), &captured(), &insert(5, ordinal), &mut out).unwrap();
        }
        assembler.complete(Position::new("after"), &mut out);
        assembler.flush(&mut out);
        let batches = batches(out);
        let last = batches.len() - 1;
        for (place, batch) in batches.iter().enumerate() {
            let transaction = &batch.transactions()[0];
            assert_eq!(transaction.complete, place == last);
            let before = if rows_before == 0 { "start" } else { "between" };
            let resume = if place == last { "after" } else { before };
            assert_eq!(transaction.resume.as_str(), resume);
        }
        batches.iter().map(ChangeBatch::len).collect()
    };
    assert_eq!(cut(0), [3, 3, 1]);
    assert_eq!(cut(5), cut(0));
}

#[test]
fn changes_at_the_same_place_are_both_kept_in_order() {
    let (mut out, mut assembler) = (Outbox::new(), assembler(LIMITS));
    for ordinal in [7, 7, 3] {
        assembler.take(&commit(5), &captured(), &insert(5, ordinal), &mut out).unwrap();
    }
    assembler.complete(Position::new("after"), &mut out);
    assembler.flush(&mut out);
    let ordinals: Vec<u64> = batches(out)[0].changes().map(|row| row.ordinal()).collect();
    assert_eq!(ordinals, [7, 8, 9]);
}

#[test]
fn a_new_shape_is_told_before_its_first_row() {
    let (mut out, mut assembler) = (Outbox::new(), assembler(LIMITS));
    let wider = captured_as("dbo.item(id integer key, note text, more text)");
    for (block, captured) in [(5, captured()), (6, captured()), (7, wider.clone())] {
        assembler.take(&commit(block), &captured, &insert(block, 1), &mut out).unwrap();
        assembler.complete(Position::new("after"), &mut out);
        assembler.flush(&mut out);
    }
    let events: Vec<_> = out.iter().collect();
    assert_eq!(events.len(), 4);
    let SourceEvent::SchemaChanged { table, previous } = events[2] else { panic!("{events:?}") };
    assert_eq!(*table, wider.shape.schema);
    assert_eq!(previous.as_ref().unwrap().columns[2].name, "old");
}

#[test]
fn a_row_beyond_the_limit_stops_the_source() {
    let (mut out, mut assembler) = (Outbox::new(), assembler(Limits { row_bytes: 10, ..LIMITS }));
    let error = assembler.take(&commit(5), &captured(), &insert(5, 1), &mut out).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::TooLarge);
}
