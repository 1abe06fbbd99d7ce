//! What the bridge remembers on this machine: a fast local copy of where each source stands.
//!
//! The stream's own last message is the truth. Losing this directory costs one read-back.

mod directory;
mod offsets;
mod record;
mod resume;
mod rows;
mod value;

use erpbridge_connector::{Position, Sequence, Timestamp};

pub use directory::{LOW_SPACE_BYTES, check};
pub use offsets::{OffsetStore, StateError};
pub use resume::{EndMessage, Resume, StreamEnd, choose};
pub use rows::{
    Counter, Limits, RowCounters, RowStore, RowStoreError, RowStoreErrorKind, TableShape,
};

/// Where a source stood when stream sequence `stream_sequence` was the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRecord {
    /// Name of the source.
    pub source: String,
    /// Epoch of the writer that recorded it.
    pub epoch: u64,
    /// Last stream sequence of that moment. A record whose number is above the stream's last is
    /// from a stream that was since shortened, and does not count.
    pub stream_sequence: u64,
    /// Resume the source after this.
    pub position: Position,
    /// Commit order of the newest transaction that is complete in the stream, if any.
    pub sequence: Option<Sequence>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}
