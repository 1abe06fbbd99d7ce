//! A full event of every type, written by what writes the real ones.

use std::convert::Infallible;

use erpbridge::canonical::{
    EventBatch, EventDef, EventFacts, EventTemplate, FieldDef, FieldKind, FieldWriter, Form,
    Precision, Transition, catalog, header, write_event,
};
use erpbridge_connector::{Operation, Position, Sequence, Timestamp, Transaction};

use super::placed;

/// An event as it lies in the stream.
pub(crate) struct Sample {
    pub(crate) subject: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Vec<u8>,
}

/// An event of this type with the fields a source can be expected to know.
pub(crate) fn sample(event: &EventDef) -> Sample {
    let transaction = transaction();
    let new = event.needs_after && event.event != "changed";
    let transition = transition(event);
    let fields = event.fields.iter().filter(|field| is_known(field));
    let mut changed: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    changed.retain(|name| new || (transition.is_some() && *name == "lifecycle_status"));
    let (key, number) = identity(&event.entity);
    let facts = EventFacts {
        company: "main",
        plant: Some("m30"),
        entity_key: key,
        number,
        aliases: &[],
        correlation: descends(event).then_some("requisition/42"),
        causation: descends(event).then(|| parent(event)),
        replica: false,
        transaction: &transaction,
        ordinal: 3,
        late: None,
        index: 0,
        operation: if new { Operation::Insert } else { Operation::Update },
        table: "erp.document",
        changed: &changed,
        transition,
        codes: if transition.is_some() { &[("status", Some("280"))] } else { &[] },
        extensions: &[],
        effective: Some(("2026-03-20", Precision::Day)),
    };
    taken(event, &facts)
}

/// The event as it comes out of a batch, without what NATS alone reads.
fn taken(event: &EventDef, facts: &EventFacts<'_>) -> Sample {
    let template = EventTemplate::new(event, "erp1", "rule", "shop@0123456789ab");
    let mut batch = EventBatch::new();
    let state = facts.transition.map_or("", |transition| transition.to);
    let written: Result<(), Infallible> = write_event(&mut batch, &template, facts, |writer| {
        let schema = catalog().schema_text(&event.name).unwrap_or_default();
        let fields = placed(&event.fields, schema, "fields");
        for field in fields {
            write(writer, field, state);
        }
        Ok(())
    });
    let Ok(()) = written;
    let batch = batch.freeze();
    let message = batch.messages().next().expect("one event was written");
    let headers = message.headers().filter(|(name, _)| *name != header::MSG_ID);
    Sample {
        subject: message.subject().to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        payload: message.payload().to_vec(),
    }
}

fn transaction() -> Transaction {
    Transaction {
        id: "4242".into(),
        sequence: Sequence::new("0000000001A2B3C4"),
        committed_at: Timestamp::from_micros(1_774_000_000_000_007),
        resume: Position::new("0/1A2B3C4"),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

/// The step an event is named after.
fn transition(event: &EventDef) -> Option<Transition<'_>> {
    let axis = event.axes.first()?;
    let to = axis.states.iter().find(|state| **state == event.event)?;
    let from = axis.states.iter().zip(&axis.steps).find(|(_, next)| next.contains(to));
    Some(Transition { axis: &axis.name, from: from.map(|(state, _)| state.as_str()), to })
}

fn identity(entity: &str) -> (&'static str, Option<&'static str>) {
    match entity {
        "purchaseorder" => ("4711", Some("PO-2026-0815")),
        "purchaseorderline" => ("4711-10", None),
        "requisition" => ("42", Some("REQ-2026-0042")),
        "item" => ("81723", Some("AX-100")),
        "supplier" => ("70012", Some("S-70012")),
        "workorder" => ("9001", None),
        _ => ("1", None),
    }
}

/// Whether it comes from a requisition.
fn descends(event: &EventDef) -> bool {
    event.family == "procurement" && event.entity != "requisition"
}

fn parent(event: &EventDef) -> &'static str {
    match event.field("order_line") {
        Some(_) => "purchaseorderline/4711-10",
        None => "requisition/42",
    }
}

fn write(writer: &mut FieldWriter<'_>, field: &FieldDef, state: &str) {
    let name = field.name.as_str();
    match &field.kind {
        FieldKind::Text if !is_known(field) => {}
        FieldKind::Text => writer.text(name, text(name, &field.form).unwrap_or("1")),
        FieldKind::Integer => writer.integer(name, 1),
        FieldKind::Decimal => writer.decimal(name, decimal(name)),
        FieldKind::Quantity => writer.quantity(name, quantity(name), "C62", Some("PC")),
        FieldKind::Money => writer.money(name, money(name), "EUR"),
        FieldKind::Date | FieldKind::DateOrInstant => writer.date(name, date(name)),
        FieldKind::Instant => writer.instant(name, "2026-03-20T09:46:40Z"),
        FieldKind::Bool => writer.boolean(name, matches!(name, "active" | "stocked" | "purchased")),
        FieldKind::Code(codes) => {
            let known = codes.iter().find(|code| name == "lifecycle_status" && *code == state);
            writer.code(name, known.unwrap_or(&codes[0]));
        }
        FieldKind::Reference if name == "from" => writer.reference(name, "requisition", "42"),
        FieldKind::Reference => writer.reference(name, "purchaseorderline", "4711-10"),
        FieldKind::List(fields) => write_list(writer, name, fields),
    }
}

fn write_list(writer: &mut FieldWriter<'_>, name: &str, fields: &[FieldDef]) {
    let written: Result<(), Infallible> = writer.list(name, |list| {
        list.item("4711-10", |item| {
            for field in fields {
                write(item, field, "");
            }
            Ok(())
        })
    });
    let Ok(()) = written;
}

/// Whether there is a value to show that means something.
fn is_known(field: &FieldDef) -> bool {
    field.required || field.kind != FieldKind::Text || text(&field.name, &field.form).is_some()
}

fn text(name: &str, form: &Form) -> Option<&'static str> {
    Some(match (form, name) {
        (Form::Currency, _) => "EUR",
        (Form::Unit, "from_unit") => "XBX",
        (Form::Unit, _) => "C62",
        (Form::Country, _) => "DE",
        (Form::Duration, _) => "P5D",
        (_, "item") => "81723",
        (_, "item_number") => "AX-100",
        (_, "item_description" | "description") => "Hexagon head screw M8x40",
        (_, "supplier") => "70012",
        (_, "supplier_number") => "S-70012",
        (_, "supplier_name" | "name") => "Screws and Bolts",
        (_, "order") => "4711",
        (_, "order_number") => "PO-2026-0815",
        (_, "order_line") => "4711-10",
        (_, "line_no") => "10",
        (_, "requisition") => "42",
        (_, "work_order") => "9001",
        (_, "warehouse") => "M30",
        (_, "location" | "to_location") => "A-03-2",
        (_, "lot") => "L2603",
        (_, "buyer" | "requester") => "B07",
        (_, "correlationid") => "requisition/42",
        _ => return None,
    })
}

fn date(name: &str) -> &'static str {
    match name {
        "required_date" | "promised_date" | "due_date" | "expected" | "expected_at" => "2026-04-15",
        "actual" => "2026-04-22",
        _ => "2026-03-20",
    }
}

fn decimal(name: &str) -> &'static str {
    match name {
        "factor" | "numerator" | "price_basis" => "100",
        "scrap_percent" | "discount_percent" => "2.5",
        _ => "1",
    }
}

fn quantity(name: &str) -> &'static str {
    match name {
        "quantity" | "ordered_quantity" | "on_hand" | "available" | "balance_after"
        | "expected" => "120",
        "actual" => "150",
        _ => "0",
    }
}

fn money(name: &str) -> &'static str {
    match name {
        "cost" => "1500.00",
        "total" => "17.85",
        "net_total" | "amount" => "15.00",
        "tax_total" => "2.85",
        _ => "12.50",
    }
}
