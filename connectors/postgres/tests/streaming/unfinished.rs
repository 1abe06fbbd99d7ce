//! Snapshots that break off, and what the next start makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use erpbridge_connector::testkit::{Line, Tail};
use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_postgres::SnapshotMode;

use crate::assert_told;
use crate::lab::Lab;

const TABLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const ROWS: i32 = 400;

/// Six tables; every row has a row of the same id in `ref`, which comes and goes with it.
async fn six_tables(name: &str) -> Lab {
    let mut lab = Lab::new(name, "CREATE TABLE ref (id int PRIMARY KEY)").await;
    for (place, table) in TABLES.iter().enumerate() {
        let first = i32::try_from(place).unwrap() * ROWS;
        lab.run(&format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, note text);
             INSERT INTO {table}
               SELECT n, 'first' FROM generate_series({first}, {first} + {ROWS} - 1) n;
             INSERT INTO ref SELECT id FROM {table}"
        ))
        .await;
    }
    lab.run("CREATE PUBLICATION erpbridge FOR ALL TABLES").await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.batch_bytes = 1024;
    (lab.seeds, lab.unread) = (&["ref"], &["ref"]);
    lab
}

/// Writes to all tables until told to stop: rows come, change and go.
async fn write(lab: &Lab, done: &AtomicBool) {
    let mut next = 1_000_000;
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    while !done.load(Ordering::SeqCst) {
        for (place, table) in TABLES.iter().enumerate() {
            let old = i32::try_from(place).unwrap() * ROWS + (next / 6) % ROWS;
            next += 1;
            pace.tick().await;
            lab.run(&format!(
                "INSERT INTO ref VALUES ({next}); INSERT INTO {table} VALUES ({next}, 'new');
                 UPDATE {table} SET note = 'changed {next}' WHERE id = {old} + 1;
                 DELETE FROM {table} WHERE id = {old} OR id = {next} - 60;
                 DELETE FROM ref WHERE id = {old} OR id = {next} - 60"
            ))
            .await;
        }
    }
    lab.run("INSERT INTO ref VALUES (-1)").await;
}

/// What a bridge makes of the lines of all runs.
#[derive(Default)]
struct Kept {
    /// Each table's rows, the remembered ones of `ref` among them.
    tables: BTreeMap<String, BTreeMap<String, String>>,
    last: Option<(String, u64)>,
}

impl Kept {
    /// Takes the lines of one run; those it has from the run before are known by their order.
    fn take(&mut self, lines: &[Line]) {
        for line in lines {
            let words: Vec<&str> = line.text.splitn(3, ' ').collect();
            let [word, table, row] = words[..] else { continue };
            let order = (line.sequence.clone(), line.ordinal);
            if word != "seed" {
                if self.last.as_ref().is_some_and(|last| *last >= order) {
                    continue;
                }
                self.last = Some(order);
            }
            let row = row.trim_start_matches("was ").trim_start_matches('[');
            let (id, note) = row.split_once(['|', ']']).unwrap();
            let note = note.split(']').next().unwrap();
            if word == "read" {
                let found = self.tables.get("ref").is_some_and(|rows| rows.contains_key(id));
                assert!(found, "{} looks up what is not remembered", line.text);
            }
            let rows = self.tables.entry(table.to_owned()).or_default();
            match word {
                "delete" => drop(rows.remove(id)),
                _ => drop(rows.insert(id.to_owned(), note.to_owned())),
            }
        }
    }
}

/// The tables a position names as read, by counting bits as the README says.
fn named(position: &Position) -> BTreeSet<&'static str> {
    let done = position.as_str().split(';').find_map(|field| field.strip_prefix("done="));
    let bits = done.map_or("00", |done| done.split_once(':').unwrap().1);
    let bits = u8::from_str_radix(bits, 16).unwrap();
    TABLES
        .into_iter()
        .enumerate()
        .filter(|(place, _)| bits >> place & 1 == 1)
        .map(|t| t.1)
        .collect()
}

async fn equals_the_database(lab: &Lab, kept: &Kept) {
    for table in TABLES.iter().chain(&["ref"]) {
        let note = if *table == "ref" { "''" } else { "note" };
        let sql = format!("SELECT id::text, {note}::text FROM {table}");
        let rows = lab.client.query(&sql, &[]).await.unwrap();
        let rows: BTreeMap<String, String> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
        assert_eq!(kept.tables.get(*table), Some(&rows), "{table}");
    }
}

/// When a run is killed.
type Moment = fn(&Tail, &BTreeSet<&'static str>) -> bool;

const KILLS: [(&str, Moment); 4] = [
    ("two tables are read", |tail, _| now(tail).len() >= 2),
    ("the log in between is half sent", |tail, _| tail.lines.len() >= 200),
    ("a table is read again", |tail, _| reads(tail) >= 50),
    ("one more table is read", |tail, before| now(tail).len() > before.len()),
];

fn now(tail: &Tail) -> BTreeSet<&'static str> {
    tail.at.as_ref().map(named).unwrap_or_default()
}

fn reads(tail: &Tail) -> usize {
    tail.lines.iter().filter(|line| line.text.starts_with("read ")).count()
}

/// Killed again and again while writers go on.
#[tokio::test]
async fn a_snapshot_that_was_killed_is_finished_without_reading_a_table_twice() {
    let mut lab = six_tables("finished").await;
    let writers = Lab::over(Arc::clone(&lab.postgres), "finished", "SELECT 1").await;
    let done = AtomicBool::new(false);
    let running = async {
        let (mut kept, mut at) = (Kept::default(), None);
        for (when, enough) in KILLS {
            let before: BTreeSet<_> = at.as_ref().map(named).unwrap_or_default();
            let mut tail = lab.start_with_room(at.as_ref(), 16 << 10);
            tail.until(when, |tail| enough(tail, &before)).await;
            at = take(&lab, tail, &mut kept, &before).await;
            let now = named(at.as_ref().unwrap());
            assert!(now.is_superset(&before) && now.len() < 6, "{when}: {now:?}");
            // The bridge has its images and keeps them with the position.
            lab.seeds = &[];
        }
        let mut tail = lab.start(at.as_ref());
        tail.following().await;
        done.store(true, Ordering::SeqCst);
        let last = |tail: &Tail| tail.lines.iter().any(|line| line.text == "insert ref [-1]");
        tail.until("the last write came", last).await;
        none_is_read_again(&tail, &at.as_ref().map(named).unwrap_or_default());
        kept.take(&tail.lines);
        tail.stop().await;
        kept
    };
    let (kept, ()) = tokio::join!(running, write(&writers, &done));
    equals_the_database(&writers, &kept).await;
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    assert_eq!(writers.ask(slots).await.as_deref(), Some("1"), "no other slot stays");
}

fn none_is_read_again(tail: &Tail, before: &BTreeSet<&str>) {
    let again = |line: &&Line| {
        let of = |table: &&str| line.text.starts_with(&format!("read {table} "));
        before.iter().any(of)
    };
    assert_eq!(tail.lines.iter().find(again), None, "{before:?} had been read");
}

/// Kills a run, and returns the position of what the bridge has of it.
async fn take(
    lab: &Lab,
    tail: Tail,
    kept: &mut Kept,
    before: &BTreeSet<&'static str>,
) -> Option<Position> {
    none_is_read_again(&tail, before);
    kept.take(&tail.lines);
    let at = tail.at.clone();
    tail.kill().await;
    lab.slot_is_free().await;
    at
}

#[tokio::test]
async fn another_list_of_tables_is_read_whole_and_the_log_in_between_is_not_lost() {
    let mut lab = six_tables("relisted").await;
    let mut tail = lab.start_with_room(None, 16 << 10);
    tail.until("two tables are read", |tail| now(tail).len() >= 2).await;
    let at = tail.at.clone();
    tail.kill().await;
    lab.slot_is_free().await;
    lab.run("CREATE TABLE aa (id int PRIMARY KEY); DELETE FROM a WHERE id < 10").await;
    lab.seeds = &[];
    let mut tail = lab.start(at.as_ref());
    tail.following().await;
    assert_eq!(reads(&tail), usize::try_from(6 * ROWS - 10).unwrap());
    let first: Vec<_> = tail.texts().into_iter().take(10).collect();
    assert!(first.iter().all(|text| text.starts_with("delete a was")), "{first:?}");
    tail.stop().await;
}

/// A log followed for other tables leaves out changes of these.
#[tokio::test]
async fn a_list_of_tables_that_comes_back_is_read_whole() {
    let mut lab = six_tables("came_back").await;
    let mut tail = lab.start_with_room(None, 16 << 10);
    tail.until("two tables are read", |tail| now(tail).len() >= 2).await;
    let at = tail.at.clone();
    tail.kill().await;
    lab.slot_is_free().await;
    for id in 1..=100 {
        lab.run(&format!("INSERT INTO a VALUES (-{id}, 'new')")).await;
    }
    (lab.seeds, lab.unread) = (&[], &["ref", "f"]);
    let mut tail = lab.start_with_room(at.as_ref(), 4 << 10);
    tail.until("the log in between is half sent", |tail| tail.lines.len() >= 50).await;
    let at = tail.at.clone();
    assert!(now(&tail).is_empty(), "another list is read");
    tail.kill().await;
    lab.slot_is_free().await;
    lab.unread = &["ref"];
    let mut tail = lab.start(at.as_ref());
    tail.following().await;
    assert_eq!(reads(&tail), usize::try_from(6 * ROWS + 100).unwrap());
    tail.stop().await;
}

#[tokio::test]
async fn an_unfinished_snapshot_whose_slot_is_gone_is_not_begun_anew_in_silence() {
    let lab = six_tables("slotless").await;
    let mut tail = lab.start_with_room(None, 16 << 10);
    tail.texts_of(3000).await;
    let at = tail.at.clone().unwrap();
    tail.kill().await;
    lab.slot_is_free().await;
    lab.run("SELECT pg_drop_replication_slot('erpbridge_slotless')").await;
    let error = lab.refused(Some(&at)).await;
    let words = ["does not exist", "remove the stored offsets"];
    assert_told(&error, SourceErrorKind::PositionLost, &words);
}
