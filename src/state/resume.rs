//! Where a source continues: the choice between the stream's last message and the records.
//!
//! The stream is the truth. A record can only add something the stream cannot tell: a position
//! beyond its last message, after changes that made no event. When a record may speak:
//!
//! - Its stream sequence is not above the stream's last one. If it is, the stream was shortened
//!   since (a power failure, a restored backup), the record's position covers events that are
//!   gone, and the source goes back to what the stream holds.
//! - Its stream sequence is not below the last message's. If it is, the message is newer.
//! - Its epoch is not below the last message's. If it is, although its number is not, numbers were
//!   given out twice: it is from before a shortening that the stream has since outgrown. Epochs
//!   never repeat, because a writer takes them from the clock.
//!
//! - There is at most one record in each place, and a claim replaces them all: no record outlives
//!   the claim after which it was wrong.
//!
//! A position so chosen never passes what is stored: a record was made when everything before its
//! position was stored at or below its number, and by the rules above all of that is still there,
//! or was removed by the stream's own limits.

use erpbridge_connector::{Position, Sequence};

use super::OffsetRecord;

/// What the stream itself tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEnd {
    /// Its last sequence. It survives when messages are removed.
    pub last_sequence: u64,
    /// The last message that is still there.
    pub message: Option<EndMessage>,
}

/// The last message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndMessage {
    /// Its sequence.
    pub stream_sequence: u64,
    /// Epoch of its writer.
    pub epoch: u64,
    /// The position it names.
    pub position: Option<Position>,
}

/// Where to continue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Resume the source after this; `None` for a first start.
    pub position: Option<Position>,
    /// The newest transaction that is complete in the stream, where a record told it.
    pub complete: Option<Sequence>,
    /// The highest stream sequence of a record that did not count because the stream was
    /// shortened.
    pub shortened_from: Option<u64>,
}

/// Chooses by the rules in the head.
pub fn choose<'r>(
    end: &StreamEnd,
    records: impl IntoIterator<Item = &'r OffsetRecord> + Clone,
) -> Resume {
    let lost = records.clone().into_iter().filter(|record| is_from_before_shortening(record, end));
    let shortened_from = lost.map(|record| record.stream_sequence).max();
    let valid = records.into_iter().filter(|record| counts(record, end));
    let newest = valid.max_by_key(|record| (record.stream_sequence, record.recorded_at));
    Resume {
        position: match newest {
            Some(record) => Some(record.position.clone()),
            None => end.message.as_ref().and_then(|message| message.position.clone()),
        },
        complete: newest.and_then(|record| record.sequence.clone()),
        shortened_from,
    }
}

fn counts(record: &OffsetRecord, end: &StreamEnd) -> bool {
    record.stream_sequence <= end.last_sequence
        && end.message.as_ref().is_none_or(|message| {
            record.stream_sequence >= message.stream_sequence && record.epoch >= message.epoch
        })
}

fn is_from_before_shortening(record: &OffsetRecord, end: &StreamEnd) -> bool {
    record.stream_sequence > end.last_sequence
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn record(epoch: u64, stream_sequence: u64, position: u64) -> OffsetRecord {
        OffsetRecord {
            source: "erp1".to_owned(),
            epoch,
            stream_sequence,
            position: Position::new(position.to_string()),
            sequence: None,
            recorded_at: Timestamp::default(),
        }
    }

    fn end(last_sequence: u64, message: Option<(u64, u64, u64)>) -> StreamEnd {
        let message = message.map(|(stream_sequence, epoch, position)| EndMessage {
            stream_sequence,
            epoch,
            position: Some(Position::new(position.to_string())),
        });
        StreamEnd { last_sequence, message }
    }

    fn position(resume: &Resume) -> Option<&str> {
        resume.position.as_ref().map(Position::as_str)
    }

    #[test]
    fn with_nothing_anywhere_it_is_a_first_start() {
        assert_eq!(choose(&StreamEnd::default(), []), Resume::default());
    }

    #[test]
    fn a_record_beyond_the_tail_is_used() {
        let resume = choose(&end(5, Some((5, 1, 50))), [&record(1, 5, 70)]);
        assert_eq!(position(&resume), Some("70"));
    }

    #[test]
    fn the_tail_wins_over_an_older_record() {
        let resume = choose(&end(6, Some((6, 1, 60))), [&record(1, 5, 55)]);
        assert_eq!(position(&resume), Some("60"));
    }

    #[test]
    fn a_record_above_the_stream_is_ignored_and_reported() {
        let resume = choose(&end(5, Some((5, 1, 50))), [&record(1, 9, 90), &record(1, 5, 52)]);
        assert_eq!(position(&resume), Some("52"));
        assert_eq!(resume.shortened_from, Some(9));
    }

    #[test]
    fn a_record_from_before_a_shortening_is_ignored_after_the_stream_has_outgrown_it() {
        let resume = choose(&end(9, Some((9, 2, 80))), [&record(1, 9, 90)]);
        assert_eq!(position(&resume), Some("80"));
    }

    #[test]
    fn an_expired_stream_leaves_the_word_to_the_records() {
        let resume = choose(&end(9, None), [&record(1, 8, 80), &record(1, 9, 95)]);
        assert_eq!(position(&resume), Some("95"));
    }

    /// One step in the life of a source: positions are numbers, an event stored at position `p`
    /// covers everything up to `p`.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// An event is stored.
        Publish,
        /// Changes pass that make no event.
        Filter,
        /// The position is written to the local store.
        Save,
        /// The position is copied beside the stream.
        Keep,
        /// The writer starts again and claims.
        Restart,
        /// The local store is lost.
        LoseLocal,
        /// The stream loses its newest messages.
        Shorten(u64),
        /// The stream's limits remove its oldest messages.
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Publish),
            2 => Just(Step::Filter),
            2 => Just(Step::Save),
            2 => Just(Step::Keep),
            2 => Just(Step::Restart),
            1 => Just(Step::LoseLocal),
            1 => (1u64..6).prop_map(Step::Shorten),
            1 => (1u64..6).prop_map(Step::Expire),
        ]
    }

    #[derive(Clone, Copy)]
    struct Message {
        epoch: u64,
        position: u64,
        /// The event's own place in the source; a claim has none.
        event: Option<u64>,
    }

    /// A stream, its writer, and what both remember.
    #[derive(Default)]
    struct World {
        stored: Vec<Message>,
        expired: usize,
        local: Option<OffsetRecord>,
        kept: Option<OffsetRecord>,
        clock: u64,
        epoch: u64,
        position: u64,
        /// Places of the source that made an event.
        events: Vec<u64>,
    }

    impl World {
        fn last(&self) -> u64 {
            self.stored.len() as u64
        }

        fn end(&self) -> StreamEnd {
            let tail = self.stored.last().filter(|_| self.stored.len() > self.expired);
            end(self.last(), tail.map(|message| (self.last(), message.epoch, message.position)))
        }

        fn restart(&mut self) -> Result<(), TestCaseError> {
            let resume = choose(&self.end(), self.local.iter().chain(&self.kept));
            let chosen = resume.position.map_or(0, |position| position.as_str().parse().unwrap());
            for event in self.events.iter().filter(|event| **event <= chosen) {
                let stored = self.stored.iter().any(|message| message.event == Some(*event));
                prop_assert!(stored, "resumed after {chosen}, but event {event} is not stored");
            }
            self.clock += 1;
            self.epoch = self.clock;
            self.position = chosen;
            self.stored.push(Message { epoch: self.epoch, position: chosen, event: None });
            // The claim replaces the records.
            self.local = Some(record(self.epoch, self.last(), chosen));
            self.kept = self.local.clone();
            Ok(())
        }

        /// Moves one place on in the source. A place read before makes the same event again.
        fn advance(&mut self, makes_event: bool) {
            self.position += 1;
            let seen = self.events.iter().chain(&[0]).max().copied().unwrap_or(0);
            let event = self.events.contains(&self.position);
            if event || (makes_event && self.position > seen) {
                if !event {
                    self.events.push(self.position);
                }
                self.stored.push(Message {
                    epoch: self.epoch,
                    position: self.position,
                    event: Some(self.position),
                });
            }
        }

        fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
            match step {
                Step::Publish => self.advance(true),
                Step::Filter => self.advance(false),
                Step::Save => self.local = Some(record(self.epoch, self.last(), self.position)),
                Step::Keep => self.kept = Some(record(self.epoch, self.last(), self.position)),
                Step::Restart => self.restart()?,
                Step::LoseLocal => self.local = None,
                Step::Shorten(by) => {
                    let by = usize::try_from(by).unwrap();
                    let left = self.stored.len().saturating_sub(by);
                    self.stored.truncate(std::cmp::max(left, self.expired));
                    // A shortened stream is a restarted server: the writer starts again too.
                    self.restart()?;
                }
                Step::Expire(by) => {
                    let by = usize::try_from(by).unwrap();
                    self.expired = std::cmp::min(self.expired + by, self.stored.len());
                }
            }
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_chosen_position_never_passes_what_is_stored(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut world = World::default();
            world.restart()?;
            for step in steps {
                world.take(step)?;
            }
            world.restart()?;
        }
    }
}
