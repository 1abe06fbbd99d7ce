//! The contract between the bridge and a database.
//!
//! A connector knows one kind of database and nothing of mappings, NATS or sled. It is a task
//! that *pushes*: the bridge hands it a [`SourceContext`] with a queue bounded by bytes, and the
//! connector reads the change log, decodes it into [`ChangeBatch`]es and sends them, in commit
//! order. Pushing, not pulling, is what lets it answer the server's keepalives while the
//! publisher is blocked.
//!
//! The promises every connector keeps (the `testkit` checks each of them against a real server):
//!
//! 1. **Order.** Changes come in commit order of the source; inside a transaction in the order of
//!    the log. [`Transaction::sequence`] grows strictly with the commit order.
//! 2. **Whole transactions.** A [`ChangeBatch`] holds whole transactions, or one window of a
//!    transaction too large to hold. Where such a transaction is cut depends on nothing but the
//!    transaction, so that a replay cuts it at the same rows.
//! 3. **Ordinals.** [`RowChange::ordinal`] counts every row change the log holds for the
//!    transaction, wanted or not, so that ids do not move when a mapping changes.
//! 4. **Progress.** [`SourceEvent::Progress`] is sent only after everything before its position
//!    has been sent, and also when the database is idle. Resuming after that position loses
//!    nothing.
//! 5. **Confirmation.** The connector acknowledges to the database only what it reads from
//!    [`SourceContext::confirmed`]. Nothing else may let the database forget a change.
//! 6. **Stop.** After [`SourceContext::stop`] it sends no more changes, drops the queue, waits for
//!    the confirmation of what it had sent (or for the confirming side to go), passes it on to
//!    the database and returns within [`STOP_DEADLINE`].
//! 7. **Same value, same text.** A cell read as a seed, by the snapshot or from the log is the same
//!    text.
//! 8. **Seeds.** Whole rows of the tables for which [`TableSelection::seeds`] says yes come before
//!    any other [`SourceEvent::Changes`] of the run, all as of one instant, and after them
//!    [`SourceEvent::Seeded`], once. At the first start that instant is the snapshot's, so that what
//!    a snapshot row looks up is of the same instant as the row. At a later start it lies after
//!    the resume position, and the log follows from the resume position, so that part of the log
//!    is played over images that know its outcome already.
//!
//! # Why replaying the log over later seeds converges
//!
//! Let the log resume after `P` and the seeds be as of `S`, later than `P`, with everything
//! committed up to `P` in them. A row that no commit between `P` and `S` touched is remembered as it
//! was at `P`, and rightly. For every other row, its last change in between left what the seeds
//! hold, or deleted it, and the replay ends with that same change: an insert or update sets it, a
//! delete removes it, and a TRUNCATE removes what was there before it while every row that came
//! after it is in the log. A cell that the log leaves out of an update (*absent*) keeps what is
//! remembered, and that is its value at `S`, unless a later change in the log sets it. So once the
//! log has passed `S`, the images are what they would be had they been kept all along.
//! [`Transaction::sequence`] of the seeds names that place: no commit after it is in them.
//!
//! Before that, a lookup may see the future: a row as it was at `S`, where the change that made it
//! so is still to come; and it misses a row that was deleted between the change being mapped and
//! `S`. It never sees a row older than the position being mapped. One case does not converge by
//! itself: a row gets another key in an update that leaves cells out, and another row takes its
//! old key before `S`. Whoever fills the absent cells of such an update takes them from the image
//! under the new key, if there is one, until `S` is passed.
//!
//! Seeds have no position, so an interrupted seeding begins again: as long as the bridge has not
//! got `Seeded`, or has since lost what it remembered, it says yes again. What it remembers is
//! worth something only together with the position it was remembered at, which is
//! [`Transaction::resume`] of the seeds, then that of the last change or progress: after a start
//! from another position it has none.
//!
//! Beside following there is looking: a connector also implements [`Explorer`], by which the tools
//! for mappings list tables and read samples of rows, without any of the above.

mod address;
mod change;
mod error;
mod explore;
mod finding;
mod position;
mod queue;
mod schema;
mod secret;
mod similar;
mod source;
mod tables_done;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tls;

pub use address::{Address, AddressError, AddressForm, is_local};
pub use change::{
    BatchBuilder, ChangeBatch, Image, ImageBuilder, Operation, RowChange, Transaction, Value,
};
pub use error::{Remedy, SourceError, SourceErrorKind};
pub use explore::{
    EXPLORE_DEADLINE, EXPLORE_LOCK_WAIT, Explored, Explorer, SAMPLE_BYTES, Sample, Sampled,
};
pub use finding::{Finding, Severity};
pub use position::{Position, Sequence, Timestamp};
pub use queue::{Closed, Gauge, Queued, Receiver, Sender, queue};
pub use schema::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};
pub use secret::Secret;
pub use similar::{similar, similar_table};
pub use source::{
    Pass, Phase, Progress, STOP_DEADLINE, SnapshotMode, Source, SourceContext, SourceEvent,
    SourceFuture, SourceStatus, TableProgress, TableSelection, Truncated,
};
pub use tables_done::{NotTablesDone, TablesDone};
pub use tls::{TlsConfig, TlsMode};
