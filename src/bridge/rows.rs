//! What a source remembers when it starts, and where it resumes because of that.
//!
//! Rows are worth something only together with the position they are true to. If that is known,
//! the source resumes there, at or before what the stream has; what the stream has is skipped. If
//! it is not (the directory was lost, the stream was shortened, another machine went on without
//! these rows), they are set aside and the tables are read again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use erpbridge_connector::Position;

use crate::canonical::subject::token;
use crate::config::SourceConfig;
use crate::mapping::KeptTable;
use crate::pipeline::Remembered;
use crate::publish::Standing;
use crate::state::{Limits, RowCounters, RowStore, RowStoreError, RowStoreErrorKind, TableShape};

/// The rows of a source that is about to run.
pub(super) struct Opened {
    pub(super) remembered: Remembered,
    /// Resume the source after this.
    pub(super) resume_after: Option<Position>,
    /// The tables whose rows must be sent as seeds.
    pub(super) missing: Vec<KeptTable>,
    pub(super) counters: Option<Arc<RowCounters>>,
}

/// Where the rows of a source lie.
pub(super) fn directory(state: &Path, source: &str) -> PathBuf {
    state.join("rows").join(&*token(source))
}

/// Removes what was remembered: it is read from the database again.
pub(super) fn forget_all(directory: &Path) -> Result<(), RowStoreError> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failure(directory, RowStoreErrorKind::Refused, Some(error)))
        }
        _ => Ok(()),
    }
}

fn failure(
    directory: &Path,
    kind: RowStoreErrorKind,
    cause: Option<std::io::Error>,
) -> RowStoreError {
    let cause = cause.map(|error| Arc::new(error) as _);
    RowStoreError { kind, directory: directory.to_owned(), action: "open", cause }
}

/// Opens the rows of a source that stands at `standing`.
pub(super) async fn open(
    state: &Path,
    source: &SourceConfig,
    standing: &Standing,
) -> Result<Opened, RowStoreError> {
    let mut shapes = Vec::new();
    for kept in source.mapping.kept() {
        shapes.push(TableShape { name: kept.name, shape: kept.shape });
    }
    let (tables, resume_after) = (shapes.len(), standing.resume_after.clone());
    if shapes.is_empty() {
        let (remembered, missing) = (Remembered::nothing(), Vec::new());
        return Ok(Opened { remembered, resume_after, missing, counters: None });
    }
    let directory = directory(state, &source.name);
    let forget = standing.resume_after.is_none() || standing.shortened_from.is_some();
    let limits = Limits { cache_bytes: source.rows_cache_bytes, ..Limits::default() };
    let lost = failure(&directory, RowStoreErrorKind::Damaged, None);
    let opening = move || {
        if forget {
            forget_all(&directory)?;
        }
        RowStore::open(&directory, &shapes, limits)
    };
    let mut store = tokio::task::spawn_blocking(opening).await.map_err(|_panic| lost)??;
    let missing = source.mapping.to_seed(&store.unseeded());
    if missing.is_empty() {
        // Ledgers alone begin empty.
        store.seeded();
    }
    // Rows of which none is there are true to no position.
    let some = store.unseeded().len() < tables;
    let resume_after = store.position().filter(|_| some).or(resume_after);
    tracing::info!(
        source = source.name,
        rows = store.counters().rows.get(),
        tables_to_seed = missing.len(),
        "opened the remembered rows"
    );
    let counters = Some(store.counters());
    Ok(Opened { remembered: Remembered::in_store(store), resume_after, missing, counters })
}
