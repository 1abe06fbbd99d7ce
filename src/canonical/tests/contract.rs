//! Schemas, catalogue and contract page say the same, and refuse what is not in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::canonical::schema::{SHARED, Schema};

/// A value the schema accepts.
fn sample(writer: &mut FieldWriter<'_>, field: &FieldDef) {
    let name = field.name.as_str();
    match &field.kind {
        FieldKind::Text => writer.text(name, sample_text(&field.form)),
        FieldKind::Integer => writer.integer(name, -7),
        FieldKind::Decimal => writer.decimal(name, "-12345678901234567890.125"),
        FieldKind::Quantity => writer.quantity(name, "26.4", "KGM", Some("kg")),
        FieldKind::Money => writer.money(name, "0.1", "EUR"),
        FieldKind::Date => writer.date(name, "2026-11-21"),
        FieldKind::Instant => writer.instant(name, "2026-11-21T08:00:00Z"),
        FieldKind::DateOrInstant => writer.instant(name, "2026-11-21T08:00:00.000001Z"),
        FieldKind::Bool => writer.boolean(name, true),
        FieldKind::Code(codes) => writer.code(name, &codes[0]),
        FieldKind::Reference => writer.reference(name, "purchaseorder", "17"),
        FieldKind::List(fields) => sample_list(writer, name, fields),
    }
}

fn sample_list(writer: &mut FieldWriter<'_>, name: &str, fields: &[FieldDef]) {
    let written: Result<(), Infallible> = writer.list(name, |list| {
        ["1", "2"].into_iter().try_for_each(|key| {
            list.item(key, |item| {
                for field in fields {
                    sample(item, field);
                }
                Ok(())
            })
        })
    });
    written.unwrap();
}

fn sample_text(form: &Form) -> &'static str {
    match form {
        Form::Currency => "EUR",
        Form::Country => "DE",
        Form::Unit => "C62",
        Form::Duration => "P5D",
        Form::NotNegative => "26.4",
        Form::Any | Form::OneOf(_) => "a \"text\"\n",
    }
}

#[test]
fn every_schema_is_a_schema_and_accepts_a_full_event_of_each_of_its_types() {
    for (file, text) in catalog().schema_files() {
        let document: Value = serde_json::from_str(text).unwrap();
        jsonschema::draft202012::meta::validate(&document)
            .unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    let transaction = transaction("0000000001A2B3C4");
    for event in catalog().events() {
        let axis = event.axes.first();
        let step = axis.map(|a| Transition { axis: &a.name, from: None, to: &a.states[0] });
        let extensions: &[_] = &[("colour", Some("red")), ("size", None)];
        let facts = EventFacts { transition: step, extensions, ..facts(&transaction) };
        let batch = written(&event.name, &facts, |writer| {
            event.fields.iter().for_each(|field| sample(writer, field));
        });
        assert_eq!(findings(&batch), [""; 0], "{}", event.name);
    }
}

#[test]
fn a_field_may_be_null_exactly_where_the_catalogue_says_so() {
    let transaction = transaction("0A");
    for event in catalog().events() {
        for field in &event.fields {
            let batch = written(&event.name, &facts(&transaction), |writer| {
                let required = event.fields.iter().filter(|f| f.required && f.name != field.name);
                required.for_each(|required| sample(writer, required));
                writer.null(&field.name);
            });
            assert_eq!(
                findings(&batch).is_empty(),
                field.nullable,
                "{} {}",
                event.name,
                field.name
            );
            assert!(!(field.required && field.nullable));
        }
    }
}

#[test]
fn every_event_says_what_it_is_and_every_field_what_it_means() {
    for event in catalog().events() {
        assert!(event.description.ends_with('.'), "{}", event.name);
        let silent = event.fields.iter().find(|field| !field.description.ends_with('.'));
        assert_eq!(silent, None, "{}", event.name);
        assert!(event.axes.iter().all(|axis| !axis.states.is_empty()));
    }
}

#[test]
fn the_catalogue_holds_the_events_this_version_promises() {
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for event in catalog().events() {
        assert_eq!(event.type_name, format!("erpbridge.{}.v1", event.name));
        assert_eq!(event.dataschema, format!("urn:erpbridge:schema:{}:v1", event.name));
        let entity = format!("{}.{}", event.family, event.entity);
        names.entry(entity).or_default().insert(&event.event);
    }
    let held: Vec<String> = names
        .iter()
        .map(|(entity, events)| {
            let events: Vec<&str> = events.iter().copied().collect();
            format!("{entity}: {}", events.join(" "))
        })
        .collect();
    assert_eq!(held, PROMISED);
}

const PROMISED: [&str; 29] = [
    "correlation.link: established",
    "exception.cancelledafterrelease: closed opened",
    "exception.duplicateorder: closed opened",
    "exception.latepromise: closed opened",
    "exception.negativestock: closed opened",
    "exception.overreceipt: closed opened",
    "exception.pricevariance: closed opened",
    "exception.shortreceipt: closed opened",
    "exception.unorderedreceipt: closed opened",
    "inventory.balance: changed",
    "inventory.movement: recorded reversed",
    "inventory.qualityhold: changed placed released",
    "inventory.reservation: changed created released",
    "masterdata.item: deactivated deleted upserted",
    "masterdata.location: deactivated deleted upserted",
    "masterdata.supplier: deactivated deleted upserted",
    "masterdata.supplieritem: deactivated deleted upserted",
    "masterdata.unitconversion: deactivated deleted upserted",
    "procurement.goodsreceipt: corrected posted reversed",
    "procurement.purchaseorder: approved archived cancelled changed changeordered closed created deleted held rejected released reopened submitted unheld",
    "procurement.purchaseorderline: added archived cancelled changed closedshort deleted invoiceprogressed receiptprogressed reopened",
    "procurement.requisition: approved archived cancelled changed converted created deleted rejected submitted",
    "procurement.shipmentnotice: announced arrived cancelled changed departed",
    "procurement.supplieracknowledgement: accepted acceptedwithchanges received rejected revised",
    "procurement.supplierinvoice: approved archived cancelled changed deleted matched mismatched paid received",
    "production.bom: deactivated deleted revised",
    "production.componentdemand: added changed deleted",
    "production.requirement: changed closed raised",
    "production.workorder: archived cancelled changed closed completed created deleted held progressed released reopened started unheld",
];

#[test]
fn kinds_are_read_from_the_schema() {
    let line = catalog().event("procurement.purchaseorderline.changed").unwrap();
    let kind = |name| &line.field(name).unwrap().kind;
    assert_eq!(*kind("line_no"), FieldKind::Text);
    assert_eq!(*kind("quantity"), FieldKind::Quantity);
    assert_eq!(*kind("unit_price"), FieldKind::Money);
    assert_eq!(*kind("price_basis"), FieldKind::Decimal);
    assert_eq!(*kind("promised_date"), FieldKind::Date);
    assert_eq!(
        *kind("lifecycle_status"),
        FieldKind::Code(line.axis("lifecycle").unwrap().states.clone())
    );
    assert!(line.field("order").unwrap().required);

    let order = catalog().event("procurement.purchaseorder.created").unwrap();
    let FieldKind::List(fields) = &order.field("lines").unwrap().kind else { panic!("no list") };
    assert!(fields.iter().all(|field| field.name != "key"));
    assert!(fields.iter().any(|field| field.name == "quantity" && field.required));

    let kind = |event, name| &catalog().event(event).unwrap().field(name).unwrap().kind;
    assert_eq!(*kind("procurement.purchaseorder.held", "held"), FieldKind::Bool);
    assert_eq!(*kind("procurement.purchaseorder.held", "revision"), FieldKind::Integer);
    assert_eq!(*kind("procurement.purchaseorder.held", "currency"), FieldKind::Text);
    assert_eq!(*kind("inventory.movement.recorded", "moved_at"), FieldKind::DateOrInstant);
}

#[test]
fn forms_follow_the_schema_and_an_event_knows_whether_its_row_may_be_gone() {
    let order = catalog().event("procurement.purchaseorder.created").unwrap();
    let form = |name| &order.field(name).unwrap().form;
    assert_eq!((form("currency"), form("supplier")), (&Form::Currency, &Form::Any));
    let states = &order.axis("lifecycle").unwrap().states;
    assert_eq!(form("lifecycle_status"), &Form::one_of(states));
    assert!(order.needs_after);
    assert!(!catalog().event("procurement.purchaseorder.cancelled").unwrap().needs_after);
}

#[test]
fn every_schema_file_is_embedded_under_the_name_of_its_id() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/events");
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let on_disk: BTreeSet<_> = names.filter(|name| name.ends_with(".schema.json")).collect();
    let embedded: BTreeSet<_> = catalog().schema_files().map(|(file, _)| file.to_owned()).collect();
    assert_eq!(embedded, on_disk);

    for (file, text) in catalog().schema_files() {
        let document: Value = serde_json::from_str(text).unwrap();
        let (entity, _) = file.split_once(".v1.").unwrap();
        assert_eq!(document["$id"], format!("urn:erpbridge:schema:{entity}:v1"));
    }
}

/// The definitions of a schema file as they are written, by name: each begins on a line of its
/// own, four places in.
fn definitions_as_written(text: &str) -> Vec<(String, String)> {
    let (_, definitions) = text.split_once("\n  \"$defs\": {\n").unwrap();
    let mut written: Vec<(String, String)> = Vec::new();
    for line in definitions.lines().take_while(|line| *line != "  }") {
        match line.strip_prefix("    \"").and_then(|line| line.split_once("\": ")) {
            Some((name, begun)) => written.push((name.to_owned(), begun.to_owned())),
            None => written.last_mut().unwrap().1.extend(["\n", line]),
        }
    }
    for (_, text) in &mut written {
        text.truncate(text.trim_end_matches(',').len());
    }
    written
}

#[test]
fn definitions_shared_by_schemas_are_the_same_to_the_byte() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (file, text) in catalog().schema_files() {
        let written = definitions_as_written(text);
        let document: Value = serde_json::from_str(text).unwrap();
        assert_eq!(written.len(), document["$defs"].as_object().unwrap().len(), "{file}");
        for (name, definition) in written {
            if Schema::is_shared(&name) {
                let first = known.entry(name.clone()).or_insert_with(|| definition.clone());
                assert_eq!(*first, definition, "{file} {name}");
            }
        }
    }
    assert_eq!(known.len(), SHARED.len(), "{:?}", known.keys());
}

#[test]
fn every_state_is_reached_and_every_step_leads_to_a_state() {
    for event in catalog().events() {
        for axis in &event.axes {
            assert_eq!(axis.steps.len(), axis.states.len());
            let first = &axis.states[0];
            let reached: BTreeSet<&String> = axis.steps.iter().flatten().collect();
            assert!(reached.iter().all(|state| axis.states.contains(state)), "{}", event.name);
            let unreached = axis.states.iter().find(|s| *s != first && !reached.contains(s));
            assert_eq!(unreached, None, "{} {}", event.name, axis.name);
            for (state, next) in axis.states.iter().zip(&axis.steps) {
                assert!(!next.is_empty() && !next.contains(state), "{} {state}", event.name);
            }
        }
    }
    let order = catalog().event("procurement.purchaseorder.closed").unwrap();
    let lifecycle = order.axis("lifecycle").unwrap();
    let closed = lifecycle.states.iter().position(|state| state == "closed").unwrap();
    assert_eq!(lifecycle.steps[closed], ["released"], "a closed order can be opened again");
}

#[test]
fn a_delete_that_carries_only_the_key_is_an_event() {
    let transaction = transaction("0A");
    let deleted = EventFacts {
        operation: Operation::Delete,
        number: None,
        changed: &[],
        codes: &[],
        ..facts(&transaction)
    };
    let batch = written("procurement.purchaseorderline.deleted", &deleted, |_| {});
    assert_eq!(findings(&batch), [""; 0]);
    let data: Value = serde_json::from_slice(&only(&batch).payload()).unwrap();
    assert_eq!((data.get("after"), &data["before"]), (None, &serde_json::json!({})));

    let batch = written("procurement.purchaseorderline.added", &deleted, |_| {});
    assert_eq!(findings(&batch).len(), 1, "what was added must be there");
}

#[test]
fn the_schema_refuses_what_is_not_in_the_contract_without_repeating_values() {
    let transaction = transaction("0A");
    let facts = facts(&transaction);
    let refused = |fields: fn(&mut FieldWriter<'_>)| {
        let batch = written("procurement.purchaseorderline.added", &facts, fields);
        let findings = findings(&batch).join("\n");
        assert!(!findings.contains("secret"), "{findings}");
        !findings.is_empty()
    };
    assert!(refused(|_| {}), "required fields are missing");
    assert!(refused(|line| {
        line.text("order", "1");
        line.quantity("quantity", "1", "C62", None);
        line.text("prommised_date", "2026-01-01");
    }));
    assert!(refused(|line| {
        line.text("order", "1");
        line.quantity("quantity", "1e5secret", "C62", None);
    }));
    assert!(refused(|line| {
        line.text("order", "1");
        line.integer("quantity", 1);
    }));
    assert!(refused(|line| {
        line.text("order", "1");
        line.quantity("quantity", "1", "C62", None);
        line.code("lifecycle_status", "secret");
    }));
    assert!(catalog().validate("erpbridge.procurement.nothing.v1", b"{}").is_err());
    assert!(catalog().validate("erpbridge.masterdata.item.upserted.v1", b"{").is_err());
}

#[test]
fn the_contract_page_names_every_header() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let headers = [
        header::SPECVERSION,
        header::ID,
        header::SOURCE,
        header::TYPE,
        header::SUBJECT,
        header::TIME,
        header::DATASCHEMA,
        header::DATACONTENTTYPE,
        header::SEQUENCE,
        header::IDEMPOTENCY_KEY,
        header::CORRELATION_ID,
        header::CAUSATION_ID,
        header::MAPPING_VERSION,
        header::SNAPSHOT,
        header::EFFECTIVE_TIME,
        header::EFFECTIVE_PRECISION,
        header::MSG_ID,
        header::POSITION,
        header::EPOCH,
        header::TRANSACTION_LAST,
    ];
    for name in headers {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
