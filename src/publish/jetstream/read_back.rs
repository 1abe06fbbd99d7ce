//! Reading the end of a stream back: how far it goes, and what its last message tells.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::Link;
use super::refusal::Refusal;
use super::stream::{self, State};
use crate::publish::{PublishError, PublishErrorKind, Tail};
use crate::state::{EndMessage, StreamEnd};

const NO_MESSAGE_FOUND: u16 = 10037;
/// How many removed messages are passed over one by one.
const LOOK_BACK: usize = 2000;

/// The end of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The last sequence given out.
    pub(super) last_sequence: u64,
    /// The last message a bridge wrote that is still there.
    pub(super) tail: Option<Tail>,
}

impl End {
    /// As the choice of the resume point wants it.
    pub(super) fn for_choice(&self) -> StreamEnd {
        let message = self.tail.as_ref().map(|tail| EndMessage {
            stream_sequence: tail.stream_sequence,
            epoch: tail.epoch,
            position: tail.position.clone(),
        });
        StreamEnd { last_sequence: self.last_sequence, message }
    }
}

/// A stored message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its stream sequence.
    pub(super) sequence: u64,
    subject: String,
    headers: Vec<(String, String)>,
    /// Its payload.
    pub(super) payload: Vec<u8>,
}

impl Stored {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What it tells of `source`, if a bridge wrote it for that source.
    fn tail(&self, source: &str) -> Option<Tail> {
        let events = stream::event_subjects(source);
        let event = self.subject.starts_with(events.trim_end_matches('>'));
        let ours = event || self.subject == stream::control_subject(source);
        ours.then(|| Tail::read(self.sequence, |name| self.header(name)))?
    }
}

/// Reads the end of the event stream of `source`.
///
/// The last message is normally ours. If it was deleted, the last one that is left tells. If the
/// operator lets something else into the stream, the last event or claim tells, whichever is
/// newer. (Asking for the last message of a subject is the second choice: 2.9 finds none once the
/// newest of the subject was deleted.)
pub(super) async fn end(link: &mut Link, name: &str, source: &str) -> Result<End, PublishError> {
    let state = stream::info(link, name).await?.map(|info| info.state).unwrap_or_default();
    let last_sequence = state.last_seq;
    if state.messages == 0 {
        return Ok(End { last_sequence, tail: None });
    }
    let mut last = message(link, name, &json!({ "seq": last_sequence })).await?;
    if last.is_none() {
        last = last_left(link, name).await?;
    }
    if let Some(tail) = last.as_ref().and_then(|last| last.tail(source)) {
        return Ok(End { last_sequence, tail: Some(tail) });
    }
    let event = last_on(link, name, &stream::event_subjects(source)).await?;
    let claim = last_on(link, name, &stream::control_subject(source)).await?;
    let newest = event.into_iter().chain(claim).max_by_key(|stored| stored.sequence);
    let tail = match newest {
        Some(stored) => Some(stored.tail(source).ok_or_else(|| foreign(name, stored.sequence))?),
        None => None,
    };
    Ok(End { last_sequence, tail })
}

/// The last message of a stream that ends in deleted ones.
async fn last_left(link: &mut Link, name: &str) -> Result<Option<Stored>, PublishError> {
    let info = stream::info_with_deleted(link, name).await?;
    let State { first_seq, last_seq, deleted, .. } =
        info.map(|info| info.state).unwrap_or_default();
    let deleted: HashSet<u64> = deleted.unwrap_or_default().into_iter().collect();
    let left = (first_seq..=last_seq).rev().filter(|sequence| !deleted.contains(sequence));
    // The list may leave out the very end; a bounded number of misses finds it.
    for sequence in left.take(LOOK_BACK) {
        let found = message(link, name, &json!({ "seq": sequence })).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn foreign(name: &str, sequence: u64) -> PublishError {
    PublishError::new(
        PublishErrorKind::Contradiction,
        format!("message {sequence} of the stream \"{name}\" was not written by erpbridge"),
    )
    .with_hint(format!(
        "let only the bridge publish to the stream's subjects, and remove the message with \
         `nats stream rmm {name} {sequence}`"
    ))
}

/// The last message on a subject, wildcards allowed.
pub(super) async fn last_on(
    link: &mut Link,
    name: &str,
    subject: &str,
) -> Result<Option<Stored>, PublishError> {
    message(link, name, &json!({ "last_by_subj": subject })).await
}

async fn message(
    link: &mut Link,
    name: &str,
    which: &Value,
) -> Result<Option<Stored>, PublishError> {
    match link.look::<Got>(&format!("STREAM.MSG.GET.{name}"), which).await? {
        Ok(got) => Ok(Some(got.message.stored())),
        Err(Refusal::Api(error)) if error.err_code == NO_MESSAGE_FOUND => Ok(None),
        Err(refusal) => {
            Err(refusal.into_error(format!("cannot read a message of the stream \"{name}\"")))
        }
    }
}

#[derive(Deserialize)]
struct Got {
    message: Raw,
}

#[derive(Deserialize)]
struct Raw {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl Raw {
    fn stored(&self) -> Stored {
        let bytes = |text: &str| STANDARD.decode(text).unwrap_or_default();
        Stored {
            sequence: self.seq,
            subject: self.subject.clone(),
            headers: headers(&bytes(&self.hdrs)),
            payload: bytes(&self.data),
        }
    }
}

/// Splits a header block: a line with the protocol's version, then `Name: value` lines.
fn headers(block: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(block);
    let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_message_is_read_with_its_headers() {
        let raw = Raw {
            subject: "erp.erp1.a".to_owned(),
            seq: 7,
            hdrs: STANDARD.encode("NATS/1.0\r\nErp-Epoch: 3\r\nErp-Position: 0/1:2\r\n\r\n"),
            data: STANDARD.encode("{}"),
        };
        let stored = raw.stored();
        assert_eq!(stored.header("Erp-Position"), Some("0/1:2"));
        assert_eq!(stored.payload, b"{}");
        let tail = stored.tail("erp1").unwrap();
        assert_eq!((tail.stream_sequence, tail.epoch), (7, 3));
        assert_eq!(stored.tail("erp"), None, "another source's");
    }

    #[test]
    fn a_message_without_headers_is_nobodys() {
        let subject = "erpbridge.erp1.control".to_owned();
        let raw = Raw { subject, seq: 7, hdrs: String::new(), data: "not base64".to_owned() };
        assert_eq!(raw.stored().payload, b"");
        assert_eq!(raw.stored().tail("erp1"), None);
    }
}
