//! The grants script that is shipped.

use std::process::Command;

use erpbridge_postgres::{PostgresConfig, check, session::connect};
use erpbridge_test_support::{PASSWORD, Postgres, USER};

use crate::Named;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/grants/postgres.sql");

/// Runs `psql` as superuser against `database` and returns what it printed.
fn psql(postgres: &Postgres, database: &str, arguments: &[&str]) -> String {
    let output = Command::new(postgres.programs().join("psql"))
        .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", database])
        .args(["-p", &postgres.port().to_string()])
        .args(arguments)
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn after_the_shipped_script_the_check_has_nothing_to_say() {
    let postgres =
        Postgres::builder().setting("max_slot_wal_keep_size", "16GB").start().await.unwrap();
    postgres.create_database("erp").await.unwrap();
    postgres
        .execute_in(
            "erp",
            "REVOKE ALL ON DATABASE erp FROM PUBLIC; CREATE SCHEMA erp;
             CREATE TABLE erp.purchase_order (id int PRIMARY KEY);
             CREATE TABLE erp.purchase_order_line (order_id int, line int)",
        )
        .await
        .unwrap();
    psql(&postgres, "erp", &["-f", SCRIPT]);
    postgres.execute("ALTER ROLE erpbridge PASSWORD 'bridge-secret'").await.unwrap();

    let url = postgres.url_for("erpbridge", "bridge-secret", "erp");
    let config = PostgresConfig::from_url("north", &url).unwrap();
    let mapped = Named::new(&["erp.purchase_order", "erp.purchase_order_line"]);
    let findings = check(&config, &mapped).await.unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
    connect(&config).await.unwrap().close().await;
}

#[tokio::test]
async fn the_pinned_settings_hold_on_a_replication_connection_too() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute("ALTER DATABASE postgres SET timezone = 'Asia/Tokyo'").await.unwrap();
    let conninfo = format!(
        "dbname=postgres replication=database options='{}'",
        erpbridge_postgres::tls::SESSION_OPTIONS
    );
    let shown = ["timezone", "intervalstyle", "bytea_output", "search_path", "statement_timeout"]
        .map(|name| psql(&postgres, &conninfo, &["-c", &format!("SHOW {name}")]));
    assert_eq!(shown, ["UTC\n", "iso_8601\n", "hex\n", "\n", "0\n"]);
}
