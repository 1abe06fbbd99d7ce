//! The grants script that is shipped.

use std::path::Path;

use erpbridge_mysql::check;
use erpbridge_mysql::config::MysqlConfig;
use erpbridge_test_support::{Flavour, Mysql};

use crate::Named;

const SCRIPT: &str = "../../deploy/grants/mysql.sql";

#[tokio::test]
async fn after_the_shipped_script_the_check_has_nothing_to_say() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    let script = std::fs::read_to_string(script).unwrap();
    // The users connect from this machine here, from the bridge's there.
    let script = script.replace("'192.0.2.10'", "'127.0.0.1'");
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server
            .execute(
                "CREATE DATABASE erp; CREATE TABLE erp.purchase_order (id INT PRIMARY KEY);
                 CREATE TABLE erp.purchase_order_line (order_id INT, line INT)",
            )
            .await
            .unwrap();
        server.execute(&statements(&script, flavour)).await.unwrap();
        let url = server.url_for("erpbridge", "change-me", "");
        let config = MysqlConfig::from_url("north", &url).unwrap();
        let mapped = Named::new(&["erp.purchase_order", "erp.purchase_order_line"]);
        let findings = check(&config, &mapped).await.unwrap();
        assert!(findings.is_empty(), "{findings:#?}");
    }
}

/// The script without what its comments say is for the other server.
fn statements(script: &str, flavour: Flavour) -> String {
    let other = match flavour {
        Flavour::MariaDb => "-- MySQL only",
        Flavour::Mysql56 => "-- MariaDB 10.5 and MySQL 8.0 on",
    };
    let lines = script.lines().filter(|line| !line.ends_with(other));
    lines.collect::<Vec<_>>().join("\n")
}
