//! What is one transaction, and what is none.

use erpbridge_connector::SourceErrorKind;
use erpbridge_connector::testkit::Tail;
use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::prelude::Queryable;

use crate::assert_told;
use crate::lab::Lab;

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(500)) ENGINE = InnoDB";

fn sequences(tail: &Tail) -> Vec<&str> {
    tail.lines.iter().map(|line| line.sequence.as_str()).collect()
}

#[tokio::test]
async fn transactions_come_in_commit_order_with_growing_sequences() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "commit_order", TABLE).await;
        let (mut tail, _) = lab.begin().await;
        let mut first = lab.server.client_of("commit_order").await.unwrap();
        let mut second = lab.server.client_of("commit_order").await.unwrap();
        first.query_drop("BEGIN; INSERT INTO t VALUES (1, 'a')").await.unwrap();
        second.query_drop("BEGIN; INSERT INTO t VALUES (2, 'b'), (3, 'b')").await.unwrap();
        second.query_drop("COMMIT").await.unwrap();
        first.query_drop("INSERT INTO t VALUES (4, 'a'); COMMIT").await.unwrap();
        lab.run("BEGIN; INSERT INTO t VALUES (5, 'gone'); ROLLBACK").await;
        lab.run("INSERT INTO t VALUES (6, 'c')").await;
        let texts = tail.texts_of(5).await;
        let expected = ["[2|b]", "[3|b]", "[1|a]", "[4|a]", "[6|c]"];
        assert_eq!(texts, expected.map(|row| format!("insert t {row}")), "{flavour:?}");
        let ordinals: Vec<u64> = tail.lines.iter().map(|line| line.ordinal).collect();
        assert_eq!(ordinals, [1, 2, 1, 2, 1]);
        let found = sequences(&tail);
        assert!(found[0] == found[1] && found[1] < found[2] && found[3] < found[4], "{found:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_distributed_transaction_comes_where_it_is_committed_across_restarts() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "distributed", TABLE).await;
        let (mut tail, _) = lab.begin().await;
        let mut client = lab.server.client_of("distributed").await.unwrap();
        client
            .query_drop(
                "XA START 'x1'; INSERT INTO t VALUES (1, 'xa'); XA END 'x1'; XA PREPARE 'x1'",
            )
            .await
            .unwrap();
        lab.run("INSERT INTO t VALUES (2, 'between')").await;
        tail.texts_of(1).await;
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        tail.stop().await;

        let mut tail = lab.start(Some(&at));
        lab.run("INSERT INTO t VALUES (3, 'after')").await;
        assert_eq!(tail.texts_of(1).await, ["insert t [3|after]"], "{flavour:?}");
        client.query_drop("XA COMMIT 'x1'").await.unwrap();
        client
            .query_drop(
                "XA START 'x2'; INSERT INTO t VALUES (9, 'no'); XA END 'x2'; XA PREPARE 'x2'",
            )
            .await
            .unwrap();
        client.query_drop("XA ROLLBACK 'x2'").await.unwrap();
        lab.run("INSERT INTO t VALUES (4, 'last')").await;
        let expected = ["insert t [3|after]", "insert t [1|xa]", "insert t [4|last]"];
        assert_eq!(tail.texts_of(3).await, expected, "{flavour:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn half_a_million_rows_of_one_transaction_come_in_windows_that_never_move() {
    const ROWS: usize = 500_000;
    for flavour in Flavour::ALL {
        let builder = Mysql::builder(flavour)
            .setting("innodb_log_file_size", "256M")
            .setting("max_binlog_cache_size", "4G")
            .setting("binlog_cache_size", "8M");
        let lab = Lab::alone(builder, TABLE).await;
        lab.run(
            "CREATE TABLE scratch (n INT) ENGINE = InnoDB; INSERT INTO scratch VALUES \
             (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        )
        .await;
        let origin = lab.begun().await;
        lab.run(
            "INSERT INTO t SELECT a.n + 10*b.n + 100*c.n + 1000*d.n + 10000*e.n + 100000*f.n, 'x' \
             FROM scratch a, scratch b, scratch c, scratch d, scratch e, scratch f WHERE f.n < 5",
        )
        .await;
        let mut windows = Vec::new();
        for room in [64 << 20, 2 << 20] {
            let mut tail = lab.start_with_room(Some(&origin), room);
            tail.texts_of(ROWS).await;
            let ordinals = tail.lines.iter().map(|line| line.ordinal);
            assert!(ordinals.eq(1..=u64::try_from(ROWS).unwrap()), "{flavour:?}");
            let first = &tail.lines[0];
            assert!(tail.lines.iter().all(|line| line.sequence == first.sequence));
            let complete = tail.lines.iter().filter(|line| line.complete);
            assert!(complete.clone().count() < ROWS, "it is cut");
            assert!(tail.lines.last().unwrap().complete);
            let mut cuts: Vec<usize> = Vec::new();
            for pair in tail.lines.windows(2) {
                if pair[0].batch != pair[1].batch {
                    cuts.push(usize::try_from(pair[0].ordinal).unwrap());
                }
            }
            windows.push(cuts);
            tail.kill().await;
        }
        assert_eq!(windows[0], windows[1], "{flavour:?}");
        assert!(windows[0].len() > 10, "{}", windows[0].len());
    }
}

#[tokio::test]
async fn a_statement_in_the_place_of_rows_stops_the_source() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "statement_format", TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 'a')").await;
        lab.run("SET SESSION binlog_format = 'STATEMENT'; INSERT INTO t VALUES (2, 'secret')")
            .await;
        tail.texts_of(1).await;
        let error = tail.ended().await;
        assert_told(&error, SourceErrorKind::Setup, &["INSERT", "binlog_format", "snapshot"]);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn tables_that_know_no_transactions_are_followed_too() {
    for flavour in Flavour::ALL {
        let table = "CREATE TABLE old (id INT PRIMARY KEY, note TEXT) ENGINE = MyISAM";
        let lab = Lab::new(flavour, "without_transactions", table).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("BEGIN; INSERT INTO old VALUES (1, 'a'); ROLLBACK; UPDATE old SET note = 'b'")
            .await;
        let expected = ["insert old [1|a]", "update old [1|b] was [1|a]"];
        assert_eq!(tail.texts_of(2).await, expected, "{flavour:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn truncating_names_the_tables_and_no_rows() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "truncated", TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 'a'); TRUNCATE t; INSERT INTO t VALUES (2, 'b')").await;
        let expected = ["insert t [1|a]", "truncate t", "insert t [2|b]"];
        assert_eq!(tail.texts_of(3).await, expected, "{flavour:?}");
        assert!(sequences(&tail).is_sorted());
        tail.stop().await;
    }
}
