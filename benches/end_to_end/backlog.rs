//! A backlog, drained by the database's own tool, by the bridge, and published bare.

use std::time::{Duration, Instant};

use erpbridge_test_support::Process;

use crate::process::Usage;
use crate::sink::Sink;
use crate::{bare, report};

/// A database with the benchmark's tables, which the bridge has followed and left.
pub(crate) trait Database {
    /// What drains the log without understanding it.
    const REFERENCE: &str;

    /// Where its bridge publishes.
    fn sink(&self) -> &Sink;

    /// Starts the bridge on it.
    fn start_bridge(&self) -> Process;

    /// Commits the mixed backlog.
    async fn commit_backlog(&mut self, rows: u64);

    /// How many row changes the backlog holds.
    async fn count_changes(&mut self) -> u64;

    /// How long the reference takes.
    async fn drain(&mut self) -> Duration;
}

/// Measures all three ways.
pub(crate) async fn measure(database: &mut impl Database, rows: u64) {
    println!("backlog: committing about {rows} row changes in mixed transactions");
    database.commit_backlog(rows).await;
    let changes = database.count_changes().await;

    let drained = database.drain().await;
    report(reference(database), changes, drained, None);

    let sink = database.sink();
    let before = sink.stored().await;
    let bridge = database.start_bridge();
    let usage_before = Usage::of(bridge.id());
    let start = Instant::now();
    sink.wait_stored(before + changes).await;
    let elapsed = start.elapsed();
    let usage = Usage::of(bridge.id());
    let cpu = usage.cpu.saturating_sub(usage_before.cpu);
    report("bridge, end to end", changes, elapsed, Some(cpu));
    sink.stop_bridge(bridge).await;
    assert_eq!(sink.stored().await, before + changes, "every change is one event");

    let messages = bare::messages(sink.nats(), changes).await;
    let published = bare::publish(sink.nats(), &messages).await;
    report("bare publisher of the same messages", changes, published, None);

    let ratio = |reference: Duration| reference.as_secs_f64() / elapsed.as_secs_f64();
    println!("ratio to the bare publisher      {:>6.2}   (target 0.60)", ratio(published));
    println!("{:<32} {:>6.2}", format!("ratio to {}", reference(database)), ratio(drained));
    let each = cpu.as_secs_f64() * 1e6 / changes as f64;
    println!("bridge CPU per event             {each:>6.1} µs (target 15)");
    println!("bridge peak RSS                  {:>6} MiB (target 100)", usage.peak_rss >> 20);
}

const fn reference<D: Database>(_: &D) -> &'static str {
    D::REFERENCE
}
