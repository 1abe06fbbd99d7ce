//! Logs that carry the key of an old row and nothing else of it.

use super::lists::hold;

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
