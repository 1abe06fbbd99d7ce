//! A publisher into memory, for tests and previews. It keeps the same promise, with the same
//! stamps and the same choice of the resume point, and fails when told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::stamp::{self, Stamped, Verdict};
use super::tail::CHANGE_OPEN;
use super::{OrderKey, PublishError, PublishErrorKind, Published, Publisher, Standing, Tail};
use crate::canonical::{FrozenBatch, Message, header};
use crate::state::{self, EndMessage, OffsetRecord, StreamEnd};

/// What shall go wrong with the next publish.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused with this kind; nothing is stored.
    Reject(PublishErrorKind),
    /// It is stored, but the answer is lost.
    FailAfterWrite,
    /// It waits until notified, then is stored.
    Hold(Arc<Notify>),
    /// It takes this long.
    Slow(Duration),
}

/// A message in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: BTreeMap<&'static str, String>,
    /// Its payload.
    pub payload: Bytes,
}

/// A stream in memory; clones share it, as publishers share a server.
#[derive(Clone, Debug, Default)]
pub struct MemoryStream {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    messages: Vec<Stored>,
    dead_letters: BTreeMap<String, Vec<u8>>,
    kept: Option<OffsetRecord>,
    faults: VecDeque<Fault>,
}

impl MemoryStream {
    /// Every message, claims included; the first has stream sequence 1.
    pub fn messages(&self) -> Vec<Stored> {
        self.lock().messages.clone()
    }

    /// The events, without the claims.
    pub fn events(&self) -> Vec<Stored> {
        let is_event = |stored: &Stored| !stored.subject.starts_with("erpbridge.");
        self.messages().into_iter().filter(is_event).collect()
    }

    /// The dead letters' bodies by subject.
    pub fn dead_letters(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().dead_letters.clone()
    }

    /// The position kept beside the stream.
    pub fn kept(&self) -> Option<OffsetRecord> {
        self.lock().kept.clone()
    }

    /// Queues a fault for a publish to come.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push_back(fault);
    }

    /// Loses the newest messages, as after a power failure.
    pub fn shorten(&self, to: usize) {
        self.lock().messages.truncate(to);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made in one step, so a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn last(&self) -> u64 {
        u64::try_from(self.messages.len()).unwrap_or(u64::MAX)
    }

    fn tail(&self) -> Option<Tail> {
        let stored = self.messages.last()?;
        Tail::read(self.last(), |name| stored.headers.get(name).map(String::as_str))
    }
}

/// Publishes the events of one source into a [`MemoryStream`].
#[derive(Debug)]
pub struct MemoryPublisher {
    stream: MemoryStream,
    source: String,
    session: Option<Session>,
    tried: Option<u64>,
}

#[derive(Debug)]
struct Session {
    epoch: u64,
    last: u64,
    position: Option<erpbridge_connector::Position>,
}

impl MemoryPublisher {
    /// A publisher for `source` into `stream`.
    pub fn new(stream: MemoryStream, source: &str) -> Self {
        Self { stream, source: source.to_owned(), session: None, tried: None }
    }

    fn claim_now(&mut self, local: Option<OffsetRecord>) -> Result<Standing, PublishError> {
        let mut inner = self.stream.lock();
        let tail = inner.tail();
        let found = tail.as_ref().map_or(0, |tail| tail.epoch);
        if self.tried.is_some_and(|own| found > own) {
            return Err(error(PublishErrorKind::Fenced, "another writer took over"));
        }
        let message = tail.as_ref().map(|tail| EndMessage {
            stream_sequence: tail.stream_sequence,
            epoch: tail.epoch,
            position: tail.position.clone(),
        });
        let end = StreamEnd { last_sequence: inner.last(), message };
        let records: Vec<_> = local.into_iter().chain(inner.kept.take()).collect();
        let recorded = records.iter().map(|record| record.epoch);
        let epoch = recorded.fold(found, std::cmp::max) + 1;
        let resume = state::choose(&end, &records);
        let tail = tail.unwrap_or_default();
        inner.messages.push(Stored {
            subject: format!("erpbridge.{}.control", self.source),
            headers: tail.repeated(epoch, resume.position.as_ref()).into_iter().collect(),
            payload: Bytes::new(),
        });
        let complete = resume.complete.map(|sequence| OrderKey { sequence, ordinal: u64::MAX });
        let last = inner.last();
        self.tried = Some(epoch);
        self.session = Some(Session { epoch, last, position: resume.position.clone() });
        Ok(Standing {
            resume_after: resume.position,
            published: tail.published().or(complete),
            epoch,
            stream_sequence: last,
            shortened_from: resume.shortened_from,
        })
    }

    fn store(&self, session: &mut Session, batch: &FrozenBatch) -> Result<u64, PublishError> {
        stamp::require_settled(batch)?;
        let mut inner = self.stream.lock();
        for letter in &batch.dead_letters {
            let encoded = letter.encode(&self.source, usize::MAX);
            inner.dead_letters.entry(encoded.subject).or_insert(encoded.body);
        }
        if inner.last() != session.last {
            return Err(error(PublishErrorKind::Conflict, "wrong last sequence"));
        }
        let before = session.position.clone();
        let plan = stamp::plan(batch, before.as_ref(), |_: &Message<'_>| Verdict::Send);
        let stored = plan.messages.iter().map(|stamped| stored(stamped, session.epoch));
        inner.messages.extend(stored);
        session.position = plan.resume.cloned();
        session.last = inner.last();
        Ok(session.last)
    }

    fn take_session(&mut self) -> Result<Session, PublishError> {
        self.session
            .take()
            .ok_or_else(|| error(PublishErrorKind::Conflict, "the stream is not claimed"))
    }
}

fn stored(stamped: &Stamped<'_>, epoch: u64) -> Stored {
    let message = stamped.message;
    let mut headers: BTreeMap<_, _> =
        message.headers().map(|(name, value)| (name, value.to_owned())).collect();
    headers.insert(header::EPOCH, epoch.to_string());
    let position = stamped.position.map(|position| (header::POSITION, position.to_string()));
    headers.extend(position);
    let mark = |set: bool, name| set.then(|| (name, "1".to_owned()));
    headers.extend(mark(stamped.transaction_last, header::TRANSACTION_LAST));
    headers.extend(mark(stamped.change_open, CHANGE_OPEN));
    Stored { subject: message.subject().to_owned(), headers, payload: message.payload() }
}

fn error(kind: PublishErrorKind, why: &str) -> PublishError {
    PublishError::new(kind, format!("published into memory: {why}"))
}

impl Publisher for MemoryPublisher {
    async fn claim(&mut self, local: Option<OffsetRecord>) -> Result<Standing, PublishError> {
        self.session = None;
        self.claim_now(local)
    }

    async fn publish(&mut self, batch: &FrozenBatch) -> Result<Published, PublishError> {
        let mut session = self.take_session()?;
        let fault = self.stream.lock().faults.pop_front();
        match &fault {
            Some(Fault::Reject(kind)) => return Err(error(*kind, "rejected as asked")),
            Some(Fault::Hold(held)) => held.notified().await,
            Some(Fault::Slow(pause)) => tokio::time::sleep(*pause).await,
            Some(Fault::FailAfterWrite) | None => {}
        }
        let stream_sequence = self.store(&mut session, batch)?;
        if matches!(fault, Some(Fault::FailAfterWrite)) {
            return Err(error(PublishErrorKind::Connection, "the answer was lost as asked"));
        }
        self.session = Some(session);
        Ok(Published { stream_sequence, too_large: 0 })
    }

    async fn keep(&mut self, record: &OffsetRecord) -> Result<(), PublishError> {
        let session = self.take_session()?;
        self.stream.lock().kept = Some(record.clone());
        self.session = Some(session);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::{Position, Sequence, Timestamp, Transaction};

    use super::*;
    use crate::canonical::EventBatch;

    fn batch(number: u64) -> FrozenBatch {
        let mut batch = EventBatch::new();
        batch
            .event(0)
            .subject(|subject| subject.extend_from_slice(b"erp.erp1.c.p.f.e.x"))
            .header(header::SEQUENCE, &format!("{number:04}-0000000000-000"))
            .payload(|payload| payload.extend_from_slice(b"{}"));
        let transaction = Transaction {
            id: "1".into(),
            sequence: Sequence::new(format!("{number:04}")),
            committed_at: Timestamp::default(),
            resume: Position::new(format!("p{number}")),
            complete: true,
            snapshot: false,
            seed: false,
        };
        batch.settle(&transaction, 0);
        batch.freeze()
    }

    fn publisher() -> (MemoryStream, MemoryPublisher) {
        let stream = MemoryStream::default();
        (stream.clone(), MemoryPublisher::new(stream, "erp1"))
    }

    #[tokio::test]
    async fn what_was_stored_before_the_answer_was_lost_is_seen_by_the_next_claim() {
        let (stream, mut publisher) = publisher();
        assert_eq!(publisher.claim(None).await.unwrap().resume_after, None);
        stream.fail(Fault::FailAfterWrite);
        assert!(publisher.publish(&batch(1)).await.is_err());
        assert!(publisher.publish(&batch(2)).await.is_err(), "it wants a claim first");
        let standing = publisher.claim(None).await.unwrap();
        assert_eq!(standing.resume_after, Some(Position::new("p1")));
        let key = OrderKey { sequence: Sequence::new("0001"), ordinal: 0 };
        assert_eq!(standing.published, Some(key));
        assert_eq!(stream.events().len(), 1);
    }

    #[tokio::test]
    async fn a_rejected_batch_leaves_nothing() {
        let (stream, mut publisher) = publisher();
        publisher.claim(None).await.unwrap();
        stream.fail(Fault::Reject(PublishErrorKind::Exhausted));
        let error = publisher.publish(&batch(1)).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Exhausted);
        assert_eq!(stream.events(), []);
    }

    #[tokio::test]
    async fn a_second_writer_fences_the_first() {
        let (stream, mut first) = publisher();
        let mut second = MemoryPublisher::new(stream.clone(), "erp1");
        first.claim(None).await.unwrap();
        second.claim(None).await.unwrap();
        let error = first.publish(&batch(1)).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Conflict);
        let error = first.claim(None).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Fenced);
        second.publish(&batch(1)).await.unwrap();
    }

    #[tokio::test]
    async fn a_shortened_stream_sends_the_source_back() {
        let (stream, mut publisher) = publisher();
        publisher.claim(None).await.unwrap();
        publisher.publish(&batch(1)).await.unwrap();
        publisher.publish(&batch(2)).await.unwrap();
        let local = OffsetRecord {
            source: "erp1".to_owned(),
            epoch: 1,
            stream_sequence: 3,
            position: Position::new("p2"),
            sequence: None,
            recorded_at: Timestamp::default(),
        };
        stream.shorten(2);
        let standing = publisher.claim(Some(local)).await.unwrap();
        assert_eq!(standing.resume_after, Some(Position::new("p1")));
        assert_eq!(standing.shortened_from, Some(3));
    }
}
