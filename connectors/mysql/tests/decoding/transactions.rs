//! Where transactions begin and end, and what stands between them.

use erpbridge_connector::{Operation, SourceError, SourceErrorKind, SourceEvent};
use erpbridge_mysql::assemble::{Known, Limits};
use erpbridge_mysql::position::{Coordinates, Reached};
use erpbridge_test_support::Flavour;
use mysql_async::prelude::Queryable;

use super::lab::Lab;
use super::reading::{Log, Told};

const ITEM: &str = "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB;";

fn keys(log: &Log) -> Vec<&str> {
    let key = |row: &'_ Told| row.after.clone().or(row.before.clone()).unwrap();
    log.rows.iter().map(|row| key(row)[0].clone()).map(|key| &*key.leak()).collect()
}

#[tokio::test]
async fn a_transaction_is_one_and_a_rolled_back_one_is_none() {
    for flavour in Flavour::ALL {
        let lab = Lab::start(flavour, &[]).await;
        lab.run(&format!(
            "{ITEM} CREATE TABLE scratch (id INT PRIMARY KEY); \
             BEGIN; INSERT INTO scratch VALUES (1), (2); INSERT INTO item VALUES (1, 'a'); \
             SAVEPOINT s; INSERT INTO item VALUES (2, 'b'); ROLLBACK TO s; \
             UPDATE item SET name = 'c'; COMMIT; \
             BEGIN; INSERT INTO item VALUES (3, 'd'); ROLLBACK; \
             INSERT INTO item VALUES (4, 'e')"
        ))
        .await;
        let log = lab.log().await.unwrap();
        let ordinals: Vec<_> = log.rows.iter().map(|row| row.ordinal).collect();
        assert_eq!((keys(&log), ordinals), (vec!["1", "1", "4"], vec![3, 4, 1]), "{flavour:?}");
        assert_eq!(log.rows[0].transaction, log.rows[1].transaction);
        assert_ne!(log.rows[1].transaction, log.rows[2].transaction);
    }
}

#[tokio::test]
async fn rows_of_a_table_without_transactions_end_with_a_commit_statement() {
    for flavour in Flavour::ALL {
        let lab = Lab::start(flavour, &[]).await;
        lab.run(
            "CREATE TABLE item (id INT PRIMARY KEY) ENGINE=MyISAM; \
             INSERT INTO item VALUES (1), (2); BEGIN; INSERT INTO item VALUES (3); ROLLBACK",
        )
        .await;
        assert_eq!(keys(&lab.log().await.unwrap()), ["1", "2", "3"], "{flavour:?}");
    }
}

#[tokio::test]
async fn a_truncate_is_told_at_its_place() {
    for flavour in Flavour::ALL {
        let lab = Lab::start(flavour, &[]).await;
        lab.run(&format!(
            "{ITEM} CREATE TABLE scratch (id INT); INSERT INTO item VALUES (1, 'a'); \
             TRUNCATE TABLE scratch; TRUNCATE erp.item; INSERT INTO item VALUES (2, 'b')"
        ))
        .await;
        let log = lab.log().await.unwrap();
        let [
            SourceEvent::Changes(before),
            SourceEvent::Truncated(truncated),
            SourceEvent::Changes(after),
        ] = log.events.as_slice()
        else {
            panic!("{flavour:?}: {:?}", log.events)
        };
        assert_eq!(truncated.tables.len(), 1);
        let sequence =
            |batch: &erpbridge_connector::ChangeBatch| batch.transactions()[0].sequence.clone();
        assert!(sequence(before) < truncated.transaction.sequence);
        assert!(truncated.transaction.sequence < sequence(after));
        assert!(truncated.transaction.complete);
    }
}

#[tokio::test]
async fn a_table_made_from_a_query_brings_its_rows() {
    let lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.run(&format!(
        "{ITEM} INSERT INTO item VALUES (1, 'a'), (2, 'b'); \
         CREATE TABLE copy (PRIMARY KEY (id)) AS SELECT * FROM item"
    ))
    .await;
    let log = lab.log().await.unwrap();
    let copied: Vec<_> = log.rows.iter().filter(|row| row.table == "copy").collect();
    assert_eq!(copied.len(), 2);
}

#[tokio::test]
async fn a_statement_in_place_of_rows_stops_the_source() {
    for flavour in Flavour::ALL {
        let lab = Lab::start(flavour, &[]).await;
        lab.run(ITEM).await;
        let before = lab.log().await.unwrap();
        lab.run("SET SESSION binlog_format = STATEMENT; INSERT INTO item VALUES (1, 'secret')")
            .await;
        let error = lab.log().await.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Setup);
        assert!(error.to_string().contains("INSERT, run in database `erp`"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(before.rows.is_empty());
    }
}

#[tokio::test]
async fn a_statement_on_another_database_stops_nothing() {
    let lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.run(&format!(
        "{ITEM} CREATE DATABASE other; CREATE TABLE other.note (id INT); \
         SET SESSION binlog_format = STATEMENT; USE other; INSERT INTO note VALUES (1); \
         SET SESSION binlog_format = ROW; INSERT INTO erp.item VALUES (1, 'a')"
    ))
    .await;
    assert_eq!(keys(&lab.log().await.unwrap()), ["1"]);
}

/// Prepares a transaction and leaves it to others.
async fn prepare(lab: &Lab, xid: &str, key: u32) {
    let mut client = lab.server.client_of("erp").await.unwrap();
    client
        .query_drop(format!(
            "XA START '{xid}'; INSERT INTO item VALUES ({key}, 'xa'); XA END '{xid}'; \
             XA PREPARE '{xid}'"
        ))
        .await
        .unwrap();
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_prepared_transaction_comes_when_it_is_committed() {
    let lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.run(ITEM).await;
    prepare(&lab, "x1", 1).await;
    prepare(&lab, "x2", 2).await;
    lab.run("INSERT INTO item VALUES (3, 'plain')").await;
    let waiting = lab.log().await.unwrap();
    assert_eq!(keys(&waiting), ["3"]);
    let reached = waiting.reached.unwrap();
    assert_eq!(reached.prepared.len(), 2);
    assert!(reached.read_from().offset < reached.at.offset);

    lab.run("XA ROLLBACK 'x2'; XA COMMIT 'x1'; INSERT INTO item VALUES (4, 'plain')").await;
    assert_eq!(keys(&lab.log().await.unwrap()), ["3", "1", "4"]);

    // A restart reads the prepared rows again and sends nothing twice.
    let known = Known::Before(reached.at.clone());
    let resumed = lab.log_from(reached, known).await.unwrap();
    assert_eq!(keys(&resumed), ["1", "4"]);
    assert_eq!(resumed.reached.unwrap().prepared, []);
}

#[tokio::test]
async fn an_xa_transaction_of_mysql_56_comes_at_its_commit() {
    let lab = Lab::start(Flavour::Mysql56, &[]).await;
    lab.run(&format!(
        "{ITEM} XA START 'x1'; INSERT INTO item VALUES (1, 'xa'); XA END 'x1'; XA PREPARE 'x1'; \
         XA COMMIT 'x1'; INSERT INTO item VALUES (2, 'plain')"
    ))
    .await;
    assert_eq!(keys(&lab.log().await.unwrap()), ["1", "2"]);
}

#[tokio::test]
async fn a_commit_of_what_was_prepared_before_reading_began_is_refused() {
    let lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.run(ITEM).await;
    prepare(&lab, "x1", 1).await;
    let reached = lab.log().await.unwrap().reached.unwrap();
    lab.run("XA COMMIT 'x1'").await;
    let late = Reached::new(reached.at);
    let error = lab.log_from(late, Known::Nothing).await.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::PositionLost);
}

#[tokio::test]
async fn prepared_rows_beyond_the_bound_are_refused() {
    let mut lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.limits.prepared_bytes = 50;
    lab.run(ITEM).await;
    prepare(&lab, "x1", 1).await;
    let error: SourceError = lab.log().await.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::TooLarge);
}

#[tokio::test]
async fn every_end_of_a_transaction_is_a_place_to_resume_from() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::start(flavour, &[]).await;
        lab.limits = Limits { batch_bytes: 1, window_bytes: 500, prepared_bytes: 1 << 20 };
        lab.run(ITEM).await;
        for key in 0..12 {
            let many: Vec<_> = (0..=key).map(|n| format!("({}, 'n')", key * 100 + n)).collect();
            lab.run(&format!("INSERT INTO item VALUES {}", many.join(","))).await;
            if key % 4 == 0 {
                lab.run("FLUSH BINARY LOGS").await;
            }
        }
        let whole = lab.log().await.unwrap();
        let mut ends = 0;
        for event in &whole.events {
            let SourceEvent::Changes(batch) = event else { continue };
            for transaction in batch.transactions().iter().filter(|one| one.complete) {
                ends += 1;
                let position: erpbridge_mysql::position::LogPosition =
                    transaction.resume.as_str().parse().unwrap();
                let reached = position.place.reached().unwrap().clone();
                let rest = lab.log_from(reached, Known::Nothing).await.unwrap();
                let after = whole.rows.iter().position(|row| row.transaction == *transaction.id);
                let of_it = whole.rows.iter().filter(|row| row.transaction == *transaction.id);
                let expected = &whole.rows[after.unwrap() + of_it.count()..];
                assert_eq!(rest.rows, expected);
            }
        }
        assert_eq!(ends, 12);
    }
}

#[tokio::test]
async fn what_a_dead_server_left_open_is_forgotten() {
    let mut lab = Lab::start(Flavour::MariaDb, &[]).await;
    lab.run(&format!("{ITEM} INSERT INTO item VALUES (1, 'a'), (2, 'b')")).await;
    lab.server.kill9();
    // Cut the commit off, as a crash of the machine may do.
    let file = lab.server.data().join("binlog.000001");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 31]).unwrap();
    lab.server.restart().await.unwrap();
    lab.run("INSERT INTO item VALUES (3, 'c')").await;
    let log = lab.log().await.unwrap();
    assert_eq!(keys(&log), ["3"]);
    assert_eq!(log.rows[0].operation, Operation::Insert);
    let _place: &Coordinates = &log.reached.unwrap().at;
}
