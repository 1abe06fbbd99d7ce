//! YAML documents that remember where everything was written.
//!
//! Configuration and mappings are both read through this module, so that every complaint about
//! them looks the same: file, line, column, the offending text underlined, and one sentence on how
//! to mend it. Reading never stops at the first mistake: accessors put what they do not like into
//! [`Findings`] and go on.
//!
//! ```text
//! text → parse (events with markers) → Node (place and content) → accessors (typed, collecting)
//! ```
//!
//! YAML is taken in its plain part: scalars, lists and maps with text keys. Anchors, aliases and
//! tags are refused by name, because a reviewer should not have to follow them.

mod fields;
mod node;
mod parse;
mod place;
mod render;
mod units;

pub use erpbridge_connector::similar;
pub use fields::Fields;
pub use node::{Content, Entry, Node};
pub use parse::{Document, MAX_BYTES, MAX_DEPTH};
pub use place::{Findings, Place};
pub use render::render;
