//! What the server may forget, and how much we hold.

use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Phase, Position};
use erpbridge_postgres::Lsn;

use crate::lab::{Lab, PATIENCE, reader};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text);
    CREATE PUBLICATION erpbridge FOR TABLE t";

fn place(position: &Position) -> Lsn {
    let text = position.as_str().trim_start_matches("snapshot:");
    text.split(';').next().unwrap().parse().unwrap()
}

async fn confirmed(lab: &Lab) -> Lsn {
    lab.slot("confirmed_flush_lsn").await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stop_hands_the_last_confirmed_position_to_the_server() {
    let lab = Lab::new("handed_over", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    for id in 1..=3 {
        lab.run(&format!("INSERT INTO t VALUES ({id})")).await;
    }
    tail.texts_of(3).await;
    let (lines, newest) = {
        let last = tail.lines[2].resume.clone();
        (tail.stop().await, last)
    };
    assert_eq!(lines.len(), 3);
    lab.slot_is_free().await;
    assert!(confirmed(&lab).await >= place(&newest));
}

#[tokio::test]
async fn the_server_forgets_nothing_that_is_not_confirmed() {
    let lab = Lab::new("unconfirmed", TABLE).await;
    let (mut tail, origin) = lab.begin().await;
    tail.until("the first position", |tail| !tail.progress.is_empty()).await;
    tail.confirms = false;
    lab.run("INSERT INTO t VALUES (1)").await;
    lab.run("INSERT INTO t VALUES (2)").await;
    tail.texts_of(2).await;
    let [first, second] = [0, 1].map(|n| tail.lines[n].resume.clone());
    // Progress has passed both rows, the server was asked and has answered; it knows of neither.
    let behind = place(&second);
    tail.until("progress", |tail| tail.progress.iter().any(|p| place(p) >= behind)).await;
    assert!(confirmed(&lab).await < place(&first));
    tail.confirm(&first);
    lab.slot_reaches(&place(&first).to_string()).await;
    assert!(confirmed(&lab).await < place(&second));
    tail.kill().await;
    lab.slot_is_free().await;
    assert!(place(&origin) < place(&first));
    let mut tail = lab.start(Some(&first));
    assert_eq!(tail.texts_of(1).await, ["insert t [2|NULL]"]);
    tail.stop().await;
}

#[tokio::test]
async fn an_idle_database_beside_a_busy_one_lets_the_log_go() {
    let lab = Lab::new("idle", TABLE).await;
    let neighbour = Lab::new("busy", "CREATE TABLE n (note text)").await;
    let (mut tail, _) = lab.begin().await;
    let kept = lab.slot("confirmed_flush_lsn").await.unwrap();
    neighbour.run("INSERT INTO n SELECT repeat('x', 1000) FROM generate_series(1, 5000)").await;
    let end = lab.ask("SELECT pg_current_wal_flush_lsn()").await.unwrap();
    assert!(end.parse::<Lsn>().unwrap().bytes_since(kept.parse().unwrap()) > 5_000_000);
    let goal: Lsn = end.parse().unwrap();
    tail.until("progress", |tail| tail.progress.last().is_some_and(|p| place(p) >= goal)).await;
    lab.slot_reaches(&end).await;
    assert!(tail.lines.is_empty());

    let small = |tail: &Tail| tail.status.borrow().lag_bytes.is_some_and(|lag| lag < 1 << 20);
    tail.until("the lag is gone", small).await;
    tail.stop().await;
}

#[tokio::test]
async fn the_status_tells_the_lag_and_what_the_server_keeps() {
    let lab = Lab::new("status", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    reader(&lab).await;
    tail.until("a progress", |tail| tail.progress.len() > 1).await;
    tail.confirms = false;
    lab.run("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 2000) n").await;
    tail.texts_of(2000).await;
    let mut status = tail.status.clone();
    let behind = status.wait_for(|status| status.lag_bytes.is_some_and(|lag| lag > 1_000_000));
    let status = tokio::time::timeout(PATIENCE, behind).await.unwrap().unwrap().clone();
    assert_eq!(status.phase, Phase::Streaming);
    assert!(status.retained_bytes.is_some());
    assert!(status.heard_at.is_some_and(|heard| heard.as_micros() > 0));
    tail.confirms = true;
    let last = tail.lines.last().unwrap().resume.clone();
    tail.confirm(&last);
    let small = |tail: &Tail| tail.status.borrow().lag_bytes.is_some_and(|lag| lag < 1_000_000);
    tail.until("the lag is gone", small).await;
    tail.stop().await;
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn two_hundred_thousand_rows_of_one_transaction_pass_a_slow_receiver_in_flat_memory() {
    const ROWS: usize = 200_000;
    let mut lab = Lab::new("flood", TABLE).await;
    lab.config.window_bytes = 1 << 20;
    let origin = lab.begun().await;
    lab.run(&format!("INSERT INTO t SELECT n, repeat('x', 400) FROM generate_series(1, {ROWS}) n"))
        .await;
    let before = resident_bytes();
    let mut tail = lab.start_with_room(Some(&origin), 2 << 20);
    // Nothing is taken until the source has long filled the queue.
    reader(&lab).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut rows, mut peak) = (0, resident_bytes());
    while rows < ROWS {
        assert!(tail.receive().await, "the source ended after {rows} rows");
        rows += tail.lines.drain(..).count();
        peak = std::cmp::max(peak, resident_bytes());
    }
    assert_eq!(rows, ROWS);
    // The rows together are 80 MB; other tests of this process may run beside this one.
    let grown = peak.saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {grown} bytes");
    tail.stop().await;
}
