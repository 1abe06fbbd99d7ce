//! Where the source begins, and where it refuses to.

use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_postgres::{Lsn, SnapshotMode};
use erpbridge_test_support::wait_until;

use crate::assert_told;
use crate::lab::{Lab, PATIENCE, reader};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE t";

/// The same position at another place of the log.
fn moved(position: &Position, place: &str) -> Position {
    let (_, identity) = position.as_str().split_once(';').unwrap();
    Position::new(format!("{place};{identity}"))
}

#[tokio::test]
async fn a_position_behind_what_the_slot_has_confirmed_is_lost() {
    let lab = Lab::new("behind", TABLE).await;
    let (mut tail, origin) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (1)").await;
    tail.texts_of(1).await;
    let lines = tail.stop().await;
    lab.slot_is_free().await;
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["older than", "pg_drop_replication_slot"]);

    let newest = lab.slot("confirmed_flush_lsn").await.unwrap();
    assert!(newest.parse::<Lsn>().unwrap().sequence().as_str() > lines[0].sequence.as_str());
    let tail = lab.start(Some(&moved(&origin, &newest)));
    reader(&lab).await;
    assert!(tail.stop().await.is_empty());
}

#[tokio::test]
async fn a_position_beyond_the_log_is_of_another_server() {
    let lab = Lab::new("beyond", TABLE).await;
    let origin = lab.begun().await;
    let confirmed = lab.slot("confirmed_flush_lsn").await;
    let error = lab.refused(Some(&moved(&origin, "FF/0"))).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["FF/0", "beyond the end"]);
    assert_eq!(lab.slot("confirmed_flush_lsn").await, confirmed, "the slot did not move");
}

#[tokio::test]
async fn a_position_of_another_cluster_or_database_is_refused() {
    let lab = Lab::new("cluster", TABLE).await;
    let origin = lab.begun().await;
    let fields: Vec<&str> = origin.as_str().split(';').collect();
    let elsewhere = Position::new([fields[0], "sys=1", fields[2], fields[3]].join(";"));
    let error = lab.refused(Some(&elsewhere)).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["system identifier"]);

    let beside = Lab::new("beside", TABLE).await;
    let error = beside.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["database oid"]);
    assert_eq!(beside.slot("slot_name").await, None, "no slot is made for a foreign position");
}

#[tokio::test]
async fn a_slot_that_was_dropped_is_never_made_again_in_silence() {
    let lab = Lab::new("dropped", TABLE).await;
    let origin = lab.begun().await;
    lab.run("SELECT pg_drop_replication_slot('erpbridge_dropped')").await;
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["erpbridge_dropped", "does not exist"]);
    assert_eq!(lab.slot("slot_name").await, None);
}

#[tokio::test]
async fn a_slot_in_other_hands_is_busy_and_its_reader_named() {
    let lab = Lab::new("held", TABLE).await;
    let (tail, origin) = lab.begin().await;
    let pid = reader(&lab).await;
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::Busy, &[&format!("process {pid}")]);
    tail.kill().await;
    lab.slot_is_free().await;
    let tail = lab.start(Some(&origin));
    reader(&lab).await;
    tail.stop().await;
}

#[tokio::test]
async fn a_slot_nobody_has_a_position_for_is_not_taken_over() {
    let lab = Lab::new("found", TABLE).await;
    lab.begun().await;
    let error = lab.refused(None).await;
    assert_told(
        &error,
        SourceErrorKind::Setup,
        &["SELECT pg_drop_replication_slot('erpbridge_found')"],
    );
    assert!(lab.slot("slot_name").await.is_some());
}

#[tokio::test]
async fn a_slot_of_another_kind_is_not_ours() {
    let lab = Lab::new("physical", TABLE).await;
    lab.run("SELECT pg_create_physical_replication_slot('erpbridge_physical')").await;
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Setup, &["not ours", "configure a slot name"]);
    lab.run("SELECT pg_drop_replication_slot('erpbridge_physical')").await;
}

#[tokio::test]
async fn without_its_publication_the_source_does_not_start() {
    let lab = Lab::new("unpublished", "CREATE TABLE t (id int PRIMARY KEY)").await;
    let error = lab.refused(None).await;
    let words = ["publication `erpbridge`", "run: CREATE PUBLICATION \"erpbridge\" FOR TABLE"];
    assert_told(&error, SourceErrorKind::Setup, &words);
    assert_eq!(lab.slot("slot_name").await, None, "no slot is made before the publication");
}

#[tokio::test]
async fn a_publication_that_was_made_anew_is_not_found_in_the_log() {
    let lab = Lab::new("republished", TABLE).await;
    let origin = lab.begun().await;
    lab.run("DROP PUBLICATION erpbridge").await;
    lab.run("INSERT INTO t VALUES (1)").await;
    lab.run("CREATE PUBLICATION erpbridge FOR TABLE t").await;
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::Setup, &["erpbridge", "does not exist"]);
    assert_eq!(error.remedy(), erpbridge_connector::Remedy::Stop);
}

#[tokio::test]
async fn a_start_that_died_with_nothing_but_its_trace_begins_again_over_a_new_slot() {
    let mut lab = Lab::new("unfinished", TABLE).await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.batch_bytes = 1024;
    lab.run("INSERT INTO t SELECT n FROM generate_series(1, 1000) n").await;
    let mut killed = lab.start_with_room(None, 4096);
    killed.texts_of(1).await;
    let trace = killed.progress[0].clone();
    assert!(trace.as_str().starts_with("snapshot:0/0;"));
    let made_at = lab.slot("confirmed_flush_lsn").await.unwrap();
    killed.kill().await;
    lab.slot_is_free().await;

    lab.run("DELETE FROM t WHERE id > 10").await;
    let mut tail = lab.start(Some(&trace));
    tail.following().await;
    let texts: Vec<String> = (1..=10).map(|id| format!("read t [{id}]")).collect();
    assert_eq!(tail.texts(), texts);
    let (new, old) = (lab.slot("confirmed_flush_lsn").await.unwrap(), made_at.as_str());
    assert!(new.parse::<Lsn>().unwrap() > old.parse().unwrap());
    tail.stop().await;
}

#[tokio::test]
async fn snapshot_and_log_together_hold_every_row_once() {
    const ROWS: i32 = 3000;
    let mut lab = Lab::new("seam", TABLE).await;
    lab.config.snapshot = SnapshotMode::Initial;
    let writing = async {
        for id in 1..=ROWS {
            lab.client.execute("INSERT INTO t VALUES ($1)", &[&id]).await.unwrap();
        }
    };
    let mut tail = lab.start(None);
    let reading = tail.texts_of(usize::try_from(ROWS).unwrap());
    let (texts, ()) = tokio::join!(reading, writing);
    let mut ids: Vec<i32> = texts
        .iter()
        .map(|text| text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=ROWS).collect::<Vec<i32>>());
    let orders: Vec<_> = tail.lines.iter().map(|line| (&line.sequence, line.ordinal)).collect();
    assert!(orders.is_sorted_by(|a, b| a < b), "the snapshot orders before the log");
    tail.stop().await;
}

#[tokio::test]
async fn a_source_that_died_lets_its_slot_go_at_once() {
    let lab = Lab::new("died", TABLE).await;
    let (tail, origin) = lab.begin().await;
    reader(&lab).await;
    tail.kill().await;
    lab.slot_is_free().await;
    let mut tail = lab.start(Some(&origin));
    lab.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(tail.texts_of(1).await, ["insert t [1]"]);
    tail.stop().await;
    let gone = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND application_name LIKE 'erpbridge%'";
        lab.ask(sql).await.as_deref() == Some("0")
    };
    wait_until("no session stays", PATIENCE, gone).await.unwrap();
}
