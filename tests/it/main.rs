//! Integration tests against real servers, in one binary.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::indexing_slicing, reason = "an index out of bounds is a failed test")]
#![expect(clippy::print_stdout, reason = "a verdict is printed for who reads the run")]

mod commands;
mod consumers;
mod crash;
mod delivery;
mod drift;
mod failures;
mod four_servers;
mod grants;
mod remembered;
mod shop;
mod tools;
mod tryton;
mod unfinished;
