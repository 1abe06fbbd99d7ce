//! What reading a log costs: a backlog of row changes, drained over the network.
//!
//! Absolute rates say more about the machine than about the decoder, so the run measures what the
//! server's own tool needs for the same log (`mariadb-binlog --read-from-remote-server --raw`,
//! which looks into nothing), and what the transport needs alone.
//!
//! Environment: `ERPBRIDGE_BENCH_ROWS` (1000000).

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded for people anyway")]

mod backlog;
mod drain;

use std::time::{Duration, Instant};

use backlog::Backlog;

#[tokio::main]
async fn main() {
    let rows = std::env::var("ERPBRIDGE_BENCH_ROWS").ok().and_then(|text| text.parse().ok());
    let rows = rows.unwrap_or(1_000_000);
    println!("decoder: committing about {rows} row changes of 12 and 15 columns");
    let backlog = Backlog::write(rows).await;
    let (changes, bytes) = (backlog.changes, backlog.bytes());
    println!("the log has {changes} row changes in {} MiB", bytes >> 20);

    let begun = Instant::now();
    drain::with_the_servers_tool(&backlog);
    let reference = begun.elapsed();
    report("mariadb-binlog --raw", changes, reference);
    report("transport alone", changes, timed(async || drain::frames(&backlog).await).await);
    let decoded = timed(async || {
        assert_eq!(drain::changes(&backlog).await, changes);
    })
    .await;
    report("transport, decoder, batches", changes, decoded);
    let ratio = reference.as_secs_f64() / decoded.as_secs_f64();
    println!("ratio to mariadb-binlog --raw    {ratio:>6.2}   (target 0.40, or 250000/s)");
}

async fn timed(work: impl AsyncFn()) -> Duration {
    let begun = Instant::now();
    work().await;
    begun.elapsed()
}

fn report(what: &str, count: u64, elapsed: Duration) {
    let rate = count as f64 / elapsed.as_secs_f64();
    println!("{what:<32} {count:>9} in {:>6.2} s  {rate:>8.0}/s", elapsed.as_secs_f64());
}
