//! Storing dead letters: each on its own subject, once, before the events of its batch.
//!
//! The subject is expected to be empty. If it is not, the dead letter was stored by an earlier
//! attempt, which is what is wanted: the server refuses to store it twice, for ever, without a
//! window in time. One is awaited before the next is sent, because a replicated stream refuses
//! a second message in flight on a checked subject; dead letters are rare.

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use super::connect::Link;
use super::refusal::{Refusal, expect};
use crate::canonical::{Message, Settled, header};
use crate::deadletter::{DeadLetter, Reason};
use crate::publish::{PublishError, PublishErrorKind, stamp};

/// Stores one dead letter of `source`. `max_message` is the largest message the server accepts.
pub(super) async fn store(
    link: &mut Link,
    source: &str,
    letter: &DeadLetter,
    max_message: usize,
) -> Result<(), PublishError> {
    let encoded = letter.encode(source, max_message);
    let mut headers = HeaderMap::new();
    for (name, value) in &encoded.headers {
        headers.insert(HeaderName::from_static(name), value.as_str());
    }
    headers.insert(expect::LAST_SUBJECT_SEQUENCE, HeaderValue::from(0_u64));
    let deadline = link.deadline();
    match link.publish(&encoded.subject, headers, encoded.body.into(), deadline).await? {
        Ok(_) => Ok(()),
        Err(Refusal::Api(error)) if error.is_wrong_sequence() => Ok(()),
        Err(refusal) => {
            Err(refusal.into_error(format!("cannot store the dead letter \"{}\"", letter.id)))
        }
    }
}

/// The dead letter in the place of an event the server would not accept. The row is not at hand
/// any more and would not fit either; the event's type stands in the place of the table.
pub(super) fn too_large(
    message: &Message<'_>,
    settled: &Settled,
    max_message: usize,
) -> Result<DeadLetter, PublishError> {
    let id = message.header(header::ID).ok_or_else(|| {
        PublishError::new(
            PublishErrorKind::Setup,
            "cannot park an event that is too large: it has no id",
        )
    })?;
    Ok(DeadLetter {
        id: id.to_owned(),
        table: message.header(header::TYPE).unwrap_or("unknown").to_owned(),
        rule: id.splitn(4, ':').nth(3).map(str::to_owned),
        reason: Reason::TooLarge,
        detail: format!(
            "the event on {} weighs {} bytes; the server accepts {max_message}",
            message.subject(),
            stamp::weight(message),
        ),
        sequence: settled.sequence.clone(),
        ordinal: message.ordinal(),
        position: settled.resume.clone(),
        row: serde_json::Value::Null,
    })
}
