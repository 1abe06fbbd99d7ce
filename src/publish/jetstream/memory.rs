//! What outlives a session: a publisher that is made anew after an error must know it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What the publishers of one source know of each other. Clones share it.
///
/// Without it a writer that was replaced would take its successor's claim for one of its own
/// former ones, and claim back.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    tried: Option<u64>,
    without_ids_until: Option<Instant>,
}

impl Memory {
    /// The highest epoch claimed or tried. A higher one in the stream is somebody else's.
    pub(super) fn tried(&self) -> Option<u64> {
        self.known().tried
    }

    /// Told before the claim is sent: one whose answer is lost is still ours.
    pub(super) fn tries(&self, epoch: u64) {
        self.known().tried = Some(epoch);
    }

    /// Whether messages may carry the id by which the server recognises repeats.
    pub(super) fn with_ids(&self) -> bool {
        self.known().without_ids_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Lets messages go without ids until then: the server still knows ids of messages that were
    /// deleted since.
    pub(super) fn rest_ids(&self, until: Instant) {
        self.known().without_ids_until = Some(until);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is one assignment, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
