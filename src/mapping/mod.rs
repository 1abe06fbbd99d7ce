//! Mapping files: what a row change means to the business.
//!
//! ```text
//! file (as written, with line numbers) → compile (checked against the event schemas)
//!     → bind (checked against a table's columns) → apply (per net change)
//! ```
//!
//! Nothing here does I/O beyond reading the files it is asked to load.

mod codec;
mod net;

pub use net::{NetChange, NetImage};
