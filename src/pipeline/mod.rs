//! The heart: receive → fold → map → publish → settle → store → confirm.
//!
//! One pipeline per source, one loop. It maps the next rows while the last publish unit is on its
//! way, so units grow with the load by themselves: one transaction when it is quiet, a thousand
//! events when the source is ahead.
//!
//! **Why the position is safe.** It moves at one place, [`settle`]: after the acknowledgement of
//! every event (and dead letter) before it. From there it goes to sled, and only when sled has
//! flushed it to the database. A position beyond the last event (an idle database, filtered rows)
//! is copied into NATS first, so that losing this machine's directory loses nothing.
//!
//! **Any error ends the pipeline.** The start is the only way to recover: claim the stream, read
//! its tail, resume the source there, drop what is stored already.

mod convert;
mod deliver;
mod fold;
mod outbox;
mod plans;
mod settle;

pub use convert::{Converter, Seen};
pub use deliver::{Pipeline, PipelineError, TruncatePolicy};
pub use outbox::{Outbox, UNIT_MESSAGES, Unit};
pub use plans::{Misfit, Plans};
pub use settle::{Keep, Milestone, Settler, SettlerConfig};
