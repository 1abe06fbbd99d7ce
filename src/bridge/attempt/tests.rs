//! How a run ends, with sources that end at the worst moment.

use erpbridge_connector::{SourceFuture, TableSchema};

use super::*;
use crate::config::{Config, LogConfig};
use crate::mapping::Mapping;
use crate::pipeline::{Remembered, TruncatePolicy};
use crate::publish::jetstream::NatsConfig;
use crate::publish::{MemoryPublisher, MemoryStream};
use crate::state::OffsetStore;

/// Long enough for every other task to notice that the queue is closed.
const A_WHILE: Duration = Duration::from_millis(200);

const MAPPING: &str = "\
mapping: shop
company: { constant: main }
tables:
  item: { table: public.item, deleted: physical }
events:
  - emit: masterdata.item.deleted
    on: item
    when: deleted
";

/// How a source ends after it has closed its queue.
#[derive(Clone, Copy)]
enum End {
    /// It lost its connection; stopped meanwhile, it takes that for the answer to the stop.
    Lost,
    /// In silence.
    Silent,
}

/// A source that closes its queue long before it returns.
struct Ending(End);

impl Source for Ending {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let SourceContext { out, stop, .. } = context;
            drop(out);
            tokio::time::timeout(A_WHILE, stop.cancelled()).await.unwrap_or_default();
            match self.0 {
                End::Lost if !stop.is_cancelled() => {
                    Err(SourceError::new(SourceErrorKind::Connection, "the server has gone"))
                }
                End::Lost | End::Silent => Ok(()),
            }
        })
    }
}

fn configured() -> SourceConfig {
    let postgres = erpbridge_postgres::PostgresConfig::from_url("shop", "postgres://u@localhost/d");
    SourceConfig {
        name: "shop".to_owned(),
        engine: Engine::Postgres(postgres.unwrap()),
        mapping: Arc::new(Mapping::from_texts(&[("m.yaml", MAPPING)]).unwrap()),
        on_truncate: TruncatePolicy::Stop,
        queue_bytes: 1 << 20,
        rows_cache_bytes: 1 << 20,
        pseudonym: None,
        keep_interval: Duration::from_secs(1),
    }
}

async fn shared(directory: &std::path::Path) -> Shared {
    let config = Config {
        sources: Vec::new(),
        nats: NatsConfig::default(),
        state: directory.to_owned(),
        http: "127.0.0.1:0".parse().unwrap(),
        log: LogConfig::default(),
    };
    Shared {
        config: Arc::new(config),
        store: Arc::new(OffsetStore::open(directory).await.unwrap()),
        metrics: Metrics::new().unwrap(),
        board: Arc::new(super::super::Board::new(["shop"])),
        stop: CancellationToken::new(),
    }
}

/// How a run of such a source ends; `asked` whether the bridge was told to stop before.
async fn ended(end: End, asked: bool) -> Result<(), AttemptError> {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path()).await;
    if asked {
        shared.stop.cancel();
    }
    let mut publisher = MemoryPublisher::new(MemoryStream::default(), "shop");
    let standing = publisher.claim(None).await.unwrap();
    let opened = rows::Opened {
        remembered: Remembered::nothing(),
        resume_after: None,
        missing: Vec::new(),
        counters: None,
    };
    let start = Start { standing, opened, schemas: Vec::new() };
    let run = Run::start(&shared, &configured(), Arc::new(Ending(end)), publisher, start);
    run.finish(&shared.stop).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_loses_its_server_is_tried_again_however_late_it_says_so() {
    let error = ended(End::Lost, false).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.remedy()),
        ("the server has gone", Remedy::Retry)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ends_unasked_is_tried_again() {
    let error = ended(End::Silent, false).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_asked_to_end_has_done_well() {
    ended(End::Silent, true).await.unwrap();
    ended(End::Lost, true).await.unwrap();
}

#[tokio::test]
async fn a_store_that_failed_does_not_keep_a_source_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path()).await;
    shared.store.break_down().await;
    assert_eq!(remembered(&shared, &configured()).await, None);
    let failures = shared.metrics.offset_persist_errors.with_label_values(&["shop"]).get();
    assert_eq!(failures, 1);
}
