//! Remembered rows: the last images of what mappings keep, as of the change being mapped.
//!
//! **What must hold.** What a restart finds is exactly the state after the last transaction C that
//! was settled and durable: not one row of a later transaction, not one less of an earlier. The
//! source has never been told it may forget anything after C. So the bridge resumes it at C, the
//! log brings the rows forward again in the same order, every look-up answers as it did before,
//! and the events that the stream has already come out the same and are skipped.
//!
//! **Why it holds.** A transaction is *complete* when its last row is here ([`RowStore::commit`]),
//! *settled* when the stream has acknowledged its events ([`RowStore::settle`]), *durable* when
//! the disk has it ([`RowStore::durable`]).
//!
//! 1. The file is written in transactions of its own, all or nothing, by one thread. Each takes
//!    *all* changes of settled transactions that are not on disk, and the position that goes with
//!    them: rows and position move together.
//! 2. Changes that are not settled wait in memory. If they outgrow it, as those of one transaction
//!    of the source can, they are written too, and in the same file transaction what each row was
//!    before is noted for undoing. When they are settled the notes go, in the file transaction
//!    that moves the position beyond them. Opening undoes what is left.
//! 3. A position is announced as durable only after a file transaction that has it, or one after
//!    it, is synced. Those that only make room in memory are not synced: a crash takes them back
//!    whole, to an older position with its rows, which was the announced one.
//! 4. Seeds are the rows a snapshot found. They belong to no transaction and are not undone. A
//!    table counts as seeded with the file transaction that writes the first position settled
//!    after the last seed; until then a restart empties it and it is seeded again.
//!
//! **Memory** does not grow with the number of rows: a cache of pages and one of rows share
//! [`Limits::cache_bytes`], changes on their way to disk have [`Limits::dirty_bytes`]. A put waits
//! for the disk only if that is used up.
//!
//! Why redb, and what it costs: `docs/row-cache.md`.

mod counters;
mod disk;
mod error;
mod hot;
mod log;
mod record;
mod restore;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use counters::{Counter, RowCounters};
pub use error::{RowStoreError, RowStoreErrorKind};
pub use store::RowStore;

/// A table as its mapping keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// `<mapping>/<alias>`.
    pub name: String,
    /// Hash of everything that decides what is stored of a row: key, kept columns, indexes,
    /// reading rules.
    pub shape: u64,
}

/// How much memory the store may take, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For rows and pages that were used lately.
    pub cache_bytes: usize,
    /// For changes that are not on disk yet.
    pub dirty_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, dirty_bytes: 16 << 20 }
    }
}
