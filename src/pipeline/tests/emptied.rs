//! Tables that are emptied by one statement, transactions that end without a last row, and seeds.

use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Operation, Position, TableSchema, Transaction, Truncated, Value,
};

use super::shop::{LINE, MAPPING, Order, Play, Step, events, names, told, transaction};
use crate::mapping::MemoryRows;
use crate::pipeline::Outbox;

/// A table emptied by one statement.
fn truncated(table: &Arc<TableSchema>, number: usize) -> Truncated {
    let transaction = Transaction { complete: false, ..transaction(number) };
    Truncated { tables: vec![Arc::clone(table)], transaction, ordinal: 1 }
}

#[test]
fn rows_of_an_emptied_table_are_looked_up_no_more_and_its_transaction_ends() {
    let mut play = Play::new();
    play.step(&[Order(1), Order(2)]);
    let mut outbox = Outbox::new(None);
    let emptied = truncated(&play.tables.0[0], 2);
    play.converter.truncate(&emptied, &mut outbox).unwrap();
    // A position before the transaction does not end it, one after it does.
    play.converter.reached(&emptied.transaction.resume, &mut outbox);
    assert!(outbox.take().is_none());
    play.converter.reached(&Position::new("after"), &mut outbox);
    let unit = outbox.take().unwrap().events;
    let [settled] = unit.settled() else { panic!("{unit:?}") };
    assert!(settled.complete && settled.resume == Position::new("after"));
    assert_eq!(settled.sequence, emptied.transaction.sequence);
    play.next = 3;
    assert!(names(&play.step(&[Step::Line(7, Some(LINE))])).is_empty(), "its order is gone");
    assert_eq!(names(&play.step(&[Order(1)])).len(), 1);
}

#[test]
fn a_transaction_that_ends_by_emptying_a_table_ends_with_the_next_one() {
    let mut play = Play::new();
    let mut outbox = Outbox::new(None);
    let emptied = truncated(&play.tables.0[0], 1);
    play.converter.truncate(&emptied, &mut outbox).unwrap();
    play.next = 2;
    let batch = play.batch(&[Order(1)]);
    play.converter.convert(&batch, &mut outbox).unwrap();
    let unit = outbox.take().unwrap().events;
    let settled: Vec<_> =
        unit.settled().iter().map(|s| (s.sequence.as_str(), s.complete)).collect();
    assert_eq!(settled, [("0000000000000001", true), ("0000000000000002", true)]);
}

#[test]
fn seeds_from_after_what_is_stored_do_not_make_it_told_again() {
    let mut play = Play::new();
    let batch = play.batch(&[Order(1), Step::Line(7, Some(LINE))]);
    let units = told(&mut play.converter, &batch);
    let published = events(&units).last().map(|event| event.0.clone());
    assert!(published.is_some());
    play.converter = play.tables.converter(MAPPING, MemoryRows::new(), published);
    let mut seeds = BatchBuilder::new();
    seeds.begin(Transaction { seed: true, ..transaction(9) });
    let seed = [Value::Text("1"), Value::Text("N1")];
    seeds.change(&play.tables.0[0], Operation::Read, 1).after(seed);
    told(&mut play.converter, &seeds.finish());
    assert!(names(&told(&mut play.converter, &batch)).is_empty());
}
