//! Why a question got no answer, and what follows.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::error_number::kind_of_number;

/// An error in the server's own words, kept beneath ours so that its number can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server said: {message} (error {number}, state {state})")]
pub struct Told {
    /// Its number.
    pub number: u32,
    /// Its state: what tells apart places that raise the same number.
    pub state: u8,
    /// Its words, in the server's language.
    pub message: String,
}

/// The number the server told, if it was the server.
pub fn told(error: &SourceError) -> Option<u32> {
    let cause = std::error::Error::source(error)?;
    cause.downcast_ref::<Told>().map(|told| told.number)
}

/// Whether the session is as it was before the question. From severity 20 on the server ends it.
pub(super) fn leaves_session(error: &tiberius::error::Error) -> bool {
    matches!(error, tiberius::error::Error::Server(told) if told.class() < 20)
}

/// An error of the server or on the way to it. Of the server's words about data nothing is
/// repeated, because they quote the data.
pub(super) fn server_error(error: tiberius::error::Error, doing: &str) -> SourceError {
    match error {
        tiberius::error::Error::Server(error) => {
            let (number, state) = (error.code(), error.state());
            let kind = kind_of_number(number);
            let message = match kind {
                SourceErrorKind::Decode => "a value was refused".to_owned(),
                _ => error.message().to_owned(),
            };
            let message = format!("{doing}: {message} (error {number})");
            let told = Told { number, state, message: "see above".to_owned() };
            SourceError::new(kind, message).with_cause(told)
        }
        error => SourceError::new(local_kind(&error), doing.to_owned()).with_cause(error),
    }
}

/// The kind of an error on our side of the line.
fn local_kind(error: &tiberius::error::Error) -> SourceErrorKind {
    match error {
        tiberius::error::Error::Tls(_) => SourceErrorKind::Setup,
        error if lacks_encryption(error) => SourceErrorKind::Setup,
        tiberius::error::Error::Encoding(_)
        | tiberius::error::Error::Conversion(_)
        | tiberius::error::Error::Utf8
        | tiberius::error::Error::Utf16
        | tiberius::error::Error::ParseInt(_) => SourceErrorKind::Decode,
        // What breaks off in the middle of a packet is told as a violation of the protocol.
        _ => SourceErrorKind::Connection,
    }
}

/// Whether the server offers less encryption than is asked for. The library has no kind for it.
pub(super) fn lacks_encryption(error: &tiberius::error::Error) -> bool {
    matches!(error, tiberius::error::Error::Protocol(words) if words.contains("encryption level"))
}

pub(super) fn late(doing: &str, deadline: Duration) -> SourceError {
    let message = format!("{doing}: no answer within {deadline:.0?}");
    SourceError::new(SourceErrorKind::Connection, message)
}

pub(super) fn gone(doing: &str) -> SourceError {
    let message = format!("{doing}: the connection broke before");
    SourceError::new(SourceErrorKind::Connection, message)
}
