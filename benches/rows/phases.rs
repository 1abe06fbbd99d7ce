//! What is done with a store, phase by phase.

use std::path::Path;
use std::time::{Duration, Instant};

use super::data::{Data, Dice, Entry};
use super::measure::{disk_bytes, peak_mib, written_bytes};
use super::setting;

/// Rows that are written in one go.
const CHUNK: u64 = 5_000;
const LOOKUPS: u64 = 1_000_000;

/// Something that remembers rows.
pub(crate) trait Store: Sized {
    const NAME: &'static str;
    fn open(directory: &Path, cache_bytes: usize) -> Self;
    /// Writes a chunk; with `durable`, it and everything before it is on disk soon after.
    fn write(&mut self, entries: Vec<Entry>, durable: bool);
    /// Whether there is such a row.
    fn get(&mut self, key: &str) -> bool;
    /// How many rows point to this one. Reads each.
    fn children(&mut self, parent: &str) -> usize;
    /// The rows so far are all there are; waits until they are on disk.
    fn loaded(&mut self);
    fn close(self);
    /// Changes every row up to this number in one transaction that nobody settles.
    fn unsettled(&mut self, _data: Data, _rows: u64) {}
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Load,
    Open,
    Lookup,
    UpsertZipf,
    OpenKilled,
    UpsertRandom,
    Unsettled,
    OpenUnsettled,
}

impl Phase {
    pub(crate) const ALL: [Self; 8] = [
        Self::Load,
        Self::Open,
        Self::Lookup,
        Self::UpsertZipf,
        Self::OpenKilled,
        Self::UpsertRandom,
        Self::Unsettled,
        Self::OpenUnsettled,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Open => "open",
            Self::Lookup => "lookup",
            Self::UpsertZipf => "upsert-zipf",
            Self::OpenKilled => "open-killed",
            Self::UpsertRandom => "upsert-random",
            Self::Unsettled => "unsettled",
            Self::OpenUnsettled => "open-unsettled",
        }
    }

    /// Whether only the bridge's own store knows what this is.
    pub(crate) fn of_the_bridge(self) -> bool {
        matches!(self, Self::Unsettled | Self::OpenUnsettled)
    }
}

pub(crate) fn run<S: Store>(phase: Phase, directory: &Path, data: Data) {
    let cache = usize::try_from(setting("ERPBRIDGE_BENCH_CACHE_MIB", 32)).unwrap() << 20;
    let start = Instant::now();
    let mut store = S::open(directory, cache);
    let opened = start.elapsed();
    match phase {
        Phase::Load => {
            load(&mut store, data);
            store.close();
            println!("bytes={:.0}", disk_bytes(directory) as f64 / data.rows() as f64);
        }
        Phase::Open | Phase::OpenKilled | Phase::OpenUnsettled => {
            println!("ms={:.1}", opened.as_secs_f64() * 1e3);
            assert!(store.get(&Data::key(data.rows() / 2)), "a row is lost");
            store.close();
        }
        Phase::Lookup => {
            look_up(&mut store, data);
            store.close();
        }
        Phase::UpsertZipf => upsert(&mut store, data, |dice| dice.zipfian(data.rows())),
        Phase::UpsertRandom => {
            upsert(&mut store, data, |dice| dice.uniform(data.rows()));
            println!("bytes={:.0}", disk_bytes(directory) as f64 / data.rows() as f64);
        }
        Phase::Unsettled => {
            let rows = setting("ERPBRIDGE_BENCH_TRANSACTION_ROWS", 500_000);
            let rows = std::cmp::min(rows, data.rows());
            let start = Instant::now();
            store.unsettled(data, rows);
            println!("rate={}", rate(rows, start.elapsed()));
            println!("peak={}", peak_mib());
        }
    }
    if matches!(phase, Phase::UpsertZipf | Phase::UpsertRandom | Phase::Unsettled) {
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
    }
}

fn rate(count: u64, elapsed: Duration) -> String {
    format!("{:.0}", count as f64 / elapsed.as_secs_f64())
}

fn load<S: Store>(store: &mut S, data: Data) {
    let start = Instant::now();
    for first in (0..data.rows()).step_by(usize::try_from(CHUNK).unwrap()) {
        let last = std::cmp::min(first + CHUNK, data.rows());
        store.write((first..last).map(|number| data.entry(number, 0)).collect(), false);
    }
    store.loaded();
    println!("rate={}", rate(data.rows(), start.elapsed()));
    println!("peak={}", peak_mib());
}

fn look_up<S: Store>(store: &mut S, data: Data) {
    let mut dice = Dice(1);
    let mut measure = |name: &str, count: u64, next: &mut dyn FnMut(&mut Dice) -> u64| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..count / CHUNK {
            // Made beforehand, and few at a time, so that neither their time nor their memory counts.
            let keys: Vec<String> = (0..CHUNK).map(|_| Data::key(next(&mut dice))).collect();
            let start = Instant::now();
            let found = keys.iter().filter(|key| store.get(key)).count();
            elapsed += start.elapsed();
            assert_eq!(found, keys.len(), "a row is lost");
        }
        println!("{name}={}", rate(count, elapsed));
    };
    measure("cold", LOOKUPS / 20, &mut |dice| dice.uniform(data.rows()));
    // The system's cache of the files is warm after the first round.
    for _ in 0..2 {
        measure("random", LOOKUPS, &mut |dice| dice.uniform(data.rows()));
    }
    for _ in 0..2 {
        measure("zipf", LOOKUPS, &mut |dice| dice.zipfian(data.rows()));
    }
    measure("hot", LOOKUPS, &mut |dice| dice.uniform(std::cmp::min(1_000, data.rows())));
    let searches = LOOKUPS / 10;
    let start = Instant::now();
    let parents = (0..searches).map(|number| number * 7_919 % data.parents());
    let found: usize = parents.map(|number| store.children(&Data::parent(number))).sum();
    println!("children={}", rate(searches, start.elapsed()));
    assert!(found > 0);
    println!("peak={}", peak_mib());
}

fn upsert<S: Store>(store: &mut S, data: Data, mut next: impl FnMut(&mut Dice) -> u64) {
    let seconds = Duration::from_secs(setting("ERPBRIDGE_BENCH_SECONDS", 20));
    let (mut dice, before) = (Dice(2), written_bytes());
    let (mut count, mut stall) = (0, Duration::ZERO);
    let (start, mut durable_at) = (Instant::now(), Instant::now());
    while start.elapsed() < seconds {
        let entry = |_| data.entry(next(&mut dice), 1 + count / CHUNK);
        let mut entries: Vec<Entry> = (0..CHUNK).map(entry).collect();
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        let durable = durable_at.elapsed() >= Duration::from_secs(1);
        let write = Instant::now();
        store.write(entries, durable);
        stall = std::cmp::max(stall, write.elapsed());
        if durable {
            durable_at = Instant::now();
        }
        count += CHUNK;
    }
    println!("rate={}", rate(count, start.elapsed()));
    println!("stall={:.0}", stall.as_secs_f64() * 1e3);
    println!("written={}", (written_bytes() - before) / count);
    println!("peak={}", peak_mib());
}
