//! One pipeline per source: started, watched, started again or stopped by the error's remedy, and
//! joined at the end.
//!
//! The order of an orderly end is the order of the data: the source stops sending and waits; the
//! pipeline publishes what it has; the settler writes and confirms the last position; the source
//! passes that on to the database and returns.

mod attempt;
mod board;
mod explorer;
mod fitness;
mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use erpbridge_connector::Remedy;
use tokio_util::sync::CancellationToken;

pub use attempt::{AttemptError, make_source};
pub use board::Board;
pub use explorer::make_explorer;
pub use fitness::misfits;

use crate::backoff::Backoff;
use crate::config::{Config, SourceConfig};
use crate::error::chain;
use crate::metrics::Metrics;
use crate::publish::jetstream::Memory;
use crate::state::OffsetStore;
use crate::tasks;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What all sources share.
#[derive(Clone)]
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// Offsets.
    pub store: Arc<OffsetStore>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What every source is doing.
    pub board: Arc<Board>,
    /// Cancelled when all shall end.
    pub stop: CancellationToken,
}

/// A source that only a person can set going again.
#[derive(Debug, thiserror::Error)]
#[error("source \"{source_name}\" stopped")]
pub struct Stopped {
    source_name: String,
    #[source]
    cause: AttemptError,
}

impl Stopped {
    /// What the person should do.
    pub fn hint(&self) -> Option<String> {
        self.cause.hint()
    }
}

/// Runs every source until all have ended. A source that stops for good does not stop the others.
///
/// # Errors
/// The sources that stopped for good, if any.
pub async fn run(shared: Shared) -> Result<(), Vec<Stopped>> {
    let mut running = Vec::new();
    for source in &shared.config.sources {
        let supervised = supervise(shared.clone(), source.clone());
        running.push((source.name.clone(), tasks::spawn("source", supervised)));
    }
    let mut stopped = Vec::new();
    for (source_name, mut task) in running {
        match task.join().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => stopped.push(error),
            Err(lost) => stopped.push(Stopped { source_name, cause: lost.into() }),
        }
    }
    if stopped.is_empty() { Ok(()) } else { Err(stopped) }
}

async fn supervise(shared: Shared, source: SourceConfig) -> Result<(), Stopped> {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let memory = Memory::default();
    let mut first = true;
    loop {
        let started = Instant::now();
        let (own, config, memory) = (shared.clone(), source.clone(), memory.clone());
        let attempt =
            surviving(async move { Box::pin(attempt::run(&own, &config, &memory, first)).await });
        let Err(error) = attempt.await else {
            tracing::info!(source = source.name, "stopped");
            return Ok(());
        };
        first = false;
        backoff.ran_for(started.elapsed());
        error.count(&shared.metrics, &source.name);
        if shared.stop.is_cancelled() {
            let error = chain(&error);
            tracing::warn!(source = source.name, error, "ended with an error while stopping");
            return Ok(());
        }
        if error.remedy() == Remedy::Stop {
            return Err(give_up(&shared, &source, error));
        }
        pause(&shared, &source, &error, backoff.pause()).await;
        shared.metrics.restarts.with_label_values(&[&source.name]).inc();
    }
}

/// Runs an attempt as a task of its own, so that a panic in it, a bug, is an error like others:
/// it is counted, told and tried again, and the other sources go on.
async fn surviving(
    attempt: impl Future<Output = Result<(), AttemptError>> + Send + 'static,
) -> Result<(), AttemptError> {
    tasks::spawn("attempt", attempt).join().await?
}

async fn pause(shared: &Shared, source: &SourceConfig, error: &AttemptError, pause: Duration) {
    let (text, hint) = (chain(error), error.hint().unwrap_or_default());
    shared.board.failing(&source.name, &text);
    shared.metrics.set_phase(&source.name, "connecting");
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(
        source = source.name,
        error = text,
        hint,
        pause_ms,
        "trying again after a pause"
    );
    tokio::select! {
        // Nothing is lost: both branches only wait.
        () = tokio::time::sleep(pause) => {}
        () = shared.stop.cancelled() => {}
    }
}

fn give_up(shared: &Shared, source: &SourceConfig, cause: AttemptError) -> Stopped {
    let (error, hint) = (chain(&cause), cause.hint().unwrap_or_default());
    shared.board.stopped_for_good(&source.name, &error, &hint);
    shared.metrics.set_phase(&source.name, "stopped");
    tracing::error!(source = source.name, error, hint, "stopped: a person is needed");
    Stopped { source_name: source.name.clone(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_is_tried_again() {
        let error = surviving(async { panic!("a bug") }).await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry);
    }
}
