//! The forms a log may have: images, event versions, compression, metadata, identifiers.

use erpbridge_connector::{Operation, SourceEvent, TableSchema};
use erpbridge_mysql::binlog::kind;
use erpbridge_test_support::Flavour;

use super::lab::Lab;
use super::reading::{Log, Told};

const ITEM: &str = "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(20), qty DECIMAL(9,2), \
    note TEXT);";

const CHANGES: &str = "INSERT INTO item VALUES (1, 'nut', 5, 'small'), (2, 'bolt', NULL, NULL); \
    UPDATE item SET qty = 7 WHERE id = 1; UPDATE item SET id = 3 WHERE id = 2; \
    DELETE FROM item WHERE id = 1;";

#[expect(clippy::unnecessary_wraps, reason = "it is compared with images that may be none")]
fn cells(texts: [&str; 4]) -> Option<Vec<String>> {
    Some(texts.map(str::to_owned).to_vec())
}

fn images(row: &Told) -> (Operation, Option<Vec<String>>, Option<Vec<String>>) {
    (row.operation, row.before.clone(), row.after.clone())
}

fn assert_changes(log: &Log) {
    let found: Vec<_> = log.rows.iter().map(images).collect();
    let one = ["1", "nut", "5.00", "small"];
    let two = ["2", "bolt", "~", "~"];
    let expected = [
        (Operation::Insert, None, cells(one)),
        (Operation::Insert, None, cells(two)),
        (Operation::Update, cells(one), cells(["1", "nut", "7.00", "small"])),
        (Operation::Update, cells(two), cells(["3", "bolt", "~", "~"])),
        (Operation::Delete, cells(["1", "nut", "7.00", "small"]), None),
    ];
    assert_eq!(found, expected);
}

async fn log_of(flavour: Flavour, settings: &[(&str, &str)], before: &str) -> Log {
    let lab = Lab::start(flavour, settings).await;
    lab.run(&format!("{ITEM} {before} {CHANGES}")).await;
    lab.log().await.unwrap()
}

#[tokio::test]
async fn row_events_of_both_versions_and_checksums_of_both_kinds_are_read() {
    for flavour in Flavour::ALL {
        assert_changes(&log_of(flavour, &[("binlog_checksum", "NONE")], "").await);
    }
    let log = log_of(Flavour::Mysql56, &[], "").await;
    assert_changes(&log);
    assert!(log.kinds.contains_key(&kind::WRITE_ROWS));
    let old = log_of(Flavour::Mysql56, &[("log_bin_use_v1_row_events", "ON")], "").await;
    assert_changes(&old);
    assert!(old.kinds.contains_key(&kind::WRITE_ROWS_V1));
}

#[tokio::test]
async fn a_minimal_image_is_filled_from_the_image_before_where_it_can_be() {
    for flavour in Flavour::ALL {
        let log = log_of(flavour, &[("binlog_row_image", "MINIMAL")], "").await;
        let found: Vec<_> = log.rows.iter().map(images).collect();
        assert_eq!(found[2].1, cells(["1", "?", "?", "?"]), "{flavour:?}");
        assert_eq!(found[2].2, cells(["1", "?", "7.00", "?"]), "{flavour:?}");
        assert_eq!(found[3].2, cells(["3", "?", "?", "?"]), "{flavour:?}");
        assert_eq!(found[4].1, cells(["1", "?", "?", "?"]), "{flavour:?}");
    }
}

#[tokio::test]
async fn an_image_without_large_values_leaves_them_absent() {
    for flavour in Flavour::ALL {
        let log = log_of(flavour, &[("binlog_row_image", "NOBLOB")], "").await;
        let found: Vec<_> = log.rows.iter().map(images).collect();
        assert_eq!(found[2].2, cells(["1", "nut", "7.00", "?"]), "{flavour:?}");
    }
}

#[tokio::test]
async fn a_compressed_log_inflates_to_the_same_rows() {
    let settings = [("log_bin_compress", "ON"), ("log_bin_compress_min_len", "10")];
    let log = log_of(Flavour::MariaDb, &settings, "").await;
    assert_changes(&log);
    for compressed in [
        kind::QUERY_COMPRESSED,
        kind::WRITE_ROWS_COMPRESSED_V1,
        kind::UPDATE_ROWS_COMPRESSED_V1,
        kind::DELETE_ROWS_COMPRESSED_V1,
    ] {
        assert!(log.kinds.contains_key(&compressed), "{compressed} {:?}", log.kinds);
    }
}

#[tokio::test]
async fn row_metadata_is_read_and_changes_nothing() {
    for metadata in ["MINIMAL", "FULL"] {
        let settings = [("binlog_row_metadata", metadata)];
        assert_changes(&log_of(Flavour::MariaDb, &settings, "").await);
    }
}

#[tokio::test]
async fn an_annotated_log_is_read() {
    let log = log_of(Flavour::MariaDb, &[("binlog_annotate_row_events", "ON")], "").await;
    assert_changes(&log);
    assert!(log.kinds.contains_key(&kind::ANNOTATE_ROWS));
    let settings = [("binlog_rows_query_log_events", "ON")];
    let log = log_of(Flavour::Mysql56, &settings, "").await;
    assert_changes(&log);
    assert!(log.kinds.contains_key(&kind::ROWS_QUERY));
}

#[tokio::test]
async fn identifiers_name_the_place_in_both_families() {
    let log = log_of(Flavour::MariaDb, &[("gtid_domain_id", "7"), ("server_id", "1011")], "").await;
    assert_eq!(log.rows[0].transaction, "7-1011-3");
    assert_eq!(log.reached.unwrap().gtids.unwrap().to_string(), "7-1011-6");
    let settings = [("gtid_mode", "ON"), ("enforce_gtid_consistency", "ON")];
    let log = log_of(Flavour::Mysql56, &settings, "").await;
    assert!(log.rows[0].transaction.ends_with(":3"), "{:?}", log.rows[0]);
    assert!(log.reached.unwrap().gtids.unwrap().to_string().ends_with(":1-6"));
}

#[tokio::test]
async fn times_of_before_56_are_read() {
    let lab = Lab::start(Flavour::MariaDb, &[("mysql56_temporal_format", "OFF")]).await;
    lab.run(
        "SET sql_mode = '', time_zone = '+00:00'; \
         CREATE TABLE item (id INT PRIMARY KEY, a TIME, b DATETIME, c TIMESTAMP NULL); \
         INSERT INTO item VALUES (1, '-838:59:59', '2024-02-29 23:59:58', '2024-02-29 12:00:00'), \
         (2, '300:00:00', '0000-00-00 00:00:00', 0), (3, '-00:00:01', '9999-12-31 00:00:00', NULL)",
    )
    .await;
    let log = lab.log().await.unwrap();
    let found: Vec<_> = log.rows.iter().map(|row| row.after.clone()).collect();
    let expected = [
        cells(["1", "-838:59:59", "2024-02-29 23:59:58", "2024-02-29 12:00:00+00"]),
        cells(["2", "300:00:00", "0000-00-00 00:00:00", "0000-00-00 00:00:00"]),
        cells(["3", "-00:00:01", "9999-12-31 00:00:00", "~"]),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_type_nobody_can_read_is_refused_by_name_and_stops_nothing_if_unwanted() {
    let lab = Lab::start(Flavour::MariaDb, &[("mysql56_temporal_format", "OFF")]).await;
    lab.run(
        "CREATE TABLE scratch (id INT PRIMARY KEY, a TIME(3)); \
         CREATE TABLE item (id INT PRIMARY KEY); \
         BEGIN; INSERT INTO scratch VALUES (1, '10:00:00'); INSERT INTO item VALUES (1); COMMIT",
    )
    .await;
    let log = lab.log().await.unwrap();
    assert_eq!(log.rows.len(), 1);
    assert!(log.rows[0].ordinal > 1);
    lab.run("CREATE TABLE po (id INT, a TIME(3)); INSERT INTO po VALUES (1, '10:00:00')").await;
    let error = lab.log().await.unwrap_err();
    assert_eq!(error.to_string(), "the rows of table `erp.po` cannot be read");
}

#[tokio::test]
async fn a_column_is_found_by_its_name_wherever_it_stood() {
    let lab = Lab::start(Flavour::MariaDb, &[("binlog_row_metadata", "FULL")]).await;
    lab.run(
        "CREATE TABLE item (id INT PRIMARY KEY, low VARCHAR(9), high VARCHAR(9), gone INT UNSIGNED, \
         state ENUM('new', 'old') CHARACTER SET latin1); \
         INSERT INTO item VALUES (1, 'l', 'h', 4000000000, 'old'); \
         ALTER TABLE item MODIFY low VARCHAR(9) AFTER high, DROP gone, \
         MODIFY state ENUM('old', 'grün') CHARACTER SET latin1; \
         INSERT INTO item VALUES (2, 'h', 'l', 'grün')",
    )
    .await;
    let log = lab.log().await.unwrap();
    let schemas: Vec<_> = log
        .events
        .iter()
        .filter_map(|event| match event {
            SourceEvent::SchemaChanged { table, previous } => Some((table, previous)),
            _ => None,
        })
        .collect();
    let names = |schema: &TableSchema| {
        schema.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()
    };
    let [(table, Some(previous))] = schemas.as_slice() else { panic!("{:?}", log.events) };
    assert_eq!(names(previous), ["id", "low", "high", "gone", "state"]);
    assert_eq!(names(table), ["id", "high", "low", "state"]);
    assert_eq!(previous.primary_key, [0]);
    let rows: Vec<_> = log.rows.iter().map(|row| row.after.clone().unwrap()).collect();
    assert_eq!(rows[0], ["1", "l", "h", "4000000000", "old"]);
    assert_eq!(rows[1], ["2", "h", "l", "grün"]);
}
