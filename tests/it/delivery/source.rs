//! A source that can be told by heart, the bridge in front of it, and the oracle behind.

use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use erpbridge::canonical::{EventBatch, FrozenBatch, header};
use erpbridge::publish::jetstream::{JetStreamPublisher, NatsConfig};
use erpbridge::publish::{OrderKey, PublishError, Published, Publisher, Standing};
use erpbridge::state::OffsetRecord;
use erpbridge_connector::{Position, Sequence, Timestamp, Transaction};
use erpbridge_test_support::Nats;

pub(crate) const SOURCE: &str = "erp1";
pub(crate) const STREAM: &str = "ERP_ERP1";
pub(crate) const DEAD_LETTERS: &str = "ERP_ERP1_DEADLETTER";

/// `(ordinal, index)` of the events of transaction `number`: some transactions make none, and
/// one row change makes two.
pub(crate) fn events_of(number: u64) -> Vec<(u64, u64)> {
    match number % 5 {
        0 => Vec::new(),
        rest => {
            let single = (0..rest).map(|ordinal| (ordinal, 0));
            single.chain([(rest, 0), (rest, 1)]).collect()
        }
    }
}

pub(crate) fn sequence(number: u64) -> Sequence {
    Sequence::new(format!("{number:016X}"))
}

pub(crate) fn position(number: u64) -> Position {
    Position::new(format!("p{number}"))
}

pub(crate) fn number_of(position: &Position) -> u64 {
    position.as_str().trim_start_matches('p').parse().unwrap()
}

fn transaction(number: u64) -> Transaction {
    Transaction {
        id: number.to_string().into(),
        sequence: sequence(number),
        committed_at: Timestamp::from_micros(0),
        resume: position(number),
        complete: true,
        snapshot: false,
        seed: false,
    }
}

pub(crate) fn event_id(number: u64, ordinal: u64, index: u64) -> String {
    format!("{SOURCE}:{}:{ordinal}:rule{index}", sequence(number))
}

fn write_event(batch: &mut EventBatch, number: u64, ordinal: u64, index: u64, payload: &[u8]) {
    let id = event_id(number, ordinal, index);
    batch
        .event(ordinal)
        .subject(|subject| subject.extend_from_slice(b"erp.erp1.c1.p1.stock.move.recorded"))
        .header(header::SPECVERSION, "1.0")
        .header(header::ID, &id)
        .header(header::TYPE, "erpbridge.stock.move.recorded.v1")
        .header(header::SEQUENCE, &format!("{}-{ordinal:010}-{index:03}", sequence(number)))
        .header(header::MSG_ID, &id)
        .payload(|bytes| bytes.extend_from_slice(payload));
}

/// The transactions `numbers`, without what is published up to `published`.
pub(crate) fn batch(
    numbers: std::ops::RangeInclusive<u64>,
    published: Option<&OrderKey>,
) -> FrozenBatch {
    let mut batch = EventBatch::new();
    for number in numbers {
        let transaction = transaction(number);
        for (ordinal, index) in events_of(number) {
            let key = OrderKey { sequence: transaction.sequence.clone(), ordinal };
            if published.is_none_or(|published| key > *published) {
                write_event(&mut batch, number, ordinal, index, b"{\"quantity\":\"1\"}");
            }
        }
        batch.settle(&transaction, 9);
    }
    batch.freeze()
}

/// One event with a payload of `size` bytes, in a transaction of its own, between two small ones.
pub(crate) fn batch_with_large_event(number: u64, size: usize) -> FrozenBatch {
    let mut batch = EventBatch::new();
    write_event(&mut batch, number, 0, 0, b"{}");
    write_event(&mut batch, number, 1, 0, &vec![b'x'; size]);
    batch.settle(&transaction(number), 1);
    batch.freeze()
}

/// A configuration for `address`, impatient.
pub(crate) fn config(address: &str) -> NatsConfig {
    NatsConfig {
        servers: vec![format!("nats://{address}")],
        publish_timeout: Duration::from_secs(3),
        ..NatsConfig::default()
    }
}

pub(crate) fn publisher(address: &str) -> JetStreamPublisher {
    JetStreamPublisher::new(config(address), SOURCE).unwrap()
}

/// The bridge, as small as can be: it claims, reads the source from there on, and publishes.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) publisher: JetStreamPublisher,
    pub(crate) local: Option<OffsetRecord>,
    published: Option<OrderKey>,
    epoch: u64,
    /// The last transaction that is stored.
    pub(crate) at: u64,
}

impl Bridge {
    pub(crate) fn new(address: &str) -> Self {
        let publisher = publisher(address);
        Self { publisher, local: None, published: None, epoch: 0, at: 0 }
    }

    pub(crate) async fn claim(&mut self) -> Result<Standing, PublishError> {
        let standing = self.publisher.claim(self.local.clone()).await?;
        self.at = standing.resume_after.as_ref().map_or(0, number_of);
        self.published.clone_from(&standing.published);
        self.epoch = standing.epoch;
        self.local = self.record(standing.stream_sequence);
        Ok(standing)
    }

    /// Publishes the next `count` transactions in one batch.
    pub(crate) async fn publish(&mut self, count: u64) -> Result<Published, PublishError> {
        let batch = batch(self.at + 1..=self.at + count, self.published.as_ref());
        let published = self.publisher.publish(&batch).await?;
        self.at += count;
        self.local = self.record(published.stream_sequence);
        Ok(published)
    }

    /// What the bridge would remember with the stream at `stream_sequence`.
    pub(crate) fn record(&self, stream_sequence: u64) -> Option<OffsetRecord> {
        let record = OffsetRecord {
            source: SOURCE.to_owned(),
            epoch: self.epoch,
            stream_sequence,
            position: position(self.at),
            sequence: None,
            recorded_at: Timestamp::from_micros(i64::try_from(stream_sequence).unwrap()),
        };
        (self.at > 0).then_some(record)
    }

    /// Claims until it succeeds, within a deadline.
    pub(crate) async fn claim_again(&mut self) -> Standing {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            match self.claim().await {
                Ok(standing) => return standing,
                Err(error) => {
                    assert!(tokio::time::Instant::now() < deadline, "{error:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

/// Every message of a stream, in order.
pub(crate) async fn messages(nats: &Nats, stream: &str) -> Vec<StreamMessage> {
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    let mut stream = context.get_stream(stream).await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    let mut messages = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            messages.push(message);
        }
    }
    messages
}

pub(crate) fn header_of(message: &StreamMessage, name: &str) -> Option<String> {
    message.headers.get(name).map(|value| value.as_str().to_owned())
}

/// The ids of the events in the stream, in order; claims have none.
pub(crate) async fn ids(nats: &Nats) -> Vec<String> {
    let messages = messages(nats, STREAM).await;
    messages.iter().filter_map(|message| header_of(message, header::ID)).collect()
}

/// The ids the stream must hold when everything up to transaction `last` is published.
pub(crate) fn expected(last: u64) -> Vec<String> {
    let of = |number| {
        events_of(number).into_iter().map(move |(ordinal, index)| event_id(number, ordinal, index))
    };
    (1..=last).flat_map(of).collect()
}
