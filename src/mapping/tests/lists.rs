//! Lists of the rows that point to a row, and which of them are carried.

use std::fs;
use std::sync::Arc;

use crate::canonical::EventBatch;
use crate::mapping::{Desk, MemoryRows, cases};
use crate::pipeline::{Plans, convert_whole};

const MAPPING: &str = "
mapping: lists
company: { constant: acme }
tables:
  orders: { table: s.po, deleted: ignore, keep: [state] }
  items: { table: s.item }
  lines:
    table: s.line
    lookups: { order: { to: orders, by: po }, item: { to: items, by: item } }
events:
  - emit: procurement.purchaseorder.released
    on: orders
    became: 'state == \"R\"'
    fields:
      supplier: supplier
      lines:
        children: lines.order
        if: 'state != \"V\" && item.kind == \"stock\"'
        fields: { item: item.code, quantity: { value: quantity, unit: { constant: C62 } } }
";

const CASES: &str = "
tables:
  s.po: { columns: { id: integer, state: text, supplier: text }, identity: key }
  s.item: { columns: { id: integer, code: text, kind: text } }
  s.line: { columns: { id: integer, po: integer, item: integer, quantity: decimal, state: text, note: text } }
given:
  - s.po: { id: 1, state: D, supplier: S1 }
  - s.item: { id: 1, code: A, kind: stock }
  - s.item: { id: 2, code: B, kind: text }
  - s.line: { id: 1, po: 1, item: 1, quantity: 5, state: O }
  - s.line: { id: 2, po: 1, item: 2, quantity: 6, state: O }
  - s.line: { id: 3, po: 1, item: 1, quantity: 7, state: V }
  - s.line: { id: 4, po: 1, item: 2, quantity: 8, state: V }
  - s.line: { id: 5, po: 1, item: 1, quantity: 9, state: O }
cases:
  - name: only the lines that count are carried
    transactions:
      - - { update: s.po, row: { id: 1, state: D, supplier: S1 }, set: { state: R } }
    expect:
      - event: procurement.purchaseorder.released
        data: { after: { lines: [ { key: '1', item: A }, { key: '5', item: A } ] } }
  - name: what decides whether a line counts must be there
    given: [ s.line: { id: 6, po: 1, item: 9, quantity: 8, state: O } ]
    transactions:
      - - { update: s.po, row: { id: 1, state: D, supplier: S1 }, set: { state: R } }
    dead_letters: [ { reason: lookup_miss } ]
";

/// The way of production, what is given first.
fn play(play: &cases::Play<'_>) -> EventBatch {
    let mut plans = Plans::new(cases::SOURCE, Arc::clone(play.mapping), play.schemas.to_vec());
    let (mut rows, mut desk) = (MemoryRows::default(), Desk::default());
    convert_whole(&play.given, &mut plans, &mut rows, &mut desk).unwrap();
    convert_whole(&play.changes, &mut plans, &mut rows, &mut desk).unwrap()
}

/// Runs cases; every one must hold.
pub(super) fn hold(mapping: &str, text: &str) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mapping.yaml"), mapping).unwrap();
    let file = directory.path().join("lists.cases.yaml");
    fs::write(&file, text).unwrap();
    for result in cases::run(&file, play).unwrap() {
        assert_eq!(result.differences, [], "{}", result.name);
    }
}

#[test]
fn a_condition_says_which_children_are_carried() {
    hold(MAPPING, CASES);
}

#[test]
fn a_list_is_sorted_by_what_its_items_look_up() {
    let (head, _) = CASES.split_once("cases:\n").unwrap();
    let given = "given: [ s.item: { id: 9, code: '0', kind: stock }, s.line: { id: 6, po: 1, item: 9, quantity: 1, state: O } ]";
    let cases = format!(
        "{head}cases:
  - name: what is called 0 comes first
    {given}
    transactions:
      - - {{ update: s.po, row: {{ id: 1, state: D, supplier: S1 }}, set: {{ state: R }} }}
    expect:
      - event: procurement.purchaseorder.released
        data: {{ after: {{ lines: [ {{ key: '6' }}, {{ key: '1' }}, {{ key: '5' }} ] }} }}
"
    );
    let sort = "children: lines.order\n        sort: item.code";
    hold(&MAPPING.replace("children: lines.order", sort), &cases);
}

#[test]
fn an_event_waits_for_what_its_items_look_up() {
    let (head, _) = CASES.split_once("cases:\n").unwrap();
    let cases = format!(
        "{head}cases:
  - name: the order is told when the last of its items is known
    given: [ s.line: {{ id: 6, po: 1, item: 9, quantity: 8, state: O }} ]
    transactions:
      - - {{ update: s.po, row: {{ id: 1, state: D, supplier: S1 }}, set: {{ state: R }} }}
      - - {{ insert: s.item, row: {{ id: 8, code: C, kind: stock }} }}
      - - {{ insert: s.item, row: {{ id: 9, code: D, kind: stock }} }}
    expect:
      - event: procurement.purchaseorder.released
        headers: {{ ce-subject: purchaseorder/1 }}
        data: {{ after: {{ lines: [ {{ key: '1' }}, {{ key: '5' }}, {{ key: '6', item: D }} ] }} }}
"
    );
    hold(&MAPPING.replace("by: item }", "by: item, missing: wait }"), &cases);
}
