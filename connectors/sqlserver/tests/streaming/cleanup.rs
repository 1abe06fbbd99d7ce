//! Changes that are gone, and databases that are not the ones they were: nothing is lost unseen.

use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_test_tds::{Fault, Lsn, row};

use crate::assert_told;
use crate::lab::{ITEM, Lab};

/// Receives until a position comes that lies at this place or behind it.
async fn reaches(tail: &mut Tail, lsn: Lsn) -> Position {
    let at = |position: &Position| position.as_str() >= lsn.to_string().as_str();
    tail.until("the place is reached", |tail| tail.at.as_ref().is_some_and(at)).await;
    tail.newest()
}

#[tokio::test]
async fn changes_that_were_cleaned_away_meanwhile_are_a_lost_position() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "lost").await;
    let kept = lab.insert("item", 2, "kept").await;
    lab.erp().clean_up(kept);
    let error = lab.refused(Some(&origin)).await;
    let words = ["`dbo.item`", "cleaned up", "@retention", "remove the stored offsets"];
    assert_told(&error, SourceErrorKind::PositionLost, &words);
}

/// The least of all low-water marks says nothing about a table of which more was cleaned away.
#[tokio::test]
async fn a_cleanup_of_one_table_is_found_though_another_keeps_everything() {
    let lab = Lab::of(&["item", "other"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "lost").await;
    let kept = lab.insert("other", 2, "kept").await;
    lab.erp().clean_up_instance("dbo_item", kept.next());
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["`dbo.item`"]);
}

#[tokio::test]
async fn a_cleanup_right_up_to_our_position_loses_nothing() {
    let lab = Lab::of(&["item"]).await;
    let (mut tail, _) = lab.begin().await;
    let last = lab.insert("item", 1, "sent").await;
    tail.texts_of(1).await;
    let position = reaches(&mut tail, last).await;
    tail.stop().await;
    lab.erp().clean_up(last.next());
    lab.insert("item", 2, "next").await;
    assert_eq!(lab.lines_after(&position, 1).await, ["insert item [2|next]"]);
}

#[tokio::test]
async fn a_cleanup_between_two_looks_of_a_running_source_is_found() {
    let lab = Lab::of(&["item"]).await;
    let (tail, _) = lab.begin().await;
    lab.tds.fault(Fault::stall().on("FROM cdc.lsn_time_mapping"));
    lab.faults_are_spent().await;
    lab.insert("item", 1, "lost").await;
    let kept = lab.insert("item", 2, "kept").await;
    lab.erp().clean_up(kept);
    lab.tds.heal();
    assert_told(&tail.ended().await, SourceErrorKind::PositionLost, &["cleaned up"]);
}

/// Between looking at the low-water mark and reading, or between two pages.
#[tokio::test]
async fn a_cleanup_while_a_page_is_read_is_found() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "lost").await;
    let kept = lab.insert("item", 2, "kept").await;
    lab.tds.fault(Fault::stall().on("[dbo_item_CT]"));
    let mut tail = lab.start(Some(&origin));
    lab.faults_are_spent().await;
    lab.erp().clean_up(kept);
    lab.tds.heal();
    tail.runs_out().await;
    assert!(tail.lines.is_empty(), "{:?}", tail.texts());
    assert_told(&tail.ended().await, SourceErrorKind::PositionLost, &["cleaned up"]);
}

#[tokio::test]
async fn a_range_the_server_refuses_is_a_lost_position_whatever_its_words() {
    let lab = Lab::of(&["item"]).await;
    let (tail, _) = lab.begin().await;
    lab.tds.fault(Fault::raise(313).on("[dbo_item_CT]"));
    lab.insert("item", 1, "x").await;
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::PositionLost, &["instance `dbo_item`", "error 313"]);
}

#[tokio::test]
async fn a_table_that_is_captured_later_is_no_gap() {
    let lab = Lab::of(&["item"]).await;
    let (mut tail, origin) = lab.begin().await;
    lab.insert("item", 1, "a").await;
    lab.erp().advance_clock(Duration::from_secs(1));
    lab.erp().create_table("dbo.later", ITEM);
    lab.insert("later", 1, "nobody sees it").await;
    lab.erp().capture("dbo.later").enable();
    lab.insert("later", 2, "b").await;
    let expected = ["insert item [1|a]", "insert later [2|b]"];
    assert_eq!(tail.texts_of(2).await, expected, "by a running source");
    tail.stop().await;
    assert_eq!(lab.lines_after(&origin, 2).await, expected, "by one that was down meanwhile");
}

#[tokio::test]
async fn a_table_that_is_not_captured_any_more_stops_the_source() {
    let lab = Lab::of(&["item", "other"]).await;
    let (tail, _) = lab.begin().await;
    lab.erp().release("dbo_item");
    lab.insert("other", 1, "x").await;
    let error = tail.ended().await;
    let words = ["`dbo.item` is not captured any more", "sys.sp_cdc_enable_table"];
    assert_told(&error, SourceErrorKind::PositionLost, &words);
}

#[tokio::test]
async fn a_table_that_was_released_and_captured_anew_meanwhile_has_a_gap() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.erp().release("dbo_item");
    lab.insert("item", 1, "nobody sees it").await;
    lab.erp().capture("dbo.item").enable();
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["`dbo.item`"]);
}

#[tokio::test]
async fn capture_switched_off_for_the_database_is_told() {
    let lab = Lab::of(&["item"]).await;
    let (tail, _) = lab.begin().await;
    lab.erp().disable_cdc();
    let error = tail.ended().await;
    assert_told(&error, SourceErrorKind::Setup, &["sys.sp_cdc_enable_db"]);
    let error = lab.refused(None).await;
    assert_told(&error, SourceErrorKind::Setup, &["sys.sp_cdc_enable_db"]);
}

#[tokio::test]
async fn a_restored_database_is_not_the_one_of_our_position() {
    let lab = Lab::of(&["item"]).await;
    let backup = lab.erp().backup();
    let (mut tail, _) = lab.begin().await;
    let lost = lab.insert("item", 1, "lost by the restore").await;
    tail.texts_of(1).await;
    let position = reaches(&mut tail, lost).await;
    tail.stop().await;
    lab.erp().restore(&backup, true);
    let error = lab.refused(Some(&position)).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["recovery fork", "new snapshot"]);
}

/// What the new history holds up to where it forked is the same, so there is nothing to do anew.
#[tokio::test]
async fn a_position_from_before_the_restored_moment_goes_on() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "kept").await;
    let backup = lab.erp().backup();
    lab.insert("item", 2, "lost by the restore").await;
    lab.erp().restore(&backup, true);
    lab.insert("item", 3, "after").await;
    let expected = ["insert item [1|kept]", "insert item [3|after]"];
    assert_eq!(lab.lines_after(&origin, 2).await, expected);
}

#[tokio::test]
async fn a_database_restored_without_its_change_tables_is_told() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    let backup = lab.erp().backup();
    lab.erp().restore(&backup, false);
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::Setup, &["not enabled in this database"]);
}

#[tokio::test]
async fn a_restore_ends_a_running_source_whose_next_start_is_refused() {
    let lab = Lab::of(&["item"]).await;
    let backup = lab.erp().backup();
    let (mut tail, _) = lab.begin().await;
    for id in 1..=5 {
        lab.insert("item", id, "x").await;
    }
    tail.texts_of(5).await;
    tail.until("the last of them has a position", |tail| tail.at.is_some()).await;
    let reached = tail.newest();
    // A restore wants the database for itself: it throws everybody out.
    lab.erp().restore(&backup, true);
    lab.tds.disconnect_all();
    assert_told(&tail.ended().await, SourceErrorKind::Connection, &[]);
    let error = lab.refused(Some(&reached)).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["recovery fork"]);
}

#[tokio::test]
async fn a_captured_table_cannot_be_truncated() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "x").await;
    assert!(!lab.erp().truncate("dbo.item"), "SQL Server refuses it");
    lab.erp().transaction().delete("dbo.item", row! {}).commit().await;
    let expected = ["insert item [1|x]", "delete item was [1|x]"];
    assert_eq!(lab.lines_after(&origin, 2).await, expected);
}
