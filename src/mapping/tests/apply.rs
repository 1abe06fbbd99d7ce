//! Changes in, events and dead letters out.

use std::sync::Arc;

use erpbridge_connector::{Operation, ReplicaIdentity, TableName, TableSchema};
use serde_json::{Value as Json, json};

use super::{FULL, ROW, orders, run, schema, with};
use crate::canonical::{FrozenBatch, header};
use crate::deadletter::{DeadLetter, Reason};
use crate::mapping::Mapping;

fn data(batch: &FrozenBatch, index: usize) -> Json {
    serde_json::from_slice(&batch.messages().nth(index).unwrap().payload()).unwrap()
}

fn subjects(batch: &FrozenBatch) -> Vec<String> {
    let last = |subject: &str| subject.rsplit('.').next().unwrap_or_default().to_owned();
    batch.messages().map(|message| last(message.subject())).collect()
}

fn only_letter(batch: &FrozenBatch) -> &DeadLetter {
    let [letter] = batch.dead_letters.as_slice() else { panic!("{:?}", batch.dead_letters) };
    letter
}

#[test]
fn a_new_row_becomes_its_event() {
    let batch = run(FULL, Operation::Insert, None, Some(ROW));
    assert_eq!(subjects(&batch), ["created"]);
    let message = batch.messages().next().unwrap();
    assert_eq!(message.subject(), "erp.erp1.acme.m30.procurement.purchaseorder.created");
    assert_eq!(
        message.header(header::ID),
        Some("erp1:0000000000000001:1:purchaseorder-created-orders")
    );
    let version = message.header(header::MAPPING_VERSION).unwrap();
    assert!(version.starts_with("shop@") && version.len() == 21, "{version}");
    let data = data(&batch, 0);
    assert_eq!(data["entity"], json!({ "key": "7", "number": null }));
    assert_eq!(
        data["after"],
        json!({
            "supplier": "01/S1",
            "required_date": "2026-11-21",
            "total": { "value": "10.50", "currency": "EUR" },
            "held": false,
            "lifecycle_status": "draft",
        })
    );
    assert_eq!(data["source"]["codes"], json!({ "st": "D" }));
    let changed = json!([
        "number",
        "plant",
        "supplier",
        "required_date",
        "total",
        "held",
        "lifecycle_status"
    ]);
    assert_eq!(data["changed"], changed);
}

#[test]
fn a_snapshot_row_fires_only_rules_that_say_so() {
    let batch = run(FULL, Operation::Read, None, Some(with(&[(5, "R")])));
    assert_eq!(subjects(&batch), ["created"]);
    assert_eq!(batch.messages().next().unwrap().header(header::SNAPSHOT), Some("true"));
}

#[test]
fn an_update_fires_where_its_columns_changed() {
    let batch = run(FULL, Operation::Update, Some(ROW), Some(with(&[(8, "11.00")])));
    assert_eq!(subjects(&batch), ["changed"]);
    assert_eq!(data(&batch, 0)["changed"], json!(["total"]));
    let batch = run(FULL, Operation::Update, Some(ROW), Some(with(&[(10, "Y")])));
    assert!(batch.is_empty());
}

#[test]
fn a_padded_code_that_only_lost_its_blanks_is_no_change() {
    let batch = run(FULL, Operation::Update, Some(ROW), Some(with(&[(6, "S1")])));
    assert!(batch.is_empty());
}

#[test]
fn a_transition_fires_between_canonical_states() {
    let released = with(&[(5, "R"), (4, "PO-1")]);
    let batch = run(FULL, Operation::Update, Some(ROW), Some(released));
    assert_eq!(subjects(&batch), ["released"]);
    let data = data(&batch, 0);
    assert_eq!(
        data["transition"],
        json!({ "axis": "lifecycle", "from": "draft", "to": "released" })
    );
    assert_eq!(data["entity"]["number"], "PO-1");
    let message = batch.messages().next().unwrap();
    assert_eq!(message.header(header::EFFECTIVE_TIME), Some("2026-11-21"));
    assert_eq!(message.header(header::EFFECTIVE_PRECISION), Some("day"));
}

#[test]
fn a_row_born_in_a_state_came_from_none() {
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(5, "R"), (4, "PO-1")])));
    assert_eq!(subjects(&batch), ["created", "released"]);
    assert_eq!(data(&batch, 1)["transition"]["from"], Json::Null);
    let sequences: Vec<_> = batch.messages().map(|m| m.header(header::SEQUENCE).unwrap()).collect();
    assert!(sequences[0] < sequences[1]);
}

#[test]
fn a_transition_with_from_needs_that_state_before() {
    let batch = run(FULL, Operation::Update, Some(ROW), Some(with(&[(5, "C")])));
    assert!(batch.is_empty(), "draft to closed is not released to closed");
    let batch = run(FULL, Operation::Update, Some(with(&[(5, "R")])), Some(with(&[(5, "C")])));
    assert_eq!(subjects(&batch), ["closed"]);
}

#[test]
fn a_row_that_moves_through_the_filter_comes_and_goes() {
    let other = with(&[(3, "SO")]);
    let batch = run(FULL, Operation::Update, Some(other), Some(ROW));
    assert_eq!(subjects(&batch), ["created"]);
    assert_eq!(data(&batch, 0)["source"]["operation"], "insert");
    let batch = run(FULL, Operation::Update, Some(ROW), Some(other));
    assert_eq!(subjects(&batch), ["deleted"]);
    assert!(data(&batch, 0)["before"].is_object());
    assert!(run(FULL, Operation::Update, Some(other), Some(other)).is_empty());
    assert!(run(FULL, Operation::Insert, None, Some(other)).is_empty());
}

#[test]
fn a_delete_tells_what_was_there() {
    let batch = run(FULL, Operation::Delete, Some(with(&[(4, "PO-1")])), None);
    assert_eq!(subjects(&batch), ["deleted"]);
    let data = data(&batch, 0);
    assert_eq!(data["entity"], json!({ "key": "7", "number": "PO-1" }));
    assert_eq!(data["changed"], json!([]));
}

#[test]
fn an_unknown_code_is_a_dead_letter_and_other_rules_go_on() {
    let batch = run(FULL, Operation::Update, Some(ROW), Some(with(&[(5, "Z"), (8, "1.00")])));
    assert_eq!(subjects(&batch), ["changed"]);
    let letter = only_letter(&batch);
    assert_eq!(letter.reason, Reason::UnknownCode);
    assert_eq!(letter.id, "erp1:0000000000000001:1:purchaseorder-released-orders");
    let detail = "rule `purchaseorder-released-orders` on `erp.po`: column `st` holds a code that \
                  code table `lifecycle` does not know";
    assert_eq!(letter.detail, detail);
    assert_eq!(letter.row["operation"], "update");
    assert_eq!(letter.row["after"]["st"], "Z");
    assert_eq!(letter.row["after"]["no"], Json::Null);
}

#[test]
fn a_missing_required_value_is_a_dead_letter_never_a_null() {
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(5, "R"), (6, "   ")])));
    let found = batch.dead_letters.iter().map(|letter| (letter.rule.as_deref(), letter.reason));
    let expected = ["purchaseorder-created-orders", "purchaseorder-released-orders"];
    let expected = expected.map(|rule| (Some(rule), Reason::MissingRequired));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert!(batch.is_empty());
}

#[test]
fn a_text_its_codec_does_not_read_is_a_dead_letter() {
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(9, "126399")])));
    assert_eq!(only_letter(&batch).reason, Reason::Decode);
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(7, "Euro")])));
    assert_eq!(only_letter(&batch).reason, Reason::Decode);
    assert!(batch.is_empty());
}

#[test]
fn a_cell_the_log_did_not_carry_is_a_dead_letter() {
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(8, "?")])));
    assert_eq!(only_letter(&batch).reason, Reason::AbsentValue);
    assert_eq!(only_letter(&batch).row["after"].get("tot"), None);
}

#[test]
fn a_company_without_an_alias_is_a_dead_letter() {
    let batch = run(FULL, Operation::Insert, None, Some(with(&[(1, "09")])));
    assert_eq!(only_letter(&batch).reason, Reason::UnknownCode);
}

#[test]
fn a_sentinel_is_null_and_a_float_is_rounded() {
    let rules = "
  - emit: procurement.purchaseorderline.added
    on: orders
    when: inserted
    fields:
      order: { key: [id] }
      line_no: { constant: '1' }
      item: no
      quantity: { value: { from: weight, float: { scale: 2 } }, unit: { constant: KGM } }
      required_date: due
  - { emit: procurement.purchaseorderline.deleted, on: orders, when: deleted }
";
    let row = with(&[(9, "0"), (4, "I-1"), (12, "0.30000000000000004")]);
    let batch = run(rules, Operation::Insert, None, Some(row));
    let after = &data(&batch, 0)["after"];
    assert_eq!(after["quantity"], json!({ "value": "0.3", "unit": "KGM" }));
    assert_eq!(after["required_date"], Json::Null);
}

#[test]
fn an_ignored_column_is_not_compared() {
    let text = orders(FULL);
    let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
    let plan = mapping.bind("erp1", &schema(ReplicaIdentity::Full), &[]).unwrap().unwrap();
    assert_eq!(plan.key(), [0]);
    assert!(plan.compares(8));
    assert!(!plan.compares(11));
}

#[test]
fn the_selection_is_the_tables_with_events() {
    let text = orders(FULL);
    let mapping = Mapping::from_texts(&[("m.yaml", &text)]).unwrap();
    let selection = mapping.selection(&[]);
    assert!(selection.wants(&TableName::new("erp", "po")));
    assert!(!selection.wants(&TableName::new("erp", "other")));
    assert_eq!(selection.named(), [TableName::new("erp", "po")]);
    let other = TableSchema {
        name: TableName::new("erp", "other"),
        ..(*schema(ReplicaIdentity::Full)).clone()
    };
    assert!(mapping.bind("erp1", &Arc::new(other), &[]).unwrap().is_none());
    assert_eq!(mapping.event_types().len(), 5);
}

#[test]
fn the_version_depends_on_the_content_alone() {
    let version = |texts: &[(&str, &str)]| {
        let mapping = Mapping::from_texts(texts).unwrap();
        mapping.versions().next().unwrap().to_owned()
    };
    let text = orders(FULL);
    let (head, events) = text.split_once("events:").unwrap();
    let events = format!("mapping: shop\nevents:{events}");
    let one = version(&[("a.yaml", head), ("b.yaml", &events)]);
    assert_eq!(one, version(&[("y.yaml", &events), ("x.yaml", head)]));
    assert_ne!(one, version(&[("a.yaml", head), ("b.yaml", &format!("{events}\n# x"))]));
}
