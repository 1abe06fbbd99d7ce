//! `erpbridge run`: follow the configured databases until told to stop.

use std::path::Path;
use std::sync::Arc;

use erpbridge_connector::Severity;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{CommandError, Outcome, report};
use crate::bridge::{self, Board, Shared};
use crate::config::{self, Config, LogConfig};
use crate::error::chain;
use crate::http::{self, Pages};
use crate::metrics::Metrics;
use crate::shutdown;
use crate::state::OffsetStore;

pub(super) async fn run(path: &Path) -> Result<Outcome, CommandError> {
    let loaded = config::load(path);
    let Some(config) = loaded.config else {
        report::print(&loaded.findings)?;
        return Ok(Outcome::NeedsPerson);
    };
    start_log(&config.log)?;
    for finding in loaded.findings.iter().filter(|f| f.severity == Severity::Warning) {
        tracing::warn!(at = finding.subject, mend = finding.mend, "{}", finding.problem);
    }
    let (stop, _signals) = shutdown::listen()?;
    let metrics = Metrics::new().map_err(|error| CommandError::new(&error, None))?;
    let shared = share(config, metrics, stop).await?;
    let listener = http::bind(shared.config.http).await.map_err(|error| {
        let hint = format!("Free {} or set another `http:` address.", shared.config.http);
        CommandError::new(&error, Some(&hint))
    })?;
    let pages = Pages { metrics: Arc::clone(&shared.metrics), board: Arc::clone(&shared.board) };
    let http_stop = CancellationToken::new();
    let mut pages = http::spawn(listener, pages, http_stop.clone());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        sources = shared.config.sources.len(),
        http = %shared.config.http,
        "started"
    );
    let outcome = follow(shared).await;
    http_stop.cancel();
    if let Err(lost) = pages.join().await {
        tracing::warn!(error = chain(&lost), "the status port's task was lost");
    }
    Ok(outcome)
}

/// Runs the sources. When the last one waits for a person, so does the process: its exit code
/// tells the supervisor not to try again.
async fn follow(shared: Shared) -> Outcome {
    let Err(stopped) = bridge::run(shared).await else { return Outcome::Done };
    for source in &stopped {
        let hint = source.hint().unwrap_or_default();
        tracing::error!(error = chain(source), hint, "a person is needed");
    }
    Outcome::NeedsPerson
}

async fn share(
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<Shared, CommandError> {
    let store = OffsetStore::open(&config.state)
        .await
        .map_err(|error| CommandError::new(&error, error.hint()))?;
    let board = Board::new(config.sources.iter().map(|source| source.name.as_str()));
    for source in &config.sources {
        metrics.introduce(&source.name, &source.mapping.event_types());
    }
    Ok(Shared {
        config: Arc::new(config),
        store: Arc::new(store),
        metrics,
        board: Arc::new(board),
        stop,
    })
}

fn start_log(log: &LogConfig) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        CommandError::new(&error, Some("Set `log.level` to a level like info or debug."))
    })?;
    let log_to = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if log.json {
        log_to.json().init();
    } else {
        log_to.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
    }
    Ok(())
}
