//! What a mapping file says, checked as far as it can be without a database.
//!
//! Everything here refers to columns by [`ColumnName`]; binding a table replaces the names by
//! [`Cell`](super::bind::Cell)s. The structures are written once for both: `Filter<ColumnName>`
//! is what was written, `Filter<Cell>` is what runs.

mod codec;
mod codes;
mod contract;
mod field;
mod filter;
mod load;
mod names;
mod reading;
mod rule;
mod scope;
mod table;

pub(super) use codec::{BoolCodes, Codec};
pub(super) use codes::Coded;
pub(super) use field::{Field, Part, Shape, Take};
pub(super) use filter::{Filter, Test};
pub(super) use load::{Compiled, compile};
pub(super) use names::{ColumnName, check_name};
pub(super) use reading::{Reading, ReadingRules};
pub(super) use rule::{Rule, Step, Transition, When};
pub(super) use scope::Scope;
pub(super) use table::Table;
