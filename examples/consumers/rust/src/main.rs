//! Keeps stock per item from `inventory.movement` events, each of them counted once.
//!
//! ```sh
//! cargo run --example stock_consumer -- --server nats://127.0.0.1:4222 --stream ERP_ERP1 --state stock.jsonl
//! ```
//!
//! How it stays exact: the server remembers what was acknowledged (a durable consumer), a message
//! is acknowledged after it is stored, and what comes again is told by `ce-idempotencykey`, which
//! is stored together with what the event did (see [`ledger`]). Quantities are decimals.

#![expect(clippy::print_stdout, reason = "this is what the program is for")]

mod ledger;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, Message};
use bigdecimal::BigDecimal;
use clap::Parser;
use futures_util::StreamExt;
use ledger::{Change, Ledger};
use serde::Deserialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

const MOVEMENTS: &str = "erp.*.*.*.inventory.movement.*";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Keeps stock per item from movements.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    server: String,
    /// The stream of the source: `ERP_<SOURCE>`.
    #[arg(long)]
    stream: String,
    /// Name of the durable consumer.
    #[arg(long, default_value = "stock")]
    durable: String,
    /// File of the ledger.
    #[arg(long, default_value = "stock.jsonl")]
    state: PathBuf,
    /// How many keys to keep.
    #[arg(long, default_value_t = 1_000_000)]
    remember: usize,
    /// How many messages to store at once.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Seconds until a message comes again.
    #[arg(long, default_value_t = 30)]
    ack_wait: u64,
    /// End when nothing is left to read.
    #[arg(long)]
    once: bool,
}

/// The part of an event this program reads. What it does not know it ignores: schemas grow.
#[derive(Deserialize)]
struct Data {
    after: Option<Movement>,
    /// Instead of `after`: the source removed the row.
    before: Option<Movement>,
}

#[derive(Deserialize)]
struct Movement {
    item: String,
    quantity: Quantity,
    to_location: Option<String>,
    from_location: Option<String>,
}

#[derive(Deserialize)]
struct Quantity {
    value: BigDecimal,
    unit: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut ledger = Ledger::open(&options.state, options.remember)?;
    let consumer = consumer(&options).await?;
    let mut stop = signal(SignalKind::terminate())?;
    follow(consumer, &mut ledger, &options, &mut stop).await?;
    for (item, unit, quantity) in ledger.stock() {
        println!("stock {item} {unit} {quantity}");
    }
    Ok(())
}

async fn consumer(options: &Options) -> Result<PullConsumer> {
    let client = async_nats::connect(&options.server).await?;
    let stream = jetstream::new(client).get_stream(&options.stream).await?;
    let config = pull::Config {
        durable_name: Some(options.durable.clone()),
        filter_subject: MOVEMENTS.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: Duration::from_secs(options.ack_wait),
        max_ack_pending: i64::try_from(10 * options.batch)?,
        ..pull::Config::default()
    };
    Ok(stream.create_consumer(config).await?)
}

async fn follow(
    mut consumer: PullConsumer,
    ledger: &mut Ledger,
    options: &Options,
    stop: &mut Signal,
) -> Result<()> {
    loop {
        // Whichever branch is dropped, nothing is lost: what was fetched and not acknowledged
        // comes again.
        let messages = tokio::select! {
            messages = fetch(&consumer, options.batch) => messages?,
            _ = stop.recv() => return Ok(()),
        };
        if messages.is_empty() {
            let state = consumer.info().await?;
            if options.once && state.num_pending == 0 && state.num_ack_pending == 0 {
                return Ok(());
            }
            continue;
        }
        let changes: Result<Vec<Change>> = messages.iter().map(change).collect();
        let new = ledger.apply(changes?)?;
        // Stored: only now may the server forget them. An event that cannot be applied ends the
        // program before this line, and is not skipped.
        for message in &messages {
            message.ack().await?;
        }
        println!("stored {new} of {}", messages.len());
    }
}

async fn fetch(consumer: &PullConsumer, batch: usize) -> Result<Vec<Message>> {
    let request = consumer.fetch().max_messages(batch).expires(Duration::from_secs(1));
    let mut stream = request.messages().await?;
    let mut messages = Vec::with_capacity(batch);
    while let Some(message) = stream.next().await {
        messages.push(message?);
    }
    Ok(messages)
}

/// What a movement does to the stock of its item. The quantity of an event is not negative: the
/// places tell the direction. Taking a movement back is the movement the other way.
fn change(message: &Message) -> Result<Change> {
    let key = message.headers.as_ref().and_then(|headers| headers.get("ce-idempotencykey"));
    let key = key.ok_or("a message without ce-idempotencykey")?.to_string();
    let data: Data = serde_json::from_slice(&message.payload)?;
    let movement = data.after.or(data.before).ok_or("an event without after and before")?;
    let Quantity { value, unit } = movement.quantity;
    let quantity = match (&movement.to_location, &movement.from_location) {
        (Some(_), Some(_)) => BigDecimal::default(),
        (None, Some(_)) => -value,
        (_, None) => value,
    };
    let back = message.subject.ends_with(".reversed");
    Ok(Change { key, item: movement.item, unit, quantity: if back { -quantity } else { quantity } })
}
