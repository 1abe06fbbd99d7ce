//! The source against real servers, where the log of a real ERP would trip it: what rows look
//! like, where it may begin, what goes wrong on the way, and how much it holds.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod connection;
mod flow;
mod lab;
mod loss;
mod rows;
mod seeds;
mod shapes;
mod start;
mod takeover;
mod transactions;
mod unfinished;

use erpbridge_connector::{SourceError, SourceErrorKind};

/// An error of this kind that says these words in its message or hint.
#[track_caller]
fn assert_told(error: &SourceError, kind: SourceErrorKind, words: &[&str]) {
    let mut told = format!("{error} / {}", error.hint().unwrap_or_default());
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        told = format!("{told} / {next}");
        cause = next.source();
    }
    assert_eq!(error.kind(), kind, "{told}");
    for word in words {
        assert!(told.contains(word), "\"{word}\" is not in: {told}");
    }
}
