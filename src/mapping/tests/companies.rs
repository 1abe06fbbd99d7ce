//! Whose row it is, and which rows are there for whom.

use super::lists::hold;

const MAPPING: &str = "
mapping: shop
company: { column: house.company, aliases: { '1': acme, '2': globe, '*': dead_letter } }
codes:
  states: { A: draft, B: released, '*': dead_letter, company: { globe: { A: closed } } }
tables:
  houses: { table: s.house }
  orders: { table: s.po, deleted: ignore, lookups: { house: { to: houses, by: house } } }
events:
  - emit: procurement.purchaseorder.closed
    on: orders
    transition: { column: st, codes: states, axis: lifecycle, to: closed }
    fields: { supplier: su, lifecycle_status: { from: st, code: states } }
";

const CASES: &str = "
tables:
  s.house: { columns: { id: integer, company: text } }
  s.po: { columns: { id: integer, house: integer, su: text, st: text } }
given:
  - s.house: { id: 1, company: '1' }
  - s.house: { id: 2, company: '2' }
cases:
  - name: a code means what it means to the company that is looked up
    transactions:
      - - { update: s.po, row: { id: 1, house: 1, su: S, st: B }, set: { st: A } }
      - - { update: s.po, row: { id: 2, house: 2, su: S, st: B }, set: { st: A } }
    expect:
      - event: procurement.purchaseorder.closed
        subject: erp.case.globe._.procurement.purchaseorder.closed
        data: { transition: { from: released, to: closed }, after: { lifecycle_status: closed } }
";

#[test]
fn a_code_means_what_it_means_to_the_company_that_is_looked_up() {
    hold(MAPPING, CASES);
}

const FILTERED: &str = "
mapping: shop
company: { constant: acme }
tables:
  goods: { table: s.item, if: 'kind == \"stock\" && size(code) > 0' }
  orders: { table: s.po, deleted: ignore }
  lines:
    table: s.line
    if: 'state != \"V\"'
    deleted: ignore
    lookups: { item: { to: goods, by: item, missing: null }, order: { to: orders, by: po } }
events:
  - emit: procurement.purchaseorder.changed
    on: orders
    when: updated
    fields:
      supplier: su
      lines:
        children: lines.order
        fields:
          item: { from: item.code, default: none }
          quantity: { value: qty, unit: { constant: C62 } }
";

const OUTSIDE: &str = "
tables:
  s.item: { columns: { id: integer, code: text, kind: text } }
  s.po: { columns: { id: integer, su: text } }
  s.line: { columns: { id: integer, po: integer, item: integer, qty: decimal, state: text } }
given:
  - s.item: { id: 1, code: A, kind: stock }
  - s.item: { id: 2, code: B, kind: text }
  - s.line: { id: 1, po: 1, item: 1, qty: 5, state: O }
  - s.line: { id: 2, po: 1, item: 2, qty: 6, state: O }
  - s.line: { id: 3, po: 1, item: 1, qty: 7, state: V }
cases:
  - name: rows outside of the filter are not there
    transactions:
      - - { update: s.po, row: { id: 1, su: S }, set: { su: T } }
    expect:
      - event: procurement.purchaseorder.changed
        data: { after: { lines: [ { key: '1', item: A }, { key: '2', item: none } ] } }
";

#[test]
fn a_row_outside_of_its_tables_condition_is_not_found_by_others() {
    hold(FILTERED, OUTSIDE);
}

const MOVING: &str = r"
mapping: shop
company: { capture: company }
tables:
  work: { pattern: 's\.(?<company>\w+)_work', deleted: { moved_to: history, by: [id], otherwise: cancelled } }
  history: { pattern: 's\.(?<company>\w+)_history', deleted: ignore }
events:
  - { emit: procurement.purchaseorder.archived, on: work, when: moved }
  - { emit: procurement.purchaseorder.cancelled, on: work, when: deleted }
";

#[test]
fn a_row_moves_within_its_company() {
    let cases = "
tables:
  s.one_work: { columns: { id: integer }, identity: full }
  s.one_history: { columns: { id: integer }, identity: full }
  s.two_work: { columns: { id: integer }, identity: full }
  s.two_history: { columns: { id: integer }, identity: full }
cases:
  - name: order 7 of one company is archived while that of the other is cancelled
    transactions:
      - - { delete: s.one_work, row: { id: 7 } }
        - { delete: s.two_work, row: { id: 7 } }
        - { insert: s.two_history, row: { id: 7 } }
    expect:
      - event: procurement.purchaseorder.cancelled
        subject: erp.case.one._.procurement.purchaseorder.cancelled
      - event: procurement.purchaseorder.archived
        subject: erp.case.two._.procurement.purchaseorder.archived
";
    hold(MOVING, cases);
}

const LINKED: &str = "
mapping: shop
company: { constant: acme }
tables: { moves: { table: s.move, deleted: ignore } }
links:
  - { on: moves, from: inventory.movement, follows: procurement.purchaseorderline, by: base }
events:
  - emit: inventory.movement.recorded
    on: moves
    when: [inserted, updated]
    fields: { kind: { constant: receipt }, item: it, quantity: { value: qty, unit: { constant: C62 } } }
";

#[test]
fn an_empty_text_leads_to_nothing() {
    let cases = "
tables: { s.move: { columns: { id: integer, base: text, it: text, qty: decimal } } }
cases:
  - name: a movement without an order has itself for its origin
    transactions:
      - - { insert: s.move, row: { id: 1, base: '', it: A, qty: 2 } }
      - - { update: s.move, row: { id: 1, base: '', it: A, qty: 2 }, set: { qty: 3 } }
    expect:
      - event: inventory.movement.recorded
        headers: { ce-correlationid: movement/1 }
      - event: inventory.movement.recorded
        headers: { ce-correlationid: movement/1 }
";
    hold(LINKED, cases);
}
