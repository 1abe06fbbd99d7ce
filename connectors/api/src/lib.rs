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
//! 7. **Same value, same text.** A cell read by the snapshot and the same cell read from the log
//!    are the same text.

mod change;
mod error;
mod finding;
mod position;
mod queue;
mod schema;
mod source;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use change::{
    BatchBuilder, ChangeBatch, Image, ImageBuilder, Operation, RowChange, Transaction, Value,
};
pub use error::{Remedy, SourceError, SourceErrorKind};
pub use finding::{Finding, Severity};
pub use position::{Position, Sequence, Timestamp};
pub use queue::{Closed, Gauge, Queued, Receiver, Sender, queue};
pub use schema::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};
pub use source::{
    Pass, Phase, Progress, STOP_DEADLINE, Source, SourceContext, SourceEvent, SourceFuture,
    SourceStatus, TableProgress, TableSelection, Truncated,
};
