//! Tasks that have a name and are joined: the one place that spawns.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// A running task. Dropping it aborts the task, so none outlives its owner by accident.
#[derive(Debug)]
pub struct Task<T> {
    name: &'static str,
    handle: JoinHandle<T>,
}

/// The task panicked or was aborted.
#[derive(Debug, thiserror::Error)]
#[error("task \"{name}\" ended without a result")]
pub struct TaskLost {
    name: &'static str,
    #[source]
    cause: tokio::task::JoinError,
}

/// Starts a task under a name that appears in its log lines.
#[expect(clippy::disallowed_methods, reason = "this is the place everyone else spawns through")]
pub fn spawn<T, F>(name: &'static str, future: F) -> Task<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let span = tracing::debug_span!("task", name);
    Task { name, handle: tokio::task::spawn(future.instrument(span)) }
}

impl<T> Task<T> {
    /// Waits for its result. Cancel-safe: a dropped wait can be taken up again.
    pub async fn join(&mut self) -> Result<T, TaskLost> {
        let name = self.name;
        (&mut self.handle).await.map_err(|cause| TaskLost { name, cause })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
