//! Rules with a key of their own: what they tell is not the row they stand on.

use std::fs;
use std::sync::Arc;

use crate::mapping::{Desk, MemoryRows, cases};
use crate::pipeline::{Plans, convert_whole};

/// Runs cases on a mapping; what failed, case by case.
fn failures(mapping: &str, text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mapping.yaml"), mapping).unwrap();
    let file = directory.path().join("keyed.cases.yaml");
    fs::write(&file, text).unwrap();
    let play = |play: &cases::Play<'_>| {
        let mut plans = Plans::new(cases::SOURCE, Arc::clone(play.mapping), play.schemas.to_vec());
        let (mut rows, mut desk) = (MemoryRows::default(), Desk::default());
        convert_whole(&play.changes, &mut plans, &mut rows, &mut desk).unwrap()
    };
    let results = cases::run(&file, play).unwrap();
    assert!(!results.is_empty());
    results
        .into_iter()
        .flat_map(|result| result.differences)
        .map(|one| format!("{one:?}"))
        .collect()
}

const MOVES: &str = "
mapping: shop
company: { constant: acme }
tables:
  lines:
    table: erp.line
    deleted: ignore
    sums: { came: { children: moves.line, of: qty, if: 'st == \"done\"' } }
  moves:
    table: erp.move
    deleted: ignore
    lookups: { line: { to: lines, by: line_id, missing: null } }
exceptions:
  - raise: overreceipt
    on: moves
    key: [line_id]
    if: 'st == \"done\"'
    while: 'line.came > line.ordered'
    fields: { order: line.po, order_line: line_id }
";

const MOVED: &str = "
tables:
  erp.line: { columns: { id: integer, po: integer, ordered: decimal }, identity: full }
  erp.move: { columns: { id: integer, line_id: integer, qty: decimal, st: text }, identity: full }
cases:
  - name: an exception of a line outlives a movement that has no part in it
    transactions:
      - - insert: erp.line
          row: { id: 1, po: 7, ordered: '10' }
        - insert: erp.move
          row: { id: 1, line_id: 1, qty: '12', st: done }
        - insert: erp.move
          row: { id: 2, line_id: 1, qty: '5', st: draft }
      - - delete: erp.move
          row: { id: 2, line_id: 1, qty: '5', st: draft }
      - - insert: erp.move
          row: { id: 3, line_id: 1, qty: '1', st: done }
        - delete: erp.move
          row: { id: 3, line_id: 1, qty: '1', st: done }
      - - delete: erp.move
          row: { id: 1, line_id: 1, qty: '12', st: done }
    expect:
      - event: exception.overreceipt.opened
        data: { after: { order_line: '1' } }
      - event: exception.overreceipt.closed
        data: { after: { order: '7', order_line: '1' } }
  - name: a movement that no longer counts closes it
    transactions:
      - - insert: erp.line
          row: { id: 2, po: 7, ordered: '10' }
        - insert: erp.move
          row: { id: 4, line_id: 2, qty: '12', st: done }
      - - update: erp.move
          row: { id: 4, line_id: 2, qty: '12', st: done }
          set: { st: cancelled }
    expect:
      - event: exception.overreceipt.opened
      - event: exception.overreceipt.closed
";

#[test]
fn an_exception_of_another_thing_is_judged_by_that_thing() {
    assert_eq!(failures(MOVES, MOVED), Vec::<String>::new());
}

const DRAFTS: &str = "
mapping: shop
company: { constant: acme }
tables:
  drafts: { table: erp.draft, deleted: ignore }
  lines: { table: erp.line, deleted: ignore, lookups: { draft: { to: drafts, by: draft_id } } }
events:
  - emit: procurement.purchaseorder.created
    on: drafts
    when: inserted
    key: [{ expr: '\"draft\"' }, id]
    fields:
      supplier: su
      lines: { children: lines.draft, fields: { item: it, quantity: { value: qty, unit: { constant: C62 } } } }
";

#[test]
fn children_point_to_the_row_whatever_its_event_is_keyed_by() {
    let cases = "
tables:
  erp.draft: { columns: { id: integer, su: text }, identity: full }
  erp.line: { columns: { id: integer, draft_id: integer, it: text, qty: decimal }, identity: full }
cases:
  - name: a draft comes with its lines
    transactions:
      - - insert: erp.draft
          row: { id: 1, su: S }
        - insert: erp.line
          row: { id: 5, draft_id: 1, it: A, qty: '2' }
    expect:
      - event: procurement.purchaseorder.created
        data: { entity: { key: draft/1 }, after: { lines: [ { item: A } ] } }
";
    assert_eq!(failures(DRAFTS, cases), Vec::<String>::new());
}

#[test]
fn an_exception_that_holds_already_is_opened_by_the_snapshot_that_finds_it() {
    let mapping = "
mapping: shop
company: { constant: acme }
tables: { lines: { table: erp.line, deleted: ignore } }
exceptions:
  - { raise: overreceipt, on: lines, while: 'came > ordered', fields: { order: po, order_line: id } }
";
    let cases = "
tables:
  erp.line: { columns: { id: integer, po: integer, ordered: decimal, came: decimal }, identity: full }
cases:
  - name: more came than was ordered, and some of it goes back
    transactions:
      - - { read: erp.line, row: { id: 1, po: 7, ordered: '10', came: '12' } }
        - { read: erp.line, row: { id: 2, po: 7, ordered: '10', came: '10' } }
      - - { update: erp.line, row: { id: 1, po: 7, ordered: '10', came: '12' }, set: { came: '10' } }
    expect:
      - event: exception.overreceipt.opened
        headers: { ce-snapshot: 'true' }
        data: { entity: { key: '1' } }
      - event: exception.overreceipt.closed
";
    assert_eq!(failures(mapping, cases), Vec::<String>::new());
}
