//! The contract, tested as a whole: schemas, what is written, and what is promised about it.

use std::convert::Infallible;

use erpbridge_connector::{Operation, Position, Sequence, Timestamp, Transaction};

use super::*;

mod contract;
mod writing;

fn transaction(sequence: &str) -> Transaction {
    Transaction {
        id: "4711".into(),
        sequence: Sequence::new(sequence),
        committed_at: Timestamp::from_micros(1_774_000_000_000_007),
        resume: Position::new("0/16B3748"),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

fn facts(transaction: &Transaction) -> EventFacts<'_> {
    EventFacts {
        company: "c1",
        plant: Some("m30"),
        entity_key: "17",
        number: Some("PO-1"),
        aliases: &[],
        correlation: None,
        causation: None,
        replica: false,
        transaction,
        ordinal: 3,
        late: None,
        index: 0,
        operation: Operation::Update,
        table: "public.purchase",
        changed: &["lifecycle_status"],
        transition: None,
        codes: &[("state", Some("processing"))],
        extensions: &[],
        effective: None,
    }
}

fn template(event: &str) -> EventTemplate {
    EventTemplate::new(catalog().event(event).unwrap(), "erp1", "rule-1", "demo@0123456789ab")
}

/// Writes one event and returns its batch.
fn written(
    event: &str,
    facts: &EventFacts<'_>,
    fields: impl FnOnce(&mut FieldWriter<'_>),
) -> FrozenBatch {
    let mut batch = EventBatch::new();
    let fields = |writer: &mut FieldWriter<'_>| -> Result<(), Infallible> {
        fields(writer);
        Ok(())
    };
    write_event(&mut batch, &template(event), facts, fields).unwrap();
    batch.freeze()
}

fn only(batch: &FrozenBatch) -> Message<'_> {
    assert_eq!(batch.len(), 1);
    batch.messages().next().unwrap()
}

fn findings(batch: &FrozenBatch) -> Vec<String> {
    let message = only(batch);
    let type_name = message.header(header::TYPE).unwrap();
    catalog().validate(type_name, &message.payload()).err().unwrap_or_default()
}

fn released(writer: &mut FieldWriter<'_>) {
    writer.text("supplier", "5");
    writer.code("lifecycle_status", "released");
}
