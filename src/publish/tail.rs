//! What the last message of a stream tells about its source.

use erpbridge_connector::{Position, Sequence};

use super::OrderKey;
use crate::canonical::header;

/// `1` on a message after which more events of the same row change follow. Only servers without
/// atomic batches can stop between them.
pub(super) const CHANGE_OPEN: &str = "Erp-Change-Open";

/// The last message of a stream that a bridge wrote, event or claim: where the source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Its stream sequence.
    pub stream_sequence: u64,
    /// Epoch of the writer.
    pub epoch: u64,
    /// Resume position of the source.
    pub position: Option<Position>,
    /// `ce-sequence` of the newest event: `<sequence>-<ordinal>-<index>`.
    pub newest: Option<Box<str>>,
    /// Whether the transaction of the newest event ends with it.
    pub transaction_last: bool,
    /// Whether more events of the newest event's row change were still to follow.
    pub change_open: bool,
}

impl Tail {
    /// Reads it from a message's headers; `None` if no bridge wrote the message.
    pub(super) fn read<'h>(
        stream_sequence: u64,
        value: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<Self> {
        Some(Self {
            stream_sequence,
            epoch: value(header::EPOCH)?.parse().ok()?,
            position: value(header::POSITION).map(Position::new),
            newest: value(header::SEQUENCE).map(Into::into),
            transaction_last: value(header::TRANSACTION_LAST).is_some(),
            change_open: value(CHANGE_OPEN).is_some(),
        })
    }

    /// The headers with which a claim repeats what this tail tells, so that it stays true when
    /// the claim is the last message. `position` may be beyond the tail's own.
    pub(super) fn repeated(
        &self,
        epoch: u64,
        position: Option<&Position>,
    ) -> Vec<(&'static str, String)> {
        let mut headers = vec![(header::EPOCH, epoch.to_string())];
        headers.extend(position.map(|position| (header::POSITION, position.to_string())));
        headers.extend(self.newest.as_deref().map(|key| (header::SEQUENCE, key.to_owned())));
        let mark = |set: bool, name| set.then(|| (name, "1".to_owned()));
        headers.extend(mark(self.transaction_last, header::TRANSACTION_LAST));
        headers.extend(mark(self.change_open, CHANGE_OPEN));
        headers
    }

    /// Up to which row change every event is stored. A change of which only some events are
    /// stored does not count: the source shall send it again, and the publisher leaves out what
    /// is there.
    pub fn published(&self) -> Option<OrderKey> {
        let key = order_key(self.newest.as_deref()?)?;
        if !self.change_open {
            return Some(key);
        }
        // The resume position is before this transaction, so with none of its changes stored
        // there is nothing to recognise.
        let ordinal = key.ordinal.checked_sub(1)?;
        Some(OrderKey { ordinal, ..key })
    }

    /// The newest event's full key, if the stream ends inside a row change.
    pub(super) fn inside(&self) -> Option<Box<str>> {
        self.newest.clone().filter(|_| self.change_open)
    }
}

fn order_key(text: &str) -> Option<OrderKey> {
    let mut parts = text.rsplitn(3, '-');
    let (_index, ordinal, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    Some(OrderKey { sequence: Sequence::new(sequence), ordinal: ordinal.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(newest: &str, change_open: bool) -> Tail {
        Tail { newest: Some(newest.into()), change_open, ..Tail::default() }
    }

    fn key(sequence: &str, ordinal: u64) -> OrderKey {
        OrderKey { sequence: Sequence::new(sequence), ordinal }
    }

    #[test]
    fn the_order_key_is_read_from_the_newest_event() {
        let tail = tail("00000000016B3748-0000000012-003", false);
        assert_eq!(tail.published(), Some(key("00000000016B3748", 12)));
        assert_eq!(tail.inside(), None);
    }

    #[test]
    fn a_change_stored_in_part_does_not_count_as_published() {
        assert_eq!(tail("0A-0000000012-000", true).published(), Some(key("0A", 11)));
        assert_eq!(tail("0A-0000000000-000", true).published(), None);
        assert_eq!(tail("0A-0000000012-001", true).inside().as_deref(), Some("0A-0000000012-001"));
    }

    #[test]
    fn a_claim_repeats_what_the_tail_told() {
        let original = Tail {
            stream_sequence: 7,
            epoch: 3,
            position: Some(Position::new("p1")),
            newest: Some("0A-0000000001-000".into()),
            transaction_last: true,
            change_open: false,
        };
        let headers = original.repeated(4, Some(&Position::new("p2")));
        let value = |name: &str| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        };
        let read = Tail::read(8, value).unwrap();
        let position = Some(Position::new("p2"));
        assert_eq!(read, Tail { stream_sequence: 8, epoch: 4, position, ..original });
    }

    #[test]
    fn a_message_of_somebody_else_is_no_tail() {
        assert_eq!(Tail::read(1, |_| None), None);
        assert_eq!(Tail::read(1, |_| Some("not a number")), None);
    }
}
