//! `make bench`: the bridge against its own limits, in one run on one machine.
//!
//! Absolute rates say more about the machine than about the bridge, so the run measures two
//! references beside it: what the database can send at most (`pg_recvlogical`, `mariadb-binlog`
//! draining the same backlog) and what JetStream can take at most (a bare publisher of the very
//! messages the bridge stored, as atomic batches of a thousand). The last lines are ratios.
//!
//! Environment: `ERPBRIDGE_BENCH_ROWS` (1000000), `ERPBRIDGE_BENCH_TABLE_ROWS` (5000000),
//! `ERPBRIDGE_BENCH_TRANSACTION_ROWS` (500000), `ERPBRIDGE_BENCH_SECONDS` (20).

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded for people anyway")]

mod backlog;
mod bare;
mod lab;
mod latency;
mod mariadb;
mod process;
mod sink;

use std::time::{Duration, Instant};

use lab::Lab;
use mariadb::MariaDb;
use process::Usage;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    let rows = setting("ERPBRIDGE_BENCH_ROWS", 1_000_000);
    let table_rows = setting("ERPBRIDGE_BENCH_TABLE_ROWS", 5_000_000);
    let transaction_rows = setting("ERPBRIDGE_BENCH_TRANSACTION_ROWS", 500_000);
    let seconds = setting("ERPBRIDGE_BENCH_SECONDS", 20);

    let mut lab = Lab::start().await;
    // Latency first: gigabytes written by the other parts are still on their way to the disk for a
    // while, and everything that writes waits behind them.
    lab.make_slot().await;
    quiet(&mut lab, seconds).await;
    println!("\nPostgreSQL");
    backlog::measure(&mut lab, rows).await;
    large(&mut lab, table_rows, transaction_rows).await;
    drop(lab);
    println!("\nMariaDB");
    backlog::measure(&mut MariaDb::start().await, rows).await;
}

/// Latency at a steady rate, and what an idle bridge costs.
async fn quiet(lab: &mut Lab, seconds: u64) {
    println!("latency: 1000 transactions/s for {seconds} s");
    let bridge = lab.start_bridge_of("bench");
    lab.wait_following().await;
    let mut latencies = latency::at_rate(lab, 1000, Duration::from_secs(seconds)).await;
    latencies.sort_unstable();
    let at = |percent: usize| {
        let place = (latencies.len() - 1) * percent / 100;
        latencies.get(place).unwrap().as_secs_f64() * 1e3
    };
    println!("commit to stored  p50 {:.1} ms  p99 {:.1} ms (target 25)", at(50), at(99));

    let before = Usage::of(bridge.id());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let idle = Usage::of(bridge.id()).cpu.saturating_sub(before.cpu);
    let share = idle.as_secs_f64() / seconds as f64 * 100.0;
    println!("idle CPU                         {share:>6.2} % of a core (target 1)");
    lab.sink().stop_bridge(bridge).await;
}

/// Memory while a large table is read and a large transaction passes.
async fn large(lab: &mut Lab, table_rows: u64, transaction_rows: u64) {
    println!("\nmemory: snapshot of {table_rows} rows, then one transaction of {transaction_rows}");
    lab.fill_table(table_rows).await;
    let bridge = lab.start_bridge_of("large");
    let start = Instant::now();
    lab.sink().wait_stored_of("large", table_rows).await;
    report("snapshot", table_rows, start.elapsed(), Some(Usage::of(bridge.id()).cpu));
    let after_snapshot = Usage::of(bridge.id()).peak_rss;
    let start = Instant::now();
    lab.update_in_one_transaction(transaction_rows).await;
    lab.sink().wait_stored_of("large", table_rows + transaction_rows).await;
    report("one transaction", transaction_rows, start.elapsed(), None);
    let usage = Usage::of(bridge.id());
    println!("peak RSS after the snapshot      {:>6} MiB", after_snapshot >> 20);
    println!("peak RSS after the transaction   {:>6} MiB (target 100)", usage.peak_rss >> 20);
    lab.sink().stop_bridge(bridge).await;
}

fn report(what: &str, count: u64, elapsed: Duration, cpu: Option<Duration>) {
    let rate = count as f64 / elapsed.as_secs_f64();
    let cpu = cpu.map_or(String::new(), |cpu| {
        format!("  {:.1} CPU s/million", cpu.as_secs_f64() * 1e6 / count as f64)
    });
    println!("{what:<36} {count:>9} in {:>6.2} s  {rate:>8.0}/s{cpu}", elapsed.as_secs_f64());
}
