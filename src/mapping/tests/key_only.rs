//! Logs that carry the key of an old row and nothing else of it.

use std::sync::Arc;

use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};

use super::lists::hold;
use crate::mapping::Mapping;

const MAPPING: &str = "
mapping: shop
company: { constant: acme }
tables:
  orders: { table: s.po, where: { kind: OP }, deleted: cancelled, keep: [state] }
  lines:
    table: s.line
    deleted: cancelled
    keep: [qty]
    lookups: { order: { to: orders, by: po, missing: null } }
events:
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    changed: [state]
    fields: { supplier: supplier }
  - emit: procurement.purchaseorder.cancelled
    on: orders
    when: deleted
  - emit: procurement.purchaseorderline.changed
    on: lines
    when: updated
    where: { order.kind: OP }
    fields:
      order: po
      item: item
      quantity: { value: qty, unit: { constant: C62 } }
  - emit: procurement.purchaseorderline.cancelled
    on: lines
    when: deleted
";

const TABLES: &str = "
tables:
  s.po: { columns: { id: integer, kind: text, state: text, supplier: text }, identity: key }
  s.line: { columns: { id: integer, po: integer, item: text, qty: decimal }, identity: key }
";

/// The cases must hold.
fn cases(cases: &str) {
    hold(MAPPING, &format!("{TABLES}cases:\n{cases}"));
}

#[test]
fn a_row_updated_and_deleted_in_one_transaction_is_gone_and_forgotten() {
    cases(
        "
  - name: the order goes, and comes again under its number
    given: [ s.po: { id: 1, kind: OP, state: D, supplier: S1 } ]
    transactions:
      - - { update: s.po, row: { id: 1, kind: OP, state: D, supplier: S1 }, set: { state: X } }
        - { delete: s.po, row: { id: 1, kind: OP, state: X, supplier: S1 } }
      - - { update: s.line, row: { id: 5, po: 1, item: A, qty: 2 }, set: { qty: 3 } }
    expect:
      - event: procurement.purchaseorder.cancelled
        data: { entity: { key: '1' } }
",
    );
}

#[test]
fn what_is_not_in_the_filter_is_no_dead_letter_when_the_log_leaves_the_filters_column_out() {
    cases(
        "
  - name: a sales order changes its state
    given: [ s.po: { id: 2, kind: SO, state: D, supplier: S1 } ]
    transactions:
      - - update: s.po
          row: { id: 2, kind: SO, state: D, supplier: S1 }
          set: { state: R }
          absent: [kind, supplier]
      - - { update: s.line, row: { id: 5, po: 2, item: A, qty: 2 }, set: { qty: 3 } }
    expect: []
",
    );
}

#[test]
fn what_a_filter_looks_at_is_remembered_with_what_is_kept() {
    let (mapping, _) =
        MAPPING.split_once("  - emit: procurement.purchaseorderline.changed").unwrap();
    let (mapping, rules) = mapping.split_once("events:").unwrap();
    let (tables, _) = mapping.split_once("  lines:").unwrap();
    let mapping = format!("{tables}events:{rules}");
    let cases = "
cases:
  - name: an order is deleted
    given: [ s.po: { id: 1, kind: OP, state: D, supplier: S1 } ]
    transactions: [ [ { delete: s.po, row: { id: 1, kind: OP, state: D, supplier: S1 } } ] ]
    expect: [ { event: procurement.purchaseorder.cancelled } ]
";
    hold(&mapping, &format!("{TABLES}{cases}"));
    let condition = mapping.replace("where: { kind: OP }", "if: 'kind == \"OP\"'");
    hold(&condition, &format!("{TABLES}{cases}"));
}

const MOVING: &str = "
mapping: shop
company: { constant: acme }
tables:
  open: { table: s.po, deleted: { moved_to: history, by: [no], otherwise: cancelled } }
  history: { table: s.po_history, key: [no], deleted: ignore }
events:
  - { emit: procurement.purchaseorder.archived, on: open, when: moved }
  - { emit: procurement.purchaseorder.cancelled, on: open, when: deleted }
";

/// The findings when the mapping meets `s.po`, whose log carries keys only.
fn refused(mapping: &str) -> Vec<String> {
    let column = |name: &str| Column {
        name: name.into(),
        kind: ColumnKind::Text,
        type_name: "text".into(),
        missing_in_log: false,
    };
    let table = |name: &str| {
        Arc::new(TableSchema {
            name: TableName::new("s", name),
            columns: ["id", "no", "kind"].map(column).to_vec(),
            primary_key: vec![0],
            identity: ReplicaIdentity::Key,
        })
    };
    let mapping = Mapping::from_texts(&[("m.yaml", mapping)]).unwrap();
    let (po, head) = (table("po"), table("head"));
    let bound = mapping.bind("erp1", &po, &[Arc::clone(&po), head]);
    bound.err().unwrap_or_default().into_iter().map(|finding| finding.problem).collect()
}

#[test]
fn a_move_that_old_rows_cannot_tell_is_refused() {
    let found = refused(MOVING).join("\n");
    assert!(found.contains("the move needs the old value of `no`"), "{found}");
    let kept = MOVING.replace("table: s.po, deleted", "table: s.po, keep: [no], deleted");
    assert_eq!(refused(&kept), Vec::<String>::new());
}

#[test]
fn a_condition_on_deleted_rows_that_the_log_does_not_tell_is_refused() {
    let mapping = "
mapping: shop
company: { constant: acme }
tables: { open: { table: s.po, deleted: cancelled } }
events:
  - { emit: procurement.purchaseorder.cancelled, on: open, when: deleted, if: 'kind == \"OP\"' }
";
    let found = refused(mapping).join("\n");
    assert!(found.contains("the event of a delete needs the old value of `kind`"), "{found}");
    let kept = mapping.replace("table: s.po,", "table: s.po, keep: [kind],");
    assert_eq!(refused(&kept), Vec::<String>::new());
}

#[test]
fn images_of_what_changed_alone_make_whole_events_where_everything_is_kept() {
    let (mapping, _) = MAPPING.split_once("  - emit: procurement.purchaseorderline").unwrap();
    let (tables, rules) = mapping.split_once("events:").unwrap();
    let (tables, _) = tables.split_once("  lines:").unwrap();
    let mapping = format!("{tables}events:{rules}").replace("keep: [state]", "keep: all");
    let cases = "
cases:
  - name: an order changes its state twice
    given: [ s.po: { id: 1, kind: OP, state: D, supplier: S1 } ]
    transactions:
      - - update: s.po
          row: { id: 1, kind: OP, state: D, supplier: S1 }
          set: { state: R }
          absent: [kind, supplier]
        - update: s.po
          row: { id: 1, kind: OP, state: R, supplier: S1 }
          set: { state: X }
          absent: [kind, supplier]
    expect:
      - event: procurement.purchaseorder.changed
        data: { after: { supplier: S1 } }
";
    hold(&mapping, &format!("{TABLES}{cases}"));
}

const DELETED_LINES: &str = "
mapping: shop
company: { constant: acme }
tables:
  orders: { table: s.head }
  lines:
    table: s.po
    deleted: cancelled
    lookups: { order: { to: orders, by: no } }
events:
  - emit: procurement.purchaseorderline.cancelled
    on: lines
    when: deleted
    fields: { order: no, order_number: order.number }
";

#[test]
fn what_a_deleted_row_can_no_longer_look_up_is_left_out() {
    let cases = "
tables:
  s.head: { columns: { id: text, number: text }, identity: key }
  s.po: { columns: { id: text, no: text, kind: text }, identity: key }
cases:
  - name: a line is deleted
    given: [ s.head: { id: H, number: PO-1 }, s.po: { id: 1, no: H, kind: A } ]
    transactions: [ [ { delete: s.po, row: { id: 1, no: H, kind: A } } ] ]
    expect:
      - event: procurement.purchaseorderline.cancelled
        data: { entity: { key: '1' } }
";
    hold(DELETED_LINES, cases);
    assert_eq!(refused(&DELETED_LINES.replace("order.number", "order.kind")), Vec::<String>::new());
    let insisted = "order_number: { from: order.kind, required: true }";
    let found = refused(&DELETED_LINES.replace("order_number: order.number", insisted)).join("\n");
    assert!(found.contains("the event of a delete needs the old value of `no`"), "{found}");
}

#[test]
fn an_exception_that_a_deleted_row_could_not_close_is_refused() {
    let mapping = "
mapping: shop
company: { column: kind }
tables: { open: { table: s.po, deleted: ignore } }
exceptions:
  - { raise: overreceipt, on: open, while: 'no == \"7\"', fields: { order: no, order_line: id } }
";
    let found = refused(mapping).join("\n");
    assert!(found.contains("the end of the exception needs the old value of `kind`"), "{found}");
    let kept = mapping.replace("table: s.po,", "table: s.po, keep: [kind],");
    assert_eq!(refused(&kept), Vec::<String>::new());
    let keyed = "
mapping: shop
company: { constant: acme }
tables:
  heads: { table: s.head }
  open: { table: s.po, deleted: ignore, lookups: { head: { to: heads, by: no } } }
exceptions:
  - { raise: overreceipt, on: open, key: [id], while: 'head.kind == \"7\"', fields: { order: id, order_line: id } }
";
    let found = refused(keyed).join("\n");
    assert!(found.contains("the end of the exception needs the old value of `no`"), "{found}");
    assert_eq!(
        refused(&keyed.replace("table: s.po,", "table: s.po, keep: [no],")),
        Vec::<String>::new()
    );
}
