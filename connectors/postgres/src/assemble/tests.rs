use erpbridge_connector::{ChangeBatch, Operation, TableName, Value};
use proptest::prelude::*;

use super::*;
use crate::pgoutput;
use crate::position::Identity;

const IDENTITY: Identity = Identity { system: 7, timeline: 1, database: 5 };

/// Two wanted tables, 1 with a default and 2 with a full identity, and one unwanted, 3.
const KEYED: u32 = 1;
const FULL: u32 = 2;
const UNWANTED: u32 = 3;

struct Wants;

impl TableSelection for Wants {
    fn wants(&self, table: &TableName) -> bool {
        table.table != "scratch"
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

/// Feeds messages as bytes, as the server would send them.
struct Log {
    assembler: Assembler,
    out: Outbox,
}

impl Log {
    fn new(limits: Limits) -> Self {
        let assembler =
            Assembler::new(Arc::new(Wants), Places::Streaming(IDENTITY), limits, Lsn::new(0x10));
        let mut log = Self { assembler, out: Outbox::new() };
        log.announce(KEYED, "item", b'd', &["code", "name", "note"]);
        log.announce(FULL, "stock", b'f', &["code", "name", "note"]);
        log.announce(UNWANTED, "scratch", b'd', &["code", "name", "note"]);
        log
    }

    fn announce(&mut self, oid: u32, table: &str, identity: u8, columns: &[&str]) {
        let columns = columns.iter().enumerate().map(|(place, name)| pgoutput::RelationColumn {
            key: identity == b'f' || place == 0,
            name,
            type_oid: 25,
            type_modifier: -1,
        });
        let columns = columns.collect();
        let relation = Relation { oid, schema: "erp", table, identity, columns };
        let facts = self.assembler.wants(&relation).then(TableFacts::default);
        self.assembler.announce(&relation, facts.as_ref(), &mut self.out);
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.assembler.take(pgoutput::decode(bytes).unwrap(), &mut self.out)
    }

    fn begin(&mut self, lsn: u64) {
        let bytes = [b"B".as_slice(), &lsn.to_be_bytes(), &[0; 8], &[0, 0, 0, 9]].concat();
        self.send(&bytes).unwrap();
    }

    fn commit(&mut self, end: u64) {
        let bytes = [b"C\0".as_slice(), &[0; 8], &end.to_be_bytes(), &[0; 8]].concat();
        self.send(&bytes).unwrap();
    }

    fn insert(&mut self, oid: u32, cells: &[&str]) {
        self.send(&[b"I".as_slice(), &oid.to_be_bytes(), b"N", &tuple(cells)].concat()).unwrap();
    }

    fn batches(&mut self) -> Vec<ChangeBatch> {
        self.assembler.flush(&mut self.out);
        self.out
            .drain(..)
            .filter_map(|event| match event {
                SourceEvent::Changes(batch) => Some(batch),
                _ => None,
            })
            .collect()
    }
}

/// A row image; `~` is null and `?` an unchanged large value.
fn tuple(cells: &[&str]) -> Vec<u8> {
    let mut bytes = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        match *cell {
            "~" => bytes.push(b'n'),
            "?" => bytes.push(b'u'),
            text => {
                bytes.push(b't');
                bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
    bytes
}

fn update(oid: u32, old: Option<(&[u8], &[&str])>, new: &[&str]) -> Vec<u8> {
    let old = old.map(|(kind, cells)| [kind, &tuple(cells)].concat()).unwrap_or_default();
    [b"U".as_slice(), &oid.to_be_bytes(), &old, b"N", &tuple(new)].concat()
}

fn generous() -> Limits {
    Limits { batch_bytes: 1 << 20, window_bytes: 1 << 20 }
}

fn one_change(log: &mut Log) -> (Operation, Option<Vec<String>>, Option<Vec<String>>) {
    let batches = log.batches();
    assert_eq!((batches.len(), batches[0].len()), (1, 1));
    let change = batches[0].changes().next().unwrap();
    let texts = |image: erpbridge_connector::Image<'_>| {
        let text = |value| match value {
            Value::Absent => "?".to_owned(),
            Value::Null => "~".to_owned(),
            Value::Text(text) => text.to_owned(),
        };
        image.values().map(text).collect::<Vec<_>>()
    };
    (change.operation(), change.before().map(texts), change.after().map(texts))
}

fn one_row(bytes: &[u8]) -> (Operation, Option<Vec<String>>, Option<Vec<String>>) {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.send(bytes).unwrap();
    log.commit(0x30);
    one_change(&mut log)
}

fn cells(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_transaction_carries_its_order_and_where_to_resume() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(KEYED, &["A1", "~", ""]);
    log.commit(0x30);
    let batches = log.batches();
    let transaction = &batches[0].transactions()[0];
    assert_eq!(&*transaction.id, "9");
    assert_eq!(transaction.sequence.as_str(), "0000000000000020");
    assert_eq!(transaction.resume.as_str(), "0/30;sys=7;tl=1;db=5");
    assert!(transaction.complete && !transaction.snapshot);
    assert_eq!(log.assembler.handed_over(), Some(Lsn::new(0x30)));
}

#[test]
fn the_nulls_of_a_key_only_image_are_absent() {
    let delete = [b"D".as_slice(), &KEYED.to_be_bytes(), b"K", &tuple(&["A1", "~", "~"])].concat();
    assert_eq!(one_row(&delete), (Operation::Delete, Some(cells(&["A1", "?", "?"])), None));
    let moved = update(KEYED, Some((b"K", &["A1", "~", "~"])), &["A2", "nut", "~"]);
    let expected =
        (Operation::Update, Some(cells(&["A1", "?", "?"])), Some(cells(&["A2", "nut", "~"])));
    assert_eq!(one_row(&moved), expected);
}

#[test]
fn an_untouched_large_value_is_absent_where_the_log_does_not_hold_it() {
    let row = update(KEYED, None, &["A1", "nut", "?"]);
    assert_eq!(one_row(&row), (Operation::Update, None, Some(cells(&["A1", "nut", "?"]))));
    let rekeyed = update(KEYED, Some((b"K", &["A1", "~", "~"])), &["A2", "nut", "?"]);
    assert_eq!(one_row(&rekeyed).2, Some(cells(&["A2", "nut", "?"])));
}

#[test]
fn an_untouched_large_value_is_taken_from_a_full_old_image() {
    let row = update(FULL, Some((b"O", &["A1", "~", "long"])), &["A1", "nut", "?"]);
    let expected =
        (Operation::Update, Some(cells(&["A1", "~", "long"])), Some(cells(&["A1", "nut", "long"])));
    assert_eq!(one_row(&row), expected);
}

#[test]
fn ordinals_count_unwanted_rows_and_truncates() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(UNWANTED, &["x", "x", "x"]);
    log.insert(KEYED, &["A1", "~", "~"]);
    log.send(b"T\0\0\0\x01\0\0\0\0\x03").unwrap();
    log.insert(KEYED, &["A2", "~", "~"]);
    log.commit(0x30);
    let batches = log.batches();
    let ordinals: Vec<u64> =
        batches.iter().flat_map(ChangeBatch::changes).map(|change| change.ordinal()).collect();
    assert_eq!(ordinals, [2, 4]);
}

#[test]
fn a_truncate_stands_between_the_rows_before_and_after_it() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(KEYED, &["A1", "~", "~"]);
    log.send(b"T\0\0\0\x02\0\0\0\0\x01\0\0\0\x03").unwrap();
    log.insert(KEYED, &["A2", "~", "~"]);
    log.commit(0x30);
    log.assembler.flush(&mut log.out);
    let events: Vec<_> = log.out.drain(..).collect();
    let [
        SourceEvent::Changes(before),
        SourceEvent::Truncated(truncated),
        SourceEvent::Changes(after),
    ] = events.as_slice()
    else {
        panic!("not rows, truncate, rows: {events:?}")
    };
    assert!(!before.transactions()[0].complete && after.transactions()[0].complete);
    assert_eq!(before.transactions()[0].resume.as_str(), "0/10;sys=7;tl=1;db=5");
    assert_eq!((truncated.ordinal, truncated.tables.len()), (2, 1));
}

#[test]
fn a_transaction_without_wanted_rows_only_moves_the_position() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(UNWANTED, &["x", "x", "x"]);
    log.commit(0x30);
    assert!(log.batches().is_empty());
    assert_eq!(log.assembler.handed_over(), Some(Lsn::new(0x30)));
}

#[test]
fn a_place_vouched_for_inside_a_transaction_is_not_reached() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.assembler.vouched(Lsn::new(0x1F));
    assert_eq!(log.assembler.reached(), Lsn::new(0x10));
    log.commit(0x30);
    log.assembler.vouched(Lsn::new(0x40));
    log.assembler.vouched(Lsn::new(0x35));
    assert_eq!(log.assembler.handed_over(), Some(Lsn::new(0x40)));
}

#[test]
fn rows_that_wait_are_not_handed_over() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(KEYED, &["A1", "~", "~"]);
    log.commit(0x30);
    assert_eq!(log.assembler.handed_over(), None);
}

#[test]
fn a_new_shape_is_told_before_its_first_row() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    log.insert(KEYED, &["A1", "~", "~"]);
    log.commit(0x30);
    log.begin(0x40);
    log.announce(KEYED, "item", b'd', &["code", "name"]);
    log.insert(KEYED, &["A2", "~"]);
    log.commit(0x50);
    log.assembler.flush(&mut log.out);
    let events: Vec<_> = log.out.drain(..).collect();
    let [
        SourceEvent::Changes(_),
        SourceEvent::SchemaChanged { table, previous },
        SourceEvent::Changes(_),
    ] = events.as_slice()
    else {
        panic!("not rows, shape, rows: {events:?}")
    };
    assert_eq!((table.columns.len(), previous.as_ref().unwrap().columns.len()), (2, 3));
}

#[test]
fn text_that_is_not_utf8_names_its_column_and_not_its_value() {
    let mut log = Log::new(generous());
    log.begin(0x20);
    let bytes = b"I\0\0\0\x01N\0\x03nnt\0\0\0\x02\xFF\xFE";
    let error = log.send(bytes).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Decode);
    assert_eq!(error.to_string(), "a value of `erp.item`.`note` is not valid UTF-8");
}

#[test]
fn a_log_out_of_order_is_refused() {
    let mut log = Log::new(generous());
    assert!(log.send(b"I\0\0\0\x01N\0\x00").is_err());
    assert!(log.send(&[b"C\0".as_slice(), &[0; 24]].concat()).is_err());
    log.begin(0x20);
    assert!(log.send(b"I\0\0\0\x63N\0\x00").is_err());
    assert!(log.send(b"I\0\0\0\x01N\0\x00").is_err());
    assert!(log.send(&[b"B".as_slice(), &[0; 20]].concat()).is_err());
}

/// What a window ends with: ordinals of its first and last row.
fn windows(batches: &[ChangeBatch], sequence: &str) -> Vec<(u64, u64, bool)> {
    let of_one = |batch: &ChangeBatch| {
        let mut ordinals = batch
            .changes()
            .filter(|change| change.transaction().sequence.as_str() == sequence)
            .map(|change| (change.ordinal(), change.transaction().complete));
        let (first, complete) = ordinals.next()?;
        Some((first, ordinals.last().map_or(first, |(last, _)| last), complete))
    };
    batches.iter().filter_map(of_one).collect()
}

#[derive(Clone, Debug)]
struct Step {
    table: u32,
    text: String,
}

fn rows() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::sample::select(vec![KEYED, FULL, UNWANTED]), "[a-z]{0,60}")
        .prop_map(|(table, text)| Step { table, text });
    prop::collection::vec(step, 1..60)
}

fn feed(log: &mut Log, lsn: u64, rows: &[Step]) {
    log.begin(lsn);
    for row in rows {
        log.insert(row.table, &["k", &row.text, "~"]);
    }
    log.commit(lsn + 8);
}

proptest! {
    #[test]
    fn where_a_transaction_is_cut_depends_on_that_transaction_alone(
        before in prop::collection::vec(rows(), 0..4), rows in rows(), quiet: bool,
    ) {
        let limits = Limits { batch_bytes: 700, window_bytes: 1_000 };
        let mut alone = Log::new(limits);
        feed(&mut alone, 0x1000, &rows);
        let alone = alone.batches();

        let mut log = Log::new(limits);
        let mut batches = Vec::new();
        for (place, rows) in before.iter().enumerate() {
            feed(&mut log, 0x100 + 0x10 * u64::try_from(place).unwrap(), rows);
            if quiet {
                batches.extend(log.batches());
            }
        }
        feed(&mut log, 0x1000, &rows);
        batches.extend(log.batches());

        let sequence = "0000000000001000";
        prop_assert_eq!(windows(&batches, sequence), windows(&alone, sequence));
        let wanted = rows.iter().filter(|row| row.table != UNWANTED).count();
        prop_assert_eq!(alone.iter().map(ChangeBatch::len).sum::<usize>(), wanted);
        // Only the last window is the end of its transaction.
        let windows = windows(&alone, sequence);
        let ends: Vec<bool> = windows.iter().map(|window| window.2).collect();
        prop_assert!(ends.iter().rev().enumerate().all(|(place, end)| *end == (place == 0)));
    }
}
