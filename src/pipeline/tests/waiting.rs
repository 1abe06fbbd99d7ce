//! Changes that wait for rows they look up: whatever comes first, the same is told, and a crash
//! changes nothing.

use erpbridge_connector::{
    BatchBuilder, ChangeBatch, Column, ColumnKind, Operation, Position, ReplicaIdentity, Sequence,
    TableName, TableSchema, Timestamp, Transaction, Truncated, Value,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical::{FrozenBatch, LATE, catalog, header, parse_sequence};
use crate::deadletter::{DeadLetter, Reason};
use crate::mapping::{Desk, Mapping, MemoryRows};
use crate::pipeline::{Converter, Outbox, Plans, Remembered};
use crate::publish::OrderKey;

const MAPPING: &str = "
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

const DAY: i64 = 86_400_000_000;

fn table(name: &str, columns: &[&str]) -> Arc<TableSchema> {
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
struct Tables([Arc<TableSchema>; 3]);

impl Tables {
    fn new() -> Self {
        Self([
            table("po", &["id", "number"]),
            table("item", &["id", "code"]),
            table("line", &["id", "po", "item", "quantity", "received", "req"]),
        ])
    }

    fn plans(&self, mapping: &str) -> Plans {
        let mapping = Mapping::from_texts(&[("m.yaml", mapping)]).unwrap();
        Plans::new("erp1", Arc::new(mapping), self.0.to_vec())
    }

    fn converter(&self, mapping: &str, rows: MemoryRows, published: Option<OrderKey>) -> Converter {
        let (plans, remembered) = (self.plans(mapping), Remembered::in_memory(rows));
        Converter::new(plans, Desk::default(), remembered, published)
    }
}

/// A line as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    po: u8,
    item: Option<u8>,
    quantity: u8,
    received: u8,
    req: Option<u8>,
}

const LINE: Line = Line { po: 1, item: None, quantity: 5, received: 0, req: None };

/// What is done in a transaction.
#[derive(Clone, Copy, Debug)]
enum Step {
    Order(u8),
    Item(u8),
    Line(u8, Option<Line>),
}
use Step::{Item, Order};

fn cells(id: u8, line: Line) -> Vec<Option<String>> {
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

fn values(cells: &[Option<String>]) -> Vec<Value<'_>> {
    cells.iter().map(|cell| cell.as_deref().map_or(Value::Null, Value::Text)).collect()
}

fn transaction(number: usize) -> Transaction {
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
struct Shop(BTreeMap<u8, Line>);

impl Shop {
    /// A transaction; steps that `passes` refuses leave their ordinal to nobody.
    fn play(
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
fn told(converter: &mut Converter, batch: &ChangeBatch) -> Vec<FrozenBatch> {
    let mut outbox = Outbox::new(None);
    converter.convert(batch, &mut outbox).unwrap();
    std::iter::from_fn(|| outbox.take()).map(|unit| unit.events.freeze()).collect()
}

fn waiting(converter: &mut Converter) -> u64 {
    converter.waiting().unwrap().changes
}

/// One event with everything in it, and its order key.
type Event = (OrderKey, String, String);

fn events(units: &[FrozenBatch]) -> Vec<Event> {
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

fn letters(units: &[FrozenBatch]) -> Vec<&DeadLetter> {
    units.iter().flat_map(|unit| &unit.dead_letters).collect()
}

/// What is said of each line, in order.
fn by_line(events: &[Event]) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, _, said) in events {
        // The id tells the line: all events of a line have its key in `subject` or `to`.
        let key = said.split("purchaseorderline/").nth(1).or(said.split("receipt/").nth(1));
        let key: String =
            key.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        lines.entry(key).or_default().push(said.clone());
    }
    lines
}

fn line() -> impl Strategy<Value = Step> {
    let line = (0..4_u8, prop::option::of(0..3_u8), 1..5_u8, 0..6_u8, prop::option::of(1..3_u8));
    let line = line.prop_map(|(po, item, quantity, received, req)| Line {
        po,
        item,
        quantity,
        received,
        req,
    });
    (0..3_u8, prop::option::weighted(0.85, line)).prop_map(|(id, line)| Step::Line(id, line))
}

/// Transactions in which every order and every item comes once, anywhere.
fn history() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let lines = prop::collection::vec(prop::collection::vec(line(), 1..4), 1..12);
    let heads = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 7);
    (lines, heads).prop_map(|(mut transactions, heads)| {
        let steps = (0..4).map(Order).chain((0..3).map(Item));
        for (step, (place, own)) in steps.zip(heads) {
            let place = place.index(transactions.len());
            if own {
                transactions.insert(place + 1, vec![step]);
            } else {
                transactions[place].push(step);
            }
        }
        transactions
    })
}

/// Plays a history. `first` says whether orders and items are there before everything.
fn play(history: &[Vec<Step>], first: bool) -> (Vec<Event>, usize) {
    let (tables, mut shop) = (Tables::new(), Shop::default());
    let mut converter = tables.converter(MAPPING, MemoryRows::new(), None);
    let heads: Vec<Step> = history.concat();
    let is_head = |step: &Step| !matches!(step, Step::Line(..));
    let mut units = Vec::new();
    if first {
        let batch = shop.play(&tables, transaction(0), &heads, is_head);
        units.extend(told(&mut converter, &batch));
    }
    for (number, steps) in (1..).zip(history) {
        let batch = shop.play(&tables, transaction(number), steps, |step| !first || !is_head(step));
        units.extend(told(&mut converter, &batch));
    }
    assert_eq!((waiting(&mut converter), letters(&units).len()), (0, 0));
    let late = events(&units).iter().filter(|(key, ..)| key.ordinal >= LATE).count();
    (events(&units), late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_comes_first_every_row_tells_the_same_events_in_the_same_order(
        history in history(),
    ) {
        let (expected, none_late) = play(&history, true);
        let (found, _) = play(&history, false);
        prop_assert_eq!(none_late, 0);
        prop_assert_eq!(by_line(&found), by_line(&expected));
    }

    /// Memory as of any transaction, and the stream as of any event after it.
    #[test]
    fn a_start_from_any_state_tells_exactly_what_is_missing(
        history in history(),
        from in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (tables, mut shop) = (Tables::new(), Shop::default());
        let mut converter = tables.converter(MAPPING, MemoryRows::new(), None);
        let batches: Vec<ChangeBatch> = (1..).zip(&history)
            .map(|(number, steps)| shop.play(&tables, transaction(number), steps, |_| true))
            .collect();
        let from = from.index(batches.len());
        let mut rows = MemoryRows::new();
        let mut units = Vec::new();
        for (place, batch) in batches.iter().enumerate() {
            if place == from {
                rows = converter.remembered_rows();
                units.clear();
            }
            units.extend(told(&mut converter, batch));
        }
        let all = events(&units);
        prop_assume!(!all.is_empty());
        let published = all[cut.index(all.len())].0.clone();
        let missing: Vec<&Event> = all.iter().filter(|(key, ..)| *key > published).collect();
        let mut again = tables.converter(MAPPING, rows, Some(published));
        let units: Vec<_> =
            batches[from..].iter().flat_map(|batch| told(&mut again, batch)).collect();
        let found = events(&units);
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), missing);
        prop_assert_eq!(again.remembered_rows(), converter.remembered_rows());
    }
}

/// A converter and the lines it has seen.
struct Play {
    tables: Tables,
    shop: Shop,
    converter: Converter,
    next: usize,
    at: i64,
}

impl Play {
    fn new() -> Self {
        let tables = Tables::new();
        let converter = tables.converter(MAPPING, MemoryRows::new(), None);
        Self { tables, shop: Shop::default(), converter, next: 1, at: 0 }
    }

    fn step(&mut self, steps: &[Step]) -> Vec<FrozenBatch> {
        let batch = self.batch(steps);
        told(&mut self.converter, &batch)
    }

    fn batch(&mut self, steps: &[Step]) -> ChangeBatch {
        let committed_at = Timestamp::from_micros(self.at);
        let transaction = Transaction { committed_at, ..transaction(self.next) };
        self.next += 1;
        self.shop.play(&self.tables, transaction, steps, |_| true)
    }

    /// Another run over what is remembered.
    fn restart(&mut self, mapping: &str) {
        let rows = self.converter.remembered_rows();
        self.converter = self.tables.converter(mapping, rows, None);
    }
}

fn names(units: &[FrozenBatch]) -> Vec<String> {
    let messages = units.iter().flat_map(FrozenBatch::messages);
    messages.map(|message| message.header(header::ID).unwrap().to_owned()).collect()
}

#[test]
fn a_line_before_its_order_waits_and_is_told_with_the_order_under_its_own_id() {
    let mut play = Play::new();
    assert!(names(&play.step(&[Step::Line(7, Some(LINE))])).is_empty());
    let more = Line { quantity: 6, ..LINE };
    assert!(names(&play.step(&[Step::Line(7, Some(more))])).is_empty());
    assert_eq!(waiting(&mut play.converter), 2);
    let units = play.step(&[Order(1)]);
    assert_eq!(
        names(&units),
        [
            "erp1:0000000000000001:1:purchaseorderline-added-lines",
            "erp1:0000000000000002:1:purchaseorderline-changed-lines",
        ]
    );
    let message = units[0].messages().next().unwrap();
    assert_eq!(message.header(header::SEQUENCE), Some("0000000000000003-5000000000-000"));
    assert_eq!(message.header(header::TIME), Some("1970-01-01T00:00:00.000000Z"));
    assert_eq!(waiting(&mut play.converter), 0);
    assert!(letters(&units).is_empty());
}

#[test]
fn who_waits_too_long_is_a_dead_letter_and_what_is_behind_it_goes_on() {
    let mut play = Play::new();
    play.step(&[Order(1), Step::Line(7, Some(LINE))]);
    // The item never comes; what does not need it is told all the same.
    let other = Line { item: Some(9), quantity: 6, ..LINE };
    assert!(names(&play.step(&[Step::Line(7, Some(other))])).is_empty());
    play.step(&[Step::Line(7, Some(Line { quantity: 8, ..other }))]);
    play.at = 3 * DAY - 1;
    assert!(names(&play.step(&[])).is_empty());
    play.at = 3 * DAY;
    let units = play.step(&[]);
    let found = names(&units);
    assert_eq!(
        found,
        [
            "erp1:0000000000000002:1:purchaseorderline-changed-lines",
            "erp1:0000000000000003:1:purchaseorderline-changed-lines",
        ]
    );
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert_eq!(letter.reason, Reason::LookupMiss);
    assert_eq!(letter.id, "erp1:0000000000000002:1:another-item");
    assert!(letter.detail.ends_with("and it was waited for in vain"), "{}", letter.detail);
    assert_eq!(letter.row["after"]["item"], "9");
    assert_eq!(waiting(&mut play.converter), 0);
}

#[test]
fn a_mapping_that_no_longer_waits_tells_what_waited_with_the_first_transaction() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    let edited = MAPPING.replace("missing: wait", "missing: null");
    play.restart(&edited.replace("missing: { wait: 3d }", "missing: null"));
    let more = Line { quantity: 6, ..LINE };
    let found = names(&play.step(&[Step::Line(7, Some(more))]));
    let ids = ["1:1:purchaseorderline-added-lines", "2:1:purchaseorderline-changed-lines"];
    assert_eq!(found, ids.map(|id| format!("erp1:000000000000000{id}")));
}

#[test]
fn a_row_that_comes_as_a_seed_releases_what_waits_with_the_next_transaction() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    play.restart(MAPPING);
    let mut seeds = BatchBuilder::new();
    seeds.begin(Transaction { seed: true, ..transaction(1) });
    let seed = [Value::Text("1"), Value::Text("N1")];
    seeds.change(&play.tables.0[0], Operation::Read, 1).after(seed);
    assert!(names(&told(&mut play.converter, &seeds.finish())).is_empty());
    assert_eq!(names(&play.step(&[])), ["erp1:0000000000000001:1:purchaseorderline-added-lines"]);
}

#[test]
fn a_row_of_a_snapshot_does_not_wait() {
    let mut play = Play::new();
    let mut rows = BatchBuilder::new();
    rows.begin(Transaction { snapshot: true, ..transaction(1) });
    rows.change(&play.tables.0[2], Operation::Read, 1).after(values(&cells(7, LINE)));
    let units = told(&mut play.converter, &rows.finish());
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert!(letter.detail.ends_with("rows of a snapshot do not wait"), "{}", letter.detail);
    assert_eq!(waiting(&mut play.converter), 0);
}

#[test]
fn a_table_that_has_another_shape_by_then_is_read_by_the_names_of_its_columns() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(Line { quantity: 4, ..LINE }))]);
    play.tables.0[2] = table("line", &["id", "note", "quantity", "item", "received", "po", "req"]);
    play.restart(MAPPING);
    let units = play.step(&[Order(1)]);
    let payload = units[0].messages().next().unwrap().payload();
    let data: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(data["after"]["quantity"]["value"], "4");
}

#[test]
fn a_table_that_is_gone_leaves_dead_letters_of_what_waited() {
    let mut play = Play::new();
    play.step(&[Step::Line(7, Some(LINE))]);
    let rows = play.converter.remembered_rows();
    let edited = MAPPING.replace("s.line", "s.others");
    play.tables.0[2] = table("others", &["id", "po", "item", "quantity", "received", "req"]);
    play.converter = play.tables.converter(&edited, rows, None);
    let units = play.step(&[Order(1)]);
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert_eq!((letter.reason, letter.table.as_str()), (Reason::SchemaDrift, "s.line"));
    assert_eq!(letter.row["after"]["po"], "1");
}

#[test]
fn a_release_larger_than_a_unit_is_cut_and_no_more_wait_than_may() {
    let mut play = Play::new();
    let [_, _, lines] = play.tables.0.clone();
    let mut batch = BatchBuilder::new();
    batch.begin(transaction(1));
    let count = 1201;
    for id in 0..count {
        let mut row = cells(0, LINE);
        row[0] = Some(format!("L{id}"));
        batch.change(&lines, Operation::Insert, id + 1).after(values(&row));
    }
    let units = told(&mut play.converter, &batch.finish());
    let [letter] = letters(&units)[..] else { panic!("{units:?}") };
    assert!(letter.detail.ends_with("too many changes wait already"), "{}", letter.detail);
    assert_eq!(waiting(&mut play.converter), count - 1);
    play.next = 2;
    let units = play.step(&[Order(1)]);
    assert_eq!(units.iter().map(FrozenBatch::len).collect::<Vec<_>>(), [1000, 200]);
    assert!(!units[0].settled().last().unwrap().complete);
    assert_eq!(names(&units).len(), 1200);
    assert_eq!(waiting(&mut play.converter), 0);
}

/// A table emptied by one statement.
fn truncated(table: &Arc<TableSchema>, number: usize) -> Truncated {
    let transaction = Transaction { complete: false, ..transaction(number) };
    Truncated { tables: vec![Arc::clone(table)], transaction, ordinal: 1 }
}

#[test]
fn rows_of_an_emptied_table_are_looked_up_no_more_and_its_transaction_ends() {
    let mut play = Play::new();
    play.step(&[Order(1), Order(2)]);
    let mut outbox = Outbox::new(None);
    let emptied = truncated(&play.tables.0[0], 2);
    play.converter.truncate(&emptied, &mut outbox).unwrap();
    // A position before the transaction does not end it, one after it does.
    play.converter.reached(&emptied.transaction.resume, &mut outbox);
    assert!(outbox.take().is_none());
    play.converter.reached(&Position::new("after"), &mut outbox);
    let unit = outbox.take().unwrap().events;
    let [settled] = unit.settled() else { panic!("{unit:?}") };
    assert!(settled.complete && settled.resume == Position::new("after"));
    assert_eq!(settled.sequence, emptied.transaction.sequence);
    play.next = 3;
    assert!(names(&play.step(&[Step::Line(7, Some(LINE))])).is_empty(), "its order is gone");
    assert_eq!(names(&play.step(&[Order(1)])).len(), 1);
}

#[test]
fn a_transaction_that_ends_by_emptying_a_table_ends_with_the_next_one() {
    let mut play = Play::new();
    let mut outbox = Outbox::new(None);
    let emptied = truncated(&play.tables.0[0], 1);
    play.converter.truncate(&emptied, &mut outbox).unwrap();
    play.next = 2;
    let batch = play.batch(&[Order(1)]);
    play.converter.convert(&batch, &mut outbox).unwrap();
    let unit = outbox.take().unwrap().events;
    let settled: Vec<_> =
        unit.settled().iter().map(|s| (s.sequence.as_str(), s.complete)).collect();
    assert_eq!(settled, [("0000000000000001", true), ("0000000000000002", true)]);
}
