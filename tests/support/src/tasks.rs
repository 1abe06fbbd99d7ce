//! Background tasks that end with their owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts a task that lives no longer than what it returns.
#[expect(clippy::disallowed_methods, reason = "test tools are their own owners of tasks")]
pub(crate) fn start(future: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(tokio::spawn(future))
}

/// Starts a task that ends by itself: a connection, which ends when its client is dropped.
#[expect(clippy::disallowed_methods, reason = "test tools are their own owners of tasks")]
pub(crate) fn detach(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}
