//! Units and currencies that no standard knows are refused, when a mapping is loaded and when a
//! row brings one.

use erpbridge_connector::Operation;

use super::{ROW, orders, problems, run, with};
use crate::deadletter::Reason;

#[test]
fn a_constant_or_a_code_table_cannot_name_an_unknown_currency_or_unit() {
    let rules = "
  - emit: procurement.purchaseorder.created
    on: orders
    when: inserted
    fields: { supplier: su, currency: { constant: EUX }, total: { value: tot, currency: { constant: eur } } }
  - emit: procurement.purchaseorderline.added
    on: orders
    when: inserted
    fields:
      order: su
      quantity: { value: { from: weight, float: { scale: 3 } }, unit: { from: cur, code: units } }
      received_quantity: { value: { from: weight, float: { scale: 3 } }, unit: { constant: BOX } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let text = orders(rules).replace("codes:\n", "codes:\n  units: { PC: PCE, '*': pass }\n");
    let found = problems(&text).join("\n");
    for part in [
        "the constant `EUX` is not a currency code of ISO 4217",
        "the constant `eur` is not a currency code of ISO 4217",
        "`PCE` is not a unit code of UN/ECE Recommendation 20; did you mean `C62`? code table `units`",
        "the constant `BOX` is not a unit code of UN/ECE Recommendation 20; did you mean `XBX`?",
        "did you mean `EUR`?",
    ] {
        assert!(found.contains(part), "{part}\n\n{found}");
    }
}

#[test]
fn a_row_with_an_unknown_currency_is_a_dead_letter_and_one_with_an_old_currency_is_not() {
    let rules = "
  - emit: procurement.purchaseorder.created
    on: orders
    when: inserted
    fields: { supplier: su, total: { value: tot, currency: cur } }
  - { emit: procurement.purchaseorder.deleted, on: orders, when: deleted }
";
    let unknown = run(rules, Operation::Insert, None, Some(with(&[(7, "EUX")])));
    let [letter] = unknown.dead_letters.as_slice() else { panic!("{:?}", unknown.dead_letters) };
    assert_eq!(letter.reason, Reason::Decode);
    let detail = "column `cur` does not give a currency code of ISO 4217";
    assert!(letter.detail.ends_with(detail), "{}", letter.detail);
    for known in [ROW, with(&[(7, "DEM")])] {
        assert_eq!(run(rules, Operation::Insert, None, Some(known)).len(), 1);
    }
}

#[test]
fn a_movement_of_less_than_nothing_is_a_dead_letter_until_its_sign_is_said() {
    let rules = |value: &str| {
        format!(
            "
  - emit: inventory.movement.recorded
    on: orders
    when: inserted
    fields:
      kind: {{ constant: issue }}
      item: su
      quantity: {{ value: {value}, unit: {{ constant: C62 }} }}
  - {{ emit: procurement.purchaseorder.deleted, on: orders, when: deleted }}
"
        )
    };
    let issued = || Some(with(&[(8, "-4.0")]));
    let batch = run(&rules("tot"), Operation::Insert, None, issued());
    let [letter] = batch.dead_letters.as_slice() else { panic!("{:?}", batch.dead_letters) };
    assert_eq!(letter.reason, Reason::Decode);
    let detail = "column `tot` does not give a number of 0 or more";
    assert!(letter.detail.ends_with(detail), "{}", letter.detail);
    let told = run(&rules("{ from: tot, sign: absolute }"), Operation::Insert, None, issued());
    assert_eq!((told.len(), told.dead_letters.len()), (1, 0));
    let found = problems(&orders(&rules("{ constant: -4 }"))).join("\n");
    assert!(found.contains("the constant `-4` is not a number of 0 or more"), "{found}");
}
