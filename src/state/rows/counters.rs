//! What the store tells of itself. Whoever shows it reads; the store alone writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// Not one step for the processor, and need not be: only one thread writes.
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

/// What a row store tells of itself.
#[derive(Debug, Default)]
pub struct RowCounters {
    /// Rows on disk.
    pub rows: Counter,
    /// Bytes of the file.
    pub disk_bytes: Counter,
    /// Look-ups answered from memory.
    pub hits: Counter,
    /// Look-ups that memory could not answer: each reads the file, or the system's copy of it.
    pub misses: Counter,
    /// Searches for the rows that point to another.
    pub searches: Counter,
    /// Bytes of rows in memory.
    pub memory_bytes: Counter,
    /// Bytes of changes that are not on disk.
    pub dirty_bytes: Counter,
    /// Bytes on disk for taking back what is not settled.
    pub undo_bytes: Counter,
    /// Transactions on disk.
    pub flushes: Counter,
    /// Microseconds they took, all together.
    pub flush_micros: Counter,
}

pub(super) fn count(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}
