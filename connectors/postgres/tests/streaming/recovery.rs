//! Standbys, failovers and restores: the log of the same data is not always the same log.

use std::sync::Arc;

use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_test_support::wait_until;

use crate::assert_told;
use crate::lab::{Lab, PATIENCE, server};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE t";

/// The row is on this server.
async fn holds(lab: &Lab, id: i32) {
    let sql = format!("SELECT count(*) FROM t WHERE id = {id}");
    let there = async || lab.ask(&sql).await.as_deref() == Some("1");
    wait_until("the row has been replicated", PATIENCE, there).await.unwrap();
}

/// The position after which a row of this id has been told and confirmed.
async fn told(lab: &Lab, resume_after: &Position, id: i32) -> Position {
    let mut tail = lab.start(Some(resume_after));
    lab.run(&format!("INSERT INTO t VALUES ({id})")).await;
    assert_eq!(tail.texts_of(1).await, [format!("insert t [{id}]")]);
    let position = tail.lines.first().unwrap().resume.clone();
    tail.stop().await;
    lab.slot_is_free().await;
    position
}

#[tokio::test]
async fn after_a_failover_neither_side_of_the_switch_is_taken_for_the_other() {
    let primary = Lab::alone(server(), TABLE).await;
    let standby = primary.postgres.standby().await.unwrap();
    let origin = primary.begun().await;
    let before = told(&primary, &origin, 1).await;
    let standby = Lab::over(Arc::new(standby), "postgres", "").await;
    holds(&standby, 1).await;
    standby.postgres.promote().await.unwrap();
    // The old primary goes on for a while, as one does that was cut off.
    let after = told(&primary, &before, 2).await;
    standby.run("INSERT INTO t SELECT generate_series(100, 5000)").await;

    // Before 17 no slot survives: what lies behind our position is in no log we could read.
    let error = standby.refused(Some(&before)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["erpbridge_postgres", "does not exist"]);
    // What was told behind the switch never happened here.
    let error = standby.refused(Some(&after)).await;
    let words = ["its timeline is 2, ours was 1", "failed over for good"];
    assert_told(&error, SourceErrorKind::IdentityChanged, &words);
    assert_eq!(standby.slot("slot_name").await, None, "no slot is made in silence");
}

#[tokio::test]
async fn a_standby_before_16_makes_no_slot() {
    let primary = Lab::alone(server(), TABLE).await;
    let standby = primary.postgres.standby().await.unwrap();
    let standby = Lab::over(Arc::new(standby), "postgres", "").await;
    let error = standby.refused(None).await;
    assert_told(&error, SourceErrorKind::Setup, &["create the replication slot", "recovery"]);
}

#[tokio::test]
async fn a_database_recovered_with_its_slot_is_followed_on_its_new_timeline() {
    let mut lab = Lab::alone(server(), TABLE).await;
    let origin = lab.begun().await;
    let position = told(&lab, &origin, 1).await;
    lab.run("INSERT INTO t VALUES (2)").await;
    Arc::get_mut(&mut lab.postgres).unwrap().recover().await.unwrap();
    lab.client = lab.postgres.client().await.unwrap();

    let mut tail = lab.start(Some(&position));
    lab.run("INSERT INTO t VALUES (3)").await;
    assert_eq!(tail.texts_of(2).await, ["insert t [2]", "insert t [3]"]);
    tail.until("a position of the new timeline", |tail| {
        tail.progress.iter().any(|position| position.as_str().contains(";tl=2;"))
    })
    .await;
    tail.stop().await;
}

#[tokio::test]
async fn what_was_told_survives_a_crash_even_of_asynchronous_commits() {
    // Nothing but the log's own end brings such a commit to disk.
    let builder = server()
        .setting("synchronous_commit", "off")
        .setting("wal_writer_delay", "10s")
        .setting("wal_writer_flush_after", "0");
    let mut lab = Lab::alone(builder, TABLE).await;
    let mut position = lab.begun().await;
    for round in 0..5 {
        let mut tail = lab.start(Some(&position));
        tail.until("the log is followed", |tail| !tail.progress.is_empty()).await;
        for id in 0..200 {
            lab.run(&format!("INSERT INTO t VALUES ({})", round * 1000 + id)).await;
        }
        tail.until("some are told", |tail| !tail.lines.is_empty()).await;
        let postgres = Arc::get_mut(&mut lab.postgres).unwrap();
        postgres.kill9();
        while tail.receive().await {}
        postgres.restart().await.unwrap();
        lab.client = lab.postgres.client().await.unwrap();
        for line in &tail.lines {
            let id = line.text.trim_matches(|c: char| !c.is_ascii_digit());
            let there = lab.ask(&format!("SELECT count(*) FROM t WHERE id = {id}")).await;
            assert_eq!(there.as_deref(), Some("1"), "{} was told and is gone", line.text);
        }
        position = tail.newest();
        lab.slot_is_free().await;
    }
}

#[tokio::test]
async fn taking_the_bridge_out_of_service_lets_the_log_go() {
    let lab = Lab::alone(server(), TABLE).await;
    lab.begun().await;
    for _ in 0..3 {
        lab.run("INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t").await;
        lab.run("SELECT pg_switch_wal()").await;
    }
    lab.run("CHECKPOINT").await;
    let segments = "SELECT count(*) FROM pg_ls_waldir() WHERE name < \
                    pg_walfile_name(pg_current_wal_lsn()) AND name !~ 'history|backup'";
    let kept: i32 = lab.ask(segments).await.unwrap().parse().unwrap();
    assert!(kept >= 3, "a slot nobody reads keeps the log: {kept} segments");

    // The statements of README.md, Operation.
    let readme = include_str!("../../README.md");
    let statements = readme.split("**Taking the bridge out of service.**").nth(1).unwrap();
    let statements: Vec<&str> =
        statements.lines().filter_map(|line| line.strip_prefix("    ")).take(2).collect();
    for statement in statements {
        lab.run(&statement.replace("<source>", "postgres")).await;
    }
    assert_eq!(lab.slot("slot_name").await, None);
    lab.run("CHECKPOINT").await;
    assert_eq!(lab.ask(segments).await.as_deref(), Some("0"));
}
