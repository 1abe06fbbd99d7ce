//! Why a source stopped, and what follows from it.

use std::error::Error as StdError;

type Cause = Box<dyn StdError + Send + Sync>;

/// What went wrong, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceErrorKind {
    /// The network or the server's process: refused, reset, timed out, shutting down.
    Connection,
    /// The server has no room just now: connection slots, a slot still held by another session.
    Busy,
    /// The server does not let this user in.
    Authentication,
    /// The user may not do this.
    Privilege,
    /// A setting, publication, slot or table is missing or unsuitable.
    Setup,
    /// The log no longer holds what comes after our position.
    PositionLost,
    /// This is not the database our position belongs to.
    IdentityChanged,
    /// A mapped table changed in a way that cannot be followed.
    Schema,
    /// Bytes that are not what the protocol or a type promises.
    Decode,
    /// A row larger than the configured bound.
    TooLarge,
    /// The bridge took away the queue: it is stopping or failed itself.
    Closed,
}

/// What the bridge does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again, after a pause that grows.
    Retry,
    /// Stop this source and wait for a person; retrying cannot help.
    Stop,
}

impl SourceErrorKind {
    /// Every kind, so that metrics start at zero.
    pub const ALL: [Self; 11] = [
        Self::Connection,
        Self::Busy,
        Self::Authentication,
        Self::Privilege,
        Self::Setup,
        Self::PositionLost,
        Self::IdentityChanged,
        Self::Schema,
        Self::Decode,
        Self::TooLarge,
        Self::Closed,
    ];

    /// The one place where a kind becomes a policy. Only what is known to pass by itself is
    /// retried: a permanent error retried for ever looks like a live bridge to everyone.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Connection | Self::Busy => Remedy::Retry,
            Self::Authentication
            | Self::Privilege
            | Self::Setup
            | Self::PositionLost
            | Self::IdentityChanged
            | Self::Schema
            | Self::Decode
            | Self::TooLarge
            | Self::Closed => Remedy::Stop,
        }
    }

    /// A short name for logs and the `reason` label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Busy => "busy",
            Self::Authentication => "authentication",
            Self::Privilege => "privilege",
            Self::Setup => "setup",
            Self::PositionLost => "position_lost",
            Self::IdentityChanged => "identity_changed",
            Self::Schema => "schema",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Closed => "closed",
        }
    }
}

/// An error of a source: what was tried on which object, why it failed, and what to do.
///
/// `Display` prints only this link of the chain; [`StdError::source`] leads to the next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    kind: SourceErrorKind,
    message: String,
    hint: Option<String>,
    #[source]
    cause: Option<Cause>,
}

impl SourceError {
    /// An error with its message: lower case, no full stop, the object in quotes.
    pub fn new(kind: SourceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, cause: None }
    }

    /// Adds one sentence that says what a person should do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What went wrong.
    pub const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// What the bridge does about it.
    pub const fn remedy(&self) -> Remedy {
        self.kind.remedy()
    }

    /// What a person should do, where one is needed.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
