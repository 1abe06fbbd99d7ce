//! One message after the other, each behind the one before (servers before 2.12).
//!
//! Slower than a batch, and sound on every version: each message expects the sequence the server
//! gave to the one before it. Sending several ahead would not be: if another writer's messages
//! come in between, as many of ours fail and the next one fits again by accident.
//!
//! A failure may leave a prefix of the batch stored, even a part of one row change. The messages
//! of a change but its last say so, and the next claim reads it.

use super::batch;
use super::connect::Link;
use super::outgoing::Shared;
use super::refusal::{PubAck, Refusal};
use crate::publish::PublishError;
use crate::publish::stamp::Stamped;

/// Stores `messages` behind `last`, up to the first refusal.
pub(super) async fn publish(
    link: &mut Link,
    messages: &[Stamped<'_>],
    shared: Shared,
    last: u64,
) -> Result<Result<PubAck, Refusal>, PublishError> {
    let mut ack = PubAck { seq: last, duplicate: false, count: None };
    for stamped in messages {
        let deadline = link.deadline();
        ack = match batch::one(link, stamped, shared, ack.seq, deadline).await? {
            Ok(ack) if !ack.duplicate => ack,
            other => return Ok(other),
        };
    }
    Ok(Ok(ack))
}
