//! The other end of a benchmark run: NATS, and the bridge that publishes into it.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream;
use erpbridge_test_support::{Directory, Nats, NatsVersion, Port, Process, Signal, wait_until};

/// Nothing here takes longer on a machine worth measuring.
pub(crate) const DEADLINE: Duration = Duration::from_mins(5);

/// A private NATS server, and where the bridges of the run live.
pub(crate) struct Sink {
    nats: Nats,
    directory: Directory,
}

impl Sink {
    /// Starts the server.
    pub(crate) async fn start() -> Self {
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        Self { nats, directory: Directory::new("bench").unwrap() }
    }

    pub(crate) fn nats(&self) -> &Nats {
        &self.nats
    }

    /// Starts the bridge for one source on this database, given as a section of its configuration.
    pub(crate) fn start_bridge(&self, source: &str, database: &str) -> Process {
        let config = self.config(source, database);
        let config = self.directory.write(&format!("{source}.yaml"), &config).unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_erpbridge"));
        let log = self.directory.join(format!("{source}.log"));
        Process::start(&binary, &log, |command| {
            command.arg("run").arg("--config").arg(config);
        })
        .unwrap()
    }

    fn config(&self, source: &str, database: &str) -> String {
        let mapping = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/end_to_end");
        format!(
            "sources:\n  - name: {source}\n    {database}\n    mappings: \
             [{mapping}/{source}.mapping.yaml]\nnats:\n  servers: [{nats}]\nstate: \
             state-{source}\nhttp: {http}\n",
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
}
