//! Canonical events on their way to the stream: one block of bytes, and spans into it.
//!
//! Like the rows they come from, events own no memory each. Subject, header values and payload of
//! every event lie in one buffer; a [`Message`] is a view. The publisher turns the buffer into
//! messages of its transport without copying the payloads.

use bytes::Bytes;
use erpbridge_connector::{Position, Sequence, Timestamp, Transaction};

use crate::deadletter::DeadLetter;

/// Names of the headers a message carries. They are promises: see `docs/events.md`.
pub mod header {
    /// `CloudEvents` version, always `1.0`.
    pub const SPECVERSION: &str = "ce-specversion";
    /// Delivery id: `<source>:<sequence>:<ordinal>:<rule>`.
    pub const ID: &str = "ce-id";
    /// `/erp/<source>/<company>`.
    pub const SOURCE: &str = "ce-source";
    /// `erpbridge.<family>.<entity>.<event>.v1`.
    pub const TYPE: &str = "ce-type";
    /// `<entity>/<surrogate key>`.
    pub const SUBJECT: &str = "ce-subject";
    /// Commit time, RFC 3339 in UTC.
    pub const TIME: &str = "ce-time";
    /// Id of the JSON Schema of the data.
    pub const DATASCHEMA: &str = "ce-dataschema";
    /// `application/json`.
    pub const DATACONTENTTYPE: &str = "ce-datacontenttype";
    /// `<commit sequence>-<ordinal>-<index>`: sorts as bytes in source order.
    pub const SEQUENCE: &str = "ce-sequence";
    /// Business key of the fact: equal when the same fact is published again.
    pub const IDEMPOTENCY_KEY: &str = "ce-idempotencykey";
    /// `<entity>/<key>` of the oldest ancestor known; of the entity itself if none is.
    pub const CORRELATION_ID: &str = "ce-correlationid";
    /// `<entity>/<key>` of the direct ancestor; absent if none is known.
    pub const CAUSATION_ID: &str = "ce-causationid";
    /// `<mapping name>@<content hash>`.
    pub const MAPPING_VERSION: &str = "ce-mappingversion";
    /// `true` on events made from a snapshot; absent otherwise.
    pub const SNAPSHOT: &str = "ce-snapshot";
    /// When the business says it happened: a date or an instant.
    pub const EFFECTIVE_TIME: &str = "ce-effectivetime";
    /// `day`, `minute`, `second` or `micro`.
    pub const EFFECTIVE_PRECISION: &str = "ce-effectiveprecision";
    /// Same value as the delivery id: lets JetStream recognise a repeat in its window.
    pub const MSG_ID: &str = "Nats-Msg-Id";
    /// Resume position of the source after this message.
    pub const POSITION: &str = "Erp-Position";
    /// Epoch of the writer.
    pub const EPOCH: &str = "Erp-Epoch";
    /// `1` on the last message of a source transaction.
    pub const TRANSACTION_LAST: &str = "Erp-Tx-Last";
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    name: &'static str,
    value: Span,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// Where its bytes begin, so that it can be taken back.
    start: usize,
    subject: Span,
    payload: Span,
    headers: Span,
    ordinal: u64,
}

/// What a transaction, or the part of it in a batch, means for position and lag.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Commit order.
    pub sequence: Sequence,
    /// Commit time.
    pub committed_at: Timestamp,
    /// Resume position once everything up to here is stored.
    pub resume: Position,
    /// Ordinal of the last change looked at, published or not.
    pub ordinal: u64,
    /// Whether the transaction ends here.
    pub complete: bool,
    /// Whether this is a snapshot part.
    pub snapshot: bool,
    /// How many messages of the batch come before its end.
    pub messages_before: usize,
}

/// How much a batch held at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    events: usize,
    letters: usize,
    ignored_codes: u64,
}

/// Events in source order, ready to be published, with the dead letters of the same changes.
#[derive(Debug, Default)]
pub struct EventBatch {
    bytes: Vec<u8>,
    headers: Vec<Header>,
    records: Vec<Record>,
    settled: Vec<Settled>,
    /// Changes that could not become events. They are stored before the events.
    pub dead_letters: Vec<DeadLetter>,
    /// How many events were not made because a code was not known, and that is to be ignored.
    pub ignored_codes: u64,
}

impl EventBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for as much as `former` held: under steady load one batch is like
    /// the next, and need not grow into its size by copying.
    pub fn sized_like(former: &FrozenBatch) -> Self {
        Self {
            bytes: Vec::with_capacity(former.bytes.len()),
            headers: Vec::with_capacity(former.headers.len()),
            records: Vec::with_capacity(former.records.len()),
            ..Self::default()
        }
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no event.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What it weighs, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.headers.len() * size_of::<Header>()
    }

    /// Adds an event made from the change with this ordinal. Write its parts, then drop the
    /// builder; an event that turns out not to be wanted is taken back with
    /// [`EventBuilder::abandon`].
    pub fn event(&mut self, ordinal: u64) -> EventBuilder<'_> {
        let headers = Span { start: self.headers.len(), end: self.headers.len() };
        let start = Span { start: self.bytes.len(), end: self.bytes.len() };
        self.records.push(Record {
            start: self.bytes.len(),
            subject: start,
            payload: start,
            headers,
            ordinal,
        });
        EventBuilder { batch: self }
    }

    /// Notes that everything of `transaction` up to `ordinal` is in this batch or was filtered.
    pub fn settle(&mut self, transaction: &Transaction, ordinal: u64) {
        self.settled.push(Settled {
            sequence: transaction.sequence.clone(),
            committed_at: transaction.committed_at,
            resume: transaction.resume.clone(),
            ordinal,
            complete: transaction.complete,
            snapshot: transaction.snapshot,
            messages_before: self.records.len(),
        });
    }

    /// The transactions (or parts) in this batch, in order.
    pub fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// Takes the events from `at` on into a batch of their own. Transactions settled and dead
    /// letters stay here: both may be stored earlier than the events, never later.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        let mut rest = Self::new();
        let first = self.records.get(at).copied();
        for record in self.records.drain(at..) {
            rest.copy(&self.bytes, &self.headers, record);
        }
        if let Some(first) = first {
            self.headers.truncate(first.headers.start);
            self.bytes.truncate(first.start);
        }
        rest
    }

    /// What it holds now, to come back to.
    pub fn mark(&self) -> Mark {
        let (events, letters) = (self.records.len(), self.dead_letters.len());
        Mark { events, letters, ignored_codes: self.ignored_codes }
    }

    /// Takes back the events and dead letters that came after `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        if let Some(first) = self.records.get(mark.events).copied() {
            self.records.truncate(mark.events);
            self.headers.truncate(first.headers.start);
            self.bytes.truncate(first.start);
        }
        self.dead_letters.truncate(mark.letters);
        self.ignored_codes = mark.ignored_codes;
    }

    fn copy(&mut self, bytes: &[u8], headers: &[Header], record: Record) {
        let (start, bytes_start) = (self.headers.len(), self.bytes.len());
        for header in headers.get(record.headers.start..record.headers.end).unwrap_or_default() {
            let value = self.copy_span(bytes, header.value);
            self.headers.push(Header { name: header.name, value });
        }
        let headers = Span { start, end: self.headers.len() };
        let subject = self.copy_span(bytes, record.subject);
        let payload = self.copy_span(bytes, record.payload);
        let (start, ordinal) = (bytes_start, record.ordinal);
        self.records.push(Record { start, subject, payload, headers, ordinal });
    }

    fn copy_span(&mut self, bytes: &[u8], span: Span) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes.get(span.start..span.end).unwrap_or_default());
        Span { start, end: self.bytes.len() }
    }

    /// Hands the bytes over for publishing.
    pub fn freeze(self) -> FrozenBatch {
        FrozenBatch {
            bytes: Bytes::from(self.bytes),
            headers: self.headers,
            records: self.records,
            settled: self.settled,
            dead_letters: self.dead_letters,
            ignored_codes: self.ignored_codes,
        }
    }
}

/// Writes one event into its batch.
pub struct EventBuilder<'b> {
    batch: &'b mut EventBatch,
}

impl EventBuilder<'_> {
    /// Writes the NATS subject.
    pub fn subject(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let span = self.write(write);
        self.record(|record| record.subject = span)
    }

    /// Writes a header whose value is already text. Values are printable ASCII: see
    /// the envelope's percent-encoding.
    pub fn header(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.header_with(name, |bytes| bytes.extend_from_slice(value.as_bytes()))
    }

    /// Writes a header with a closure that appends its value.
    pub fn header_with(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        let value = self.write(write);
        self.batch.headers.push(Header { name, value });
        let end = self.batch.headers.len();
        self.record(|record| record.headers.end = end)
    }

    /// Writes the payload, a JSON document.
    pub fn payload(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let span = self.write(write);
        self.record(|record| record.payload = span)
    }

    /// Takes the event back: as if it had never been begun.
    pub fn abandon(self) {
        if let Some(record) = self.batch.records.pop() {
            self.batch.headers.truncate(record.headers.start);
            self.batch.bytes.truncate(record.start);
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.batch.bytes.len();
        write(&mut self.batch.bytes);
        Span { start, end: self.batch.bytes.len() }
    }

    fn record(&mut self, change: impl FnOnce(&mut Record)) -> &mut Self {
        if let Some(record) = self.batch.records.last_mut() {
            change(record);
        }
        self
    }
}

/// A batch whose bytes no longer change: payloads can be shared with the transport.
#[derive(Debug)]
pub struct FrozenBatch {
    bytes: Bytes,
    headers: Vec<Header>,
    records: Vec<Record>,
    settled: Vec<Settled>,
    /// Changes that could not become events. They are stored before the events.
    pub dead_letters: Vec<DeadLetter>,
    /// How many events were not made because a code was not known, and that is to be ignored.
    pub ignored_codes: u64,
}

impl FrozenBatch {
    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no event.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What it weighs, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.headers.len() * size_of::<Header>()
    }

    /// The transactions (or parts) in this batch, in order.
    pub fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// The events in order.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Message<'_>> {
        self.records.iter().map(move |record| Message { batch: self, record: *record })
    }

    fn text(&self, span: Span) -> &str {
        let bytes = self.bytes.get(span.start..span.end).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// One event of a frozen batch.
#[derive(Clone, Copy, Debug)]
pub struct Message<'b> {
    batch: &'b FrozenBatch,
    record: Record,
}

impl<'b> Message<'b> {
    /// NATS subject.
    pub fn subject(&self) -> &'b str {
        self.batch.text(self.record.subject)
    }

    /// Headers in the order they were written.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'b str)> {
        let batch = self.batch;
        let span = self.record.headers;
        let headers = batch.headers.get(span.start..span.end).unwrap_or_default();
        headers.iter().map(move |header| (header.name, batch.text(header.value)))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The JSON document, sharing the batch's memory.
    pub fn payload(&self) -> Bytes {
        self.batch.bytes.slice(self.record.payload.start..self.record.payload.end)
    }

    /// Ordinal of the change it was made from.
    pub fn ordinal(&self) -> u64 {
        self.record.ordinal
    }
}
