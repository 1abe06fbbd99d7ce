//! Follows the stream as any consumer would, and puts what arrives on the screen.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{self, push::Ordered};
use erpbridge_test_support::{Failure, Result, wait_for};
use futures_util::StreamExt;
use time::OffsetDateTime;
use tokio::time::interval;

use crate::event_line::EventLine;
use crate::screen::Screen;

const STREAM_DEADLINE: Duration = Duration::from_mins(1);

/// Begins to follow the stream, from its first message.
pub async fn follow(client: &async_nats::Client, stream: &str) -> Result<Ordered> {
    let context = jetstream::new(client.clone());
    let handle = wait_for("the stream is there", STREAM_DEADLINE, async || {
        context.get_stream(stream).await.ok()
    })
    .await?;
    let config = consumer::push::OrderedConfig {
        deliver_subject: client.new_inbox(),
        filter_subject: "erp.>".to_owned(),
        ..Default::default()
    };
    let consumer = handle.create_consumer(config).await.map_err(|error| broken(&error))?;
    consumer.messages().await.map_err(|error| broken(&error))
}

/// Shows events until it is dropped. If the stream cannot be followed any more, it says so and
/// ends; the check does not depend on it.
pub async fn watch(mut messages: Ordered, screen: Arc<Screen>) {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        // A dropped tick comes again; a message not yet taken stays in the subscription.
        tokio::select! {
            _ = seconds.tick() => screen.tick(),
            message = messages.next() => match message {
                Some(Ok(message)) => show(&screen, &message),
                Some(Err(error)) => return screen.say(broken(&error)),
                None => return screen.say("the stream's delivery ended"),
            },
        }
    }
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::caused("cannot follow the stream", error)
}

fn show(screen: &Screen, message: &jetstream::Message) {
    let headers = message.headers.as_ref();
    if headers.and_then(|headers| headers.get("ce-snapshot")).is_some() {
        return screen.snapshot();
    }
    let line = EventLine::read(&message.subject, &message.payload, OffsetDateTime::now_utc());
    if let Some(line) = line {
        screen.event(&line);
    }
}
