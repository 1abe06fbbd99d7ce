//! Files of cases: run, compared, rewritten.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{FULL, convert, orders};
use crate::canonical::EventBatch;
use crate::mapping::cases::{self, Difference};

const CASES: &str = "\
# Kept as it is.
tables:
  erp.po:
    key: [id]
    columns:
      { id: integer, co: text, pl: text, kind: text, no: text, st: text, su: text, cur: text,
        tot: decimal, due: integer, hold: text, touched: timestamp, weight: float64 }
cases:
  - name: a new order is created
    transactions:
      - - insert: erp.po
          row: { id: 7, co: '01', pl: M30, kind: OP, st: D, su: S1, tot: 1.50, cur: EUR, hold: N }
    expect:
      - event: procurement.purchaseorder.created
        subject: erp.case.acme.m30.procurement.purchaseorder.created
        headers: { ce-subject: purchaseorder/7 }
        data: { entity: { key: '7' }, after: { held: false, total: { value: 1.50 } } }

  # A comment between cases.
  - name: an unknown state is a dead letter
    transactions:
      - - update: erp.po
          row: { id: 7, co: '01', pl: M30, kind: OP, st: D, su: S1, hold: N }
          set: { st: Z }
    dead_letters:
      - { rule: purchaseorder-released-orders, reason: unknown_code }
";

fn directory(cases: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mapping.yaml"), orders(FULL)).unwrap();
    let file = directory.path().join("orders.cases.yaml");
    fs::write(&file, cases).unwrap();
    (directory, file)
}

fn play(play: &cases::Play<'_>) -> EventBatch {
    convert(&play.changes, play.mapping, cases::SOURCE)
}

fn run(text: &str) -> Vec<cases::CaseResult> {
    let (_directory, file) = directory(text);
    cases::run(&file, play).unwrap()
}

const CHANGED: &str = "\
tables:
  erp.po:
    key: [id]
    columns: { id: integer, co: text, pl: text, kind: text, no: text, st: text, su: text, cur: text,
      tot: decimal, due: integer, hold: text, touched: timestamp, weight: float64 }
cases:
  - name: two fields change
    transactions:
      - - update: erp.po
          row: { id: 7, co: '01', pl: M30, kind: OP, st: D, su: S1, tot: 1.50, cur: EUR, hold: N }
          set: { su: S2, tot: 2 }
    expect:
      - event: procurement.purchaseorder.changed
        data: { changed: ['total', supplier], after: { supplier: S2 } }
";

#[test]
fn what_changed_is_compared_without_its_order_and_both_sides_are_quoted_alike() {
    let [result] = run(CHANGED).try_into().unwrap();
    assert!(result.passed(), "{:?}", result.differences);
    let wrong =
        CHANGED.replace("['total', supplier]", "['total', held]").replace("S2 } }", "S3 } }");
    let [result] = run(&wrong).try_into().unwrap();
    let told = result.differences.iter().map(|difference| match difference {
        Difference::Other { path, expected, got, .. } => format!("{path} {expected} {got}"),
        other => format!("{other:?}"),
    });
    let told: Vec<String> = told.collect();
    let expected =
        ["data.changed [held, total] [supplier, total]", "data.after.supplier \"S3\" \"S2\""];
    assert_eq!(told, expected);
}

#[test]
fn cases_that_hold_pass() {
    for result in run(CASES) {
        assert_eq!(result.differences, [], "{}", result.name);
    }
}

#[test]
fn differences_name_the_event_the_path_and_both_values() {
    let wrong = CASES
        .replace("value: 1.50 }", "value: '1.5' }")
        .replace("ce-subject: purchaseorder/7", "ce-subject: purchaseorder/8")
        .replace("reason: unknown_code", "reason: decode");
    let results = run(&wrong);
    let of = "event 1, procurement.purchaseorder.created";
    let differs = |path: &str, expected: &str, got: &str| Difference::Other {
        of: of.to_owned(),
        path: path.to_owned(),
        expected: expected.to_owned(),
        got: got.to_owned(),
    };
    assert_eq!(
        results[0].differences,
        [
            differs("ce-subject", "purchaseorder/8", "purchaseorder/7"),
            differs("data.after.total.value", "\"1.5\"", "\"1.50\""),
        ]
    );
    let reason = |difference: &Difference| {
        matches!(difference, Difference::Other { of, path, expected, .. }
            if (of.as_str(), path.as_str(), expected.as_str()) == ("dead letter 1", "reason", "decode"))
    };
    assert!(reason(&results[1].differences[0]), "{:?}", results[1].differences);
}

#[test]
fn events_too_many_and_too_few_are_differences() {
    let (head, second) = CASES.split_once("    expect:").unwrap();
    let (_, tail) = second.split_once("\n\n").unwrap();
    let results = run(&format!("{head}\n{tail}    expect: [{{ event: x }}]\n"));
    let Difference::Surplus { of, lines } = &results[0].differences[0] else { panic!() };
    assert_eq!(of, "event 1, procurement.purchaseorder.created");
    assert!(lines[0].starts_with("subject: erp.case.acme"), "{lines:?}");
    assert_eq!(results[1].differences[0], Difference::Missing("event 1, x".to_owned()));
}

#[test]
fn an_update_rewrites_expectations_and_nothing_else() {
    let wrong = CASES.replace("held: false", "held: true").replace(
        "      - { rule: purchaseorder-released-orders, reason: unknown_code }",
        "      []",
    );
    let (_directory, file) = directory(&wrong);
    let text = cases::update(&file, play).unwrap();
    for part in [
        "# Kept as it is.\n",
        "      ce-subject: purchaseorder/7\n",
        "          held: false\n",
        "          total: { currency: EUR, value: 1.50 }\n",
        "\n  # A comment between cases.\n",
        "    dead_letters:\n      - { rule: purchaseorder-released-orders, reason: unknown_code }\n",
    ] {
        assert!(text.contains(part), "{part}\n\n{text}");
    }
    for result in run(&text) {
        assert_eq!(result.differences, [], "{text}");
    }
    let (_directory, file) = directory(&text);
    let again = cases::update(&file, play).unwrap();
    assert_eq!(text, again, "an update of what holds changes nothing");
}

#[test]
fn a_case_that_cannot_run_is_a_finding() {
    let wrong =
        CASES.replace("su: S1, tot", "sux: S1, tot").replace("update: erp.po", "update: po");
    let (_directory, file) = directory(&wrong);
    let findings = cases::run(&file, play);
    let problems: Vec<String> = findings.unwrap_err().into_iter().map(|f| f.problem).collect();
    assert_eq!(problems, ["table `erp.po` has no column `sux`", "there is no table `po` here"]);
}

#[test]
fn cases_are_found_in_directories_and_below() {
    let (directory, file) = directory(CASES);
    assert_eq!(cases::files(&[directory.path().to_owned()]).unwrap(), std::slice::from_ref(&file));
    let above = directory.path().parent().unwrap().join(directory.path().file_name().unwrap());
    assert_eq!(cases::files(&[above, file.clone()]).unwrap().len(), 2);
}
