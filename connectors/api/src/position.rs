//! Where a source stands: the position it resumes after, the order of its transactions, and time.

use std::fmt;

/// A place in the source's log, as text. Opaque to the bridge: only the connector that made it
/// reads it. "After" a position means: everything before it is complete and need not come again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position(Box<str>);

impl Position {
    /// Wraps the connector's own text. It must be printable ASCII without line breaks, because
    /// it travels in a message header.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, as the connector wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The commit order of a transaction as fixed-width text: comparing two sequences of one source
/// as bytes compares their commits. (`PostgreSQL`: the commit LSN as 16 hexadecimal digits.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(Box<str>);

impl Sequence {
    /// Wraps fixed-width, lexicographically ordered text of `[0-9A-Za-z]`.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A moment in microseconds since 1970-01-01T00:00:00Z, as the source's clock told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, for metrics.
    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no microsecond after 2255")]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}
