//! The servers of a benchmark run, and what it does to them.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use erpbridge_test_support::{
    Directory, Nats, NatsVersion, Port, Postgres, Process, Signal, wait_until,
};

/// Nothing here takes longer on a machine worth measuring.
const DEADLINE: Duration = Duration::from_mins(5);

/// Private servers with the benchmark's tables.
pub(crate) struct Lab {
    postgres: Postgres,
    nats: Nats,
    directory: Directory,
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
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        postgres.execute(include_str!("schema.sql")).await.unwrap();
        let publications = "CREATE PUBLICATION bench FOR TABLE po_header, po_line;
             CREATE PUBLICATION large FOR TABLE stock_item;";
        postgres.execute(publications).await.unwrap();
        Self { postgres, nats, directory: Directory::new("bench").unwrap() }
    }

    pub(crate) fn nats(&self) -> &Nats {
        &self.nats
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Lets the bridge create its slot on the empty tables, and stops it again.
    pub(crate) async fn make_slot(&mut self) {
        let bridge = self.start_bridge("bench");
        self.wait_following().await;
        self.stop_bridge(bridge).await;
    }

    /// Waits until the bridge follows the log of the benchmark's tables.
    pub(crate) async fn wait_following(&self) {
        self.wait_row("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").await;
    }

    /// Commits the mixed backlog.
    pub(crate) async fn commit_backlog(&mut self, rows: u64) {
        let client = self.postgres.client().await.unwrap();
        client.batch_execute(&format!("CALL backlog(1, {rows})")).await.unwrap();
        client.batch_execute("CHECKPOINT").await.unwrap();
    }

    /// How many row changes the backlog holds, as the log itself tells.
    pub(crate) async fn count_changes(&mut self) -> u64 {
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

    async fn copy_slot(&self, name: &str) {
        let copy = format!("SELECT pg_copy_logical_replication_slot('erpbridge_bench', '{name}')");
        self.postgres.execute(&copy).await.unwrap();
    }

    /// Drains a copy of the bridge's slot with `pg_recvlogical` and drops what it receives.
    pub(crate) async fn drain_to_nothing(&mut self) -> Duration {
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

    /// Starts the bridge for one source.
    pub(crate) fn start_bridge(&self, source: &str) -> Process {
        let config = self.directory.write(&format!("{source}.yaml"), &self.config(source)).unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_erpbridge"));
        let log = self.directory.join(format!("{source}.log"));
        Process::start(&binary, &log, |command| {
            command.arg("run").arg("--config").arg(config);
        })
        .unwrap()
    }

    fn config(&self, source: &str) -> String {
        let mapping = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/end_to_end");
        format!(
            "sources:\n  - name: {source}\n    postgres:\n      url: {url}\n      publication: \
             {source}\n    mappings: [{mapping}/{source}.mapping.yaml]\nnats:\n  servers: \
             [{nats}]\nstate: state-{source}\nhttp: {http}\n",
            url = self.postgres.url("postgres"),
            mapping = mapping.display(),
            nats = self.nats.url(),
            http = Port::reserve().unwrap().address(),
        )
    }

    /// Stops the bridge in order.
    pub(crate) async fn stop_bridge(&self, mut bridge: Process) {
        bridge.signal(Signal::TERM);
        let status = bridge.wait(Duration::from_secs(20)).await.unwrap();
        assert!(status.success(), "the bridge ended with {status}:\n{}", bridge.log());
    }

    /// How many events the benchmark's stream holds.
    pub(crate) async fn stored(&self) -> u64 {
        self.stored_of("bench").await
    }

    async fn stored_of(&self, source: &str) -> u64 {
        let context = jetstream::new(self.nats.client().await.unwrap());
        let name = format!("ERP_{}", source.to_uppercase());
        let Ok(stream) = context.get_stream(name).await else { return 0 };
        let subjects = stream.info_with_subjects(format!("erp.{source}.>")).await.unwrap();
        let counts = futures_util::StreamExt::collect::<Vec<_>>(subjects).await;
        counts.into_iter().map(|count| count.unwrap().1 as u64).sum()
    }

    /// Waits until the benchmark's stream holds this many events.
    pub(crate) async fn wait_stored(&self, count: u64) {
        self.wait_stored_of("bench", count).await;
    }

    /// Waits until a source's stream holds this many events.
    pub(crate) async fn wait_stored_of(&self, source: &str, count: u64) {
        let what = format!("{count} events of {source} are stored");
        let arrived = wait_until(&what, DEADLINE, async || {
            self.require_no_dead_letters(source).await;
            self.stored_of(source).await >= count
        });
        if let Err(failure) = arrived.await {
            let log = std::fs::read_to_string(self.directory.join(format!("{source}.log")));
            panic!(
                "{failure}, but {}; the bridge said:\n{}",
                self.stored_of(source).await,
                log.unwrap()
            );
        }
    }

    /// What does not fit its mapping would never be stored, however long one waits.
    async fn require_no_dead_letters(&self, source: &str) {
        let context = jetstream::new(self.nats.client().await.unwrap());
        let name = format!("ERP_{}_DEADLETTER", source.to_uppercase());
        let Ok(stream) = context.get_stream(name).await else { return };
        let letters = stream.get_info().await.unwrap().state.messages;
        assert_eq!(letters, 0, "the benchmark's mapping of {source} makes dead letters");
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
