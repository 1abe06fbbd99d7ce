//! What the server's answers and errors mean.

use async_nats::StatusCode;
use serde::Deserialize;

use crate::publish::{PublishError, PublishErrorKind};

/// The answer to a stored message or batch.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PubAck {
    /// Stream sequence of the (last) message.
    pub(super) seq: u64,
    /// The server knew the message's id: it stored nothing.
    #[serde(default)]
    pub(super) duplicate: bool,
    /// Messages of the batch; none for a single message.
    #[serde(default)]
    pub(super) count: Option<u64>,
}

/// An error of the JetStream API.
#[derive(Clone, Debug, Deserialize, thiserror::Error)]
#[error("{description} (error code {err_code})")]
pub(super) struct ApiError {
    /// Like an HTTP status.
    #[serde(default)]
    pub(super) code: u16,
    /// What exactly.
    #[serde(default)]
    pub(super) err_code: u16,
    /// For people.
    #[serde(default)]
    pub(super) description: String,
}

/// Error codes of the JetStream API, by the names the server gives them.
pub(super) mod code {
    pub(in super::super) const STREAM_NOT_FOUND: u16 = 10059;
    pub(in super::super) const STREAM_NAME_EXISTS: u16 = 10058;
    pub(in super::super) const STREAM_MISMATCH: u16 = 10056;
    pub(in super::super) const STREAM_NOT_MATCH: u16 = 10060;
    pub(in super::super) const NOT_ENABLED: u16 = 10076;
    pub(in super::super) const NOT_ENABLED_FOR_ACCOUNT: u16 = 10039;
    pub(in super::super) const WRONG_LAST_SEQUENCE: u16 = 10071;
    pub(in super::super) const WRONG_LAST_SEQUENCE_CONSTANT: u16 = 10164;
    pub(in super::super) const BATCH_DISABLED: u16 = 10174;
    pub(in super::super) const BATCH_INCOMPLETE: u16 = 10176;
    pub(in super::super) const BATCH_TOO_LARGE: u16 = 10199;
    pub(in super::super) const BATCH_DUPLICATE: u16 = 10201;
    pub(in super::super) const BATCHES_IN_FLIGHT: [u16; 2] = [10210, 10211];
    pub(in super::super) const INSUFFICIENT_RESOURCES: u16 = 10023;
    pub(in super::super) const STORAGE_EXCEEDED: u16 = 10047;
    pub(in super::super) const MAX_BYTES_EXCEEDED: [u16; 2] = [10077, 10122];
    pub(in super::super) const SUBJECT_OVERLAP: u16 = 10065;
}

impl ApiError {
    /// Whether somebody else's message, or our own stored after all, made the expected sequence
    /// wrong.
    pub(super) fn is_wrong_sequence(&self) -> bool {
        matches!(self.err_code, code::WRONG_LAST_SEQUENCE | code::WRONG_LAST_SEQUENCE_CONSTANT)
    }

    fn kind(&self) -> PublishErrorKind {
        match self.err_code {
            _ if self.is_wrong_sequence() => PublishErrorKind::Conflict,
            // The stream changed under us: the next claim looks at it again.
            code::BATCH_INCOMPLETE
            | code::BATCH_DUPLICATE
            | code::BATCH_DISABLED
            | code::STREAM_NOT_FOUND => PublishErrorKind::Conflict,
            code::INSUFFICIENT_RESOURCES | code::STORAGE_EXCEEDED => PublishErrorKind::Exhausted,
            known if code::MAX_BYTES_EXCEEDED.contains(&known) => PublishErrorKind::Exhausted,
            known if code::BATCHES_IN_FLIGHT.contains(&known) => PublishErrorKind::Exhausted,
            code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT => PublishErrorKind::Setup,
            _ => match self.code {
                429 => PublishErrorKind::Exhausted,
                401 | 403 => PublishErrorKind::Denied,
                408 | 503 | 504 => PublishErrorKind::Connection,
                _ => PublishErrorKind::Setup,
            },
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self.err_code {
            code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT => {
                Some("enable JetStream on the server and for the account of this user")
            }
            code::BATCH_TOO_LARGE => {
                Some("raise `max_batch_size` in the server's JetStream limits to 1000")
            }
            code::SUBJECT_OVERLAP => {
                Some("find the other stream with `nats stream find` and take the subjects from it")
            }
            code::INSUFFICIENT_RESOURCES | code::STORAGE_EXCEEDED => {
                Some("give the server or the account more storage, or the stream a limit")
            }
            known if code::MAX_BYTES_EXCEEDED.contains(&known) => {
                Some("raise the stream's limits or let it drop its oldest messages")
            }
            _ => None,
        }
    }

    /// The error of a publisher: `tried` says what cannot be done to which object.
    pub(super) fn into_error(self, tried: impl Into<String>) -> PublishError {
        let error = PublishError::new(self.kind(), tried);
        let error = match self.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        error.with_cause(self)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Refused { error: ApiError },
    Given(T),
}

/// Why an answer is not what was hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The server said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The server said something else.
    #[error("the answer is not JetStream's: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Nobody listens on the subject.
    #[error("no responders")]
    NoResponders,
}

/// Reads the answer to a request.
pub(super) fn answer<T: for<'de> Deserialize<'de>>(
    message: &async_nats::Message,
) -> Result<T, Refusal> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(Refusal::NoResponders);
    }
    match serde_json::from_slice(&message.payload)? {
        Answer::Refused { error } => Err(error.into()),
        Answer::Given(answer) => Ok(answer),
    }
}

impl Refusal {
    /// The error of a publisher: `tried` says what cannot be done to which object.
    pub(super) fn into_error(self, tried: impl Into<String>) -> PublishError {
        match self {
            Self::Api(error) => error.into_error(tried),
            // No stream takes the subject just now: no leader, a restart, or it was deleted.
            Self::NoResponders => {
                PublishError::new(PublishErrorKind::Connection, tried).with_cause(self)
            }
            Self::Malformed(_) => PublishError::new(PublishErrorKind::Setup, tried)
                .with_hint("check that no other service answers on JetStream's subjects")
                .with_cause(self),
        }
    }
}

/// Headers with which a publisher states what it expects.
pub(super) mod expect {
    pub(in super::super) const LAST_SEQUENCE: &str = "Nats-Expected-Last-Sequence";
    pub(in super::super) const LAST_SUBJECT_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
    pub(in super::super) const STREAM: &str = "Nats-Expected-Stream";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(err_code: u16, code: u16) -> PublishErrorKind {
        ApiError { code, err_code, description: String::new() }.into_error("x").kind
    }

    #[test]
    fn error_codes_become_kinds() {
        for conflict in [10071, 10164, 10176, 10201, 10174] {
            assert_eq!(kind(conflict, 400), PublishErrorKind::Conflict, "{conflict}");
        }
        for exhausted in [10077, 10023, 10047, 10210] {
            assert_eq!(kind(exhausted, 400), PublishErrorKind::Exhausted, "{exhausted}");
        }
        assert_eq!(kind(10008, 503), PublishErrorKind::Connection);
        assert_eq!(kind(10052, 403), PublishErrorKind::Denied);
        assert_eq!(kind(10076, 503), PublishErrorKind::Setup);
        assert_eq!(kind(10199, 400), PublishErrorKind::Setup);
    }

    #[test]
    fn an_ack_of_a_batch_is_told_from_a_refusal() {
        let stored = r#"{"stream":"S","seq":12,"batch":"b","count":3}"#;
        let refused =
            r#"{"error":{"code":400,"err_code":10071,"description":"d"},"stream":"S","seq":0}"#;
        assert!(matches!(
            serde_json::from_str(stored).unwrap(),
            Answer::Given(PubAck { seq: 12, duplicate: false, count: Some(3) })
        ));
        assert!(matches!(
            serde_json::from_str::<Answer<PubAck>>(refused).unwrap(),
            Answer::Refused { error } if error.is_wrong_sequence()
        ));
    }
}
