//! Commit to stored at a steady rate: the time JetStream stored a message less the commit time it
//! carries, both of this machine's clock.

use std::time::Duration;

use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use crate::lab::Lab;

/// Commits one-row transactions at `rate` per second and returns the latency of each event.
pub(crate) async fn at_rate(lab: &mut Lab, rate: u32, length: Duration) -> Vec<Duration> {
    let client = lab.postgres().client().await.unwrap();
    // A walsender that was just started reads the log again from the slot's restart point, behind
    // what was confirmed. The clock starts when it has caught up.
    let caught_up = lab.sink().stored().await + 1;
    client.batch_execute("CALL change_one(4000000021)").await.unwrap();
    lab.sink().wait_stored(caught_up).await;
    let before = lab.sink().stored().await;
    // With asynchronous commits the server shows a commit to its readers only when the WAL writer
    // has come round (`wal_writer_delay`, 200 ms): that would be measured, not the bridge.
    client.batch_execute("SET synchronous_commit = on").await.unwrap();
    let insert = client.prepare("CALL change_one($1)").await.unwrap();
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let count = u64::from(rate) * length.as_secs();
    // Lines only: steps 1 to 4 of ten that are no multiple of four insert one row each.
    let first = 4_000_001_000_i64;
    let keys = (first..).filter(|key| key % 10 < 5 && key % 4 != 0);
    for key in keys.take(usize::try_from(count).unwrap()) {
        tick.tick().await;
        client.execute(&insert, &[&key]).await.unwrap();
    }
    lab.sink().wait_stored(before + count).await;
    latencies(lab, count).await
}

async fn latencies(lab: &Lab, count: u64) -> Vec<Duration> {
    let context = jetstream::new(lab.sink().nats().client().await.unwrap());
    let mut stream = context.get_stream("ERP_BENCH").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let config = consumer::pull::OrderedConfig {
        deliver_policy: consumer::DeliverPolicy::ByStartSequence {
            start_sequence: last - count + 1,
        },
        filter_subject: "erp.bench.>".to_owned(),
        ..Default::default()
    };
    let messages = stream.create_consumer(config).await.unwrap().messages().await.unwrap();
    let messages = messages.take(usize::try_from(count).unwrap());
    messages.map(|message| latency(&message.unwrap())).collect().await
}

fn latency(message: &jetstream::Message) -> Duration {
    let stored = message.info().unwrap().published;
    let committed = message.headers.as_ref().unwrap().get("ce-time").unwrap().as_str();
    let format = &time::format_description::well_known::Rfc3339;
    let committed = time::OffsetDateTime::parse(committed, format).unwrap();
    Duration::try_from(stored - committed).unwrap_or_default()
}
