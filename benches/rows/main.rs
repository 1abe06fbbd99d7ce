//! `cargo bench --bench rows`: what remembering rows costs, and what it would cost elsewhere.
//!
//! The row store and the databases it could be built on do the same work: rows of 60 bytes under
//! text keys of 12, each with one index entry whose parents come in random order. Every phase runs
//! in a process of its own, so that its memory is its own, and what a phase finds is what the one
//! before left on disk; the phases that change rows end with a kill.
//!
//! Environment: `ERPBRIDGE_BENCH_KEPT_ROWS` (5000000), `ERPBRIDGE_BENCH_STORES`
//! (`row-store,redb,fjall,sled`), `ERPBRIDGE_BENCH_CACHE_MIB` (32), `ERPBRIDGE_BENCH_SECONDS`
//! (20), `ERPBRIDGE_BENCH_TRANSACTION_ROWS` (500000).

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded for people anyway")]

mod bridge;
mod data;
mod databases;
mod measure;
mod phases;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bridge::Bridge;
use data::Data;
use databases::{Fjall, Redb, Sled};
use phases::{Phase, Store};

/// Set for the process of a phase: store, phase, directory.
const PHASE: &str = "ERPBRIDGE_BENCH_PHASE";

/// What is printed, in order: what a phase calls it, and what a reader does.
const LINES: [(&str, &str); 21] = [
    ("load/rate", "load, rows/s"),
    ("load/peak", "load, peak RSS, MiB"),
    ("load/bytes", "on disk, bytes per row and index entry"),
    ("open/ms", "open after a clean close, ms"),
    ("lookup/cold", "look-ups/s, random, nothing cached"),
    ("lookup/random", "look-ups/s, random"),
    ("lookup/zipf", "look-ups/s, zipfian"),
    ("lookup/hot", "look-ups/s, 1000 rows"),
    ("lookup/children", "searches/s for about 5 children"),
    ("lookup/peak", "look-ups, peak RSS, MiB"),
    ("upsert-zipf/rate", "upserts/s, zipfian, durable every second"),
    ("upsert-zipf/stall", "longest wait, ms"),
    ("upsert-zipf/written", "written, bytes per upsert"),
    ("open-killed/ms", "open after kill -9, ms"),
    ("upsert-random/rate", "upserts/s, random, durable every second"),
    ("upsert-random/stall", "longest wait, ms"),
    ("upsert-random/peak", "upserts, peak RSS, MiB"),
    ("upsert-random/bytes", "on disk after that, bytes per row"),
    ("unsettled/rate", "one unsettled transaction, rows/s"),
    ("unsettled/peak", "the same, peak RSS, MiB"),
    ("open-unsettled/ms", "open after a kill in it, ms"),
];

type Results = BTreeMap<String, String>;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let data = Data::new(setting("ERPBRIDGE_BENCH_KEPT_ROWS", 5_000_000));
    if let Ok(phase) = std::env::var(PHASE) {
        let mut parts = phase.splitn(3, ':');
        let (store, phase, directory) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        return run(store, phase, Path::new(directory), data);
    }
    let stores = std::env::var("ERPBRIDGE_BENCH_STORES");
    let stores = stores.unwrap_or_else(|_| "row-store,redb,fjall,sled".to_owned());
    let names: Vec<&str> = stores.split(',').collect();
    println!("{} rows, each with an index entry", data.rows());
    let results: Vec<Results> = names.iter().map(|name| measure(name)).collect();
    print(&names, &results);
}

/// All phases of one store, each in a process of its own.
fn measure(store: &str) -> Results {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut results = Results::new();
    for phase in Phase::ALL {
        if phase.of_the_bridge() && store != Bridge::NAME {
            continue;
        }
        measure::forget(directory.path());
        let setting = format!("{store}:{}:{}", phase.name(), directory.path().display());
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.env(PHASE, setting).stderr(std::process::Stdio::inherit());
        let output = String::from_utf8(output.output().unwrap().stdout).unwrap();
        for line in output.lines() {
            let (name, value) = line.split_once('=').unwrap();
            println!("{store:>10}  {:<24} {value}", format!("{}/{name}", phase.name()));
            results.insert(format!("{}/{name}", phase.name()), value.to_owned());
        }
    }
    results
}

fn run(store: &str, phase: &str, directory: &Path, data: Data) {
    let phase = Phase::ALL.into_iter().find(|known| known.name() == phase).unwrap();
    match store {
        Bridge::NAME => phases::run::<Bridge>(phase, directory, data),
        Redb::NAME => phases::run::<Redb>(phase, directory, data),
        Fjall::NAME => phases::run::<Fjall>(phase, directory, data),
        Sled::NAME => phases::run::<Sled>(phase, directory, data),
        other => panic!("there is no store \"{other}\""),
    }
}

fn print(names: &[&str], results: &[Results]) {
    println!("\n| | {} |\n|---{}|", names.join(" | "), "|---:".repeat(names.len()));
    for (key, title) in LINES {
        let cells = results.iter().map(|of| of.get(key).map_or("", String::as_str));
        println!("| {title} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
}
