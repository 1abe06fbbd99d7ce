//! Publishing: the promise every publisher keeps.
//!
//! `jetstream` is the real one; `memory` serves tests and previews. Both stamp messages with the
//! same `stamp` and read a stream's last message with the same `tail`.

pub mod jetstream;
pub mod memory;
mod stamp;
mod tail;

use erpbridge_connector::{Position, Remedy, Sequence};

use crate::canonical::FrozenBatch;
use crate::state::OffsetRecord;

pub use memory::{Fault, MemoryPublisher, MemoryStream, Stored};
pub use tail::Tail;

/// The order key of an event: commit order of its transaction, ordinal of its change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderKey {
    /// Commit order of the transaction.
    pub sequence: Sequence,
    /// Ordinal of the change in the transaction.
    pub ordinal: u64,
}

/// Where a source stands according to the stream and its copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Resume the source after this; `None` when nothing was ever published: first start.
    pub resume_after: Option<Position>,
    /// Every event up to and including this key is in the stream; what the source sends again up
    /// to here is dropped.
    pub published: Option<OrderKey>,
    /// The epoch this writer claimed.
    pub epoch: u64,
    /// Stream sequence of the last message, our claim.
    pub stream_sequence: u64,
    /// Set when a record was made at this stream sequence, which the stream does not hold any
    /// more: it was shortened, and what it lost is read from the source and stored again.
    pub shortened_from: Option<u64>,
}

/// A batch that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Stream sequence of its last message; of the message before it, if it held none.
    pub stream_sequence: u64,
    /// How many of its events were larger than the server accepts and became dead letters.
    pub too_large: usize,
}

/// A publisher stores events in order.
///
/// The promise: when `publish` returns `Ok`, every message of the batch is stored directly after
/// the last message stored before, in order and without gap, and nobody else wrote in between.
/// When it returns an error, either all, a prefix of whole publish units, or nothing was stored,
/// and *which* is unknown: the caller must not send anything more through it, and starts again
/// with `claim`, which reads back the stream's last message and tells what is there.
pub trait Publisher: Send {
    /// Reads the stream's tail, decides where the source stands (the stream is the truth, then
    /// the copy kept beside it, then `local`), and claims the stream with the next epoch. The
    /// caller replaces its local record by the standing at once: an older one must not outlive
    /// the claim.
    fn claim(
        &mut self,
        local: Option<OffsetRecord>,
    ) -> impl Future<Output = Result<Standing, PublishError>> + Send;

    /// Stores the dead letters of a batch, then its events. One call at a time. If the future is
    /// dropped before it is ready, it counts as failed: the next call asks for a `claim`.
    fn publish(
        &mut self,
        batch: &FrozenBatch,
    ) -> impl Future<Output = Result<Published, PublishError>> + Send;

    /// Keeps a position that lies beyond the stream's last message beside the stream, where it
    /// outlives this machine. Confirm such a position to the source only after this is `Ok`.
    fn keep(
        &mut self,
        record: &OffsetRecord,
    ) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// What went wrong while publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishErrorKind {
    /// The network or the server: refused, reset, timed out, no responders.
    Connection,
    /// The server refused because somebody else wrote, or because a former attempt was stored
    /// after all: read the tail again.
    Conflict,
    /// Another writer claimed a higher epoch: step down.
    Fenced,
    /// The stream or its server is full or refuses for want of resources.
    Exhausted,
    /// The user may not do this, or is not let in.
    Denied,
    /// The stream exists but is not fit for the protocol, or cannot be made.
    Setup,
    /// The stream holds less or other than what was confirmed to the source.
    Contradiction,
}

impl PublishErrorKind {
    /// Every kind, so that metrics start at zero.
    pub const ALL: [Self; 7] = [
        Self::Connection,
        Self::Conflict,
        Self::Fenced,
        Self::Exhausted,
        Self::Denied,
        Self::Setup,
        Self::Contradiction,
    ];

    /// The promised name, for the `reason` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Conflict => "conflict",
            Self::Fenced => "fenced",
            Self::Exhausted => "exhausted",
            Self::Denied => "denied",
            Self::Setup => "setup",
            Self::Contradiction => "contradiction",
        }
    }

    /// The one place where a kind becomes a policy.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Connection | Self::Conflict | Self::Exhausted => Remedy::Retry,
            Self::Fenced | Self::Denied | Self::Setup | Self::Contradiction => Remedy::Stop,
        }
    }
}

/// An error of a publisher: what was tried on which object, why it failed, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PublishError {
    /// What went wrong.
    pub kind: PublishErrorKind,
    /// Lower case, no full stop, the object in quotes.
    pub message: String,
    /// One sentence that says what to do, where a person is needed.
    pub hint: Option<String>,
    /// The error underneath.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl PublishError {
    /// An error with its message: lower case, no full stop, the object in quotes.
    pub fn new(kind: PublishErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, cause: None }
    }

    /// Adds one sentence that says what a person should do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What the bridge does about it.
    pub const fn remedy(&self) -> Remedy {
        self.kind.remedy()
    }
}
