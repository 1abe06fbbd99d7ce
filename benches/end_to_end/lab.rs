//! `PostgreSQL`, and what a benchmark run does to it.

use std::process::Command;
use std::time::{Duration, Instant};

use erpbridge_test_support::{Postgres, Process, wait_until};

use crate::backlog::Database;
use crate::sink::{DEADLINE, Sink};

/// Private servers with the benchmark's tables.
pub(crate) struct Lab {
    postgres: Postgres,
    sink: Sink,
}

impl Lab {
    /// Starts the servers and creates the tables.
    pub(crate) async fn start() -> Self {
        let postgres = Postgres::builder()
            .setting("synchronous_commit", "off")
            .setting("shared_buffers", "256MB")
            .setting("max_wal_size", "8GB")
            .setting("checkpoint_timeout", "30min");
        let postgres = postgres.start().await.unwrap();
        postgres.execute(include_str!("schema.sql")).await.unwrap();
        let publications = "CREATE PUBLICATION bench FOR TABLE po_header, po_line;
             CREATE PUBLICATION large FOR TABLE stock_item;";
        postgres.execute(publications).await.unwrap();
        Self { postgres, sink: Sink::start().await }
    }

    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Lets the bridge create its slot on the empty tables, and stops it again.
    pub(crate) async fn make_slot(&mut self) {
        let bridge = self.start_bridge_of("bench");
        self.wait_following().await;
        self.sink.stop_bridge(bridge).await;
    }

    /// Starts the bridge for one source, which has the name of its publication.
    pub(crate) fn start_bridge_of(&self, source: &str) -> Process {
        let url = self.postgres.url("postgres");
        let section = format!("postgres: {{ url: \"{url}\", publication: {source} }}");
        self.sink.start_bridge(source, &section)
    }

    /// Waits until the bridge follows the log of the benchmark's tables.
    pub(crate) async fn wait_following(&self) {
        self.wait_row("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").await;
    }

    async fn copy_slot(&self, name: &str) {
        let copy = format!("SELECT pg_copy_logical_replication_slot('erpbridge_bench', '{name}')");
        self.postgres.execute(&copy).await.unwrap();
    }

    /// Fills the table that is read by a snapshot.
    pub(crate) async fn fill_table(&self, rows: u64) {
        let fill = format!(
            "INSERT INTO stock_item SELECT 'I' || n, 'an item of the benchmark', 'PCE', 'Y' FROM \
             generate_series(1, {rows}) n"
        );
        self.postgres.execute(&fill).await.unwrap();
        self.postgres.execute("ANALYZE stock_item").await.unwrap();
    }

    /// Updates this many rows in one transaction.
    pub(crate) async fn update_in_one_transaction(&self, rows: u64) {
        let update = format!(
            "UPDATE stock_item SET descr = descr || '.' WHERE item IN (SELECT item FROM stock_item \
             LIMIT {rows})"
        );
        self.postgres.execute(&update).await.unwrap();
    }

    async fn wait_row(&self, query: &str) {
        let client = self.postgres.client().await.unwrap();
        wait_until(query, DEADLINE, async || {
            client.query(query, &[]).await.is_ok_and(|rows| !rows.is_empty())
        })
        .await
        .unwrap();
    }
}

impl Database for Lab {
    const REFERENCE: &str = "pg_recvlogical";

    fn sink(&self) -> &Sink {
        &self.sink
    }

    fn start_bridge(&self) -> Process {
        self.start_bridge_of("bench")
    }

    async fn commit_backlog(&mut self, rows: u64) {
        let client = self.postgres.client().await.unwrap();
        client.batch_execute(&format!("CALL backlog(1, {rows})")).await.unwrap();
        client.batch_execute("CHECKPOINT").await.unwrap();
    }

    /// As the log itself tells.
    async fn count_changes(&mut self) -> u64 {
        self.copy_slot("bench_count").await;
        let client = self.postgres.client().await.unwrap();
        let count =
            "SELECT count(*) FROM pg_logical_slot_peek_binary_changes('bench_count', NULL, NULL,
             'proto_version', '1', 'publication_names', 'bench')
             WHERE get_byte(data, 0) IN (68, 73, 85)"; // D, I, U
        let row = client.query_one(count, &[]).await.unwrap();
        client.batch_execute("SELECT pg_drop_replication_slot('bench_count')").await.unwrap();
        u64::try_from(row.get::<_, i64>(0)).unwrap()
    }

    /// Drains a copy of the bridge's slot with `pg_recvlogical` and drops what it receives.
    async fn drain(&mut self) -> Duration {
        self.copy_slot("bench_drain").await;
        let client = self.postgres.client().await.unwrap();
        let row = client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await.unwrap();
        let end: String = row.get(0);
        let mut recvlogical = Command::new(self.postgres.programs().join("pg_recvlogical"));
        recvlogical
            .args(["-d", &self.postgres.url("postgres"), "-S", "bench_drain", "--start"])
            .args(["-o", "proto_version=1", "-o", "publication_names=bench"])
            .args(["-f", "/dev/null", "--endpos", &end, "--no-loop"]);
        let start = Instant::now();
        let status = recvlogical.status().unwrap();
        let elapsed = start.elapsed();
        assert!(status.success(), "pg_recvlogical failed: {status}");
        client.batch_execute("SELECT pg_drop_replication_slot('bench_drain')").await.unwrap();
        elapsed
    }
}
