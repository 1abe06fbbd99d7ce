//! Product, version, Agent, snapshots.

use erpbridge_connector::Severity;
use erpbridge_sqlserver::TlsMode;
use erpbridge_test_tds::{Edition, Login, PASSWORD, ServerFacts};

use crate::Site;

fn facts(edition: Edition, version: &str) -> ServerFacts {
    ServerFacts { edition, version: version.to_owned(), ..ServerFacts::default() }
}

#[tokio::test]
async fn editions_without_change_data_capture_are_told_what_to_do() {
    let site = Site::bare(facts(Edition::Express, "15.0.4410.1")).await;
    let words = ["no change data capture", "Standard, Enterprise or Developer"];
    site.found(Severity::Error, &words).await;
    let site = Site::bare(facts(Edition::Standard, "12.0.6024.0")).await;
    let words = ["12.0.6024.0 has no change data capture", "Service Pack 1 of SQL Server 2016"];
    site.found(Severity::Error, &words).await;
}

#[tokio::test]
async fn a_version_before_2008_r2_is_too_old() {
    let site = Site::bare(facts(Edition::Enterprise, "10.0.6000.29")).await;
    let findings = site.findings().await;
    let told = format!("{findings:?}");
    assert!(told.contains("10.50 (2008 R2) is needed"), "{findings:#?}");
}

#[tokio::test]
async fn an_agent_that_stands_still_is_an_error_but_not_in_the_cloud() {
    let site = Site::ready().await;
    site.tds.change_facts(|facts| facts.agent_running = false);
    site.found(Severity::Error, &["SQL Server Agent", "not running"]).await;
    site.tds.change_facts(|facts| facts.edition = Edition::Azure);
    let findings = site.findings().await;
    assert!(!format!("{findings:?}").contains("Agent"), "{findings:#?}");
}

#[tokio::test]
async fn a_database_without_snapshot_isolation_is_warned_about_and_mended() {
    let site = Site::ready().await;
    site.erp().allow_snapshot_isolation(false);
    let found = site.found(Severity::Warning, &["snapshot isolation", "twice"]).await;
    assert_eq!(found.sql, ["ALTER DATABASE [ERP] SET ALLOW_SNAPSHOT_ISOLATION ON"]);
    site.is_mended_by(&[found]).await;
}

#[tokio::test]
async fn a_login_without_the_servers_state_is_warned_about() {
    let site = Site::ready().await;
    site.tds.login(Login::new("bridge", PASSWORD).select("cdc").select("dbo.item"));
    let findings = site.findings().await;
    let warned = findings.iter().find(|finding| finding.problem.contains("no exact place"));
    let warned = warned.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(warned.severity, Severity::Warning);
    assert_eq!(warned.sql, ["USE master; GRANT VIEW SERVER STATE TO [bridge]"]);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:#?}");
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_told_before_anything_is_asked() {
    let mut site = Site::ready().await;
    site.config.batch_bytes = 1;
    site.config.tls.mode = TlsMode::Trust;
    site.config.tls.ca_file = Some("ca.pem".into());
    let findings = site.findings().await;
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert!(site.tds.requests().is_empty());
}
