//! What a mapping file says, checked as far as it can be without a database.
//!
//! Everything here refers to columns by [`ColumnName`]; binding a table replaces the names by
//! [`Cell`](super::bind::Cell)s. The structures are written once for both stages, see
//! [`stage`](super::stage).

mod adjust;
mod agreement;
mod authority;
mod children;
mod codec;
mod codes;
mod compile;
mod deleted;
mod drift;
mod exception;
mod field;
mod filter;
mod first;
mod formula;
mod keeping;
mod link;
mod lookup;
mod names;
mod part;
mod reading;
mod references;
mod rule;
mod scope;
mod selector;
mod sum;
mod table;
mod targets;
mod transition;
mod two_columns;
mod uses;
mod when;

pub(super) use adjust::{Adjust, Operand};
pub(super) use authority::{CONTENT, Voice};
pub(super) use children::Children;
pub(super) use codec::{BoolCodes, Codec, Places};
pub(super) use codes::{CodeTable, Coded};
pub(super) use compile::{Compiled, compile};
pub(super) use deleted::Moved;
pub(super) use drift::Drift;
pub use drift::Policy;
pub(super) use field::{Field, Shape};
pub(super) use filter::{Filter, Test};
pub(super) use first::Choice;
pub(super) use formula::{Formula, Pick};
pub(super) use keeping::Kept;
pub(super) use link::Link;
pub(super) use lookup::{Lookup, Missing, Patience};
pub(super) use names::{ColumnName, check_name};
pub(super) use part::{Instead, Part, Take};
pub(super) use reading::{Reading, ReadingRules};
pub(super) use rule::Rule;
pub(super) use scope::Scope;
pub(super) use selector::{Captures, Selector};
pub(super) use table::Table;
pub(super) use transition::{State, Transition};
pub(super) use two_columns::TwoColumns;
pub(super) use uses::AllUses;
pub use uses::Use;
pub(super) use when::{Step, When};
