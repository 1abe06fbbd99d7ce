//! While nothing comes: silence is not health, and a position must not grow old.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::{Run, Tables};
use erpbridge_connector::{Position, SourceErrorKind, TableName};
use erpbridge_sqlserver::SqlServerSource;
use erpbridge_test_support::wait_until;
use erpbridge_test_tds::{CaptureJob, Edition, ServerFacts, TdsServer, row};

use crate::assert_told;
use crate::lab::{ITEM, Lab, PATIENCE, Said};

/// 2026-03-02 09:00:00 UTC, in microseconds.
const MONDAY: i64 = 1_772_442_000_000_000;

#[tokio::test]
async fn the_position_of_an_idle_database_stays_inside_the_retention() {
    let lab = Lab::of(&["item"]).await;
    let (mut tail, origin) = lab.begin().await;
    let idle = lab.erp().idle().unwrap();
    let beyond = |position: &Position| position.as_str() >= idle.to_string().as_str();
    tail.until("the position moves", |tail| tail.at.as_ref().is_some_and(beyond)).await;
    let position = tail.newest();
    assert!(tail.stop().await.is_empty(), "nothing was changed");
    lab.erp().clean_up(idle);
    lab.insert("item", 1, "next").await;
    assert_eq!(lab.lines_after(&position, 1).await, ["insert item [1|next]"]);
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["cleaned up"]);
}

#[tokio::test]
async fn right_after_enabling_there_is_no_commit_yet_and_the_source_waits_for_one() {
    let lab = Lab::of(&[]).await;
    lab.erp().set_capture(CaptureJob::Stopped);
    lab.capture("item", ITEM);
    assert_eq!(lab.erp().newest(), None, "the mapping is empty");
    let mut tail = lab.start(None);
    lab.asked("WHERE m.start_lsn > @P2").await;
    lab.erp().set_capture(CaptureJob::Running);
    lab.insert("item", 1, "first").await;
    assert_eq!(tail.texts_of(1).await, ["insert item [1|first]"]);
    tail.stop().await;
}

/// The functions give zeros for a name in other letters and for a right that is missing, and zeros
/// pass every comparison. So no low-water mark is ever asked for by name.
#[tokio::test]
async fn no_low_water_mark_is_asked_for_by_name() {
    let lab = Lab::of(&["item", "other"]).await;
    let (mut tail, _) = lab.begin().await;
    lab.insert("item", 1, "x").await;
    tail.texts_of(1).await;
    tail.stop().await;
    assert!(lab.tds.requests().iter().all(|one| !one.sql.contains("fn_cdc_")));
}

#[tokio::test]
async fn capture_that_has_stopped_is_said_and_that_it_goes_on_too() {
    let said = Said::listen();
    let lab = Lab::of(&["item"]).await;
    lab.erp().set_clock(MONDAY);
    lab.erp().idle();
    let (mut tail, _) = lab.begin().await;
    lab.erp().set_capture(CaptureJob::Stopped);
    lab.erp().advance_clock(Duration::from_mins(30));
    lab.insert("item", 1, "waits").await;
    said.heard("nothing has been captured for long").await;
    assert!(tail.lines.is_empty());
    lab.erp().set_capture(CaptureJob::Running);
    assert_eq!(tail.texts_of(1).await, ["insert item [1|waits]"]);
    lab.erp().idle();
    said.heard("capture goes on").await;
    tail.stop().await;
}

/// What a source says to be complete must not follow the clock while capture stands still.
#[tokio::test]
async fn the_watermark_is_as_old_as_what_was_captured_and_in_utc() {
    for (offset, version) in [(60, "15.0.4410.1"), (-300, "13.0.6300.2"), (330, "16.0.4135.4")] {
        let facts = ServerFacts {
            utc_offset: offset,
            version: version.to_owned(),
            ..ServerFacts::default()
        };
        let lab = Lab::over(TdsServer::builder().facts(facts)).await;
        lab.capture("item", ITEM);
        lab.erp().set_clock(MONDAY);
        let table = TableName::new("dbo", "item");
        let source = SqlServerSource::new(lab.config.clone(), Arc::new(Tables::new([&table])));
        let mut run = Run::start(Box::new(source), None, 1 << 20);
        run.until("it follows", |seen| !seen.progress.is_empty()).await;
        lab.insert("item", 1, "x").await;
        lab.erp().set_capture(CaptureJob::Stopped);
        lab.erp().advance_clock(Duration::from_hours(1));
        run.until_changes(1).await;
        let told = run.until_progress().await;
        assert_eq!(told.as_of.as_micros(), MONDAY, "{offset} minutes ahead of UTC");
        run.stop().await;
    }
}

#[tokio::test]
async fn a_capture_job_that_lags_delays_and_loses_nothing() {
    let lab = Lab::of(&["item"]).await;
    lab.erp().set_capture(CaptureJob::Lagging(2));
    let (mut tail, origin) = lab.begin().await;
    for id in 1..=5 {
        lab.insert("item", id, "x").await;
    }
    assert_eq!(tail.texts_of(3).await.len(), 3);
    lab.erp().set_capture(CaptureJob::Running);
    let expected: Vec<String> = (1..=5).map(|id| format!("insert item [{id}|x]")).collect();
    assert_eq!(tail.texts_of(5).await, expected);
    tail.stop().await;
    assert_eq!(lab.lines_after(&origin, 5).await, expected);
}

#[tokio::test]
async fn the_pause_grows_while_nothing_happens_and_a_change_ends_it() {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.poll_interval = Duration::from_millis(400);
    let (mut tail, _) = lab.begin().await;
    let reads = |from: usize| {
        let requests = lab.tds.requests();
        requests.iter().skip(from).filter(|one| one.sql.contains("m.start_lsn > @P2")).count()
    };
    // Long enough for the pause to have grown.
    wait_until("it has looked often", PATIENCE, async || reads(0) >= 8).await.unwrap();
    let from = lab.tds.requests().len();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let looks = reads(from);
    assert!((3..=7).contains(&looks), "every 400 ms: {looks} in two seconds");
    lab.insert("item", 1, "x").await;
    tail.texts_of(1).await;
    tail.stop().await;
}

#[tokio::test]
async fn the_cloud_has_no_agent_and_is_followed_all_the_same() {
    let facts = ServerFacts { edition: Edition::Azure, ..ServerFacts::default() };
    let lab = Lab::over(TdsServer::builder().facts(facts)).await;
    lab.capture("item", ITEM);
    let (mut tail, _) = lab.begin().await;
    lab.insert("item", 1, "x").await;
    assert_eq!(tail.texts_of(1).await, ["insert item [1|x]"]);
    tail.stop().await;
}

#[tokio::test]
async fn a_secondary_is_asked_for_with_the_intent_to_read() {
    let facts = ServerFacts { secondary: true, ..ServerFacts::default() };
    let mut lab = Lab::over(TdsServer::builder().facts(facts)).await;
    lab.capture("item", ITEM);
    lab.config.read_only = true;
    let (mut tail, _) = lab.begin().await;
    lab.insert("item", 1, "seen at the next look").await;
    tail.texts_of(1).await;
    lab.erp().transaction().delete("dbo.item", row! { "id": 1 }).commit().await;
    tail.texts_of(2).await;
    let sessions = lab.tds.sessions();
    assert!(!sessions.is_empty() && sessions.iter().all(|session| session.read_only));
    tail.stop().await;
}

/// A read transaction that stays open keeps the cleanup and the disabling of capture waiting, and
/// old versions of rows in tempdb.
#[tokio::test]
async fn nothing_is_held_open_between_two_looks_and_locks_are_given_way_to() {
    let lab = Lab::of(&["item"]).await;
    let (mut tail, _) = lab.begin().await;
    lab.insert("item", 1, "x").await;
    tail.texts_of(1).await;
    lab.tds.forget_requests();
    lab.asked("cdc.lsn_time_mapping").await;
    for session in lab.tds.sessions() {
        assert_eq!(session.open_transactions, 0, "{session:?}");
        assert_eq!((session.lock_timeout, session.deadlock_priority), (5000, -5), "{session:?}");
        assert_eq!(session.isolation, "read committed", "{session:?}");
        assert_eq!(session.application, "erpbridge north");
    }
    tail.stop().await;
}
