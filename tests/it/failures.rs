//! What breaks in practice, one thing at a time: each gives a clear message, loses nothing, and
//! does not end in a loop of crashes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use erpbridge_test_support::{
    Bridge, Nats, NatsVersion, Port, Postgres, Proxy, StoredMessage, read_stream, sample,
    wait_until,
};

use crate::shop::{DEADLINE, MAPPING, Shop};

/// Waits until the bridge gave up, and returns what it said. It must ask for a person (78), so
/// that a supervisor does not start it again and again.
async fn gave_up(bridge: &mut Bridge) -> String {
    let status = bridge.wait_exit(DEADLINE).await.unwrap();
    assert_eq!(status.code(), Some(78), "{}", bridge.log());
    bridge.log()
}

fn says(log: &str, parts: &[&str]) {
    for part in parts {
        assert!(log.contains(part), "\"{part}\" is not in:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_flow_from_the_snapshot_and_from_the_log() {
    let shop = Shop::open().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', 1.500), ('B', 'second', NULL)").await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('C', 'third', 2)").await;
    shop.sql("UPDATE item SET name = 'renamed' WHERE code = 'A'").await;
    shop.sql("DELETE FROM item WHERE code = 'B'").await;
    let events = shop.wait_equal().await;
    assert_eq!(events.len(), 5);
    let snapshot = events.iter().filter(|event| event.header("ce-snapshot") == Some("true"));
    assert_eq!(snapshot.count(), 2);
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_once_and_not_tried_again() {
    let shop = Shop::open().await;
    let url = shop.postgres.url_for("postgres", "kept-from-logs", "postgres");
    let mut bridge = shop.launch(&shop.config_at(&url, &shop.nats.url()));
    let log = gave_up(&mut bridge).await;
    says(&log, &["password", "shop"]);
    assert!(!log.contains("kept-from-logs"), "the password is in the log:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_publication_is_named_with_the_statement_that_makes_it() {
    let shop = Shop::open().await;
    shop.sql("DROP PUBLICATION erpbridge").await;
    let mut bridge = shop.launch(&shop.config());
    let log = gave_up(&mut bridge).await;
    says(&log, &["publication", "erpbridge", "CREATE PUBLICATION"]);
    // Nothing was begun, so the publication is all that is missing.
    shop.sql("CREATE PUBLICATION erpbridge FOR TABLE item").await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    bridge.start_again().unwrap();
    assert_eq!(shop.wait_equal().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_updates_would_fail_is_refused_before_the_slot_is_made() {
    let shop = Shop::open().await;
    shop.sql("CREATE TABLE keyless (a int); ALTER PUBLICATION erpbridge ADD TABLE keyless").await;
    let mut bridge = shop.launch(&shop.config());
    let log = gave_up(&mut bridge).await;
    says(&log, &["keyless", "REPLICA IDENTITY"]);
    let client = shop.postgres.client().await.unwrap();
    let slots = client.query("SELECT 1 FROM pg_replication_slots", &[]).await.unwrap();
    assert!(slots.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_reads_a_generated_column_is_refused_before_the_slot_is_made() {
    let shop = Shop::open().await;
    shop.sql("ALTER TABLE item ADD label text GENERATED ALWAYS AS (code || name) STORED").await;
    let reads = MAPPING.replace("description: name", "description: label");
    shop.directory.write("mapping.yaml", &reads).unwrap();
    let mut bridge = shop.launch(&shop.config());
    let log = gave_up(&mut bridge).await;
    says(&log, &["mapping.yaml:10:28", "generated column `label`"]);
    let client = shop.postgres.client().await.unwrap();
    let slots = client.query("SELECT 1 FROM pg_replication_slots", &[]).await.unwrap();
    assert!(slots.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_left_the_publication_is_told_at_the_next_start() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());
    shop.sql("ALTER PUBLICATION erpbridge DROP TABLE item").await;
    bridge.start_again().unwrap();
    let told = bridge.wait_log("mapped tables are not in it: public.item", DEADLINE).await.unwrap();
    says(&told, &["ALTER PUBLICATION \\\"erpbridge\\\" ADD TABLE"]);
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_mapping_is_told_with_its_line() {
    let shop = Shop::open().await;
    let broken = MAPPING.replace("fields: { description: name }", "feilds: { description: name }");
    shop.directory.write("mapping.yaml", &broken).unwrap();
    let mut bridge = shop.launch(&shop.config());
    let log = gave_up(&mut bridge).await;
    says(&log, &["mapping.yaml:10:", "feilds", "did you mean `fields`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_configuration_key_is_told_with_its_line() {
    let shop = Shop::open().await;
    let config = shop.config().replace("keep_interval", "keep_intervall");
    let mut bridge = shop.launch(&config);
    let log = gave_up(&mut bridge).await;
    says(&log, &["erpbridge.yaml:5:", "keep_intervall", "did you mean `keep_interval`?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_disappears_stops_the_source_before_a_null_is_told() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    shop.sql("ALTER TABLE item RENAME COLUMN name TO title; INSERT INTO item VALUES ('B', 'x', 1)")
        .await;
    let log = gave_up(&mut bridge).await;
    says(&log, &["public.item", "name"]);
    assert_eq!(shop.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_nats_server_costs_nothing_but_time() {
    let mut shop = Shop::open().await;
    let mut bridge = shop.start().await;
    for round in 0..3 {
        let insert = format!(
            "INSERT INTO item SELECT '{round}-' || n, 'item ' || n, n FROM generate_series(1, 5000) n"
        );
        shop.sql(&insert).await;
        shop.nats.kill9();
        shop.sql(&format!("UPDATE item SET name = name || '.' WHERE code LIKE '{round}-%'")).await;
        shop.nats.restart().await.unwrap();
    }
    shop.wait_equal().await;
    assert!(bridge.exited().is_none(), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_database_costs_nothing_but_time() {
    let mut shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item SELECT n::text, 'item', n FROM generate_series(1, 2000) n").await;
    shop.postgres.kill9();
    shop.postgres.restart().await.unwrap();
    shop.sql("UPDATE item SET name = 'after the crash' WHERE weight < 1000").await;
    shop.wait_equal().await;
    shop.postgres.restart().await.unwrap();
    shop.sql("UPDATE item SET name = 'after the restart' WHERE weight > 1500").await;
    shop.wait_equal().await;
    assert!(bridge.exited().is_none(), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_stops_the_source_and_is_never_made_anew_in_silence() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());
    shop.wait_slot_free().await;
    shop.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots").await;
    shop.sql("INSERT INTO item VALUES ('B', 'never seen', NULL)").await;
    bridge.start_again().unwrap();
    let log = gave_up(&mut bridge).await;
    says(&log, &["slot", "erpbridge_shop"]);
    assert_eq!(shop.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_stream_is_filled_up_again_from_the_log() {
    let mut shop = Shop::open().await;
    // The confirmation trails, so that the database still has what the stream loses.
    let config = shop.config().replace("nats: {", "nats: { confirm_delay: 10m,");
    let mut bridge = shop.launch(&config);
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    shop.sql("INSERT INTO item SELECT n::text, 'item', n FROM generate_series(1, 50) n").await;
    shop.wait_equal().await;
    shop.nats.stop().await.unwrap();
    let synced = shop.directory.join("synced");
    copy(&shop.nats.store(), &synced);
    shop.nats.restart().await.unwrap();
    for round in 0..20 {
        shop.sql(&format!("UPDATE item SET name = 'round {round}' WHERE weight = {round}")).await;
    }
    let whole = shop.wait_equal().await;
    bridge.kill9();
    // What a power failure leaves of a server that had not synced since.
    shop.nats.stop().await.unwrap();
    std::fs::remove_dir_all(shop.nats.store()).unwrap();
    copy(&synced, &shop.nats.store());
    shop.nats.restart().await.unwrap();
    assert_eq!(shop.events().await.len(), 50);
    bridge.start_again().unwrap();
    let again = shop.wait_equal().await;
    let ids = |events: &[StoredMessage]| {
        events.iter().map(|e| e.header("ce-id").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&again), ids(&whole));
    says(&bridge.log(), &["the stream was shortened"]);
}

/// Copies a directory with everything below it.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_state_directory_costs_one_read_back() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    for round in 0..5 {
        shop.sql(&format!("INSERT INTO item VALUES ('{round}', 'item', NULL)")).await;
        shop.wait_equal().await;
        bridge.kill9();
        std::fs::remove_dir_all(shop.directory.join("state")).unwrap();
        shop.sql(&format!("UPDATE item SET name = 'while away' WHERE code = '{round}'")).await;
        bridge.start_again().unwrap();
    }
    assert_eq!(shop.wait_equal().await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_database_lets_go_of_its_log_and_the_position_survives_a_lost_directory() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    // Another database of the same server is busy; the shop sleeps.
    shop.postgres.create_database("busy").await.unwrap();
    let write = "CREATE TABLE IF NOT EXISTS noise (t text);
         INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 5000)";
    for _ in 0..3 {
        shop.postgres.execute_in("busy", write).await.unwrap();
    }
    let client = shop.postgres.client().await.unwrap();
    let behind = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint
         FROM pg_replication_slots";
    wait_until("the slot has followed the busy neighbour", DEADLINE, async || {
        client.query_one(behind, &[]).await.unwrap().get::<_, i64>(0) < 100_000
    })
    .await
    .unwrap();
    bridge.kill9();
    std::fs::remove_dir_all(shop.directory.join("state")).unwrap();
    shop.sql("INSERT INTO item VALUES ('B', 'second', NULL)").await;
    bridge.start_again().unwrap();
    assert_eq!(shop.wait_equal().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_the_middle_lose_and_double_nothing() {
    let shop = Shop::open().await;
    let postgres = Proxy::start(&shop.postgres.address()).await.unwrap();
    let nats = Proxy::start(&shop.nats.address()).await.unwrap();
    let url = format!(
        "postgres://postgres:{}@{}/postgres",
        erpbridge_test_support::PASSWORD,
        postgres.address()
    );
    let mut bridge = shop.launch(&shop.config_at(&url, &format!("nats://{}", nats.address())));
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    for round in 0..6 {
        let insert = format!(
            "INSERT INTO item SELECT '{round}-' || n, 'item ' || n, n FROM generate_series(1, 3000) n"
        );
        shop.sql(&insert).await;
        if round % 2 == 0 { nats.cut() } else { postgres.cut() }
    }
    assert_eq!(shop.wait_equal().await.len(), 18_000);
    assert!(bridge.exited().is_none(), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_bridges_on_one_source_the_later_goes_on_and_the_other_stops() {
    let shop = Shop::open().await;
    let mut first = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.wait_equal().await;
    let (state, http) = (shop.directory.join("state"), Port::reserve().unwrap());
    let other = shop.config().replace(&*state.to_string_lossy(), &format!("{}-2", state.display()));
    let mut second = shop.launch(&other.replace(&shop.http, &http.address()));
    // It has claimed the stream; the slot it gets when the first has gone.
    let waits = second.wait_log("trying again after a pause", DEADLINE).await.unwrap();
    says(&waits, &["is being read by process", "look in pg_stat_activity who process"]);
    shop.sql("INSERT INTO item VALUES ('B', 'second', NULL)").await;
    let log = gave_up(&mut first).await;
    says(&log, &["another erpbridge took over", "run one erpbridge per source"]);
    second.wait_ready(&http.address(), DEADLINE).await.unwrap();
    assert_eq!(shop.wait_equal().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_behind_an_event_too_large_survives_a_lost_directory() {
    let shop = Shop::open().await;
    let nats = Nats::builder(NatsVersion::Current).max_payload(8192).start().await.unwrap();
    // Nothing is kept beside the stream but at the start and at the end.
    let config = shop.config_at(&shop.postgres.url("postgres"), &nats.url());
    let config = config.replace("keep_interval: 1s", "keep_interval: 1h");
    let mut bridge = shop.launch(&config);
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    shop.sql("INSERT INTO item VALUES ('A', repeat('x', 10000), NULL)").await;
    let client = nats.client().await.unwrap();
    let letters =
        async || read_stream(&client, "ERP_SHOP_DEADLETTER").await.unwrap_or_default().len();
    wait_until("the event is a dead letter", DEADLINE, async || letters().await == 1)
        .await
        .unwrap();
    // The orderly end confirms everything to the database.
    assert!(bridge.terminate(DEADLINE).await.unwrap().success(), "{}", bridge.log());
    std::fs::remove_dir_all(shop.directory.join("state")).unwrap();
    bridge.start_again().unwrap();
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    assert_eq!(letters().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_nats_server_gets_the_same_events_one_by_one() {
    let shop = Shop::open_with(Postgres::builder(), NatsVersion::Old).await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item SELECT n::text, 'item', n FROM generate_series(1, 2500) n").await;
    bridge.kill9();
    bridge.start_again().unwrap();
    assert_eq!(shop.wait_equal().await.len(), 2500);
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_stops_the_source_behind_everything_before_it() {
    let shop = Shop::open().await;
    let mut bridge = shop.start().await;
    shop.sql("INSERT INTO item VALUES ('A', 'first', NULL)").await;
    shop.sql("TRUNCATE item").await;
    let log = gave_up(&mut bridge).await;
    says(&log, &["truncated", "public.item", "on_truncate: ignore"]);
    assert_eq!(shop.events().await.len(), 1);
    let config =
        shop.config().replace("    keep_interval", "    on_truncate: ignore\n    keep_interval");
    bridge.configure(&config).unwrap();
    bridge.start_again().unwrap();
    bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
    shop.sql("INSERT INTO item VALUES ('B', 'second', NULL)").await;
    wait_until("the row after it is told", DEADLINE, async || shop.events().await.len() == 2)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn freshness_is_true_while_nothing_happens() {
    let shop = Shop::open().await;
    let bridge = shop.start().await;
    let name = "erpbridge_source_watermark_timestamp_seconds";
    let mut last = 0.0;
    for _ in 0..3 {
        wait_until("the watermark moves on an idle database", DEADLINE, async || {
            let metrics = bridge.metrics(&shop.http).await.unwrap_or_default();
            sample(&metrics, name, &["source=\"shop\""]).is_some_and(|stamp| stamp > last + 0.5)
        })
        .await
        .unwrap();
        let metrics = bridge.metrics(&shop.http).await.unwrap();
        last = sample(&metrics, name, &["source=\"shop\""]).unwrap();
    }
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(now - last < Duration::from_secs(10).as_secs_f64(), "{} s old", now - last);
}
