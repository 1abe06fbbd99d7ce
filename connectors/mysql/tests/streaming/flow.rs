//! What is told of the state of things, and how much we hold.

use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Phase, Position};
use erpbridge_test_support::{Flavour, Mysql};

use crate::lab::{Lab, PATIENCE, place};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, note LONGTEXT) ENGINE = InnoDB";

#[tokio::test]
async fn progress_moves_with_what_nobody_wants_and_while_nothing_happens() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "idle", TABLE).await;
        lab.run("CREATE TABLE scratch (id INT PRIMARY KEY, note LONGTEXT) ENGINE = InnoDB").await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO scratch VALUES (1, REPEAT('x', 100000))").await;
        lab.caught_up(&mut tail).await;
        assert!(tail.lines.is_empty());
        let none = |tail: &Tail| tail.status.borrow().lag_bytes.is_some_and(|lag| lag < 1 << 16);
        tail.until("the lag is gone", none).await;
        tail.stop().await;
    }
}

#[tokio::test]
async fn the_status_tells_the_lag_and_how_long_the_log_is_kept() {
    for flavour in Flavour::ALL {
        let builder = Mysql::builder(flavour).setting("expire_logs_days", "3");
        let lab = Lab::alone(builder, TABLE).await;
        let (mut tail, _) = lab.begin().await;
        tail.until("a progress", |tail| tail.progress.len() > 1).await;
        let mut status = tail.status.clone();
        let days = Duration::from_hours(72);
        let kept = status.wait_for(|status| status.log_kept_for == Some(days));
        tokio::time::timeout(PATIENCE, kept).await.unwrap().unwrap();
        tail.confirms = false;
        lab.run("INSERT INTO t VALUES (1, REPEAT('x', 1000000)), (2, REPEAT('x', 1000000))").await;
        tail.texts_of(2).await;
        let behind = status.wait_for(|status| status.lag_bytes.is_some_and(|lag| lag > 1_000_000));
        let behind = tokio::time::timeout(PATIENCE, behind).await.unwrap().unwrap().clone();
        assert_eq!(behind.phase, Phase::Streaming);
        assert!(behind.heard_at.is_some_and(|heard| heard.as_micros() > 0));
        tail.confirms = true;
        let last = tail.lines.last().unwrap().resume.clone();
        tail.confirm(&last);
        let small = |tail: &Tail| tail.status.borrow().lag_bytes.is_some_and(|lag| lag < 1 << 16);
        tail.until("the lag is gone", small).await;
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_what_was_sent_to_be_confirmed() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "stopped", TABLE).await;
        let (mut tail, _) = lab.begin().await;
        for id in 1..=3 {
            lab.run(&format!("INSERT INTO t VALUES ({id}, 'x')")).await;
        }
        tail.texts_of(3).await;
        assert_eq!(tail.stop().await.len(), 3);
    }
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_hundred_megabytes_of_one_transaction_pass_a_slow_receiver_in_flat_memory() {
    const ROWS: usize = 100_000;
    for flavour in Flavour::ALL {
        let builder = Mysql::builder(flavour).setting("innodb_log_file_size", "256M");
        let lab = Lab::alone(builder, TABLE).await;
        lab.run(
            "CREATE TABLE scratch (n INT) ENGINE = InnoDB; INSERT INTO scratch VALUES \
             (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        )
        .await;
        let origin = lab.begun().await;
        lab.run(
            "INSERT INTO t SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n, REPEAT('x', 1000) \
             FROM scratch a, scratch b, scratch c, scratch d, scratch e",
        )
        .await;
        let before = resident_bytes();
        let mut tail = lab.start_with_room(Some(&origin), 2 << 20);
        // Nothing is taken until the source has long filled the queue.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (mut rows, mut peak) = (0, resident_bytes());
        while rows < ROWS {
            assert!(tail.receive().await, "the source ended after {rows} rows");
            rows += tail.lines.drain(..).count();
            peak = std::cmp::max(peak, resident_bytes());
        }
        let grown = peak.saturating_sub(before);
        // Other tests of this process may run beside this one.
        assert!(grown < 40 << 20, "{flavour:?}: memory grew by {grown} bytes");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_position_is_small_enough_for_a_header() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "small_position", TABLE).await;
        let origin: Position = lab.begun().await;
        assert!(origin.as_str().len() < 200, "{origin}");
        assert!(place(&origin).1 > 4);
    }
}
