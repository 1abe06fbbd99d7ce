//! Capture: enabled, alive, kept for long enough.

use std::time::Duration;

use erpbridge_connector::Severity;
use erpbridge_test_tds::{CaptureJob, ServerFacts};

use crate::Site;

#[tokio::test]
async fn a_database_without_capture_is_told_how_to_enable_it() {
    let site = Site::bare(ServerFacts::default()).await;
    let findings = site.findings().await;
    let found = findings.iter().find(|finding| finding.problem.contains("not enabled"));
    let found = found.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(found.severity, Severity::Error);
    assert_eq!(found.sql, ["USE [ERP]; EXEC sys.sp_cdc_enable_db"]);
}

#[tokio::test]
async fn a_capture_job_that_has_stopped_is_found_by_its_silence() {
    let site = Site::ready().await;
    site.erp().set_capture(CaptureJob::Stopped);
    site.erp().advance_clock(Duration::from_mins(25));
    let found = site.found(Severity::Error, &["the capture job", "nothing for 25 minutes"]).await;
    assert_eq!(found.sql, ["EXEC sys.sp_cdc_start_job @job_type = N'capture'"]);
    site.mend(&[found]).await;
    site.erp().idle();
    let left = site.findings().await;
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn an_error_of_the_capture_job_is_repeated_while_it_is_recent() {
    let site = Site::ready().await;
    site.erp().capture_failed(9002, "The transaction log for database 'ERP' is full.");
    site.erp().advance_clock(Duration::from_mins(5));
    site.erp().idle();
    site.found(Severity::Warning, &["failed 5 minutes ago", "is full", "9002"]).await;
    site.erp().advance_clock(Duration::from_hours(3));
    site.erp().idle();
    assert!(site.findings().await.is_empty());
}

#[tokio::test]
async fn changes_that_are_kept_for_a_day_only_are_warned_about() {
    let site = Site::ready().await;
    site.erp().set_retention(24 * 60);
    let found = site.found(Severity::Warning, &["24 hours only", "a week"]).await;
    site.is_mended_by(&[found]).await;
}
