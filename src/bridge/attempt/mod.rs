//! One run of one source, from the claim of its stream to its end.

use std::sync::Arc;

use erpbridge_connector::{
    Finding, Gauge, Receiver, Remedy, STOP_DEADLINE, Source, SourceContext, SourceError,
    SourceErrorKind, SourceStatus, TableSchema, TableSelection, queue,
};
use erpbridge_mysql::MysqlSource;
use erpbridge_postgres::PostgresSource;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Shared, fitness, rows};
use crate::config::{Engine, SourceConfig};
use crate::error::chain;
use crate::mapping::Desk;
use crate::metrics::{Metrics, phase_label};
use crate::pipeline::{
    ConvertError, Converter, Milestone, Pipeline, PipelineConfig, PipelineError, Plans, Settler,
    SettlerConfig,
};
use crate::publish::jetstream::{JetStreamPublisher, Memory};
use crate::publish::{PublishError, Publisher, Standing};
use crate::state::{Counter, OffsetRecord, RowCounters, RowStoreError, RowStoreErrorKind};
use crate::tasks::{self, Task, TaskLost};

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The stream could not be claimed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The database is not fit for a first start.
    #[error("the database is not ready for a first start")]
    Unfit(Vec<Finding>),
    /// The remembered rows could not be opened.
    #[error(transparent)]
    Rows(#[from] RowStoreError),
    /// The log begins after the position the remembered rows are true to: another bridge went on
    /// without them. They are read from the database again.
    #[error("the remembered rows are older than the database's log")]
    Outdated(#[source] SourceError),
    /// A task panicked: a bug, and the position has not moved past what it was doing.
    #[error(transparent)]
    Lost(#[from] TaskLost),
}

impl AttemptError {
    /// What the bridge does about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Source(error) => error.remedy(),
            Self::Publish(error) | Self::Pipeline(PipelineError::Publish(error)) => {
                error.kind.remedy()
            }
            Self::Pipeline(PipelineError::Rows(error)) | Self::Rows(error) => match error.kind {
                RowStoreErrorKind::Foreign
                | RowStoreErrorKind::Version(_)
                | RowStoreErrorKind::Damaged => Remedy::Stop,
                _ => Remedy::Retry,
            },
            Self::Pipeline(
                PipelineError::Convert(ConvertError::Misfit(_) | ConvertError::Drift(_))
                | PipelineError::Truncated { .. },
            )
            | Self::Unfit(_) => Remedy::Stop,
            Self::Pipeline(PipelineError::Convert(ConvertError::Rows(_)))
            | Self::Lost(_)
            | Self::Outdated(_) => Remedy::Retry,
        }
    }

    /// What a person should do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint().map(str::to_owned),
            Self::Publish(error) | Self::Pipeline(PipelineError::Publish(error)) => {
                error.hint.clone()
            }
            Self::Pipeline(PipelineError::Convert(ConvertError::Misfit(misfit))) => {
                Some(misfit.hint())
            }
            Self::Pipeline(PipelineError::Rows(error)) | Self::Rows(error) => {
                Some(error.hint().to_owned())
            }
            Self::Pipeline(PipelineError::Convert(ConvertError::Drift(_))) => Some(
                "Add the code to its code table, or say what shall happen: `drift: { unknown_code: \
                 dead_letter }`; then start again."
                    .to_owned(),
            ),
            Self::Pipeline(PipelineError::Truncated { .. }) => Some(
                "Decide what emptying the table means downstream, then set `on_truncate: ignore` \
                 for this source and start again."
                    .to_owned(),
            ),
            Self::Unfit(findings) => Some(told(findings)),
            Self::Pipeline(PipelineError::Convert(ConvertError::Rows(_)))
            | Self::Lost(_)
            | Self::Outdated(_) => None,
        }
    }

    /// Counts it under its reason. (The pipeline counts its own publish errors.)
    pub fn count(&self, metrics: &Metrics, source: &str) {
        match self {
            Self::Source(error) => {
                let labels = [source, error.kind().as_str()];
                metrics.source_errors.with_label_values(&labels).inc();
            }
            Self::Publish(error) => {
                let labels = [source, error.kind.as_str()];
                metrics.publish_errors.with_label_values(&labels).inc();
            }
            Self::Unfit(_) => {
                let labels = [source, SourceErrorKind::Setup.as_str()];
                metrics.source_errors.with_label_values(&labels).inc();
            }
            Self::Pipeline(_) | Self::Rows(_) | Self::Outdated(_) | Self::Lost(_) => {}
        }
    }
}

/// The connector for a configured source.
pub fn make_source(config: &SourceConfig, selection: Arc<dyn TableSelection>) -> Arc<dyn Source> {
    match &config.engine {
        Engine::Postgres(postgres) => Arc::new(PostgresSource::new(postgres.clone(), selection)),
        Engine::Mysql(mysql) => Arc::new(MysqlSource::new(mysql.clone(), selection)),
    }
}

/// Runs the source once. `Ok` means it was asked to stop and did so in order.
/// `memory` is what the attempts of this source know of each other, `first` says that there was
/// none before.
pub(super) async fn run(
    shared: &Shared,
    source: &SourceConfig,
    memory: &Memory,
    first: bool,
) -> Result<(), AttemptError> {
    let claim = claim(shared, source, memory);
    // Dropping a claim half-way is safe: a claim message without a writer claims nothing else.
    let Some(claimed) = shared.stop.run_until_cancelled(claim).await else { return Ok(()) };
    let (publisher, standing) = claimed?;
    let opened = rows::open(&shared.config.state, source, &standing).await?;
    let connector = make_source(source, source.mapping.selection(&opened.missing));
    let checked = async {
        match standing.resume_after {
            None => fitness::require(connector.as_ref(), source).await,
            Some(_) if first => {
                fitness::tell(connector.as_ref(), source).await;
                Ok(())
            }
            Some(_) => Ok(()),
        }
    };
    // Dropping a check drops questions.
    let Some(checked) = shared.stop.run_until_cancelled(checked).await else { return Ok(()) };
    checked?;
    let schemas = if source.mapping.remembers() { connector.discover().await? } else { Vec::new() };
    let resume_after = opened.resume_after.clone();
    tracing::info!(
        source = source.name,
        epoch = standing.epoch,
        resume_after = resume_after.as_ref().map(ToString::to_string),
        "claimed the stream"
    );
    let behind = resume_after != standing.resume_after;
    let start = Start { standing, opened, schemas: schemas.into_iter().map(Arc::new).collect() };
    let ended = Run::start(shared, source, connector, publisher, start).finish(&shared.stop).await;
    match ended {
        Err(AttemptError::Source(error))
            if behind && error.kind() == SourceErrorKind::PositionLost =>
        {
            rows::forget_all(&rows::directory(&shared.config.state, &source.name))?;
            Err(AttemptError::Outdated(error))
        }
        ended => ended,
    }
}

/// What a run starts with.
struct Start {
    standing: Standing,
    opened: rows::Opened,
    schemas: Vec<Arc<TableSchema>>,
}

/// Findings in one line, with the statements that mend them.
fn told(findings: &[Finding]) -> String {
    let one = |found: &Finding| {
        let Finding { subject, problem, mend, sql, .. } = found;
        let run = if sql.is_empty() { "" } else { " Run: " };
        format!("{subject}: {problem}; {mend}.{run}{}", sql.join("; "))
    };
    findings.iter().map(one).collect::<Vec<_>>().join(" ")
}

async fn claim(
    shared: &Shared,
    source: &SourceConfig,
    memory: &Memory,
) -> Result<(JetStreamPublisher, Standing), AttemptError> {
    let local = remembered(shared, source).await;
    let nats = shared.config.nats.clone();
    let mut publisher = JetStreamPublisher::with_memory(nats, &source.name, memory.clone())?;
    let standing = publisher.claim(local).await?;
    record(shared, source, &standing).await;
    Ok((publisher, standing))
}

/// What this machine's record says. NATS knows everything it does, so without it the start goes on:
/// a position beyond the stream's tail is in the copy before it is confirmed to the database.
async fn remembered(shared: &Shared, source: &SourceConfig) -> Option<OffsetRecord> {
    match shared.store.load(&source.name).await {
        Ok(record) => record,
        Err(error) => {
            shared.metrics.offset_persist_errors.with_label_values(&[&source.name]).inc();
            let error = chain(&error);
            tracing::warn!(source = source.name, error, "the offset on this disk cannot be read");
            None
        }
    }
}

/// Replaces this machine's record by what was claimed: an older one must not outlive the claim.
async fn record(shared: &Shared, source: &SourceConfig, standing: &Standing) {
    if let Some(lost_from) = standing.shortened_from {
        let (source, last) = (source.name.as_str(), standing.stream_sequence);
        tracing::warn!(source, lost_from, last, "the stream was shortened: filling it up again");
    }
    let recorded = match &standing.resume_after {
        Some(position) => {
            let milestone = Milestone {
                position: position.clone(),
                sequence: standing.published.as_ref().map(|key| key.sequence.clone()),
                stream_sequence: standing.stream_sequence,
                snapshot: false,
            };
            shared.store.save(&milestone.record(&source.name, standing.epoch)).await
        }
        None => shared.store.remove(&source.name).await,
    };
    if let Err(error) = recorded {
        shared.metrics.offset_persist_errors.with_label_values(&[&source.name]).inc();
        tracing::warn!(
            source = source.name,
            error = chain(&error),
            "the claim is not on this disk"
        );
    }
}

/// The tasks of one run, in the order in which they end.
struct Run<P> {
    source: Task<Result<(), SourceError>>,
    pipeline: Pipeline<P>,
    rows: Receiver,
    settler: Task<()>,
    watcher: Task<()>,
    stop: CancellationToken,
}

impl<P: Publisher + 'static> Run<P> {
    fn start(
        shared: &Shared,
        config: &SourceConfig,
        connector: Arc<dyn Source>,
        publisher: P,
        start: Start,
    ) -> Self {
        let Start { standing, opened, schemas } = start;
        let (sender, rows) = queue(config.queue_bytes);
        let (confirm, confirmed) = watch::channel(None);
        let (status, seen) = watch::channel(SourceStatus::default());
        let (milestone, milestones) = watch::channel(None);
        let settler = Settler::new(
            SettlerConfig {
                source: config.name.clone(),
                epoch: standing.epoch,
                confirm_delay: shared.config.nats.confirm_delay,
            },
            Arc::clone(&shared.store),
            Arc::clone(&shared.metrics),
            confirm,
        );
        let plans = Plans::new(config.name.clone(), Arc::clone(&config.mapping), schemas);
        let desk = Desk::with_pseudonym(config.pseudonym.clone());
        let pipeline = Pipeline::new(
            PipelineConfig {
                source: config.name.clone(),
                on_truncate: config.on_truncate,
                keep_interval: config.keep_interval,
            },
            publisher,
            Converter::new(plans, desk, opened.remembered, standing.published.clone()),
            &standing,
            Arc::clone(&shared.metrics),
            milestone,
        );
        // A stop of its own, so that a failed pipeline ends this source and no other.
        let stop = shared.stop.child_token();
        let watcher = tasks::spawn(
            "status",
            watch_status(
                shared.clone(),
                config.name.clone(),
                Gauges { queue: sender.gauge(), rows: opened.counters },
                seen,
            ),
        );
        let context = SourceContext {
            resume_after: opened.resume_after,
            out: sender,
            confirmed,
            stop: stop.clone(),
            status,
        };
        Self {
            source: tasks::spawn("connector", async move { connector.run(context).await }),
            pipeline,
            rows,
            settler: tasks::spawn("settler", settler.run(milestones)),
            watcher,
            stop,
        }
    }

    /// Waits for the parts in the order of the data. The pipeline's error comes first, because a
    /// source whose queue is taken away ends with an error of its own.
    ///
    /// `asked` tells whether the end is wanted. Only a pipeline that failed stops its source: one
    /// that ended because the source closed the queue has nothing to stop, and a source that is
    /// told to stop while it fails could take its failure for the answer to that.
    async fn finish(mut self, asked: &CancellationToken) -> Result<(), AttemptError> {
        let published = self.pipeline.run(self.rows).await;
        if published.is_err() {
            self.stop.cancel();
        }
        self.settler.join().await?;
        // A little more than the source is promised, so that its own report comes first.
        let deadline = STOP_DEADLINE + Duration::from_secs(2);
        let followed = tokio::time::timeout(deadline, self.source.join()).await;
        drop(self.watcher);
        let followed = followed.unwrap_or_else(|_| Ok(Err(overdue())))?;
        published?;
        followed?;
        if asked.is_cancelled() { Ok(()) } else { Err(unasked().into()) }
    }
}

fn overdue() -> SourceError {
    SourceError::new(SourceErrorKind::Connection, "the source did not stop within its deadline")
}

/// What is looked at beside the source's own word.
struct Gauges {
    queue: Gauge,
    rows: Option<Arc<RowCounters>>,
}

/// Whatever made it end, it must go on: nobody wanted it to end.
fn unasked() -> SourceError {
    SourceError::new(SourceErrorKind::Connection, "the source ended without being asked to")
}

/// Copies what the source tells about itself to the board and the metrics.
async fn watch_status(
    shared: Shared,
    source: String,
    gauges: Gauges,
    mut seen: watch::Receiver<SourceStatus>,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        let ended = tokio::select! {
            // A level: the newest status is looked at after either branch.
            changed = seen.changed() => changed.is_err(),
            _ = tick.tick() => false,
        };
        let status = seen.borrow_and_update().clone();
        show(&shared.metrics, &source, &status);
        if let Some(rows) = &gauges.rows {
            show_rows(&shared.metrics, &source, rows);
        }
        let waiting = i64::try_from(gauges.queue.bytes_waiting()).unwrap_or(i64::MAX);
        shared.metrics.queue_bytes.with_label_values(&[&source]).set(waiting);
        shared.board.running(&source, status);
        if ended {
            return;
        }
    }
}

fn show_rows(metrics: &Metrics, source: &str, rows: &RowCounters) {
    let gauge = |of: &Counter| i64::try_from(of.get()).unwrap_or(i64::MAX);
    metrics.rows_remembered.with_label_values(&[source]).set(gauge(&rows.rows));
    for (part, bytes) in [
        ("disk", &rows.disk_bytes),
        ("memory", &rows.memory_bytes),
        ("dirty", &rows.dirty_bytes),
        ("undo", &rows.undo_bytes),
    ] {
        metrics.rows_bytes.with_label_values(&[source, part]).set(gauge(bytes));
    }
    let lookups = [("hit", &rows.hits), ("miss", &rows.misses), ("search", &rows.searches)];
    for (result, count) in lookups {
        let counter = metrics.row_lookups.with_label_values(&[source, result]);
        counter.inc_by(count.get().saturating_sub(counter.get()));
    }
}

fn show(metrics: &Metrics, source: &str, status: &SourceStatus) {
    let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    metrics.set_phase(source, phase_label(status.phase));
    if let Some(bytes) = status.lag_bytes {
        metrics.lag_bytes.with_label_values(&[source]).set(gauge(bytes));
    }
    if let Some(bytes) = status.retained_bytes {
        metrics.retained_bytes.with_label_values(&[source]).set(gauge(bytes));
    }
    let safe = status.safe_bytes.map_or(-1, gauge);
    metrics.safe_bytes.with_label_values(&[source]).set(safe);
    let kept = status.log_kept_for.map_or(-1.0, |kept| kept.as_secs_f64());
    metrics.log_kept.with_label_values(&[source]).set(kept);
    if let Some(heard) = status.heard_at {
        metrics.heard.with_label_values(&[source]).set(heard.as_seconds());
    }
    for table in &status.snapshot {
        let labels = [source, &table.table.to_string()];
        metrics.snapshot_rows.with_label_values(&labels).set(gauge(table.rows));
        let estimate = table.estimate.map_or(-1, gauge);
        metrics.snapshot_rows_estimate.with_label_values(&labels).set(estimate);
        metrics.snapshot_complete.with_label_values(&labels).set(i64::from(table.complete));
    }
}

#[cfg(test)]
mod tests;
