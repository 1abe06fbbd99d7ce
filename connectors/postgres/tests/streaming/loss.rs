//! What the server takes away: the log, the connection, itself.

use std::sync::Arc;

use erpbridge_connector::{Remedy, SourceErrorKind};
use erpbridge_test_support::Postgres;

use crate::assert_told;
use crate::lab::{Lab, reader, server};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text);
    CREATE PUBLICATION erpbridge FOR TABLE t";

/// Writes more log than a slot may hold back, and makes the server look.
async fn outgrow(lab: &Lab) {
    for _ in 0..3 {
        lab.run("SELECT pg_logical_emit_message(false, 'fill', 'x')").await;
        lab.run("SELECT pg_switch_wal()").await;
        lab.run("CHECKPOINT").await;
    }
}

async fn forgetful_server() -> Lab {
    let builder = server().setting("max_slot_wal_keep_size", "1MB").setting("wal_keep_size", "0");
    Lab::alone(builder, TABLE).await
}

#[tokio::test]
async fn a_slot_that_fell_too_far_behind_is_lost_for_good() {
    let lab = forgetful_server().await;
    let origin = lab.begun().await;
    outgrow(&lab).await;
    assert_eq!(lab.slot("wal_status").await.as_deref(), Some("lost"));
    let error = lab.refused(Some(&origin)).await;
    let words = ["given up", "pg_drop_replication_slot", "max_slot_wal_keep_size"];
    assert_told(&error, SourceErrorKind::PositionLost, &words);
}

#[tokio::test]
async fn a_slot_that_is_lost_while_it_is_read_is_not_retried_for_ever() {
    let lab = forgetful_server().await;
    let (mut tail, _) = lab.begin().await;
    reader(&lab).await;
    tail.confirms = false;
    lab.run("INSERT INTO t VALUES (1)").await;
    tail.texts_of(1).await;
    outgrow(&lab).await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::PositionLost, &["given up"]);
    assert_eq!(error.remedy(), Remedy::Stop);
}

#[tokio::test]
async fn a_session_ended_by_an_administrator_is_only_a_connection() {
    let lab = Lab::new("terminated", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (1)").await;
    tail.texts_of(1).await;
    let resume = tail.lines[0].resume.clone();
    let pid = reader(&lab).await;
    lab.run(&format!("SELECT pg_terminate_backend({pid})")).await;
    let error = tail.ended().await;
    assert_eq!((error.kind(), error.remedy()), (SourceErrorKind::Connection, Remedy::Retry));
    lab.slot_is_free().await;
    let mut tail = lab.start(Some(&resume));
    lab.run("INSERT INTO t VALUES (2)").await;
    assert_eq!(tail.texts_of(1).await, ["insert t [2|NULL]"]);
    tail.stop().await;
}

#[tokio::test]
async fn after_a_crash_and_a_restart_of_the_server_the_log_goes_on() {
    let mut postgres = server().start().await.unwrap();
    for crash in [true, false] {
        let table = format!("crash_{crash}");
        let shared = Arc::new(postgres);
        shared.create_database(&table).await.unwrap();
        let lab = Lab::over(Arc::clone(&shared), &table, TABLE).await;
        let (mut tail, origin) = lab.begin().await;
        tail.confirms = false;
        lab.run("INSERT INTO t VALUES (1)").await;
        tail.texts_of(1).await;
        let Lab { config, client, postgres: also, schemas, seeds, unread } = lab;
        drop((client, also));
        let mut server: Postgres = Arc::into_inner(shared).unwrap();
        if crash {
            server.kill9();
        } else {
            // The bridge has not confirmed everything, and the server waits for that.
            server.stop_fast().await.unwrap();
        }
        let error = tail.ended().await;
        assert_eq!(error.kind(), SourceErrorKind::Connection, "{error}");

        server.restart().await.unwrap();
        let shared = Arc::new(server);
        let client = shared.client_of(&table).await.unwrap();
        let lab = Lab { config, client, postgres: Arc::clone(&shared), schemas, seeds, unread };
        lab.run("INSERT INTO t VALUES (2)").await;
        let mut tail = lab.start(Some(&origin));
        assert_eq!(tail.texts_of(2).await, ["insert t [1|NULL]", "insert t [2|NULL]"]);
        tail.stop().await;
        drop(lab);
        postgres = Arc::into_inner(shared).unwrap();
    }
}

#[tokio::test]
async fn a_row_that_is_too_large_stops_the_source() {
    let mut lab = Lab::new("too_large", TABLE).await;
    lab.config.max_row_bytes = 64 << 10;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (1, repeat('x', 60000))").await;
    assert_eq!(tail.texts_of(1).await, ["insert t [1|60000 bytes]"]);
    lab.run("INSERT INTO t VALUES (2, repeat('x', 200000))").await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::TooLarge, &["max_row_bytes"]);
    assert_eq!(error.remedy(), Remedy::Stop);
}

#[tokio::test]
async fn text_the_server_cannot_convert_stops_the_source() {
    let host = Lab::new("ascii_host", "").await.postgres;
    let create = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0";
    host.execute(create).await.unwrap();
    let lab = Lab::over(host, "ascii", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (1, 'plain')").await;
    assert_eq!(tail.texts_of(1).await, ["insert t [1|plain]"]);
    lab.run("INSERT INTO t VALUES (2, convert_from('\\x4dfc6c6c6572', 'SQL_ASCII'))").await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Decode, &["SQL_ASCII"]);
    assert!(!format!("{error:?}").contains("0xfc"), "{error:?}");
}
