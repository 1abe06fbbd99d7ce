//! One batch, stored whole or not at all (servers from 2.12, ADR-50).
//!
//! The messages of a batch share an id and are numbered; the first expects the stream's last
//! sequence, the last says commit, and only the last is answered. The server checks the
//! expectation under its lock when it commits. So there is one question in flight per source, and
//! one answer to it: stored directly behind what was there, or not stored.

use tokio::time::Instant;

use super::connect::Link;
use super::outgoing::{Lines, Shared};
use super::refusal::{PubAck, Refusal, expect};
use crate::publish::PublishError;
use crate::publish::stamp::Stamped;

const ID: &str = "Nats-Batch-Id";
const SEQUENCE: &str = "Nats-Batch-Sequence";
const COMMIT: &str = "Nats-Batch-Commit";

/// Stores `messages` behind `last`. `id` names the batch; nobody else uses it.
///
/// One message alone is published plainly with the same expectation: a batch costs the server
/// about 2 ms, whatever its size.
pub(super) async fn publish(
    link: &mut Link,
    messages: &[Stamped<'_>],
    shared: Shared,
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
    for (number, stamped) in (1_usize..).zip(others) {
        let mut lines = Lines::of(stamped, shared)?;
        lines.add(ID, id);
        lines.add(SEQUENCE, number);
        if number == 1 {
            lines.add(expect::LAST_SEQUENCE, last);
        }
        let message = stamped.message;
        link.send(message.subject(), lines.into_map()?, message.payload(), deadline).await?;
    }
    let mut lines = Lines::of(commit, shared)?;
    lines.add(ID, id);
    lines.add(SEQUENCE, messages.len());
    lines.add(COMMIT, 1);
    let message = commit.message;
    link.publish(message.subject(), lines.into_map()?, message.payload(), deadline).await
}

/// Stores one message behind `last`.
pub(super) async fn one(
    link: &mut Link,
    stamped: &Stamped<'_>,
    shared: Shared,
    last: u64,
    deadline: Instant,
) -> Result<Result<PubAck, Refusal>, PublishError> {
    let mut lines = Lines::of(stamped, shared)?;
    lines.add(expect::LAST_SEQUENCE, last);
    let message = stamped.message;
    link.publish(message.subject(), lines.into_map()?, message.payload(), deadline).await
}
