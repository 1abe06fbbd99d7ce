//! The start-up check against servers that lack things.

use erpbridge_connector::{Finding, Severity, SourceFuture, TableName, TableSelection};
use erpbridge_postgres::{PostgresConfig, check};
use erpbridge_test_support::Postgres;

use crate::{Named, Schema, bare_role, config};

async fn found(config: &PostgresConfig, tables: &[&str]) -> Vec<Finding> {
    found_of(config, &Named::new(tables)).await
}

async fn found_of(config: &PostgresConfig, selection: &dyn TableSelection) -> Vec<Finding> {
    let checking: SourceFuture<'_, _> = Box::pin(check(config, selection));
    checking.await.unwrap()
}

fn subjects(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.subject.as_str()).collect()
}

#[track_caller]
fn about<'f>(findings: &'f [Finding], words: &str) -> &'f Finding {
    let about = findings.iter().find(|finding| finding.problem.contains(words));
    about.unwrap_or_else(|| panic!("nothing says \"{words}\": {findings:#?}"))
}

/// A server that writes a log nobody can read changes from, and stops when it is full.
async fn bare_server() -> Postgres {
    Postgres::builder()
        .setting("wal_level", "replica")
        .setting("wal_sender_timeout", "0")
        .setting("synchronous_commit", "off")
        .setting("max_replication_slots", "0")
        .start()
        .await
        .unwrap()
}

const ERP: &str = "
CREATE SCHEMA erp;
CREATE TABLE erp.\"Purchase Order\" (id int PRIMARY KEY, note text);
CREATE TABLE erp.line (order_id int, qty numeric);
CREATE UNLOGGED TABLE erp.scratch (id int PRIMARY KEY);
CREATE TABLE erp.supplier (id int PRIMARY KEY, name text);
ALTER TABLE erp.supplier REPLICA IDENTITY FULL;
ALTER TABLE erp.supplier ENABLE ROW LEVEL SECURITY;
CREATE TABLE erp.moves (id int PRIMARY KEY, at date) PARTITION BY RANGE (id);
CREATE TABLE erp.moves_1 PARTITION OF erp.moves FOR VALUES FROM (0) TO (100);
REVOKE ALL ON SCHEMA erp FROM PUBLIC;
ALTER DATABASE erp SET synchronous_commit = off";

const MAPPED: &[&str] =
    &["erp.Purchase Order", "erp.line", "erp.scratch", "erp.supplier", "erp.moves"];

#[tokio::test]
async fn a_bare_server_gets_every_finding_and_none_after_exactly_its_sql_ran() {
    let mut postgres = bare_server().await;
    postgres.create_database("erp").await.unwrap();
    postgres.execute_in("erp", ERP).await.unwrap();
    let config = bare_role(&postgres, "erp").await;

    let findings = found(&config, MAPPED).await;
    let full = |table: &str| format!("ALTER TABLE \"erp\".\"{table}\" REPLICA IDENTITY FULL");
    let select = |table: &str| format!("GRANT SELECT ON \"erp\".\"{table}\" TO \"bridge\"");
    let expected = [
        "ALTER SYSTEM SET wal_level = 'logical'".to_owned(),
        "ALTER SYSTEM SET max_replication_slots = 10".to_owned(),
        "ALTER SYSTEM SET wal_sender_timeout = '60s'".to_owned(),
        "ALTER SYSTEM SET max_slot_wal_keep_size = '16GB'".to_owned(),
        "ALTER DATABASE \"erp\" SET synchronous_commit = 'on'".to_owned(),
        "ALTER ROLE \"bridge\" REPLICATION".to_owned(),
        "ALTER ROLE \"bridge\" BYPASSRLS".to_owned(),
        "GRANT USAGE ON SCHEMA \"erp\" TO \"bridge\"".to_owned(),
        select("Purchase Order"),
        select("moves"),
        full("Purchase Order"),
        full("line"),
        "ALTER TABLE \"erp\".\"scratch\" SET LOGGED".to_owned(),
        "CREATE PUBLICATION \"erpbridge\" FOR TABLE \"erp\".\"Purchase Order\", \"erp\".\"line\", \
         \"erp\".\"moves\", \"erp\".\"scratch\", \"erp\".\"supplier\" \
         WITH (publish_via_partition_root = true)"
            .to_owned(),
    ];
    let sql: Vec<&String> = findings.iter().flat_map(|finding| &finding.sql).collect();
    for statement in &expected {
        assert!(sql.contains(&statement), "{statement}\nis not among {sql:#?}");
    }
    assert!(findings.iter().all(|finding| !finding.sql.is_empty()));

    for statement in sql {
        postgres.execute_in("erp", statement).await.unwrap();
    }
    postgres.restart().await.unwrap();
    let left = found(&config, MAPPED).await;
    assert!(left.is_empty(), "{left:#?}");
}

/// A server with nothing to complain about but what a test adds.
async fn good_server(sql: &str) -> Postgres {
    let builder = Postgres::builder().setting("max_slot_wal_keep_size", "16GB");
    let postgres = builder.start().await.unwrap();
    for statement in sql.split(';') {
        postgres.execute(statement).await.unwrap();
    }
    postgres
}

#[tokio::test]
async fn a_published_table_that_breaks_the_erps_own_writes_is_an_error_even_if_not_mapped() {
    let postgres = good_server(
        "CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE TABLE foreign_business (x int);
         CREATE PUBLICATION erpbridge FOR TABLE a, foreign_business",
    )
    .await;
    // It really does.
    assert!(postgres.execute("UPDATE foreign_business SET x = 1").await.is_err());
    let config = config(&postgres, "postgres");
    let findings = found(&config, &["public.a"]).await;
    assert_eq!(subjects(&findings), ["public.foreign_business"]);
    assert_eq!(findings[0].severity, Severity::Error);
    postgres.execute(&findings[0].sql[0]).await.unwrap();
    assert!(found(&config, &["public.a"]).await.is_empty());
    postgres.execute("UPDATE foreign_business SET x = 1").await.unwrap();
}

/// Selects as a mapping does that keeps all it reads.
struct Remembered(Named);

impl TableSelection for Remembered {
    fn wants(&self, table: &TableName) -> bool {
        self.0.wants(table)
    }

    fn named(&self) -> Vec<TableName> {
        self.0.named()
    }

    fn remembers(&self, table: &TableName) -> bool {
        self.0.wants(table)
    }
}

#[tokio::test]
async fn a_log_of_keys_is_told_unless_the_rows_are_remembered() {
    let tables = "CREATE TABLE a (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE a";
    let postgres = good_server(tables).await;
    let config = config(&postgres, "postgres");
    let findings = found(&config, &["public.a"]).await;
    let told = about(&findings, "only the key of the row before");
    assert!(told.mend.contains("`keep: all`"), "{told:#?}");
    let findings = found_of(&config, &Remembered(Named::new(&["public.a"]))).await;
    assert!(findings.is_empty(), "{findings:#?}");
}

#[tokio::test]
async fn a_deferrable_key_is_no_identity_and_an_index_can_be_one() {
    let postgres = good_server(
        "CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE);
         CREATE TABLE indexed (id int PRIMARY KEY, code int NOT NULL UNIQUE, note text);
         ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code_key;
         CREATE PUBLICATION erpbridge FOR TABLE deferred, indexed (code, note)",
    )
    .await;
    postgres
        .execute("INSERT INTO deferred VALUES (1); INSERT INTO indexed VALUES (1, 1)")
        .await
        .unwrap();
    assert!(postgres.execute("UPDATE deferred SET id = 2").await.is_err());
    postgres.execute("UPDATE indexed SET note = 'x'").await.unwrap();
    let config = config(&postgres, "postgres");
    let findings = found(&config, &["public.deferred", "public.indexed"]).await;
    assert_eq!(about(&findings, "no usable replica identity").subject, "public.deferred");
    let listed = about(&findings, "only these columns are published");
    assert_eq!((listed.severity, listed.subject.as_str()), (Severity::Warning, "public.indexed"));
    assert_eq!(findings.len(), 2, "{findings:#?}");
}

#[tokio::test]
async fn a_publication_that_leaves_things_out_is_told_with_what_adds_them() {
    let postgres = good_server(
        "CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE b REPLICA IDENTITY FULL;
         CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
         ALTER TABLE p REPLICA IDENTITY FULL; ALTER TABLE p1 REPLICA IDENTITY FULL;
         CREATE PUBLICATION erpbridge FOR TABLE a, p WITH (publish = 'insert, update')",
    )
    .await;
    let config = config(&postgres, "postgres");
    let mapped = ["public.a", "public.b", "public.p"];
    let findings = found(&config, &mapped).await;
    about(&findings, "leaves out delete, truncate");
    about(&findings, "partitioned table public.p");
    about(&findings, "mapped tables are not in it: public.b");
    assert_eq!(findings.len(), 3, "{findings:#?}");
    for statement in findings.iter().flat_map(|finding| &finding.sql) {
        postgres.execute(statement).await.unwrap();
    }
    let left = found(&config, &mapped).await;
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn tables_found_by_pattern_are_checked_like_named_ones() {
    let postgres = good_server(
        "CREATE SCHEMA erp;
         CREATE TABLE erp.\"North$Line\" (id int PRIMARY KEY);
         ALTER TABLE erp.\"North$Line\" REPLICA IDENTITY FULL;
         CREATE TABLE erp.\"South$Line\" (id int PRIMARY KEY);
         CREATE VIEW erp.lines AS SELECT 1; CREATE SCHEMA empty;
         CREATE PUBLICATION erpbridge FOR TABLE erp.\"North$Line\"
           WITH (publish_via_partition_root = true)",
    )
    .await;
    let config = config(&postgres, "postgres");
    let findings = found_of(&config, &Schema("erp")).await;
    let unpublished = about(&findings, "mapped tables are not in it: erp.South$Line");
    assert_eq!(unpublished.severity, Severity::Error);
    assert_eq!(
        unpublished.sql,
        ["ALTER PUBLICATION \"erpbridge\" ADD TABLE \"erp\".\"South$Line\""]
    );
    for statement in findings.iter().flat_map(|finding| &finding.sql) {
        postgres.execute(statement).await.unwrap();
    }
    assert_eq!(found_of(&config, &Schema("erp")).await, []);

    let findings = found_of(&config, &Schema("empty")).await;
    let unmatched = about(&findings, "no table of it is one that the mappings read");
    assert_eq!((unmatched.severity, findings.len()), (Severity::Warning, 1));
}

#[tokio::test]
async fn column_lists_and_row_filters_are_told() {
    let postgres = good_server(
        "CREATE TABLE listed (id int PRIMARY KEY, a int, b int);
         CREATE TABLE broken (id int PRIMARY KEY, a int); ALTER TABLE broken REPLICA IDENTITY FULL;
         CREATE TABLE filtered (id int PRIMARY KEY); ALTER TABLE filtered REPLICA IDENTITY FULL;
         CREATE PUBLICATION erpbridge FOR TABLE listed (id, a), broken (id),
           filtered WHERE (id < 100)",
    )
    .await;
    postgres.execute("INSERT INTO broken VALUES (1, 1)").await.unwrap();
    assert!(postgres.execute("UPDATE broken SET a = 1").await.is_err());
    let config = config(&postgres, "postgres");
    let mapped = ["public.listed", "public.broken", "public.filtered"];
    let findings = found(&config, &mapped).await;
    assert_eq!(
        about(&findings, "only these columns are published: id, a").severity,
        Severity::Warning
    );
    assert_eq!(about(&findings, "only rows with (id < 100)").severity, Severity::Warning);
    let broken = about(&findings, "does not cover its replica identity");
    assert_eq!((broken.severity, broken.subject.as_str()), (Severity::Error, "public.broken"));
    assert_eq!(findings.len(), 3, "{findings:#?}");
    for statement in &broken.sql {
        postgres.execute(statement).await.unwrap();
    }
    postgres.execute("UPDATE broken SET a = 1").await.unwrap();
}

#[tokio::test]
async fn a_publication_of_all_tables_is_replaced_while_there_is_no_slot() {
    let postgres = good_server(
        "CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE PUBLICATION erpbridge FOR ALL TABLES",
    )
    .await;
    let config = config(&postgres, "postgres");
    let slot = "SELECT pg_create_logical_replication_slot('erpbridge_north', 'pgoutput')";
    postgres.execute(slot).await.unwrap();
    let findings = found(&config, &["public.a"]).await;
    assert!(about(&findings, "FOR ALL TABLES").sql.is_empty());
    postgres.execute("SELECT pg_drop_replication_slot('erpbridge_north')").await.unwrap();

    let findings = found(&config, &["public.a"]).await;
    for statement in &about(&findings, "FOR ALL TABLES").sql {
        postgres.execute(statement).await.unwrap();
    }
    assert!(found(&config, &["public.a"]).await.is_empty());
}

#[tokio::test]
async fn names_that_lead_nowhere_are_told_with_the_nearest_that_does() {
    let postgres = good_server(
        "CREATE TABLE purchase_order (id int PRIMARY KEY); CREATE VIEW open_orders AS SELECT 1;
         CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100)",
    )
    .await;
    let config = config(&postgres, "postgres");
    let mapped = ["public.Purchase_Order", "public.open_orders", "public.p1", "public.supplier"];
    let findings = found(&config, &mapped).await;
    let about = |subject: &str| findings.iter().find(|found| found.subject == subject).unwrap();
    assert!(about("public.Purchase_Order").mend.contains("did you mean public.purchase_order?"));
    assert!(about("public.open_orders").problem.contains("a view"));
    assert!(about("public.p1").problem.contains("a partition"));
    assert_eq!(about("public.supplier").mend, "correct the name in the mapping");
    assert!(about("publication erpbridge").sql.is_empty());
    assert_eq!(findings.len(), 5, "{findings:#?}");
}

#[tokio::test]
async fn generated_columns_are_told_because_the_log_lacks_them() {
    let postgres = good_server(
        "CREATE TABLE a (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
         ALTER TABLE a REPLICA IDENTITY FULL; CREATE PUBLICATION erpbridge FOR TABLE a",
    )
    .await;
    let findings = found(&config(&postgres, "postgres"), &["public.a"]).await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].problem.ends_with("not in the log: twice"));
}

#[tokio::test]
async fn a_slot_that_is_lost_or_in_other_hands_is_told() {
    let postgres = Postgres::builder()
        .setting("max_slot_wal_keep_size", "1MB")
        .setting("min_wal_size", "32MB")
        .start()
        .await
        .unwrap();
    for statement in [
        "CREATE TABLE a (id int PRIMARY KEY)",
        "ALTER TABLE a REPLICA IDENTITY FULL",
        "CREATE PUBLICATION erpbridge FOR TABLE a",
        "SELECT pg_create_physical_replication_slot('erpbridge_north')",
    ] {
        postgres.execute(statement).await.unwrap();
    }
    let config = config(&postgres, "postgres");
    about(&found(&config, &["public.a"]).await, "it is a physical slot");
    about(&found(&config, &["public.a"]).await, "only 1 MB of log are kept");

    postgres.execute("SELECT pg_drop_replication_slot('erpbridge_north')").await.unwrap();
    let slot = "SELECT pg_create_logical_replication_slot('erpbridge_north', 'pgoutput')";
    postgres.execute(slot).await.unwrap();
    for round in 0..4 {
        postgres.execute(&format!("INSERT INTO a VALUES ({round})")).await.unwrap();
        postgres.execute("SELECT pg_switch_wal()").await.unwrap();
    }
    postgres.execute("CHECKPOINT").await.unwrap();
    let findings = found(&config, &["public.a"]).await;
    let lost = about(&findings, "the server has given it up");
    assert_eq!(lost.severity, Severity::Error);
    assert_eq!(lost.sql, ["SELECT pg_drop_replication_slot('erpbridge_north')"]);
    postgres.execute(&lost.sql[0]).await.unwrap();
}

#[tokio::test]
async fn a_mapped_table_that_a_subscription_fills_is_told() {
    let postgres = good_server(
        "CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE TABLE b (id int PRIMARY KEY); ALTER TABLE b REPLICA IDENTITY FULL;
         CREATE PUBLICATION erpbridge FOR TABLE a, b",
    )
    .await;
    postgres.create_database("hub").await.unwrap();
    let hub = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY);
               CREATE PUBLICATION out FOR TABLE a, c";
    postgres.execute_in("hub", hub).await.unwrap();
    postgres.execute("CREATE TABLE c (id int PRIMARY KEY)").await.unwrap();
    // On one server it would wait for itself to make the slot.
    let slot = "SELECT pg_create_logical_replication_slot('fills', 'pgoutput')";
    postgres.execute_in("hub", slot).await.unwrap();
    let subscribe = format!(
        "CREATE SUBSCRIPTION fills CONNECTION 'host={} port={} user=postgres dbname=hub' \
         PUBLICATION out WITH (create_slot = false)",
        postgres.socket().display(),
        postgres.port()
    );
    postgres.execute(&subscribe).await.unwrap();
    // A role without rights sees it, too.
    let bare = bare_role(&postgres, "postgres").await;
    for config in [config(&postgres, "postgres"), bare] {
        let findings = found(&config, &["public.a", "public.b"]).await;
        let filled = about(&findings, "subscription fills fills it");
        assert_eq!((filled.severity, filled.subject.as_str()), (Severity::Warning, "public.a"));
        let others = findings.iter().filter(|found| found.problem.contains("fills it"));
        assert_eq!(others.count(), 1, "{findings:#?}");
    }
}

#[tokio::test]
async fn a_standby_before_16_is_refused_with_what_to_do() {
    let primary = good_server(
        "CREATE TABLE a (id int PRIMARY KEY); ALTER TABLE a REPLICA IDENTITY FULL;
         CREATE PUBLICATION erpbridge FOR TABLE a",
    )
    .await;
    let standby = primary.standby().await.unwrap();
    let findings = found(&config(&standby, "postgres"), &["public.a"]).await;
    assert_eq!(subjects(&findings), ["standby server"]);
    assert_eq!(findings[0].severity, Severity::Error);
    assert_eq!(findings[0].mend, "give the address of the primary");
    standby.promote().await.unwrap();
    assert!(found(&config(&standby, "postgres"), &["public.a"]).await.is_empty());
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_told_without_asking_any_server() {
    let mut config = PostgresConfig::from_url("north", "postgres://u@127.0.0.1:1/erp").unwrap();
    config.slot = "No Slot Name".to_owned();
    let findings = found(&config, &[]).await;
    assert_eq!(subjects(&findings), ["configuration"]);
}
