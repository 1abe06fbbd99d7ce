//! Tables: there, readable, captured as they are now.

use erpbridge_connector::{Severity, TableName};
use erpbridge_test_tds::{Login, PASSWORD};

use crate::Site;

#[tokio::test]
async fn a_table_that_is_not_captured_is_told_how() {
    let mut site = Site::ready().await;
    site.erp().create_table("dbo.other", "id int NOT NULL PRIMARY KEY");
    let login = Login::new("bridge", PASSWORD).select("cdc").select("dbo.item");
    let login = login.select("dbo.other").view_server_state().view_database_state().msdb();
    site.tds.login(login);
    site.wanted.push(TableName::new("dbo", "other"));
    let found = site.found(Severity::Error, &["dbo.other", "not captured"]).await;
    site.is_mended_by(&[found]).await;
}

#[tokio::test]
async fn a_name_with_a_slip_is_told_what_was_meant() {
    let mut site = Site::ready().await;
    site.wanted = vec![TableName::new("dbo", "itme")];
    site.found(Severity::Error, &["dbo.itme", "did you mean dbo.item?"]).await;
}

/// Where a gating role was set and the login is not in it, the server's own functions show
/// nothing, without an error.
#[tokio::test]
async fn a_gating_role_the_login_is_not_in_is_told() {
    let site = Site::ready().await;
    site.erp().release("dbo_item");
    site.erp().capture("dbo.item").role("cdc_readers").enable();
    site.erp().idle();
    let words = ["`cdc_readers`", "this login is not in it"];
    let found = site.found(Severity::Warning, &words).await;
    assert_eq!(found.sql, ["EXEC sp_addrolemember N'cdc_readers', N'bridge'"]);
    let login = Login::new("bridge", PASSWORD).select("cdc").select("dbo.item");
    let login = login.view_server_state().view_database_state().msdb();
    site.tds.login(login.role("cdc_readers"));
    assert!(site.findings().await.is_empty());
}

#[tokio::test]
async fn a_login_without_the_change_tables_is_told_the_grant() {
    let site = Site::ready().await;
    let login = Login::new("bridge", PASSWORD).select("dbo.item");
    site.tds.login(login.view_server_state().view_database_state().msdb());
    let findings = site.findings().await;
    let granted = "GRANT SELECT ON SCHEMA::cdc TO [bridge]".to_owned();
    assert!(findings.iter().any(|finding| finding.sql.contains(&granted)), "{findings:#?}");
    site.is_mended_by(&findings).await;
}

/// The second instance, what to do with both, and the statement that drops the first.
#[tokio::test]
async fn a_column_that_is_not_captured_and_two_instances_are_told_with_statements() {
    let site = Site::ready().await;
    site.erp().add_column("dbo.item", "price int");
    let found = site.found(Severity::Warning, &["does not capture its columns price"]).await;
    site.mend(&[found]).await;
    site.erp().idle();
    let words = [
        "captured twice, as `dbo_item` and `dbo_item_2`",
        "@capture_instance = N'dbo_item'",
        "is drained",
    ];
    site.found(Severity::Warning, &words).await;
    site.erp().release("dbo_item");
    assert!(site.findings().await.is_empty());
}

#[tokio::test]
async fn large_values_that_capture_refuses_are_warned_about() {
    let site = Site::ready().await;
    site.erp().create_table("dbo.memo", "id int NOT NULL PRIMARY KEY, text nvarchar(max)");
    site.erp().capture("dbo.memo").enable();
    site.erp().idle();
    let login = Login::new("bridge", PASSWORD).select("cdc").select("dbo.item");
    let login = login.select("dbo.memo").view_server_state().view_database_state().msdb();
    site.tds.login(login);
    let mut site = site;
    site.wanted.push(TableName::new("dbo", "memo"));
    let found = site.found(Severity::Warning, &["65536", "7139"]).await;
    site.is_mended_by(&[found]).await;
}

#[tokio::test]
async fn a_table_without_a_key_is_warned_about() {
    let site = Site::ready().await;
    site.erp().create_table("dbo.heap", "code nvarchar(10)");
    site.erp().capture("dbo.heap").enable();
    site.erp().idle();
    let login = Login::new("bridge", PASSWORD).select("cdc").select("dbo.heap");
    site.tds.login(login.view_server_state().view_database_state().msdb());
    let mut site = site;
    site.wanted = vec![TableName::new("dbo", "heap")];
    site.found(Severity::Warning, &["dbo.heap", "no primary key"]).await;
}
