//! The canonical event model: what downstream services rely on.
//!
//! `batch` holds events on their way, as one block of bytes.

mod batch;

pub use batch::{EventBatch, EventBuilder, FrozenBatch, Message, Settled, header};
