//! The commands a person types, against real servers: what they print and how they end.

use std::process::{Command, Output};

use erpbridge_test_support::{Flavour, Mysql, wait_until};

use crate::shop::{DEADLINE, Shop};

fn erpbridge(shop: &Shop, arguments: &[&str]) -> Output {
    erpbridge_with(shop, &shop.config(), arguments)
}

fn erpbridge_with(shop: &Shop, config: &str, arguments: &[&str]) -> Output {
    let config = shop.directory.write("typed.yaml", config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_erpbridge"));
    command.args(arguments).arg("--config").arg(config).output().unwrap()
}

fn printed(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_the_statements_that_mend_what_it_finds_and_then_finds_nothing() {
    let shop = Shop::open().await;
    shop.sql("DROP PUBLICATION erpbridge; ALTER TABLE item REPLICA IDENTITY NOTHING").await;
    let found = erpbridge(&shop, &["check"]);
    let text = printed(&found);
    assert_eq!(found.status.code(), Some(78), "{text}");
    let statements: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|l| l.ends_with(';'))
        .collect();
    assert!(statements.iter().any(|sql| sql.contains("CREATE PUBLICATION")), "{text}");
    for statement in statements.iter().filter(|sql| !sql.starts_with("ALTER SYSTEM")) {
        shop.sql(statement).await;
    }
    let again = erpbridge(&shop, &["check"]);
    assert_eq!(again.status.code(), Some(0), "{}", printed(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_shown_exported_and_put_back() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    let locked = erpbridge(&shop, &["offsets", "show"]);
    assert!(!locked.status.success(), "{}", printed(&locked));
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());

    let exported = erpbridge(&shop, &["offsets", "export"]);
    assert!(exported.status.success(), "{}", printed(&exported));
    let file = shop.directory.write("offsets.json", &printed(&exported)).unwrap();
    std::fs::remove_dir_all(shop.directory.join("state")).unwrap();
    let empty = printed(&erpbridge(&shop, &["offsets", "show"]));
    assert!(empty.contains("nothing recorded"), "{empty}");
    let imported = erpbridge(&shop, &["offsets", "import", file.to_str().unwrap()]);
    assert!(printed(&imported).contains("1 imported"), "{}", printed(&imported));
    let shown = printed(&erpbridge(&shop, &["offsets", "show"]));
    assert!(shown.contains("shop") && shown.contains("resume after"), "{shown}");
    bridge.start_again().unwrap();
    shop.sql("INSERT INTO item VALUES ('B', 'second', NULL)").await;
    assert_eq!(shop.wait_equal().await.len(), 2);
}

/// `MariaDB` keeps its log for nobody, and a bridge that does not run has no metric.
#[tokio::test(flavor = "multi_thread")]
async fn check_tells_how_long_the_log_after_a_stopped_bridge_will_last() {
    let shop = Shop::open().await;
    let mariadb = Mysql::start(Flavour::MariaDb).await.unwrap();
    mariadb.create_database("public").await.unwrap();
    let item = "CREATE TABLE item (code VARCHAR(20) PRIMARY KEY, name TEXT NOT NULL)";
    mariadb.execute_in("public", item).await.unwrap();
    let (postgres, maria) = (shop.postgres.url("postgres"), mariadb.url(""));
    let config = shop.config().replace("postgres: {", "mariadb: {").replace(&postgres, &maria);
    let mut bridge = shop.launch(&config);
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    mariadb.execute_in("public", "INSERT INTO item VALUES ('A', 'first')").await.unwrap();
    let stored = async || shop.events().await.len() == 1;
    wait_until("the event is stored", DEADLINE, stored).await.unwrap();
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());

    let told = || printed(&erpbridge_with(&shop, &config, &["check"]));
    assert!(!told().contains("log file"), "it is being written: {}", told());
    let soon = "SET GLOBAL binlog_expire_logs_seconds = 7200; FLUSH BINARY LOGS";
    mariadb.execute(soon).await.unwrap();
    let text = told();
    for part in ["log file binlog.000001", "SET GLOBAL binlog_expire_logs_seconds = 604800"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
