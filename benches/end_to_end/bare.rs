//! The reference for publishing: the messages the bridge stored, sent again by as little code as
//! the protocol needs, one atomic batch of a thousand at a time.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use erpbridge_test_support::Nats;
use futures_util::StreamExt;

const BATCH: usize = 1000;
/// So many different messages are kept; they are sent again and again up to the count.
const KEPT: usize = 100_000;

/// A message as it was stored, without the headers of its batch.
pub(crate) struct Stored {
    headers: HeaderMap,
    payload: Bytes,
}

/// The messages to send: `count` of them, repeating the newest that were stored.
pub(crate) struct Messages {
    kept: Vec<Stored>,
    count: u64,
}

/// Reads back the newest messages of the bridge's stream.
pub(crate) async fn messages(nats: &Nats, count: u64) -> Messages {
    let context = jetstream::new(nats.client().await.unwrap());
    let mut stream = context.get_stream("ERP_BENCH").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let start = std::cmp::max(1, last.saturating_sub(KEPT as u64));
    let config = jetstream::consumer::pull::OrderedConfig {
        deliver_policy: jetstream::consumer::DeliverPolicy::ByStartSequence {
            start_sequence: start,
        },
        filter_subject: "erp.bench.>".to_owned(),
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut received = consumer.messages().await.unwrap();
    let mut kept = Vec::new();
    while let Some(message) = received.next().await {
        let message = message.unwrap();
        let pending = message.info().unwrap().pending;
        let headers = message.headers.as_ref().unwrap().iter();
        let own = headers.filter(|(name, _)| !name.to_string().starts_with("Nats-"));
        let own = own.flat_map(|(name, values)| values.iter().map(|v| (name.clone(), v.clone())));
        kept.push(Stored { headers: own.collect(), payload: message.payload.clone() });
        if pending == 0 {
            break;
        }
    }
    Messages { kept, count }
}

/// Publishes them into a stream of their own; the messages are built beforehand.
pub(crate) async fn publish(nats: &Nats, messages: &Messages) -> Duration {
    let client = nats.client().await.unwrap();
    let config = r#"{"name":"BARE","subjects":["bare"],"storage":"file","allow_atomic":true}"#;
    let created = client.request("$JS.API.STREAM.CREATE.BARE", config.into()).await.unwrap();
    assert!(!created.payload.windows(7).any(|part| part == b"\"error\""), "no stream: {created:?}");
    let inbox = client.new_inbox();
    let mut acks = client.subscribe(inbox.clone()).await.unwrap();
    let start = Instant::now();
    let mut sent = 0;
    while sent < messages.count {
        let size = std::cmp::min(BATCH, usize::try_from(messages.count - sent).unwrap());
        send(&client, &inbox, messages, sent, size).await;
        let ack = acks.next().await.unwrap();
        let ack: serde_json::Value = serde_json::from_slice(&ack.payload).unwrap();
        assert!(ack.get("error").is_none(), "the bare publisher was refused: {ack}");
        sent += size as u64;
    }
    start.elapsed()
}

async fn send(client: &Client, inbox: &str, messages: &Messages, first: u64, size: usize) {
    let id = format!("bare-{first}");
    for place in 0..size {
        let at = (usize::try_from(first).unwrap() + place) % messages.kept.len();
        let message = messages.kept.get(at).unwrap();
        let mut headers = message.headers.clone();
        headers.insert("Nats-Batch-Id", id.as_str());
        headers.insert("Nats-Batch-Sequence", (place + 1).to_string().as_str());
        let payload = message.payload.clone();
        if place + 1 == size {
            headers.insert("Nats-Batch-Commit", "1");
            let reply = inbox.to_owned();
            client.publish_with_reply_and_headers("bare", reply, headers, payload).await.unwrap();
        } else {
            client.publish_with_headers("bare", headers, payload).await.unwrap();
        }
    }
}
