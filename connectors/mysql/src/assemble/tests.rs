use erpbridge_connector::{ChangeBatch, Operation};
use proptest::prelude::*;

use super::*;
use crate::binlog::{Change, Header, TableMap, column};
use crate::gtid::Gtid;
use crate::position::{Identity, LogPosition, Server};
use crate::shape::ColumnShape;

const ITEM: u64 = 1;
const STOCK: u64 = 2;
/// Nobody wants it.
const SCRATCH: u64 = 3;

struct Wants;

impl TableSelection for Wants {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == "erp" && ["item", "stock"].contains(&&*table.table)
    }

    fn named(&self) -> Vec<TableName> {
        vec![TableName::new("erp", "item")]
    }
}

fn name(table: u64) -> &'static str {
    match table {
        ITEM => "item",
        STOCK => "stock",
        _ => "scratch",
    }
}

fn shape(table: u64, second: &str) -> TableShape {
    let column = |name: &str, data_type: &str, set: Option<&str>| ColumnShape {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        column_type: data_type.to_owned(),
        character_set: set.map(str::to_owned),
        octet_length: None,
        datetime_precision: None,
        nullable: true,
        key: (name == "id").then_some(1),
        generated: false,
    };
    TableShape {
        schema: "erp".to_owned(),
        table: name(table).to_owned(),
        columns: vec![column("id", "int", None), column(second, "varchar", Some("utf8mb4"))],
    }
}

/// `id INT, … VARCHAR(100)`
const LAYOUT: &[u8] = &[2, column::LONG, column::VARCHAR, 2, 100, 0, 3];

fn row(id: u32, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0][..], &id.to_le_bytes(), &[length], text.as_bytes()].concat()
}

/// Feeds events, each a hundred bytes behind the one before.
struct Log {
    assembler: Assembler,
    out: Outbox,
    at: u64,
    second: &'static str,
}

impl Log {
    fn new(limits: Limits) -> Self {
        Self::after(limits, Reached::new(Coordinates::new("binlog.000001", 1000)), Known::Nothing)
    }

    fn after(limits: Limits, reached: Reached, known: Known) -> Self {
        let places = Places::Streaming(Identity { server: Server::Id(7), era: 1 });
        let at = reached.read_from().offset;
        let assembler = Assembler::new(Arc::new(Wants), places, limits, reached, known);
        let mut log = Self { assembler, out: Outbox::new(), at, second: "name" };
        for table in [ITEM, STOCK, SCRATCH] {
            log.announce(table);
        }
        log.at = at;
        log
    }

    fn send(&mut self, event: Event<'_>) -> Result<Next, SourceError> {
        let (begins, ends) = (self.at, self.at + 100);
        self.at = ends;
        let header = Header {
            timestamp: 1_700_000_000,
            kind: 0,
            server_id: 7,
            size: 100,
            log_pos: 0,
            flags: 0,
        };
        let located = Located { header, file: "binlog.000001", born: Some(5), begins, ends, event };
        let next = self.assembler.take(&located, &mut self.out)?;
        if let Next::Truncated(tables) = &next {
            let schema =
                |_: &TableName| Arc::new(shape(ITEM, "name").schema(ReplicaIdentity::Full));
            let tables = tables.iter().map(schema).collect();
            self.assembler.truncate(tables, &located, &mut self.out)?;
        }
        Ok(next)
    }

    fn query(&mut self, text: &str) -> Result<Next, SourceError> {
        self.send(Event::Query(Query { database: b"erp", text: text.as_bytes() }))
    }

    /// Announces a table; returns whether its shape was asked for.
    fn announce(&mut self, table: u64) -> bool {
        let map = TableMap { table_id: table, schema: "erp", table: name(table), layout: LAYOUT };
        match self.send(Event::TableMap(map)).unwrap() {
            Next::Shape(announcement) => {
                let shape = shape(table, self.second);
                let identity = ReplicaIdentity::Full;
                let announced =
                    self.assembler.announce(&announcement, &shape, identity, &mut self.out);
                announced.unwrap();
                true
            }
            _ => false,
        }
    }

    fn rows(&mut self, table: u64, change: Change, rows: &[u8]) -> Result<Next, SourceError> {
        let (table_id, present) = (table, &[3][..]);
        let rows = Rows { table_id, change, columns: 2, present, present_after: present, rows };
        self.send(Event::Rows(rows))
    }

    fn insert(&mut self, table: u64, id: u32, text: &str) {
        self.rows(table, Change::Insert, &row(id, text)).unwrap();
    }

    fn begin(&mut self) {
        self.query("BEGIN").unwrap();
    }

    fn start(&mut self, gtid: &str) {
        let gtid: Gtid = gtid.parse().unwrap();
        let start = Start {
            gtid: Some(gtid),
            committed_at_micros: Some(42),
            standing: Standing::Transaction,
        };
        self.send(Event::Start(start)).unwrap();
    }

    fn commit(&mut self) {
        self.send(Event::Commit).unwrap();
    }

    fn batches(&mut self) -> Vec<ChangeBatch> {
        self.assembler.flush(&mut self.out);
        let batch = |event| match event {
            SourceEvent::Changes(batch) => Some(batch),
            _ => None,
        };
        self.out.drain(..).filter_map(batch).collect()
    }
}

fn generous() -> Limits {
    Limits { batch_bytes: 1 << 20, window_bytes: 1 << 20, prepared_bytes: 1 << 20 }
}

fn ordinals(batches: &[ChangeBatch]) -> Vec<u64> {
    batches.iter().flat_map(ChangeBatch::changes).map(|change| change.ordinal()).collect()
}

#[test]
fn a_transaction_carries_its_order_and_where_to_resume() {
    let mut log = Log::new(generous());
    log.begin();
    log.insert(ITEM, 1, "a");
    log.commit();
    let batches = log.batches();
    let transaction = &batches[0].transactions()[0];
    assert_eq!(&*transaction.id, "binlog.000001:1000");
    assert_eq!(transaction.sequence.as_str(), "0001000000010000000003E8");
    assert_eq!(transaction.resume.as_str(), "binlog.000001:1300;server=7;era=1;born=5");
    assert_eq!(transaction.committed_at, Timestamp::from_micros(1_700_000_000_000_000));
    assert!(transaction.complete && !transaction.snapshot);
}

#[test]
fn a_transaction_with_an_identifier_is_called_by_it() {
    let mut log = Log::new(generous());
    log.assembler.reached.gtids = Some("0-7-4".parse().unwrap());
    log.start("0-7-5");
    log.insert(ITEM, 1, "a");
    log.commit();
    let batches = log.batches();
    let transaction = &batches[0].transactions()[0];
    assert_eq!((&*transaction.id, transaction.committed_at.as_micros()), ("0-7-5", 42));
    assert!(transaction.resume.as_str().ends_with(";gtid=0-7-5"), "{}", transaction.resume);
}

#[test]
fn ordinals_count_rows_that_nobody_wants() {
    let mut log = Log::new(generous());
    log.begin();
    log.rows(SCRATCH, Change::Insert, &[row(1, "x"), row(2, "y")].concat()).unwrap();
    log.insert(ITEM, 1, "a");
    log.rows(SCRATCH, Change::Update, &[row(1, "x"), row(1, "z")].concat()).unwrap();
    log.rows(ITEM, Change::Update, &[row(1, "a"), row(2, "b")].concat()).unwrap();
    log.commit();
    let batches = log.batches();
    assert_eq!(ordinals(&batches), [3, 5]);
    let update = batches[0].changes().nth(1).unwrap();
    assert_eq!(update.operation(), Operation::Update);
    assert_eq!(update.before().unwrap().get(0).text(), Some("1"));
    assert_eq!(update.after().unwrap().get(0).text(), Some("2"));
}

#[test]
fn a_transaction_without_wanted_rows_only_moves_the_position() {
    let mut log = Log::new(generous());
    log.begin();
    log.insert(SCRATCH, 1, "x");
    log.commit();
    assert!(log.batches().is_empty());
    assert_eq!(log.assembler.handed_over().unwrap().at.offset, 1300);
}

#[test]
fn a_heartbeat_moves_the_position_only_between_transactions() {
    let mut log = Log::new(generous());
    log.send(Event::Heartbeat).unwrap();
    assert_eq!(log.assembler.reached().at.offset, 1100);
    log.begin();
    log.send(Event::Heartbeat).unwrap();
    assert_eq!(log.assembler.reached().at.offset, 1100);
    log.insert(ITEM, 1, "a");
    log.commit();
    assert_eq!(log.assembler.handed_over(), None);
    assert_eq!(log.assembler.reached().at.offset, 1500);
}

#[test]
fn a_new_shape_is_told_before_its_first_row() {
    let mut log = Log::new(generous());
    log.begin();
    log.insert(ITEM, 1, "a");
    log.commit();
    let next = log.query("ALTER TABLE item CHANGE name label VARCHAR(100)").unwrap();
    let Next::Changed(changed) = next else { panic!("{next:?}") };
    assert_eq!(changed.tables, [TableName::new("erp", "item")]);
    assert_eq!((changed.begins.offset, changed.ends.offset), (1300, 1400));
    // The same bytes announce another shape now.
    log.second = "label";
    log.begin();
    assert!(log.announce(ITEM) && !log.announce(STOCK) && !log.announce(ITEM));
    log.insert(ITEM, 2, "b");
    log.commit();
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
    assert_eq!(table.columns[1].name, "label");
    assert_eq!(previous.as_ref().unwrap().columns[1].name, "name");
}

#[test]
fn a_new_file_makes_numbers_of_tables_mean_nothing() {
    let mut log = Log::new(generous());
    log.send(Event::Format { version: "5.6.24" }).unwrap();
    assert!(log.announce(ITEM));
    log.begin();
    let error = log.rows(STOCK, Change::Insert, &row(1, "a")).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Decode);
}

#[test]
fn a_transaction_that_was_never_ended_is_forgotten() {
    let mut log = Log::new(generous());
    log.begin();
    log.insert(ITEM, 1, "a");
    log.commit();
    log.begin();
    log.insert(ITEM, 2, "b");
    log.send(Event::Format { version: "5.6.24" }).unwrap();
    assert_eq!(ordinals(&log.batches()), [1]);
    log.begin();
    log.announce(ITEM);
    log.insert(ITEM, 3, "c");
    log.query("ROLLBACK").unwrap();
    assert!(log.batches().is_empty());
    assert!(log.assembler.between_transactions());
}

#[test]
fn a_transaction_of_which_parts_are_sent_cannot_be_forgotten() {
    let mut log = Log::new(Limits { window_bytes: 100, ..generous() });
    log.begin();
    for id in 0..9 {
        log.insert(ITEM, id, "some text");
    }
    let error = log.query("ROLLBACK").unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Decode);
}

#[test]
fn a_log_that_has_lost_changes_is_not_followed() {
    let error = Log::new(generous()).send(Event::Incident).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::PositionLost);
    assert!(error.hint().is_some());
}

#[test]
fn a_log_out_of_order_is_refused() {
    let mut log = Log::new(generous());
    assert!(log.rows(ITEM, Change::Insert, &row(1, "a")).is_err());
    assert!(log.send(Event::Commit).is_err());
    log.begin();
    assert!(log.query("BEGIN").is_err());
    assert!(log.rows(99, Change::Insert, &row(1, "a")).is_err());
    let short = row(1, "a");
    let error = log.rows(ITEM, Change::Insert, &short[..short.len() - 1]).unwrap_err();
    assert_eq!(error.to_string(), "a row of `erp.item` cannot be read");
}

#[test]
fn a_value_that_cannot_be_read_names_its_column_and_not_itself() {
    let mut log = Log::new(generous());
    log.begin();
    let mut row = row(1, "ab");
    row[6] = 0xFF;
    let error = log.rows(ITEM, Change::Insert, &row).unwrap_err();
    assert_eq!(error.to_string(), "a value of `erp.item`.`name` cannot be read");
}

#[test]
fn what_another_servers_log_repeats_is_passed_over() {
    let mut reached = Reached::new(Coordinates::new("binlog.000001", 4));
    reached.gtids = Some("0-7-5".parse().unwrap());
    let known = Known::These("0-7-5".parse().unwrap());
    let mut log = Log::after(generous(), reached, known);
    // The beginning of a file, far before what is new.
    log.send(Event::Format { version: "10.11.19" }).unwrap();
    assert_eq!(log.assembler.handed_over(), None);
    log.at = 5000;
    for (id, gtid) in [(1, "0-7-4"), (2, "0-7-5"), (3, "0-8-6")] {
        log.announce(ITEM);
        log.start(gtid);
        log.insert(ITEM, id, "a");
        log.commit();
    }
    let batches = log.batches();
    assert_eq!(batches.iter().map(ChangeBatch::len).sum::<usize>(), 1);
    assert_eq!(&*batches[0].transactions()[0].id, "0-8-6");
    assert_eq!(log.assembler.handed_over().unwrap().at.offset, log.at);
}

#[test]
fn a_log_without_anything_new_has_a_place_once_the_server_says_so() {
    let reached = Reached::new(Coordinates::new("binlog.000001", 4));
    let known = Known::These("0-7-5".parse().unwrap());
    let mut log = Log::after(generous(), reached, known);
    log.at = 7000;
    assert_eq!(log.assembler.handed_over(), None);
    log.send(Event::Heartbeat).unwrap();
    assert_eq!(log.assembler.handed_over().unwrap().at.offset, 7100);
}

#[test]
fn a_transaction_of_mysql_is_told_once_wherever_it_stands() {
    let origin = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let mut log = Log::new(generous());
    log.assembler.reached.gtids = Some(format!("{origin}:1-4:6").parse().unwrap());
    for number in [5, 6, 5, 7] {
        log.start(&format!("{origin}:{number}"));
        log.insert(ITEM, number, "a");
        log.commit();
    }
    let ids: Vec<_> = log.batches()[0].transactions().iter().map(|one| one.id.clone()).collect();
    assert_eq!(*ids, [format!("{origin}:5").into(), format!("{origin}:7").into()]);
}

#[test]
fn a_truncate_is_one_change_of_its_transaction() {
    let mut log = Log::new(generous());
    let next = log.query("TRUNCATE TABLE erp.item").unwrap();
    assert!(matches!(next, Next::Truncated(_)), "{next:?}");
    let Some(SourceEvent::Truncated(truncated)) = log.out.pop_front() else { panic!() };
    assert_eq!((truncated.ordinal, truncated.transaction.complete), (1, true));
    let resume: LogPosition = truncated.transaction.resume.as_str().parse().unwrap();
    assert_eq!(resume.place.reached().unwrap().at.offset, 1100);
}

#[derive(Clone, Debug)]
struct Step {
    table: u64,
    text: String,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::sample::select(vec![ITEM, STOCK, SCRATCH]), "[a-z]{0,60}")
        .prop_map(|(table, text)| Step { table, text });
    prop::collection::vec(step, 1..60)
}

fn feed(log: &mut Log, steps: &[Step]) -> String {
    let sequence = Coordinates::new("binlog.000001", log.at).sequence(1);
    log.begin();
    for step in steps {
        log.insert(step.table, 1, &step.text);
    }
    log.commit();
    sequence.as_str().to_owned()
}

/// What a window ends with: ordinals of its first and last row, and whether it is the last.
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

proptest! {
    #[test]
    fn where_a_transaction_is_cut_depends_on_that_transaction_alone(
        before in prop::collection::vec(steps(), 0..4), steps in steps(), quiet: bool,
    ) {
        let limits = Limits { batch_bytes: 700, window_bytes: 1_000, prepared_bytes: 0 };
        let mut alone = Log::new(limits);
        let sequence = feed(&mut alone, &steps);
        let alone = alone.batches();
        let expected = windows(&alone, &sequence);

        let mut log = Log::new(limits);
        let mut batches = Vec::new();
        for steps in &before {
            feed(&mut log, steps);
            if quiet {
                batches.extend(log.batches());
            }
        }
        let sequence = feed(&mut log, &steps);
        batches.extend(log.batches());

        prop_assert_eq!(windows(&batches, &sequence), expected.clone());
        let wanted = steps.iter().filter(|step| step.table != SCRATCH).count();
        prop_assert_eq!(alone.iter().map(ChangeBatch::len).sum::<usize>(), wanted);
        // Only the last window is the end of its transaction.
        let ends: Vec<bool> = expected.iter().map(|window| window.2).collect();
        prop_assert!(ends.iter().rev().enumerate().all(|(place, end)| *end == (place == 0)));
    }
}
