//! Snapshots that break off, and what the next start makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use erpbridge_connector::Position;
use erpbridge_connector::testkit::{Line, Tail};
use erpbridge_mysql::SnapshotMode;
use erpbridge_test_support::Flavour;
use mysql_async::prelude::Queryable;

use crate::lab::Lab;

const TABLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const ROWS: i32 = 400;

/// Six tables; every row has a row of the same id in `ref`, which comes and goes with it.
async fn six_tables(flavour: Flavour, name: &str) -> Lab {
    let table = "CREATE TABLE ref (id INT PRIMARY KEY) ENGINE = InnoDB";
    let mut lab = Lab::new(flavour, name, table).await;
    for (place, table) in TABLES.iter().enumerate() {
        let first = i32::try_from(place).unwrap() * ROWS;
        let rows: Vec<String> =
            (first..first + ROWS).map(|id| format!("({id}, 'first')")).collect();
        lab.run(&format!(
            "CREATE TABLE {table} (id INT PRIMARY KEY, note VARCHAR(40)) ENGINE = InnoDB;
             INSERT INTO {table} VALUES {};
             INSERT INTO ref SELECT id FROM {table}",
            rows.join(",")
        ))
        .await;
    }
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.batch_bytes = 1024;
    (lab.seeds, lab.unread) = (&["ref"], &["ref"]);
    lab
}

/// Writes to all tables until told to stop: rows come, change and go.
async fn write(lab: &Lab, done: &AtomicBool) {
    let mut client = lab.server.client_of(&lab.database).await.unwrap();
    let mut next = 1_000_000;
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    while !done.load(Ordering::SeqCst) {
        for (place, table) in TABLES.iter().enumerate() {
            let old = i32::try_from(place).unwrap() * ROWS + (next / 6) % ROWS;
            next += 1;
            pace.tick().await;
            let transaction = format!(
                "BEGIN; INSERT INTO ref VALUES ({next}); INSERT INTO {table} VALUES ({next}, 'new');
                 UPDATE {table} SET note = 'changed {next}' WHERE id = {old} + 1;
                 DELETE FROM {table} WHERE id = {old} AND id % 4 = 0 OR id = {next} - 60;
                 DELETE FROM ref WHERE id = {old} AND id % 4 = 0 OR id = {next} - 60; COMMIT"
            );
            // The moment of a snapshot may lock tables in another order than we write to them.
            while let Err(error) = client.query_drop(&transaction).await {
                let deadlock = matches!(&error, mysql_async::Error::Server(e) if e.code == 1213);
                assert!(deadlock, "{error}");
            }
        }
    }
    client.query_drop("INSERT INTO ref VALUES (-1)").await.unwrap();
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
        let sql = format!("SELECT CAST(id AS CHAR), {note} FROM {}.{table}", lab.database);
        let rows: Vec<(String, String)> = lab.server.query(&sql).await.unwrap();
        let rows: BTreeMap<String, String> = rows.into_iter().collect();
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

async fn finish_what_was_killed(flavour: Flavour) {
    let mut lab = six_tables(flavour, "finished").await;
    let writers = lab.beside();
    let done = AtomicBool::new(false);
    let running = async {
        let (mut kept, mut at) = (Kept::default(), None);
        for (when, enough) in KILLS {
            let before: BTreeSet<_> = at.as_ref().map(named).unwrap_or_default();
            let mut tail = lab.start_with_room(at.as_ref(), 16 << 10);
            tail.until(when, |tail| enough(tail, &before)).await;
            at = take(tail, &mut kept, &before).await;
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
}

/// Killed again and again while writers go on.
#[tokio::test]
async fn a_snapshot_that_was_killed_is_finished_without_reading_a_table_twice() {
    for flavour in Flavour::ALL {
        finish_what_was_killed(flavour).await;
    }
}

fn none_is_read_again(tail: &Tail, before: &BTreeSet<&str>) {
    let again = |line: &&Line| {
        let of = |table: &&str| line.text.starts_with(&format!("read {table} "));
        before.iter().any(of)
    };
    assert_eq!(tail.lines.iter().find(again), None, "{before:?} had been read");
}

/// Kills a run, and returns the position of what the bridge has of it.
async fn take(tail: Tail, kept: &mut Kept, before: &BTreeSet<&'static str>) -> Option<Position> {
    none_is_read_again(&tail, before);
    kept.take(&tail.lines);
    let at = tail.at.clone();
    tail.kill().await;
    at
}

#[tokio::test]
async fn another_list_of_tables_is_read_whole_and_the_log_in_between_is_not_lost() {
    for flavour in Flavour::ALL {
        let mut lab = six_tables(flavour, "relisted").await;
        let mut tail = lab.start_with_room(None, 16 << 10);
        tail.until("two tables are read", |tail| now(tail).len() >= 2).await;
        let at = tail.at.clone();
        tail.kill().await;
        lab.run("CREATE TABLE aa (id INT PRIMARY KEY); DELETE FROM a WHERE id < 10").await;
        lab.seeds = &[];
        let mut tail = lab.start(at.as_ref());
        tail.following().await;
        assert_eq!(reads(&tail), usize::try_from(6 * ROWS - 10).unwrap(), "{flavour:?}");
        let first: Vec<_> = tail.texts().into_iter().take(10).collect();
        assert!(first.iter().all(|text| text.starts_with("delete a was")), "{first:?}");
        tail.stop().await;
    }
}

/// A log followed for other tables leaves out changes of these.
#[tokio::test]
async fn a_list_of_tables_that_comes_back_is_read_whole() {
    for flavour in Flavour::ALL {
        let mut lab = six_tables(flavour, "came_back").await;
        let mut tail = lab.start_with_room(None, 16 << 10);
        tail.until("two tables are read", |tail| now(tail).len() >= 2).await;
        let at = tail.at.clone();
        tail.kill().await;
        for id in 1..=100 {
            lab.run(&format!("INSERT INTO a VALUES (-{id}, 'new')")).await;
        }
        (lab.seeds, lab.unread) = (&[], &["ref", "f"]);
        let mut tail = lab.start_with_room(at.as_ref(), 4 << 10);
        tail.until("the log in between is half sent", |tail| tail.lines.len() >= 50).await;
        let at = tail.at.clone();
        assert!(now(&tail).is_empty(), "another list is read");
        tail.kill().await;
        lab.unread = &["ref"];
        let mut tail = lab.start(at.as_ref());
        tail.following().await;
        assert_eq!(reads(&tail), usize::try_from(6 * ROWS + 100).unwrap(), "{flavour:?}");
        tail.stop().await;
    }
}
