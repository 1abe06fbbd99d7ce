//! Which resume position each message of a batch carries.
//!
//! The stream's last message must tell where the source stands, whichever message that turns out
//! to be. So a message may only name a position before which everything is stored *once that
//! message is*: inside a transaction that is the position before the transaction; only its last
//! message names the position after it. A batch may begin in the middle of a transaction and end
//! in the middle of another, therefore the position before is remembered from batch to batch.

use std::cmp;

use erpbridge_connector::Position;

use super::{PublishError, PublishErrorKind};
use crate::canonical::{FrozenBatch, Message, Settled, header};

/// A message with what it tells about the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamped<'b> {
    /// The event.
    pub(super) message: Message<'b>,
    /// Resume after this once the message is stored; none before the first position is known.
    pub(super) position: Option<&'b Position>,
    /// Whether its transaction ends with it.
    pub(super) transaction_last: bool,
    /// Whether more events of the same row change follow. Only a server that stores messages one
    /// by one can stop here.
    pub(super) change_open: bool,
}

/// A batch, ready to be sent.
#[derive(Debug)]
pub(super) struct Plan<'b> {
    /// What goes to the stream, in order.
    pub(super) messages: Vec<Stamped<'b>>,
    /// What the server would not accept.
    pub(super) too_large: Vec<(Message<'b>, &'b Settled)>,
    /// Resume position once all of it is stored.
    pub(super) resume: Option<&'b Position>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Send,
    /// The server would not accept it: it becomes a dead letter.
    TooLarge,
    /// It is in the stream already: a former writer stopped inside its row change.
    Stored,
}

/// Stamps the messages of `batch`. `before` is the position the stream stands at.
pub(super) fn plan<'b>(
    batch: &'b FrozenBatch,
    before: Option<&'b Position>,
    judge: impl Fn(&Message<'b>) -> Verdict,
) -> Plan<'b> {
    let mut plan =
        Plan { messages: Vec::with_capacity(batch.len()), too_large: Vec::new(), resume: before };
    let mut messages = batch.messages();
    let mut taken = 0;
    for settled in batch.settled() {
        let start = plan.messages.len();
        for message in messages.by_ref().take(settled.messages_before.saturating_sub(taken)) {
            match judge(&message) {
                Verdict::Send => plan.messages.push(stamp(message, plan.resume, settled)),
                Verdict::TooLarge => plan.too_large.push((message, settled)),
                Verdict::Stored => {}
            }
        }
        taken = settled.messages_before;
        close(plan.messages.get_mut(start..).unwrap_or_default(), settled);
        plan.resume = Some(&settled.resume);
    }
    plan
}

fn stamp<'b>(
    message: Message<'b>,
    before: Option<&'b Position>,
    settled: &'b Settled,
) -> Stamped<'b> {
    // Of an incomplete transaction `resume` is the position before it.
    let position = if settled.complete { before } else { Some(&settled.resume) };
    Stamped { message, position, transaction_last: false, change_open: false }
}

/// Marks the last message of a complete transaction and those with more of their change to come.
fn close<'b>(part: &mut [Stamped<'b>], settled: &'b Settled) {
    for index in 1..part.len() {
        if let [earlier, later] = part.get_mut(index - 1..=index).unwrap_or_default() {
            earlier.change_open = earlier.message.ordinal() == later.message.ordinal();
        }
    }
    if let Some(last) = part.last_mut().filter(|_| settled.complete) {
        last.position = Some(&settled.resume);
        last.transaction_last = true;
    }
}

/// Every event must belong to a transaction that is settled in its batch: without that its
/// position is unknown.
pub(super) fn require_settled(batch: &FrozenBatch) -> Result<(), PublishError> {
    let settled = batch.settled().last().map_or(0, |settled| settled.messages_before);
    if settled == batch.len() {
        return Ok(());
    }
    let message = format!("cannot publish {} events of which {settled} are settled", batch.len());
    Err(PublishError::new(PublishErrorKind::Setup, message))
}

/// The most bytes the stamps add to any message of the batch.
pub(super) fn stamp_bytes(batch: &FrozenBatch) -> usize {
    let positions = batch.settled().iter().map(|settled| settled.resume.as_str().len());
    positions.fold(0, cmp::max) + STAMP_BYTES
}

/// Room for batch id, numbers, epoch and marks.
const STAMP_BYTES: usize = 512;

/// What an event weighs, headers included, before it is stamped.
pub(super) fn weight(message: &Message<'_>) -> usize {
    let headers: usize = message.headers().map(|(name, value)| name.len() + value.len() + 4).sum();
    headers + message.payload().len()
}

/// The full order key of a message, as its header has it.
pub(super) fn sequence<'b>(message: &Message<'b>) -> &'b str {
    message.header(header::SEQUENCE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Sequence, Timestamp, Transaction};

    use super::*;
    use crate::canonical::EventBatch;

    fn transaction(number: u64, complete: bool) -> Transaction {
        let resume = if complete { number } else { number - 1 };
        Transaction {
            id: number.to_string().into(),
            sequence: Sequence::new(format!("{number:04}")),
            committed_at: Timestamp::from_micros(0),
            resume: Position::new(format!("p{resume}")),
            complete,
            snapshot: false,
            seed: false,
        }
    }

    fn batch(parts: &[(u64, bool, &[u64])]) -> FrozenBatch {
        let mut batch = EventBatch::new();
        for (number, complete, ordinals) in parts {
            for ordinal in *ordinals {
                batch.event(*ordinal).payload(|bytes| bytes.extend_from_slice(b"{}"));
            }
            batch.settle(&transaction(*number, *complete), 9);
        }
        batch.freeze()
    }

    fn positions(plan: &Plan<'_>) -> Vec<String> {
        let text = |stamped: &Stamped<'_>| {
            let mark = if stamped.transaction_last { "!" } else { "" };
            let open = if stamped.change_open { "+" } else { "" };
            format!("{}{mark}{open}", stamped.position.map_or("-", Position::as_str))
        };
        plan.messages.iter().map(text).collect()
    }

    #[test]
    fn only_the_last_message_of_a_transaction_names_the_position_after_it() {
        let batch = batch(&[(1, true, &[0, 1]), (2, true, &[]), (3, true, &[0, 0, 4])]);
        let plan = plan(&batch, None, |_| Verdict::Send);
        assert_eq!(positions(&plan), ["-", "p1!", "p2+", "p2", "p3!"]);
        assert_eq!(plan.resume, Some(&Position::new("p3")));
    }

    #[test]
    fn parts_of_a_large_transaction_name_the_position_before_it() {
        let before = Position::new("p6");
        let batch =
            batch(&[(7, false, &[0, 1]), (7, false, &[2]), (7, true, &[3]), (8, true, &[])]);
        let plan = plan(&batch, Some(&before), |_| Verdict::Send);
        assert_eq!(positions(&plan), ["p6", "p6", "p6", "p7!"]);
        assert_eq!(plan.resume, Some(&Position::new("p8")));
    }

    #[test]
    fn an_event_outside_every_transaction_is_not_dropped_silently() {
        let mut batch = EventBatch::new();
        batch.event(0);
        assert!(require_settled(&batch.freeze()).is_err());
        assert!(require_settled(&EventBatch::new().freeze()).is_ok());
    }

    #[test]
    fn when_the_last_event_is_too_large_the_one_before_it_ends_the_transaction() {
        let batch = batch(&[(1, true, &[0, 1, 2])]);
        let plan = plan(&batch, None, |message| {
            if message.ordinal() < 2 { Verdict::Send } else { Verdict::TooLarge }
        });
        assert_eq!(positions(&plan), ["-", "p1!"]);
        assert_eq!(plan.too_large.len(), 1);
    }
}
