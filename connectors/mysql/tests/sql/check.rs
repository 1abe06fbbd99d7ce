//! The start-up check against servers that lack things.

use erpbridge_connector::{Finding, Severity, SourceFuture, TableSelection};
use erpbridge_mysql::check;
use erpbridge_mysql::config::MysqlConfig;
use erpbridge_test_support::{Flavour, Mysql, MysqlBuilder};

use crate::{Database, Named, bare_user, config};

async fn found(config: &MysqlConfig, tables: &[&str]) -> Vec<Finding> {
    found_of(config, &Named::new(tables)).await
}

async fn found_of(config: &MysqlConfig, selection: &dyn TableSelection) -> Vec<Finding> {
    let checking: SourceFuture<'_, _> = Box::pin(check(config, selection));
    checking.await.unwrap()
}

#[track_caller]
fn about<'f>(findings: &'f [Finding], words: &str) -> &'f Finding {
    let about = findings.iter().find(|finding| finding.problem.contains(words));
    about.unwrap_or_else(|| panic!("nothing says \"{words}\": {findings:#?}"))
}

fn errors(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Error).collect()
}

const ERP: &str = "
CREATE DATABASE erp;
CREATE TABLE erp.`Purchase Order` (id INT PRIMARY KEY, note TEXT) ENGINE=InnoDB;
CREATE TABLE erp.line (order_id INT, qty DECIMAL(12,4)) ENGINE=MyISAM";

const MAPPED: &[&str] = &["erp.Purchase Order", "erp.line"];

/// A server that writes a log nobody can read changes from, and keeps it for a day.
fn bare_server(flavour: Flavour) -> MysqlBuilder {
    Mysql::builder(flavour)
        .setting("binlog_format", "MIXED")
        .setting("binlog_row_image", "MINIMAL")
        .setting("expire_logs_days", "1")
        .setting("innodb_flush_log_at_trx_commit", "0")
}

#[tokio::test]
async fn a_bare_server_gets_every_finding_and_none_after_exactly_its_sql_ran() {
    for flavour in Flavour::ALL {
        let server = bare_server(flavour).start().await.unwrap();
        server.execute(ERP).await.unwrap();
        let config = bare_user(&server).await;

        let findings = found(&config, MAPPED).await;
        let grant = |what: &str| format!("GRANT {what} TO 'bridge'@'127.0.0.1'");
        let mut expected = vec![
            "SET GLOBAL sync_binlog = 1".to_owned(),
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1".to_owned(),
            "SET GLOBAL binlog_format = 'ROW'".to_owned(),
            "SET GLOBAL binlog_row_image = 'FULL'".to_owned(),
            grant("REPLICATION SLAVE ON *.*"),
            grant("REPLICATION CLIENT ON *.*"),
            grant("SELECT ON `erp`.`Purchase Order`"),
            grant("SELECT ON `erp`.`line`"),
        ];
        expected.push(match flavour {
            Flavour::MariaDb => "SET GLOBAL binlog_row_metadata = 'FULL'".to_owned(),
            Flavour::Mysql56 => "SET GLOBAL expire_logs_days = 7".to_owned(),
        });
        let sql: Vec<&String> = findings.iter().flat_map(|finding| &finding.sql).collect();
        for statement in &expected {
            assert!(sql.contains(&statement), "{statement}\nis not among {sql:#?}");
        }
        for statement in sql {
            server.execute(statement).await.unwrap();
        }
        // What was not seen before is seen now; when that is mended, nothing is left.
        let findings = found(&config, MAPPED).await;
        about(&findings, "its engine is MyISAM");
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
        for statement in findings.iter().flat_map(|finding| &finding.sql) {
            server.execute(statement).await.unwrap();
        }
        let left = found(&config, MAPPED).await;
        assert!(left.is_empty(), "{left:#?}");
    }
}

/// A server with nothing to complain about but what a test adds.
async fn good_server(flavour: Flavour, sql: &str) -> Mysql {
    let mut builder = Mysql::builder(flavour).durable();
    if flavour == Flavour::MariaDb {
        builder = builder.setting("binlog_row_metadata", "FULL");
    }
    let server = builder.start().await.unwrap();
    server.execute(sql).await.unwrap();
    server
}

#[tokio::test]
async fn what_foreign_keys_do_on_their_own_is_told() {
    for flavour in Flavour::ALL {
        let server = good_server(
            flavour,
            "CREATE DATABASE erp; USE erp;
             CREATE TABLE po_header (id INT PRIMARY KEY);
             CREATE TABLE po_line (id INT PRIMARY KEY, header INT, FOREIGN KEY of_header (header)
               REFERENCES po_header (id) ON DELETE CASCADE ON UPDATE SET NULL);
             CREATE TABLE note (id INT PRIMARY KEY, header INT,
               FOREIGN KEY (header) REFERENCES po_header (id))",
        )
        .await;
        let findings = found_of(&config(&server), &Database("erp")).await;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let told = about(&findings, "ON DELETE CASCADE ON UPDATE SET NULL, from erp.po_header");
        assert_eq!((told.severity, told.subject.as_str()), (Severity::Warning, "erp.po_line"));
    }
}

#[tokio::test]
async fn names_that_lead_nowhere_are_told_with_the_nearest_that_does() {
    let server = good_server(
        Flavour::MariaDb,
        "CREATE DATABASE erp; USE erp; CREATE TABLE purchase_order (id INT PRIMARY KEY);
         CREATE VIEW open_orders AS SELECT 1; CREATE SEQUENCE numbers;
         CREATE TABLE kept (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
    )
    .await;
    let mapped =
        ["erp.Purchase_Order", "erp.open_orders", "erp.numbers", "erp.kept", "erp.supplier"];
    let findings = found(&config(&server), &mapped).await;
    let about = |subject: &str| findings.iter().find(|found| found.subject == subject).unwrap();
    assert!(about("erp.Purchase_Order").mend.contains("did you mean erp.purchase_order?"));
    assert!(about("erp.open_orders").problem.contains("a view"));
    assert!(about("erp.numbers").problem.contains("a sequence"));
    assert!(about("erp.kept").problem.contains("a system-versioned table"));
    assert!(about("erp.supplier").problem.contains("or the user may not see it"));
    assert_eq!(findings.len(), 5, "{findings:#?}");
    assert_eq!(errors(&findings).len(), 5);
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_is_told() {
    let server = good_server(Flavour::MariaDb, "CREATE DATABASE erp").await;
    let findings = found_of(&config(&server), &Database("erp")).await;
    assert_eq!(about(&findings, "the user sees no table").severity, Severity::Warning);
    server.execute("CREATE DATABASE other; CREATE TABLE other.t (id INT)").await.unwrap();
    let findings = found_of(&config(&server), &Database("erp")).await;
    about(&findings, "no table on it is one that the mappings read");
    assert_eq!(findings.len(), 1, "{findings:#?}");
}

#[tokio::test]
async fn columns_that_cannot_be_read_from_the_log_are_told_with_what_mends_them() {
    let server = good_server(
        Flavour::MariaDb,
        "CREATE DATABASE erp; SET GLOBAL mysql56_temporal_format = OFF;
         CREATE TABLE erp.old (id INT PRIMARY KEY, at DATETIME(3), plain DATETIME);
         SET GLOBAL mysql56_temporal_format = ON;
         CREATE TABLE erp.hashed (id INT PRIMARY KEY, long_text BLOB, UNIQUE (long_text))",
    )
    .await;
    let config = config(&server);
    let findings = found_of(&config, &Database("erp")).await;
    let old = about(&findings, "column at is stored in the old format of MariaDB 5.3");
    assert_eq!((old.severity, old.subject.as_str()), (Severity::Error, "erp.old"));
    let hashed = about(&findings, "a unique index over a column too long for one");
    assert_eq!((hashed.severity, hashed.subject.as_str()), (Severity::Error, "erp.hashed"));
    assert_eq!(findings.len(), 2, "{findings:#?}");
    server.execute(&old.sql[0]).await.unwrap();
    assert_eq!(found(&config, &["erp.old"]).await, []);
}

#[tokio::test]
async fn a_database_that_is_left_out_of_the_log_is_told() {
    for flavour in Flavour::ALL {
        let server = Mysql::builder(flavour).durable().setting("binlog_ignore_db", "stock");
        let server = server.start().await.unwrap();
        let sql = "CREATE DATABASE stock; CREATE TABLE stock.t (id INT PRIMARY KEY)";
        server.execute(sql).await.unwrap();
        let findings = found(&config(&server), &["stock.t"]).await;
        let told = about(&findings, "its changes are left out of the log");
        assert_eq!((told.severity, told.subject.as_str()), (Severity::Error, "database stock"));
    }
}

#[tokio::test]
async fn a_replica_that_does_not_log_what_it_takes_over_is_told() {
    for flavour in Flavour::ALL {
        let mut builder = Mysql::builder(flavour).durable().setting("log_slave_updates", "OFF");
        if flavour == Flavour::MariaDb {
            builder = builder.setting("binlog_row_metadata", "FULL");
        }
        let primary = builder.start().await.unwrap();
        primary
            .execute("CREATE DATABASE erp; CREATE TABLE erp.t (id INT PRIMARY KEY)")
            .await
            .unwrap();
        assert_eq!(found(&config(&primary), &["erp.t"]).await, [], "it is no replica");
        let replica = primary.replica().await.unwrap();
        let findings = found_of(&config(&replica), &Database("nothing")).await;
        let told = about(&findings, "what this replica takes over from its primary");
        assert_eq!(told.severity, Severity::Error);
    }
}

#[tokio::test]
async fn a_server_without_a_number_or_a_log_is_told() {
    let server = Mysql::start(Flavour::Mysql56).await.unwrap();
    server.execute("SET GLOBAL server_id = 0").await.unwrap();
    let told = found_of(&config(&server), &Database("erp")).await;
    assert_eq!(about(&told, "such a server gives its log to nobody").severity, Severity::Error);
    server.execute("SET GLOBAL server_id = 1").await.unwrap();
    let told = found_of(&config(&server), &Database("erp")).await;
    assert!(errors(&told).is_empty(), "{told:#?}");

    let server =
        Mysql::builder(Flavour::MariaDb).setting("skip_log_bin", "").start().await.unwrap();
    let told = found_of(&config(&server), &Database("erp")).await;
    assert_eq!(about(&told, "the server writes no binary log").severity, Severity::Error);
}

#[tokio::test]
async fn an_anonymous_user_that_goes_before_ours_is_told() {
    let server = good_server(
        Flavour::Mysql56,
        "CREATE USER ''@'127.0.0.1'; CREATE USER 'bridge'@'%' IDENTIFIED BY 'bridge-secret'",
    )
    .await;
    let config = MysqlConfig::from_url("north", &server.url_for("bridge", "", "")).unwrap();
    let findings = found_of(&config, &Database("erp")).await;
    assert_eq!(
        about(&findings, "the server takes \"bridge\" for this user").severity,
        Severity::Error
    );
}

#[tokio::test]
async fn mysql_without_lock_and_without_a_look_at_others_gets_no_snapshot() {
    let server = good_server(
        Flavour::Mysql56,
        "CREATE DATABASE erp_1; CREATE TABLE erp_1.t (id INT PRIMARY KEY)",
    )
    .await;
    let config = bare_user(&server).await;
    let grant = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO bridge@127.0.0.1;
                 GRANT SELECT ON erp_1.* TO bridge@127.0.0.1";
    server.execute(grant).await.unwrap();
    let findings = found(&config, &["erp_1.t"]).await;
    let told = about(&findings, "it may neither lock tables");
    assert_eq!((told.severity, findings.len()), (Severity::Error, 1));
    let statements = told.sql.clone();
    assert!(statements[1].contains(" ON `erp_1`.* TO "), "{statements:?}");
    server.execute(&statements[0]).await.unwrap();
    let findings = found(&config, &["erp_1.t"]).await;
    assert_eq!(about(&findings, "it may not lock tables").severity, Severity::Warning);
    server.execute(&statements[1]).await.unwrap();
    assert_eq!(found(&config, &["erp_1.t"]).await, []);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_told_without_asking_any_server() {
    let mut config = MysqlConfig::from_url("north", "mysql://u@127.0.0.1:1/erp").unwrap();
    config.batch_bytes = 1;
    let findings = found(&config, &[]).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].subject, "configuration");
}
