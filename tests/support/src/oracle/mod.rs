//! The oracle: says what the stream must hold, from what the database committed.
//!
//! It shares no code with the bridge. Triggers write every row change into a [`journal`] in the
//! same transaction; [`net_changes`] folds it; the caller says which events a net change must
//! give; [`compare`] holds them against what the stream holds.
//!
//! ```text
//! journal rows → net changes → expected events ┐
//!                   stream → stored events     ┴→ verdict
//! ```
//!
//! Two limits. A transaction that the bridge cuts into windows (more than 1 MiB of rows) is
//! folded per window there and as a whole here, so such transactions must not change a key
//! twice. And what was committed before the bridge's snapshot comes as snapshot rows, not as
//! changes: take [`journal::position`] after the snapshot and read from there.

mod fold;
pub mod journal;
mod stored;
mod verdict;

pub use fold::{NetChange, net_changes};
pub use journal::JournalRow;
pub use stored::{StoredEvent, stored_events};
pub use verdict::{ExpectedEvent, Verdict, compare, compare_final_state};
