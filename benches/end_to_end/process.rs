//! What a process has used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks per second of `/proc/<pid>/stat` on Linux.
const TICKS: u64 = 100;

/// Processor time and memory of a process so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Largest resident set, in bytes.
    pub(crate) peak_rss: u64,
}

impl Usage {
    /// Reads it.
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name in parentheses may hold spaces; the fields after it are numbered from 3.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).unwrap().parse::<u64>().unwrap();
        let millis = (ticks(14) + ticks(15)) * 1000 / TICKS;
        Self { cpu: Duration::from_millis(millis), peak_rss: peak_rss(pid) }
    }
}

fn peak_rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
