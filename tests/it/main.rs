//! Integration tests against real servers, in one binary.

mod delivery;
