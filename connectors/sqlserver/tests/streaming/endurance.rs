//! An ERP that writes, a server that fails and a bridge that is killed, all by chance: in the end
//! the bridge has what the database has.
#![expect(clippy::indexing_slicing, reason = "a failed index is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use erpbridge_connector::testkit::{Line, Tail};
use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_sqlserver::SnapshotMode;
use erpbridge_test_tds::{CaptureJob, Fault, Lsn, Transaction, Value, row};
use tokio::time::{Instant, timeout};

use crate::lab::{Lab, PATIENCE};

const TABLES: [&str; 3] = ["dbo.head", "dbo.line", "dbo.memo"];
const COLUMNS: &str = "id int NOT NULL PRIMARY KEY, note nvarchar(50), memo nvarchar(max)";
const STEPS: u32 = 150;

/// Chance that can be repeated (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn id(&mut self) -> i64 {
        i64::try_from(self.below(40)).unwrap()
    }
}

/// One statement, whatever rows there are.
fn write<'d>(lab: &Lab, on: Transaction<'d>, dice: &mut Dice, fresh: &mut i64) -> Transaction<'d> {
    let table = TABLES[usize::try_from(dice.below(3)).unwrap()];
    let of = row! { "id": dice.id() };
    let exists = lab.erp().rows(table).iter().any(|row| row[0] == of[0]);
    let note = format!("n{}", dice.below(1000));
    *fresh += 1;
    match dice.below(6) {
        _ if !exists => {
            on.insert(table, row! { "id": *fresh, "note": note, "memo": "m".repeat(30) })
        }
        0 => on.delete(table, of),
        1 => on.replace(table, of, row! { "note": note }),
        2 => on.update(table, of, row! { "memo": Value::Null }),
        3 => on.update(table, of, row! { "id": *fresh }),
        _ => on.update(table, of, row! { "note": note }),
    }
}

fn fault(dice: &mut Dice) -> Fault {
    let bytes = usize::try_from(dice.below(300)).unwrap();
    let fault = match dice.below(7) {
        0 => Fault::drop_connection(),
        1 => Fault::cut_after(bytes),
        2 => Fault::split_after(bytes, Duration::from_millis(3)),
        3 => Fault::raise(1205),
        4 => Fault::raise(1222),
        5 => Fault::raise(40_613),
        _ => Fault::delay(Duration::from_millis(10)),
    };
    let on = ["lsn_time_mapping", "change_tables", "_CT]", "[dbo].", "LOGIN"];
    fault.on(on[usize::try_from(dice.below(5)).unwrap()])
}

/// A bridge: what it has, and from where on it would resume.
#[derive(Default)]
struct Bridge {
    rows: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    last: Option<(String, u64)>,
    at: Option<Position>,
}

impl Bridge {
    /// Takes what a run has sent. What it has already it knows by its order.
    fn take(&mut self, tail: &mut Tail) {
        for line in tail.lines.drain(..).filter(|line| !line.text.starts_with("shape")) {
            let order = (line.sequence.clone(), line.ordinal);
            if self.last.as_ref().is_none_or(|last| *last < order) {
                self.apply(&line);
                self.last = Some(order);
            }
        }
        self.at = tail.at.clone().or(self.at.take());
    }

    fn apply(&mut self, line: &Line) {
        let (head, images) = line.text.split_once(" [").or(line.text.split_once(" was [")).unwrap();
        let (word, table) = head.trim_end_matches(" was").split_once(' ').unwrap();
        let cells: Vec<String> =
            images.split(']').next().unwrap().split('|').map(str::to_owned).collect();
        let rows = self.rows.entry(format!("dbo.{table}")).or_default();
        if word == "delete" {
            rows.remove(&cells[0]);
            return;
        }
        // While a snapshot is unfinished, changes come of rows that are yet to be read.
        let old = rows.get(&cells[0]).cloned().unwrap_or_default();
        let kept = cells.into_iter().enumerate().map(|(place, cell)| match cell.as_str() {
            "ABSENT" => old.get(place).cloned().unwrap_or_else(|| "UNKNOWN".to_owned()),
            _ => cell,
        });
        let kept: Vec<String> = kept.collect();
        rows.insert(kept[0].clone(), kept);
    }

    /// Whether it has all rows the database has, as they are there.
    fn equals(&self, lab: &Lab) -> bool {
        TABLES.iter().all(|table| {
            let own = self.rows.get(*table).into_iter().flat_map(BTreeMap::values);
            let mut own: Vec<Vec<String>> = own.cloned().collect();
            let mut real: Vec<Vec<String>> = lab.erp().rows(table).iter().map(cells).collect();
            // A column that came later is NULL where nothing was told of it.
            let width = real.iter().map(Vec::len).max().unwrap_or(0);
            for row in &mut own {
                row.resize(width, "NULL".to_owned());
            }
            own.sort();
            real.sort();
            own == real
        })
    }
}

fn cells(row: &erpbridge_test_tds::Row) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        other => panic!("not in these tables: {other:?}"),
    };
    row.iter().map(|(_, value)| text(value)).collect()
}

/// The place in a position.
fn place(position: &Position) -> Lsn {
    let text = position.as_str().trim_start_matches("snapshot:");
    let text = text.split(';').next().unwrap();
    let mut parts = text.split(':').map(|part| u32::from_str_radix(part, 16).unwrap());
    let mut part = || parts.next().unwrap();
    Lsn::new(part(), part(), u16::try_from(part()).unwrap())
}

/// Receives for a moment; starts the source anew where it has ended.
async fn receive(lab: &Lab, bridge: &mut Bridge, tail: &mut Tail, moment: Duration) {
    let end = Instant::now() + moment;
    while let Ok(received) = timeout(end - Instant::now(), tail.receive()).await {
        if !received {
            bridge.take(tail);
            let next = lab.start_with_room(bridge.at.as_ref(), 4096);
            let error = std::mem::replace(tail, next).ended().await;
            let kinds = [SourceErrorKind::Connection, SourceErrorKind::Busy];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
    }
}

async fn endures(seed: u64) {
    let mut dice = Dice(seed);
    let mut lab = Lab::of(&[]).await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.snapshot_chunk_rows = 5;
    (lab.config.window_bytes, lab.config.batch_bytes) = (1024, 1024);
    lab.config.transactions_per_poll = 1 + usize::try_from(dice.below(9)).unwrap();
    lab.config.poll_interval = Duration::from_millis(20);
    for table in TABLES {
        lab.capture(table.trim_start_matches("dbo."), COLUMNS);
        let rows = (0..40).map(|id| row! { "id": id, "note": "old", "memo": "text" });
        lab.erp().transaction().insert_all(table, rows).commit().await;
    }
    let (mut bridge, mut fresh) = (Bridge::default(), 100);
    let mut tail = lab.start_with_room(None, 4096);
    for step in 0..STEPS {
        for _ in 0..=dice.below(4) {
            // A statement sees the rows as they are, so each is a transaction of its own.
            write(&lab, lab.erp().transaction(), &mut dice, &mut fresh).commit().await;
        }
        if dice.one_in(3) {
            lab.tds.fault(fault(&mut dice));
        }
        match dice.below(12) {
            0 => lab.erp().set_capture(CaptureJob::Lagging(3)),
            1 | 2 => lab.erp().set_capture(CaptureJob::Running),
            3 => lab.tds.disconnect_all(),
            4 => {
                bridge.take(&mut tail);
                let next = lab.start_with_room(bridge.at.as_ref(), 4096);
                drop(std::mem::replace(&mut tail, next));
            }
            5 if bridge.at.is_some() => {
                bridge.take(&mut tail);
                lab.erp().clean_up(place(bridge.at.as_ref().unwrap()).next());
            }
            _ => drop(lab.erp().idle()),
        }
        if step == STEPS / 2 {
            lab.erp().add_column("dbo.head", "price int");
            lab.erp().capture("dbo.head").instance("second").enable();
        }
        let moment = Duration::from_millis(dice.below(8));
        receive(&lab, &mut bridge, &mut tail, moment).await;
    }
    lab.tds.heal();
    lab.erp().set_capture(CaptureJob::Running);
    let end = Instant::now() + PATIENCE;
    while !bridge.equals(&lab) {
        assert!(Instant::now() < end, "chance {seed}: {:#?}", bridge.rows);
        lab.erp().idle();
        receive(&lab, &mut bridge, &mut tail, Duration::from_millis(50)).await;
        bridge.take(&mut tail);
    }
    tail.stop().await;
}

#[tokio::test]
async fn whatever_fails_the_bridge_ends_up_with_what_the_database_has() {
    for seed in [0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB, 42, 7] {
        Box::pin(endures(seed)).await;
    }
}
