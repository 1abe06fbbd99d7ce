//! Whatever a row holds: no panic, no event that breaks its schema, no value in a sentence.

use std::sync::LazyLock;

use erpbridge_connector::{Operation, ReplicaIdentity, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{ROW, change_of, convert, orders, schema};
use crate::canonical::{catalog, header};
use crate::mapping::Mapping;

const RULES: &str = "
  - emit: procurement.purchaseorder.changed
    on: orders
    when: [inserted, updated]
    snapshot: true
    number: no
    codes: [st, kind]
    effective: { from: touched, instant: { zone: '+02:00' } }
    fields:
      supplier: { key: [co, su] }
      supplier_number: su
      order_date: { from: no, date: dd.mm.yyyy }
      required_date: due
      currency: cur
      total: { value: tot, currency: cur }
      net_total: { value: { from: due, implied_decimals: 2 }, currency: cur }
      revision: due
      held: { from: hold, bool: { true: Y, false: [N, ''] } }
      lifecycle_status: { from: st, code: lifecycle }
  - emit: procurement.purchaseorder.released
    on: orders
    transition: { column: st, codes: lifecycle, axis: lifecycle, to: released }
    fields: { supplier: su }
  - emit: procurement.purchaseorderline.added
    rule: line
    on: orders
    when: inserted
    key: [id, no]
    fields:
      order: { key: [id] }
      line_no: due
      item: no
      quantity: { value: { from: weight, float: { scale: 3 } }, unit: { from: cur } }
      unit_price: { value: { from: tot, float: { scale: 2 } }, currency: { constant: EUR } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted, number: no,
      fields: { supplier: su, total: { value: tot, currency: cur }, required_date: due } }
";

fn cell() -> impl Strategy<Value = Cell> {
    let usual = prop::sample::select(vec![
        "01",
        "OP",
        "D",
        "R",
        "Z",
        "EUR",
        "KGM",
        "Y",
        "N",
        "10.50",
        "126325",
        "0",
        "-0.00",
        "1e300",
        "21.11.2026",
        "2026-11-21 10:00:00.5",
        "NaN",
        "",
        "  ",
        "a/b%c",
        "\u{0}\"\\\u{1f}",
        "ä€",
        "9223372036854775808",
        "infinity",
    ]);
    let text = prop_oneof![4 => usual.prop_map(str::to_owned), 1 => any::<String>()];
    prop_oneof![1 => Just(None), 2 => Just(Some(None)), 12 => text.prop_map(|t| Some(Some(t)))]
}

/// A row of the fixture's table in which most cells are what the rules expect.
fn row() -> impl Strategy<Value = Vec<Cell>> {
    (vec(cell(), 14), vec(0..10_u8, 14)).prop_map(|(mut cells, dice)| {
        for ((cell, fine), thrown) in cells.iter_mut().zip(ROW).zip(dice) {
            if thrown > 0 {
                *cell = Some((fine != "-").then(|| fine.to_owned()));
            }
        }
        cells
    })
}

type Cell = Option<Option<String>>;

fn image(cells: &[Cell]) -> Vec<Value<'_>> {
    cells.iter().map(value).collect()
}

fn value(cell: &Cell) -> Value<'_> {
    match cell {
        None => Value::Absent,
        Some(None) => Value::Null,
        Some(Some(text)) => Value::Text(text),
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(vec![
        Operation::Read,
        Operation::Insert,
        Operation::Update,
        Operation::Delete,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_row_gives_events_that_keep_the_contract(
        operation in operation(),
        before in row(),
        after in row(),
    ) {
        static MAPPING: LazyLock<Mapping> =
            LazyLock::new(|| Mapping::from_texts(&[("m.yaml", &orders(RULES))]).unwrap());
        let schema = schema(ReplicaIdentity::Full);
        let before = matches!(operation, Operation::Update | Operation::Delete).then_some(before);
        let after = (operation != Operation::Delete).then_some(after);
        let batch = change_of(&schema, operation, before.as_deref().map(image), after.as_deref().map(image));
        let batch = convert(&batch, &MAPPING, "erp1").freeze();
        for message in batch.messages() {
            let kind = message.header(header::TYPE).unwrap();
            let payload = message.payload();
            prop_assert_eq!(
                catalog().validate(kind, &payload),
                Ok(()),
                "{}",
                String::from_utf8_lossy(&payload)
            );
        }
        let texts: Vec<&str> = before.iter().chain(&after).flatten()
            .filter_map(|cell| cell.as_ref()?.as_deref())
            .filter(|text| text.len() > 8 && text.chars().any(|c| c.is_ascii_digit()))
            .collect();
        for letter in &batch.dead_letters {
            prop_assert!(texts.iter().all(|text| !letter.detail.contains(text)), "{}", letter.detail);
        }
    }
}
