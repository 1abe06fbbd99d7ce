//! The source against the scripted server, where the change tables of a real ERP would trip it:
//! what rows look like, where it may begin, what goes wrong on the way, and how much it holds.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cleanup;
mod connection;
mod endurance;
mod instances;
mod lab;
mod order;
mod rows;
mod silence;
mod snapshot;
mod tls;
mod told;

use erpbridge_connector::{SourceError, SourceErrorKind};

/// An error of this kind that says these words in its message or hint.
#[track_caller]
fn assert_told(error: &SourceError, kind: SourceErrorKind, words: &[&str]) {
    let told = format!("{error} / {}", error.hint().unwrap_or_default());
    assert_eq!(error.kind(), kind, "{told}");
    for word in words {
        assert!(told.contains(word), "\"{word}\" is not in: {told}");
    }
}
