//! What goes wrong on the way, and what is said and done then.

use std::time::Duration;

use erpbridge_connector::SourceErrorKind;
use erpbridge_connector::testkit::Tail;
use erpbridge_sqlserver::Secret;
use erpbridge_test_tds::Fault;

use crate::assert_told;
use crate::lab::{Lab, Said};

/// Where every question of a running source goes.
const LOOK: &str = "FROM cdc.lsn_time_mapping";
const CHANGES: &str = "[dbo_item_CT]";

/// A source of a table, with its first row received and another one to come under this fault.
async fn struck(fault: Fault) -> (Lab, Tail) {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.query_timeout = Duration::from_secs(6);
    let (mut tail, _) = lab.begin().await;
    lab.insert("item", 1, "a").await;
    tail.texts_of(1).await;
    lab.tds.fault(fault);
    lab.insert("item", 2, "b").await;
    (lab, tail)
}

/// The source ends with a broken connection, and the next one goes on where it was.
async fn breaks_and_goes_on(fault: Fault, words: &[&str]) {
    let (lab, mut tail) = struck(fault).await;
    tail.runs_out().await;
    let (seen, at) = (tail.lines.len(), tail.newest());
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Connection, words);
    lab.tds.heal();
    lab.insert("item", 3, "c").await;
    let rest: Vec<String> = ["a", "b", "c"]
        .iter()
        .zip(1..)
        .skip(seen)
        .map(|(note, id)| format!("insert item [{id}|{note}]"))
        .collect();
    assert_eq!(lab.lines_after(&at, rest.len()).await, rest);
}

#[tokio::test]
async fn a_dropped_connection_is_told_and_resumed() {
    breaks_and_goes_on(Fault::drop_connection().on(LOOK), &["captured commit"]).await;
    breaks_and_goes_on(Fault::drop_connection().on(CHANGES), &["instance `dbo_item`"]).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    for bytes in [1, 8, 60, 150] {
        breaks_and_goes_on(Fault::cut_after(bytes).on(CHANGES), &["instance `dbo_item`"]).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_after_the_deadline() {
    breaks_and_goes_on(Fault::stall().on(CHANGES), &["no answer within 6s"]).await;
}

#[tokio::test]
async fn an_answer_in_two_parts_is_one() {
    for bytes in [1, 7, 9, 100, 333] {
        let pause = Duration::from_millis(150);
        let (_lab, mut tail) = struck(Fault::split_after(bytes, pause).on(CHANGES)).await;
        assert_eq!(tail.texts_of(2).await, ["insert item [1|a]", "insert item [2|b]"]);
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_restart_of_the_server_is_a_broken_connection() {
    let lab = Lab::of(&["item"]).await;
    let (tail, origin) = lab.begin().await;
    lab.tds.disconnect_all();
    assert_told(&tail.ended().await, SourceErrorKind::Connection, &[]);
    lab.insert("item", 1, "a").await;
    assert_eq!(lab.lines_after(&origin, 1).await, ["insert item [1|a]"]);
}

#[tokio::test]
async fn a_lost_lock_or_deadlock_is_tried_again_without_anybody_noticing() {
    for number in [1205, 1222] {
        for on in [LOOK, CHANGES, "FROM cdc.change_tables"] {
            let (lab, mut tail) = struck(Fault::raise(number).on(on)).await;
            assert_eq!(tail.texts_of(2).await.last().unwrap(), "insert item [2|b]");
            lab.faults_are_spent().await;
            tail.stop().await;
        }
    }
}

#[tokio::test]
async fn a_lock_that_is_never_to_be_had_is_busy_and_no_reason_to_stop() {
    let (lab, tail) = struck(Fault::raise(1222).on(CHANGES).always()).await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Busy, &["instance `dbo_item`", "error 1222"]);
    lab.tds.heal();
}

#[tokio::test]
async fn a_change_table_that_goes_between_two_statements_is_no_silence() {
    let (lab, tail) = struck(Fault::raise(208).on(CHANGES)).await;
    let error = tail.ended().await;
    let words = ["instance was dropped while it was being read"];
    assert_told(&error, SourceErrorKind::Busy, &words);
    assert!(format!("{error:?}").contains("208"), "{error:?}");

    // It is gone for good, and so the next try says which table that leaves without one.
    let (mut tail, at) = lab.begin().await;
    lab.tds.fault(Fault::stall().on(CHANGES));
    lab.insert("item", 3, "c").await;
    lab.faults_are_spent().await;
    lab.erp().release("dbo_item");
    lab.tds.heal();
    tail.runs_out().await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::PositionLost, &["`dbo.item`"]);

    // Nobody named it outright, so a new start cannot know that it is missed, only that one is.
    let said = Said::listen();
    let tail = lab.start(Some(&at));
    said.heard("a capture instance has been dropped since our position").await;
    tail.stop().await;
}

#[tokio::test]
async fn a_cloud_that_throttles_or_moves_the_database_is_waited_for() {
    for (number, kind) in [(40_501, SourceErrorKind::Busy), (40_613, SourceErrorKind::Connection)] {
        let (_lab, tail) = struck(Fault::raise(number).on(LOOK)).await;
        assert_told(&tail.ended().await, kind, &[]);
    }
    let lab = Lab::of(&["item"]).await;
    lab.tds.fault(Fault::raise(40_613).on("LOGIN"));
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Connection, &["error 40613"]);
}

#[tokio::test]
async fn a_refused_login_says_what_to_do_and_never_the_password() {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.password = Some(Secret::new("not-this-one"));
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Authentication, &["error 18456", "password is wrong"]);
    assert!(!format!("{error} {error:?}").contains("not-this-one"));

    let mut lab = Lab::of(&["item"]).await;
    lab.config.database = "ELSEWHERE".to_owned();
    let error = lab.refused(None).await;
    let words = ["error 4060", "no database \"ELSEWHERE\"", "CREATE USER"];
    assert_told(&error, SourceErrorKind::Setup, &words);

    let lab = Lab::of(&["item"]).await;
    for (number, kind) in
        [(18_456, SourceErrorKind::Authentication), (4060, SourceErrorKind::Setup)]
    {
        lab.tds.fault(Fault::raise(number).on("LOGIN"));
        assert_told(&lab.refused(None).await, kind, &[&format!("error {number}")]);
    }
}

#[tokio::test]
async fn a_login_that_is_not_answered_ends_with_the_deadline() {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.connect_timeout = Duration::from_millis(400);
    lab.tds.fault(Fault::stall().on("LOGIN"));
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Connection, &["no answer within", "firewall"]);
    lab.tds.heal();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_connection_to_be_tried_again() {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.port = 1;
    assert_told(&lab.refused(None).await, SourceErrorKind::Connection, &["port 1"]);
}
