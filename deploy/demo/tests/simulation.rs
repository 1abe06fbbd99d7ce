//! The simulation against a real server.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use erpbridge_demo::Action;
use erpbridge_demo::erp::{Erp, PUBLICATION, TABLES};
use erpbridge_demo::simulate::{Pace, Simulation};
use erpbridge_test_support::wait_until;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

/// Everything the ERP holds, as one number.
async fn fingerprint(erp: &Erp) -> String {
    const SQL: &str = "SELECT md5(string_agg(row, '|' ORDER BY row)) FROM ( \
         SELECT 'h' || hdid || hdst || hdsu || coalesce(hdno, '') || hdtl FROM legacy.pohd \
         UNION ALL SELECT 'l' || lnhd || '/' || lnln || lnit || lnqt || lnrc FROM legacy.poln \
         UNION ALL SELECT 'm' || mvid || mvit || mvqt FROM legacy.stmv) AS everything (row)";
    erp.client().await.unwrap().query_one(SQL, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_business_action_finds_work_to_do() {
    let erp = Erp::start().await.unwrap();
    let tally = Simulation::run(&erp, 7, 1500).await.unwrap();
    let missing: Vec<_> =
        Action::all().filter(|action| !tally.committed.contains_key(action)).collect();
    assert!(missing.is_empty(), "{missing:?} never happened: {tally:?}");
    assert!(tally.rolled_back > 0);
}

#[tokio::test]
async fn the_same_seed_on_one_connection_is_the_same_business() {
    let (first, second) = (Erp::start().await.unwrap(), Erp::start().await.unwrap());
    Simulation::run(&first, 3, 200).await.unwrap();
    Simulation::run(&second, 3, 200).await.unwrap();
    assert_eq!(fingerprint(&first).await, fingerprint(&second).await);
}

#[tokio::test]
async fn several_people_work_at_once_and_stop_when_told() {
    let erp = Erp::start().await.unwrap();
    let pace = Pace { people: 4, rate: 400, seed: 1 };
    let simulation = Simulation::start(&erp, pace).await.unwrap();
    let client = erp.client().await.unwrap();
    wait_until("an order is closed", Duration::from_mins(1), async || {
        let sql = "SELECT count(*) FROM legacy.pohd WHERE hdst = 'C'";
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
    })
    .await
    .unwrap();
    let tally = simulation.stop().await.unwrap();
    let before = fingerprint(&erp).await;
    assert!(tally.transactions() > 10);
    assert_eq!(before, fingerprint(&erp).await);
}

#[tokio::test]
async fn the_role_of_the_bridge_reads_every_published_table_and_writes_none() {
    let erp = Erp::start().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&erp.url(), NoTls).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let published = "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY tablename) \
         FROM pg_publication_tables WHERE pubname = $1";
    let published: String = client.query_one(published, &[&PUBLICATION]).await.unwrap().get(0);
    let mut tables = TABLES;
    tables.sort_unstable();
    assert_eq!(published, tables.join(" "));
    for table in TABLES {
        client.query(&format!("SELECT * FROM {table} LIMIT 1"), &[]).await.unwrap();
        let error = client.execute(&format!("DELETE FROM {table}"), &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{table}");
    }
}
