//! A JetStream stream read back whole.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Message, consumer};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::failure::Tried;
use crate::{Failure, Result};

/// The server delivers without pause; this long without a message is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// One message as it lies in the stream.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Its place in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl StoredMessage {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// The payload as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        let what = format!("message {} of \"{}\" is not JSON", self.sequence, self.subject);
        serde_json::from_slice(&self.payload).tried(what)
    }
}

/// Reads every message the stream holds now, in order.
pub async fn read_stream(client: &async_nats::Client, stream: &str) -> Result<Vec<StoredMessage>> {
    let what = format!("cannot read stream \"{stream}\"");
    let mut handle = jetstream::new(client.clone()).get_stream(stream).await.tried(&what)?;
    let state = handle.info().await.tried(&what)?.state.clone();
    let mut found = Vec::with_capacity(usize::try_from(state.messages).unwrap_or_default());
    if state.messages == 0 {
        return Ok(found);
    }
    let config =
        consumer::push::OrderedConfig { deliver_subject: client.new_inbox(), ..Default::default() };
    let consumer = handle.create_consumer(config).await.tried(&what)?;
    let mut messages = consumer.messages().await.tried(&what)?;
    loop {
        let next = timeout(PATIENCE, messages.next()).await.tried(&what)?;
        let next = next.ok_or_else(|| Failure::new(format!("{what}: the delivery ended")))?;
        let (message, last) = stored(next.tried(&what)?)?;
        // What is stored while we read is not asked for: the end would move away for ever.
        let last = last || message.sequence >= state.last_sequence;
        if message.sequence <= state.last_sequence {
            found.push(message);
        }
        if last {
            return Ok(found);
        }
    }
}

/// A delivered message, and whether none waits behind it.
fn stored(message: Message) -> Result<(StoredMessage, bool)> {
    let info = message.info().map_err(|error| {
        Failure::new(format!("a message without delivery information: {error}"))
    })?;
    let (sequence, last) = (info.stream_sequence, info.pending == 0);
    let message = message.message;
    let stored = StoredMessage {
        sequence,
        subject: message.subject.to_string(),
        headers: message.headers.unwrap_or_default(),
        payload: message.payload.to_vec(),
    };
    Ok((stored, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Nats, NatsVersion};

    async fn stream(nats: &Nats) -> (async_nats::Client, jetstream::Context) {
        let client = nats.client().await.unwrap();
        let context = jetstream::new(client.clone());
        let config = jetstream::stream::Config {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
        (client, context)
    }

    #[tokio::test]
    async fn a_stream_reads_back_whole_and_in_order_with_its_headers() {
        for version in [NatsVersion::Current, NatsVersion::Old] {
            let nats = Nats::start(version).await.unwrap();
            let (client, context) = stream(&nats).await;
            assert!(read_stream(&client, "S").await.unwrap().is_empty());
            for number in 1..=3000 {
                let mut headers = HeaderMap::new();
                headers.insert("Number", number.to_string());
                let payload = format!("{{\"number\":{number}}}").into();
                client.publish_with_headers("s.a", headers, payload).await.unwrap();
            }
            client.flush().await.unwrap();
            // An acknowledged message behind them: all are stored now.
            context.publish("s.b", "{}".into()).await.unwrap().await.unwrap();
            let found = read_stream(&client, "S").await.unwrap();
            assert_eq!(found.len(), 3001);
            for (place, message) in (1..).zip(&found).take(3000) {
                assert_eq!(message.sequence, place);
                assert_eq!(message.header("Number"), Some(place.to_string().as_str()));
                assert_eq!(message.json().unwrap()["number"], place);
            }
            assert_eq!(found[3000].subject, "s.b");
        }
    }

    #[tokio::test]
    async fn a_stream_whose_tail_was_deleted_reads_back_what_is_left() {
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        let (client, context) = stream(&nats).await;
        for subject in ["s.a", "s.b"] {
            context.publish(subject, "{}".into()).await.unwrap().await.unwrap();
        }
        let handle = context.get_stream("S").await.unwrap();
        handle.delete_message(2).await.unwrap();
        assert_eq!(read_stream(&client, "S").await.unwrap().len(), 1);
    }
}
