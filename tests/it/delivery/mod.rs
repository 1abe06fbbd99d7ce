//! Delivery to real NATS servers: what the stream holds after anything that can go wrong.
//!
//! The source is made up: transaction `n` has a few row changes, one of them with two events, and
//! position `p<n>` lies behind it. So it can be told exactly what a stream must hold.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod faults;
mod source;
mod streams;
mod takeover;
