//! For tests: a scripted source, and the checks that every connector must pass.
//!
//! The bridge's tests use [`ScriptSource`] in place of a database. A connector's tests implement
//! [`Bench`] on a real server and call every function of [`checks`]; together they are the
//! promises in this crate's head.
//!
//! Everything here panics when it does not find what it must: it is the body of a test.

mod bench;
pub mod checks;
mod describe;
mod exploring;
#[cfg(test)]
mod ledger;
mod run;
mod script;
mod seeding;
mod selection;
mod tail;

pub use bench::{Bench, Explores, TypeCase, Write};
pub use describe::{cells, table};
pub use run::{Run, Seen, SeenChange};
pub use script::{Change, Gate, ScriptSource};
pub use selection::Tables;
pub use tail::{Line, Tail};
