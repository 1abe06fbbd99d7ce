//! erpbridge: from a legacy ERP's database log to canonical events in NATS JetStream.
//!
//! ```text
//! database log → connector → queue → fold → map → batch → JetStream → sled → confirm to the database
//! ```
//!
//! The modules follow that way. [`bridge`] runs one pipeline per source; [`pipeline`] is the
//! heart; [`mapping`] turns a net change into canonical events and does no I/O; [`canonical`] is
//! the event model; [`publish`] is the only module that knows NATS, [`state`] the only one that
//! knows sled.

pub mod backoff;
pub mod bridge;
pub mod canonical;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deadletter;
pub mod document;
pub mod error;
pub mod http;
pub mod mapping;
pub mod metrics;
pub mod pipeline;
pub mod publish;
pub mod shutdown;
pub mod state;
pub mod survey;
pub mod tasks;
