//! The simulation against a real server.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use erpbridge_demo::Action;
use erpbridge_demo::database::{Client, Source};
use erpbridge_demo::erp::{Erp, PUBLICATION, TABLES};
use erpbridge_demo::simulate::{Pace, Simulation};
use erpbridge_test_support::wait_until;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

async fn text(erp: &Erp, sql: &str) -> String {
    erp.client().await.unwrap().text(sql).await.unwrap().unwrap()
}

/// Everything the ERP holds, as one text.
async fn fingerprint(erp: &Erp) -> String {
    const POSTGRES: &str = "SELECT md5(string_agg(row, '|' ORDER BY row)) FROM ( \
         SELECT 'h' || hdid || hdst || hdsu || coalesce(hdno, '') || hdtl FROM legacy.pohd \
         UNION ALL SELECT 'l' || lnhd || '/' || lnln || lnit || lnqt || lnrc FROM legacy.poln \
         UNION ALL SELECT 'm' || mvid || mvit || mvqt FROM legacy.stmv) AS everything (row)";
    const MARIADB: &str = "SELECT CONCAT(h, '|', l, '|', m) FROM \
         (SELECT COALESCE(SUM(CRC32(CONCAT(hdid, hdst, hdsu, COALESCE(hdno, ''), hdtl))), 0) AS h \
          FROM legacy.pohd) AS headers, \
         (SELECT COALESCE(SUM(CRC32(CONCAT(lnhd, '/', lnln, lnit, lnqt, lnrc))), 0) AS l \
          FROM legacy.poln) AS lines_of_them, \
         (SELECT COALESCE(SUM(CRC32(CONCAT(mvid, mvit, mvqt))), 0) AS m FROM legacy.stmv) AS moves";
    match erp.source() {
        Source::Postgres => text(erp, POSTGRES).await,
        Source::MariaDb => text(erp, MARIADB).await,
    }
}

async fn finds_work(source: Source) {
    let erp = Erp::start(source).await.unwrap();
    let tally = Simulation::run(&erp, 7, 1500).await.unwrap();
    let missing: Vec<_> =
        Action::all().filter(|action| !tally.committed.contains_key(action)).collect();
    assert!(missing.is_empty(), "{missing:?} never happened: {tally:?}");
    assert!(tally.rolled_back > 0);
}

#[tokio::test]
async fn every_business_action_finds_work_to_do_on_postgres() {
    finds_work(Source::Postgres).await;
}

#[tokio::test]
async fn every_business_action_finds_work_to_do_on_mariadb() {
    finds_work(Source::MariaDb).await;
}

#[tokio::test]
async fn the_same_seed_on_one_connection_is_the_same_business() {
    for source in Source::ALL {
        let (first, second) =
            (Erp::start(source).await.unwrap(), Erp::start(source).await.unwrap());
        Simulation::run(&first, 3, 200).await.unwrap();
        Simulation::run(&second, 3, 200).await.unwrap();
        assert_eq!(fingerprint(&first).await, fingerprint(&second).await);
    }
}

async fn works_and_stops(source: Source) {
    let erp = Erp::start(source).await.unwrap();
    let pace = Pace { people: 4, rate: 400, seed: 1 };
    let simulation = Simulation::start(&erp, pace).await.unwrap();
    wait_until("an order is closed", Duration::from_mins(1), async || {
        let sql = "SELECT concat(count(*), '') FROM legacy.pohd WHERE hdst = 'C'";
        text(&erp, sql).await != "0"
    })
    .await
    .unwrap();
    let tally = simulation.stop().await.unwrap();
    let before = fingerprint(&erp).await;
    assert!(tally.transactions() > 10);
    assert_eq!(before, fingerprint(&erp).await);
}

#[tokio::test]
async fn several_people_work_at_once_and_stop_when_told_on_postgres() {
    works_and_stops(Source::Postgres).await;
}

#[tokio::test]
async fn several_people_work_at_once_and_stop_when_told_on_mariadb() {
    works_and_stops(Source::MariaDb).await;
}

#[tokio::test]
async fn the_role_of_the_bridge_reads_every_published_table_and_writes_none() {
    let erp = Erp::start(Source::Postgres).await.unwrap();
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

#[tokio::test]
async fn the_user_of_the_bridge_reads_every_mapped_table_and_writes_none() {
    let erp = Erp::start(Source::MariaDb).await.unwrap();
    let client = mysql_async::Conn::from_url(erp.url()).await.unwrap();
    let mut client = Client::MariaDb(client);
    for table in TABLES {
        client.text(&format!("SELECT 1 FROM {table} LIMIT 1")).await.unwrap();
        let Client::MariaDb(client) = &mut client else { unreachable!("it was made so") };
        let refused = client.query_drop(format!("DELETE FROM {table}")).await.unwrap_err();
        let mysql_async::Error::Server(told) = refused else { panic!("not refused") };
        assert_eq!(told.code, 1142, "{table}");
    }
}
