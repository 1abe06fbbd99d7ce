//! A small shop whose lines look up orders and items: what its log says, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind, Operation, Position, ReplicaIdentity, Sequence,
    TableName, TableSchema, Timestamp, Transaction, Value,
};

use crate::canonical::{FrozenBatch, catalog, header, parse_sequence};
use crate::deadletter::DeadLetter;
use crate::mapping::{Desk, Mapping, MemoryRows};
use crate::pipeline::{Converter, Outbox, Plans, Remembered};
use crate::publish::OrderKey;

pub(super) const MAPPING: &str = "
mapping: late
company: { constant: acme }
tables:
  orders: { table: s.po }
  items: { table: s.item }
  lines:
    table: s.line
    deleted: physical
    lookups:
      order: { to: orders, by: po, missing: wait }
      item: { to: items, by: item, missing: { wait: 3d } }
links:
  - { on: lines, from: procurement.purchaseorderline, follows: procurement.requisition, by: req }
exceptions:
  - raise: overreceipt
    on: lines
    while: 'received > quantity'
    fields: { order: order.number, order_line: id }
events:
  - emit: procurement.purchaseorderline.added
    on: lines
    when: inserted
    snapshot: true
    fields: { order: po, order_number: order.number, quantity: { value: quantity, unit: { constant: C62 } } }
  - emit: procurement.purchaseorderline.changed
    on: lines
    when: updated
    changed: [quantity]
    fields: { order: po, quantity: { value: quantity, unit: { constant: C62 } } }
  - emit: procurement.purchaseorderline.changed
    rule: another-item
    on: lines
    when: updated
    changed: [item]
    fields: { order: po, item: item.code, quantity: { value: quantity, unit: { constant: C62 } } }
  - emit: procurement.purchaseorderline.deleted
    on: lines
    when: deleted
    fields: { order: { from: po, required: true }, item: item.code }
";

pub(super) fn table(name: &str, columns: &[&str]) -> Arc<TableSchema> {
    let column = |name: &&str| Column {
        name: (*name).into(),
        kind: match *name {
            "quantity" | "received" => ColumnKind::Integer,
            _ => ColumnKind::Text,
        },
        type_name: "text".into(),
        missing_in_log: false,
    };
    Arc::new(TableSchema {
        name: TableName::new("s", name),
        columns: columns.iter().map(column).collect(),
        primary_key: vec![0],
        identity: ReplicaIdentity::Full,
    })
}

/// The tables of the mapping.
pub(super) struct Tables(pub(super) [Arc<TableSchema>; 3]);

impl Tables {
    pub(super) fn new() -> Self {
        Self([
            table("po", &["id", "number"]),
            table("item", &["id", "code"]),
            table("line", &["id", "po", "item", "quantity", "received", "req"]),
        ])
    }

    pub(super) fn plans(&self, mapping: &str) -> Plans {
        let mapping = Mapping::from_texts(&[("m.yaml", mapping)]).unwrap();
        Plans::new("erp1", Arc::new(mapping), self.0.to_vec())
    }

    pub(super) fn converter(
        &self,
        mapping: &str,
        rows: MemoryRows,
        published: Option<OrderKey>,
    ) -> Converter {
        let (plans, remembered) = (self.plans(mapping), Remembered::in_memory(rows));
        Converter::new(plans, Desk::default(), remembered, published)
    }
}

/// A line as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) po: u8,
    pub(super) item: Option<u8>,
    pub(super) quantity: u8,
    pub(super) received: u8,
    pub(super) req: Option<u8>,
}

pub(super) const LINE: Line = Line { po: 1, item: None, quantity: 5, received: 0, req: None };

/// What is done in a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Order(u8),
    Item(u8),
    Line(u8, Option<Line>),
}
pub(super) use Step::{Item, Order};

pub(super) fn cells(id: u8, line: Line) -> Vec<Option<String>> {
    let text = |number: u8| Some(number.to_string());
    let Line { po, item, quantity, received, req } = line;
    vec![
        text(id),
        text(po),
        item.and_then(text),
        text(quantity),
        text(received),
        req.and_then(text),
    ]
}

pub(super) fn values(cells: &[Option<String>]) -> Vec<Value<'_>> {
    cells.iter().map(|cell| cell.as_deref().map_or(Value::Null, Value::Text)).collect()
}

pub(super) fn transaction(number: usize) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: Sequence::new(format!("{number:016X}")),
        committed_at: Timestamp::from_micros(i64::try_from(number).unwrap() * 1_000_000),
        resume: Position::new(number.to_string()),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

/// The lines there are, played through to know what the log says of them.
#[derive(Default)]
pub(super) struct Shop(BTreeMap<u8, Line>);

impl Shop {
    /// A transaction; steps that `passes` refuses leave their ordinal to nobody.
    pub(super) fn play(
        &mut self,
        tables: &Tables,
        transaction: Transaction,
        steps: &[Step],
        passes: impl Fn(&Step) -> bool,
    ) -> ChangeBatch {
        let [orders, items, lines] = &tables.0;
        let mut batch = BatchBuilder::new();
        batch.begin(transaction);
        for (ordinal, step) in (1..).zip(steps).filter(|(_, step)| passes(step)) {
            let (head, texts) = match *step {
                Order(id) => (orders, [id.to_string(), format!("N{id}")]),
                Item(id) => (items, [id.to_string(), format!("I{id}")]),
                Step::Line(id, line) => {
                    let was = self.0.remove(&id);
                    self.0.extend(line.map(|line| (id, line)));
                    let operation = match (was, line) {
                        (None, None) => continue,
                        (None, Some(_)) => Operation::Insert,
                        (Some(_), Some(_)) => Operation::Update,
                        (Some(_), None) => Operation::Delete,
                    };
                    let mut images = batch.change(lines, operation, ordinal);
                    if let Some(was) = was {
                        images.before(values(&cells(id, was)));
                    }
                    if let Some(line) = line {
                        images.after(values(&cells(id, line)));
                    }
                    continue;
                }
            };
            let texts = texts.map(Some);
            batch.change(head, Operation::Insert, ordinal).after(values(&texts));
        }
        batch.finish()
    }
}

/// All that comes out of a batch.
pub(super) fn told(converter: &mut Converter, batch: &ChangeBatch) -> Vec<FrozenBatch> {
    let mut outbox = Outbox::new(None);
    converter.convert(batch, &mut outbox).unwrap();
    std::iter::from_fn(|| outbox.take()).map(|unit| unit.events.freeze()).collect()
}

pub(super) fn waiting(converter: &mut Converter) -> u64 {
    converter.waiting().unwrap().changes
}

/// One event with everything in it, and its order key.
pub(super) type Event = (OrderKey, String, String);

pub(super) fn events(units: &[FrozenBatch]) -> Vec<Event> {
    let mut events = Vec::new();
    for unit in units {
        for message in unit.messages() {
            let (kind, payload) = (message.header(header::TYPE).unwrap(), message.payload());
            assert_eq!(catalog().validate(kind, &payload), Ok(()));
            let text = String::from_utf8(payload.to_vec()).unwrap();
            let headers: Vec<String> =
                message.headers().map(|(name, value)| format!("{name}={value}")).collect();
            let place = message.header(header::SEQUENCE).unwrap();
            let (sequence, ordinal, _) = parse_sequence(place).unwrap();
            assert_eq!(ordinal, message.ordinal());
            let whole = format!("{} {headers:?} {text}", message.subject());
            // What does not depend on when it is told.
            let mut data: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            data["revision"].take();
            let fixed = [header::ID, header::TYPE, header::SUBJECT, header::TIME]
                .map(|name| message.header(name).unwrap());
            let key = OrderKey { sequence, ordinal };
            events.push((key, whole, format!("{fixed:?} {data}")));
        }
    }
    assert!(events.is_sorted_by(|one, other| one.0 <= other.0), "{events:#?}");
    events
}

pub(super) fn letters(units: &[FrozenBatch]) -> Vec<&DeadLetter> {
    units.iter().flat_map(|unit| &unit.dead_letters).collect()
}

/// A converter and the lines it has seen.
pub(super) struct Play {
    pub(super) tables: Tables,
    pub(super) shop: Shop,
    pub(super) converter: Converter,
    pub(super) next: usize,
    pub(super) at: i64,
}

impl Play {
    pub(super) fn new() -> Self {
        let tables = Tables::new();
        let converter = tables.converter(MAPPING, MemoryRows::new(), None);
        Self { tables, shop: Shop::default(), converter, next: 1, at: 0 }
    }

    pub(super) fn step(&mut self, steps: &[Step]) -> Vec<FrozenBatch> {
        let batch = self.batch(steps);
        told(&mut self.converter, &batch)
    }

    pub(super) fn batch(&mut self, steps: &[Step]) -> ChangeBatch {
        let committed_at = Timestamp::from_micros(self.at);
        let transaction = Transaction { committed_at, ..transaction(self.next) };
        self.next += 1;
        self.shop.play(&self.tables, transaction, steps, |_| true)
    }

    /// Another run over what is remembered.
    pub(super) fn restart(&mut self, mapping: &str) {
        let rows = self.converter.remembered_rows();
        self.converter = self.tables.converter(mapping, rows, None);
    }
}

pub(super) fn names(units: &[FrozenBatch]) -> Vec<String> {
    let messages = units.iter().flat_map(FrozenBatch::messages);
    messages.map(|message| message.header(header::ID).unwrap().to_owned()).collect()
}
