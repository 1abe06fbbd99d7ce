//! How an error is told: the chain once, and one sentence that says what to do.

use std::error::Error;
use std::fmt::Write;

/// The whole chain in one line: `what failed: why: why that`. A link that repeats the text of
/// the one before it (some libraries print their cause and hand it over too) is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            // Writing to a string cannot fail.
            let _written = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read \"orders\"")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_prints_every_link_once() {
        let error = Outer(std::io::Error::other("connection reset"));
        assert_eq!(chain(&error), "could not read \"orders\": connection reset");
    }
}
