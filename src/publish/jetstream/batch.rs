//! One batch, stored whole or not at all (servers from 2.12, ADR-50).
//!
//! The messages of a batch share an id and are numbered; the first expects the stream's last
//! sequence, the last says commit, and only the last is answered. The server checks the
//! expectation under its lock when it commits. So there is one question in flight per source, and
//! one answer to it: stored directly behind what was there, or not stored.

use async_nats::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::connect::Link;
use super::outgoing::{self, ONE, Shared};
use super::refusal::{PubAck, Refusal, expect};
use crate::publish::PublishError;
use crate::publish::stamp::Stamped;

const ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");

/// Stores `messages` behind `last`. `id` names the batch; nobody else uses it.
///
/// One message alone is published plainly with the same expectation: a batch costs the server
/// about 2 ms, whatever its size.
pub(super) async fn publish(
    link: &mut Link,
    messages: &[Stamped<'_>],
    shared: &Shared,
    last: u64,
    id: &str,
) -> Result<Result<PubAck, Refusal>, PublishError> {
    let Some((commit, others)) = messages.split_last() else {
        return Ok(Ok(PubAck { seq: last, duplicate: false, count: None }));
    };
    let deadline = link.deadline();
    if others.is_empty() {
        return one(link, commit, shared, last, deadline).await;
    }
    let id: HeaderValue = id.into();
    for (number, stamped) in (1_usize..).zip(others) {
        let mut headers = outgoing::headers(stamped, shared)?;
        headers.insert(ID, id.clone());
        headers.insert(SEQUENCE, HeaderValue::from(number));
        if number == 1 {
            headers.insert(expect::LAST_SEQUENCE, HeaderValue::from(last));
        }
        let message = stamped.message;
        link.send(message.subject(), headers, message.payload(), deadline).await?;
    }
    let mut headers = outgoing::headers(commit, shared)?;
    headers.insert(ID, id);
    headers.insert(SEQUENCE, HeaderValue::from(messages.len()));
    headers.insert(COMMIT, ONE);
    let message = commit.message;
    link.publish(message.subject(), headers, message.payload(), deadline).await
}

/// Stores one message behind `last`.
pub(super) async fn one(
    link: &mut Link,
    stamped: &Stamped<'_>,
    shared: &Shared,
    last: u64,
    deadline: Instant,
) -> Result<Result<PubAck, Refusal>, PublishError> {
    let mut headers = outgoing::headers(stamped, shared)?;
    headers.insert(expect::LAST_SEQUENCE, HeaderValue::from(last));
    let message = stamped.message;
    link.publish(message.subject(), headers, message.payload(), deadline).await
}
