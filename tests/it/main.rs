//! Integration tests against real servers, in one binary.

mod crash;
mod delivery;
mod failures;
mod shop;
