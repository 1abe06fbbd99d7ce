//! The decoder against what real servers write: every type against SELECT, every form of the log.

#![expect(clippy::indexing_slicing, reason = "a missing row is a failed test")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod charsets;
mod forms;
mod lab;
mod reading;
mod recorded;
mod transactions;
mod types;
