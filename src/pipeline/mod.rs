//! The heart: receive → fold → map → publish → settle → store → confirm.
//!
//! One pipeline per source, one loop. It maps the next rows while the last publish unit is on its
//! way, so units grow with the load by themselves: one transaction when it is quiet, a thousand
//! events when the source is ahead.
//!
//! **Why the position is safe.** It moves at one place, `deliver`'s `advance`: after the
//! acknowledgement of every event (and dead letter) before it. A position beyond the last event
//! (an idle database, filtered rows) is first kept beside the stream, so that losing this machine's
//! directory loses nothing. From there `settle` takes it to sled, and then to the database.
//!
//! **Any error ends the pipeline.** The start is the only way to recover: claim the stream, read
//! its tail, resume the source there, drop what is stored already.

mod convert;
mod deliver;
mod drift;
mod fold;
mod outbox;
mod plans;
mod release;
mod remembered;
mod settle;

pub use convert::{ConvertError, Converter, Seen, attempt_whole, convert_into, convert_whole};
pub use deliver::{Pipeline, PipelineConfig, PipelineError, TruncatePolicy};
pub use outbox::{Outbox, UNIT_MESSAGES, Unit};
pub use plans::{Misfit, Plans};
pub use remembered::Remembered;
pub use settle::{Milestone, Settler, SettlerConfig};

#[cfg(test)]
mod tests;
