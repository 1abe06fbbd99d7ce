//! Logs of servers that the suite does not start, recorded once with what SELECT said then.
//!
//! To record one, point at a private server that may be emptied, and run the ignored test:
//! `RECORD_AS=mysql-9.7.4 RECORD_SOCKET=… RECORD_DATA=… cargo test … -- --ignored record`

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::{env, fs};

use erpbridge_connector::{SourceError, SourceErrorKind, SourceEvent};
use erpbridge_mysql::binlog::{Family, kind};
use erpbridge_mysql::shape::TableShape;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use serde::{Deserialize, Serialize};

use super::lab::shapes;
use super::reading::{Log, Reading};
use super::types::{self, CASES, MARIADB, MARIADB_11, MYSQL, Tables};

/// Transactions of every sort.
const TRANSACTIONS: &str = "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(20)); \
    CREATE TABLE scratch (id INT PRIMARY KEY); \
    BEGIN; INSERT INTO scratch VALUES (1); INSERT INTO item VALUES (1, 'a'); SAVEPOINT s; \
    INSERT INTO item VALUES (2, 'b'); ROLLBACK TO s; INSERT INTO item VALUES (3, 'c'); COMMIT; \
    XA START 'x1'; INSERT INTO item VALUES (4, 'xa'); XA END 'x1'; XA PREPARE 'x1'; \
    XA START 'x2'; INSERT INTO item VALUES (5, 'xa'); XA END 'x2'; XA PREPARE 'x2'; \
    INSERT INTO item VALUES (6, 'plain'); XA ROLLBACK 'x2'; XA COMMIT 'x1'; \
    XA START 'x3'; INSERT INTO item VALUES (7, 'xa'); XA END 'x3'; XA COMMIT 'x3' ONE PHASE; \
    SET gtid_next = 'AUTOMATIC:erp'; INSERT INTO item VALUES (8, 'tagged'); \
    SET gtid_next = 'AUTOMATIC'; TRUNCATE TABLE item; \
    CREATE TABLE child (id INT PRIMARY KEY, item INT, \
    FOREIGN KEY (item) REFERENCES item (id) ON DELETE CASCADE); \
    INSERT INTO item VALUES (9, 'parent'); INSERT INTO child VALUES (10, 9); \
    DELETE FROM item WHERE id = 9; INSERT INTO item VALUES (11, 'm'); \
    SET binlog_row_image = MINIMAL; UPDATE item SET name = 'n' WHERE id = 11; \
    SET binlog_row_image = FULL; CREATE TABLE copy (PRIMARY KEY (id)) SELECT * FROM item";

/// An update of which the log holds only what it changed inside a document.
const PARTIAL: &str = "CREATE TABLE scratch (id INT PRIMARY KEY, doc JSON); \
    CREATE TABLE item (id INT PRIMARY KEY, doc JSON); \
    INSERT INTO scratch VALUES (1, JSON_OBJECT('a', 1, 'b', REPEAT('x', 500))); \
    INSERT INTO item SELECT * FROM scratch; SET binlog_row_value_options = PARTIAL_JSON; \
    UPDATE scratch SET doc = JSON_SET(doc, '$.a', 2); \
    UPDATE item SET doc = JSON_SET(doc, '$.a', 2)";

/// What a server wrote, and what it said it holds.
#[derive(Serialize, Deserialize)]
struct Expected {
    version: String,
    shapes: BTreeMap<String, TableShape>,
    tables: Tables,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/decoding/recorded")
}

fn cases(name: &str) -> (Family, Vec<&'static types::Case>) {
    if name.starts_with("mariadb") {
        (Family::MariaDb, CASES.iter().chain(MARIADB).chain(MARIADB_11).collect())
    } else {
        (Family::MySql, CASES.iter().chain(MYSQL).collect())
    }
}

fn unpack(file: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let packed = fs::File::open(folder().join(file)).unwrap();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

fn pack(file: &str, bytes: &[u8]) {
    let packed = fs::File::create(folder().join(file)).unwrap();
    let mut encoder = GzEncoder::new(packed, Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap();
}

fn play(name: &str, by_names: bool) -> Log {
    let (log, expected) = read(name, by_names);
    let log = log.unwrap();
    let wrong = types::wrong(&log, &expected.tables);
    assert!(wrong.is_empty(), "{}\n{}", expected.version, wrong.join("\n"));
    log
}

fn read(name: &str, by_names: bool) -> (Result<Log, SourceError>, Expected) {
    let bytes = unpack(&format!("{name}.binlog.gz"));
    let expected: Expected = serde_json::from_slice(&unpack(&format!("{name}.json.gz"))).unwrap();
    let (family, _) = cases(name);
    let shapes = expected.shapes.clone();
    let reading = Reading { family, limits: Reading::LIMITS, by_names, shapes };
    (reading.framed("binlog.000001", &bytes), expected)
}

#[test]
fn mysql_97_is_read() {
    let log = play("mysql-9.7.4-plain", false);
    assert!(log.kinds.contains_key(&kind::GTID), "{:?}", log.kinds);
    assert!(log.reached.unwrap().gtids.is_some());
    play("mysql-9.7.4-plain", true);
}

#[test]
fn compressed_transactions_of_mysql_97_are_read() {
    let log = play("mysql-9.7.4-compressed", false);
    assert!(log.kinds.contains_key(&kind::TRANSACTION_PAYLOAD), "{:?}", log.kinds);
}

#[test]
fn mariadb_118_is_read() {
    play("mariadb-11.8.9-plain", false);
}

#[test]
fn transactions_of_mysql_97_are_told_in_their_order() {
    for name in ["mysql-9.7.4-transactions", "mysql-9.7.4-transactions-compressed"] {
        let log = read(name, false).0.unwrap();
        let told: Vec<_> = log
            .rows
            .iter()
            .map(|row| {
                let key = row.after.as_ref().or(row.before.as_ref()).unwrap()[0].clone();
                format!("{:?} {} {key}", row.operation, row.table)
            })
            .collect();
        let expected = [
            "Insert item 1",
            "Insert item 3",
            "Insert item 6",
            "Insert item 4",
            "Insert item 7",
            "Insert item 8",
            "Insert item 9",
            "Insert child 10",
            "Delete child 10",
            "Delete item 9",
            "Insert item 11",
            "Update item 11",
            "Insert copy 11",
        ];
        let sorted = |mut told: Vec<String>| {
            told.sort();
            told
        };
        // The server may write a cascade's children after their parent.
        assert_eq!(sorted(told.clone()), sorted(expected.map(str::to_owned).to_vec()));
        assert_eq!(told[..7], expected[..7]);
        let tagged = log.rows.iter().find(|row| row.transaction.contains(":erp:"));
        assert_eq!(tagged.unwrap().after.as_ref().unwrap()[1], "tagged");
        let emptied = |event: &&SourceEvent| matches!(event, SourceEvent::Truncated(_));
        assert_eq!(log.events.iter().filter(emptied).count(), 1);
        assert_eq!(log.reached.unwrap().prepared, []);
    }
}

#[test]
fn half_a_document_is_refused_where_it_is_wanted() {
    let error = read("mysql-9.7.4-partial", false).0.unwrap_err();
    let expected = "an update of `erp.item` holds only what changed inside a JSON document";
    assert_eq!((error.kind(), &*error.to_string()), (SourceErrorKind::Setup, expected));
}

/// Has the server write something, and keeps what it wrote.
async fn record_one(client: &mut Conn, name: &str, sql: &str, cases: &[&types::Case]) {
    for sql in ["DROP DATABASE IF EXISTS erp", "CREATE DATABASE erp", "USE erp"] {
        client.query_drop(sql).await.unwrap();
    }
    if client.query_drop("RESET BINARY LOGS AND GTIDS").await.is_err() {
        client.query_drop("RESET MASTER").await.unwrap();
    }
    client.query_drop(sql).await.unwrap();
    let data = PathBuf::from(env::var("RECORD_DATA").unwrap());
    pack(&format!("{name}.binlog.gz"), &fs::read(data.join("binlog.000001")).unwrap());
    let version: String = client.query_first("SELECT VERSION()").await.unwrap().unwrap();
    let tables = types::selected(client, cases).await;
    let expected = Expected { version, shapes: shapes(client).await, tables };
    pack(&format!("{name}.json.gz"), &serde_json::to_vec(&expected).unwrap());
}

#[tokio::test]
#[ignore = "writes the recordings anew, from a server that it empties"]
async fn record() {
    let name = env::var("RECORD_AS").unwrap();
    let socket = env::var("RECORD_SOCKET").unwrap();
    let options = OptsBuilder::default().user(Some("root")).socket(Some(socket));
    let mut client = Conn::new(options).await.unwrap();
    let (family, cases) = cases(&name);
    let types = types::statements(&cases);
    record_one(&mut client, &format!("{name}-plain"), &types, &cases).await;
    if family == Family::MySql {
        let transactions = format!("{name}-transactions");
        record_one(&mut client, &transactions, TRANSACTIONS, &[]).await;
        let compress = |sql: &str| format!("SET binlog_transaction_compression = ON; {sql}");
        let compressed = format!("{name}-compressed");
        record_one(&mut client, &compressed, &compress(&types), &cases).await;
        let compressed = format!("{transactions}-compressed");
        record_one(&mut client, &compressed, &compress(TRANSACTIONS), &[]).await;
        // The session keeps this setting, so it comes last.
        record_one(&mut client, &format!("{name}-partial"), PARTIAL, &[]).await;
    }
    client.disconnect().await.unwrap();
}
