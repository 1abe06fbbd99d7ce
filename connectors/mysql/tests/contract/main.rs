//! The promises every connector keeps, and what the README says of them.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod readme;
