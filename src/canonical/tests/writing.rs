//! What is written into a batch, and what its headers promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[test]
fn an_event_is_written_with_all_its_promises() {
    let transaction = transaction("0000000001A2B3C4");
    let step = Transition { axis: "lifecycle", from: Some("approved"), to: "released" };
    let facts = EventFacts {
        transition: Some(step),
        entity_key: "17 %ü",
        effective: Some(("2026-11-20", Precision::Day)),
        aliases: &["PROV 1", "A\"1"],
        correlation: Some("requisition/é 4"),
        causation: Some("requisition/5"),
        replica: true,
        ..facts(&transaction)
    };
    let batch = written("procurement.purchaseorder.released", &facts, released);
    let message = only(&batch);

    assert_eq!(message.subject(), "erp.erp1.c1.m30.procurement.purchaseorder.released");
    let headers: BTreeMap<_, _> = message.headers().collect();
    let key = headers[header::IDEMPOTENCY_KEY];
    assert_eq!(key.rsplit_once(':').unwrap().0, "purchaseorder:c1:17%20%25%C3%BC:released");
    assert_eq!(key.rsplit_once(':').unwrap().1.len(), 16);
    let expected = [
        (header::SPECVERSION, "1.0"),
        (header::ID, "erp1:0000000001A2B3C4:3:rule-1"),
        (header::SOURCE, "/erp/erp1/c1"),
        (header::TYPE, "erpbridge.procurement.purchaseorder.released.v1"),
        (header::SUBJECT, "purchaseorder/17%20%25%C3%BC"),
        (header::TIME, "2026-03-20T09:46:40.000007Z"),
        (header::DATASCHEMA, "urn:erpbridge:schema:procurement.purchaseorder.released:v1"),
        (header::DATACONTENTTYPE, "application/json"),
        (header::SEQUENCE, "0000000001A2B3C4-0000000003-000"),
        (header::IDEMPOTENCY_KEY, key),
        (header::CORRELATION_ID, "requisition/%C3%A9%204"),
        (header::CAUSATION_ID, "requisition/5"),
        (header::MAPPING_VERSION, "demo@0123456789ab"),
        (header::EFFECTIVE_TIME, "2026-11-20"),
        (header::EFFECTIVE_PRECISION, "day"),
        (header::MSG_ID, "erp1:0000000001A2B3C4:3:rule-1"),
    ];
    assert_eq!(headers, BTreeMap::from(expected));
    assert_eq!(
        std::str::from_utf8(&message.payload()).unwrap(),
        concat!(
            r#"{"entity":{"key":"17 %ü","number":"PO-1","aliases":["PROV 1","A\"1"]},"#,
            r#""company":"c1","plant":"m30","#,
            r#""after":{"supplier":"5","lifecycle_status":"released"},"#,
            r#""transition":{"axis":"lifecycle","from":"approved","to":"released"},"#,
            r#""changed":["lifecycle_status"],"authority":"replica","#,
            r#""revision":"0000000001A2B3C4-0000000003-000","source":{"table":"public.purchase","#,
            r#""operation":"update","transaction":"4711","#,
            r#""committed_at":"2026-03-20T09:46:40.000007Z","codes":{"state":"processing"}}}"#,
        )
    );
    assert_eq!(findings(&batch), [""; 0]);
}

#[test]
fn an_unknown_plant_is_an_underscore_in_the_subject_and_null_in_the_data() {
    let transaction = transaction("0A");
    let facts = EventFacts { plant: None, number: None, ..facts(&transaction) };
    let batch = written("procurement.purchaseorder.released", &facts, released);
    assert_eq!(only(&batch).subject(), "erp.erp1.c1._.procurement.purchaseorder.released");
    let data: Value = serde_json::from_slice(&only(&batch).payload()).unwrap();
    assert_eq!((&data["plant"], &data["entity"]["number"]), (&Value::Null, &Value::Null));
    assert_eq!(findings(&batch), [""; 0]);
}

#[test]
fn an_event_without_known_ancestors_is_its_own_root_and_speaks_for_itself() {
    let transaction = transaction("0A");
    let batch = written("procurement.purchaseorder.released", &facts(&transaction), released);
    let message = only(&batch);
    assert_eq!(message.header(header::CORRELATION_ID), Some("purchaseorder/17"));
    assert_eq!(message.header(header::CORRELATION_ID), message.header(header::SUBJECT));
    assert_eq!(message.header(header::CAUSATION_ID), None);
    let data: Value = serde_json::from_slice(&message.payload()).unwrap();
    assert_eq!((data.get("authority"), data["entity"].get("aliases")), (None, None));
    assert_eq!(data["revision"].as_str(), message.header(header::SEQUENCE));
}

#[test]
fn a_list_holds_its_items_in_the_order_they_are_written_and_may_be_empty() {
    let transaction = transaction("0A");
    let line = |list: &mut ListWriter<'_>, key, value| {
        list.item(key, |line| {
            line.quantity("quantity", value, "C62", None);
            Ok::<_, Infallible>(())
        })
    };
    let order = |keys: &'static [&'static str]| {
        written("procurement.purchaseorder.created", &facts(&transaction), move |order| {
            released(order);
            order
                .list("lines", |list| keys.iter().try_for_each(|key| line(list, key, "1")))
                .unwrap();
        })
    };
    for keys in [&["1", "2"][..], &[]] {
        let batch = order(keys);
        assert_eq!(findings(&batch), [""; 0]);
        let data: Value = serde_json::from_slice(&only(&batch).payload()).unwrap();
        let lines = data["after"]["lines"].as_array().unwrap();
        let written: Vec<_> = lines.iter().map(|line| line["key"].as_str().unwrap()).collect();
        assert_eq!(written, keys);
    }
}

#[test]
fn a_list_whose_item_fails_fails_the_event() {
    let transaction = transaction("0A");
    let mut batch = EventBatch::new();
    let template = template("procurement.purchaseorder.created");
    let failed = write_event(&mut batch, &template, &facts(&transaction), |order| {
        order.list("lines", |list| list.item("1", |_| Err("no quantity")))
    });
    assert_eq!(failed, Err("no quantity"));
    assert_eq!((batch.len(), batch.bytes()), (0, 0));
}

#[test]
fn a_snapshot_event_says_so_and_no_other_does() {
    let transaction = transaction("0A");
    let snapshot = |operation| {
        let facts = EventFacts { operation, ..facts(&transaction) };
        let batch = written("procurement.purchaseorder.changed", &facts, released);
        only(&batch).header(header::SNAPSHOT).map(str::to_owned)
    };
    assert_eq!(snapshot(Operation::Read).as_deref(), Some("true"));
    assert_eq!(snapshot(Operation::Insert), None);
}

#[test]
fn an_event_whose_fields_fail_leaves_no_trace() {
    let transaction = transaction("0A");
    let facts = facts(&transaction);
    let template = template("procurement.purchaseorder.released");
    let mut batch = EventBatch::new();
    write_event(&mut batch, &template, &facts, |fields| {
        released(fields);
        Ok::<_, &str>(())
    })
    .unwrap();
    let before = batch.bytes();

    let failed = write_event(&mut batch, &template, &facts, |fields| {
        fields.text("supplier", "6");
        Err("no currency")
    });
    assert_eq!(failed, Err("no currency"));
    assert_eq!((batch.len(), batch.bytes()), (1, before));
    assert_eq!(findings(&batch.freeze()), [""; 0]);
}

#[test]
fn the_id_of_an_event_that_could_not_be_written_is_the_id_it_would_have_had() {
    let transaction = transaction("0A");
    let def = catalog().event("masterdata.item.upserted").unwrap();
    let template = EventTemplate::new(def, "erp1", "règle 1", "demo@1");
    let mut batch = EventBatch::new();
    write_event(&mut batch, &template, &facts(&transaction), |_| Ok::<_, Infallible>(())).unwrap();
    let id = template.id(&transaction, 3);
    assert_eq!(id, "erp1:0A:3:r%C3%A8gle%201");
    assert_eq!(only(&batch.freeze()).header(header::MSG_ID), Some(id.as_str()));
}

fn idempotency_key(facts: &EventFacts<'_>, fields: impl FnOnce(&mut FieldWriter<'_>)) -> String {
    let batch = written("procurement.purchaseorder.released", facts, fields);
    only(&batch).header(header::IDEMPOTENCY_KEY).unwrap().to_owned()
}

#[test]
fn the_same_fact_found_again_by_a_snapshot_has_the_same_idempotency_key() {
    let (first, later) = (transaction("0A"), Transaction { snapshot: true, ..transaction("FF") });
    let step = |from| Some(Transition { axis: "lifecycle", from, to: "released" });
    let seen = EventFacts { transition: step(Some("approved")), ..facts(&first) };
    let again = EventFacts {
        transition: step(None),
        operation: Operation::Read,
        ordinal: 99,
        table: "public.purchase_copy",
        changed: &[],
        codes: &[],
        ..facts(&later)
    };
    assert_eq!(idempotency_key(&seen, released), idempotency_key(&again, released));
}

#[test]
fn another_fact_has_another_idempotency_key() {
    let transaction = transaction("0A");
    let facts = facts(&transaction);
    let step = |to| Some(Transition { axis: "lifecycle", from: None, to });
    let day = |day| Some((day, Precision::Day));
    let keys: BTreeSet<String> = [
        idempotency_key(&facts, released),
        idempotency_key(&facts, |order| order.text("supplier", "5")),
        idempotency_key(&facts, |order| order.text("supplier", "6")),
        idempotency_key(&EventFacts { number: None, ..facts }, released),
        idempotency_key(&EventFacts { number: Some("PO-2"), ..facts }, released),
        idempotency_key(&EventFacts { plant: None, ..facts }, released),
        idempotency_key(&EventFacts { extensions: &[("x", None)], ..facts }, released),
        idempotency_key(&EventFacts { transition: step("released"), ..facts }, released),
        idempotency_key(&EventFacts { transition: step("closed"), ..facts }, released),
        idempotency_key(&EventFacts { effective: day("2026-01-01"), ..facts }, released),
        idempotency_key(&EventFacts { effective: day("2026-01-02"), ..facts }, released),
        idempotency_key(&EventFacts { operation: Operation::Delete, ..facts }, released),
    ]
    .into();
    assert_eq!(keys.len(), 12);
}

proptest! {
    #[test]
    fn any_text_of_the_source_reads_back_from_the_data(
        key in any::<String>(),
        number in any::<Option<String>>(),
        code in any::<Option<String>>(),
        value in any::<String>(),
    ) {
        let transaction = transaction("0A");
        let codes = [("state", code.as_deref())];
        let number = number.as_deref();
        let facts = EventFacts { entity_key: &key, number, codes: &codes, ..facts(&transaction) };
        let batch = written("masterdata.item.upserted", &facts, |w| w.text("description", &value));
        let message = only(&batch);
        let data: Value = serde_json::from_slice(&message.payload()).unwrap();
        prop_assert_eq!(data["entity"]["key"].as_str(), Some(key.as_str()));
        prop_assert_eq!(data["entity"]["number"].as_str(), number);
        prop_assert_eq!(data["source"]["codes"]["state"].as_str(), code.as_deref());
        prop_assert_eq!(data["after"]["description"].as_str(), Some(value.as_str()));
        prop_assert!(message.headers().all(|(_, value)| value.bytes().all(|b| b.is_ascii_graphic())));
    }
}

#[test]
fn a_batch_with_the_room_of_a_former_one_starts_empty_and_reads_back_alike() {
    let transaction = transaction("0A");
    let facts = facts(&transaction);
    let former = written("procurement.purchaseorder.released", &facts, released);
    let mut batch = EventBatch::sized_like(&former);
    assert!(batch.is_empty() && batch.bytes() == 0 && batch.settled().is_empty());
    write_event(&mut batch, &template("procurement.purchaseorder.released"), &facts, |fields| {
        released(fields);
        Ok::<_, Infallible>(())
    })
    .unwrap();
    let batch = batch.freeze();
    assert_eq!(only(&batch).payload(), only(&former).payload());
    assert!(only(&batch).headers().eq(only(&former).headers()));
}
