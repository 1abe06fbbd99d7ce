//! What went wrong with a test tool.

use std::error::Error;
use std::fmt;

/// Why a guard could not do what was asked, with everything known about it.
///
/// `Debug` prints the same as `Display`, because it is what `unwrap` shows.
pub struct Failure(String);

impl Failure {
    /// A failure with its message: what was tried, on which object, why.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failure with the chain of errors under it.
    pub fn caused(message: impl fmt::Display, cause: &dyn Error) -> Self {
        let mut text = format!("{message}: {cause}");
        let mut next = cause.source();
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

/// Adds what was tried to any error.
pub(crate) trait Tried<T> {
    /// Turns an error into a [`Failure`] that begins with `what`.
    fn tried(self, what: impl fmt::Display) -> crate::Result<T>;
}

impl<T, E: Error> Tried<T> for Result<T, E> {
    fn tried(self, what: impl fmt::Display) -> crate::Result<T> {
        self.map_err(|error| Failure::caused(what, &error))
    }
}
