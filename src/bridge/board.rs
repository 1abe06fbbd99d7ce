//! What every source is doing, for the health pages.

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use erpbridge_connector::{Phase, SourceStatus};
use tokio::time::Instant;

use crate::metrics::phase_label;

/// A source unheard of for longer is not ready.
const SILENCE: Duration = Duration::from_mins(1);

/// One entry per source.
#[derive(Debug, Default)]
pub struct Board(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    source: String,
    state: State,
    status: SourceStatus,
    /// When what the source last heard changed, by the clock of this process: the database's own
    /// may be wrong, and a bridge is not less ready for that.
    heard: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Running,
    Failing(String),
    Stopped(String),
}

impl Board {
    /// An entry for each source, connecting.
    pub fn new<'s>(sources: impl IntoIterator<Item = &'s str>) -> Self {
        let entry = |source: &str| Entry {
            source: source.to_owned(),
            state: State::Running,
            status: SourceStatus::default(),
            heard: None,
        };
        Self(Mutex::new(sources.into_iter().map(entry).collect()))
    }

    /// The source runs and tells this about itself.
    pub fn running(&self, source: &str, status: SourceStatus) {
        self.update(source, State::Running, Some(status));
    }

    /// The source failed and will be tried again.
    pub fn failing(&self, source: &str, error: &str) {
        self.update(source, State::Failing(error.to_owned()), None);
    }

    /// The source waits for a person.
    pub fn stopped_for_good(&self, source: &str, error: &str, hint: &str) {
        self.update(source, State::Stopped(format!("{error}. {hint}")), None);
    }

    /// Sources that wait for a person, one line each.
    pub fn stopped(&self) -> Vec<String> {
        self.lines(|entry| match &entry.state {
            State::Stopped(why) => Some(format!("stopped: {why}")),
            State::Running | State::Failing(_) => None,
        })
    }

    /// Sources that are not following their database just now, one line each.
    pub fn not_ready(&self) -> Vec<String> {
        self.lines(|entry| match &entry.state {
            State::Stopped(why) => Some(format!("stopped: {why}")),
            State::Failing(why) => Some(format!("failing: {why}")),
            State::Running if entry.status.phase == Phase::Connecting => Some("connecting".into()),
            State::Running => silence(entry.heard)
                .map(|seconds| format!("nothing heard from the database for {seconds} s")),
        })
    }

    /// A page for people.
    pub fn page(&self) -> String {
        let mut page = format!("erpbridge {}\n", env!("CARGO_PKG_VERSION"));
        for entry in self.entries().iter() {
            // Writing to a string cannot fail.
            let _written = writeln!(page, "{}: {}", entry.source, entry.describe());
        }
        page
    }

    fn lines(&self, reason: impl Fn(&Entry) -> Option<String>) -> Vec<String> {
        let entries = self.entries();
        let lines = entries.iter().filter_map(|entry| Some((entry, reason(entry)?)));
        lines.map(|(entry, reason)| format!("{}: {reason}", entry.source)).collect()
    }

    fn update(&self, source: &str, state: State, status: Option<SourceStatus>) {
        if let Some(entry) = self.entries().iter_mut().find(|entry| entry.source == source) {
            let status = status.unwrap_or_default();
            if status.heard_at != entry.status.heard_at {
                entry.heard = status.heard_at.map(|_| Instant::now());
            }
            (entry.state, entry.status) = (state, status);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn describe(&self) -> String {
        match &self.state {
            State::Stopped(why) => format!("stopped: {why}"),
            State::Failing(why) => format!("failing: {why}"),
            State::Running => self.progress(),
        }
    }

    fn progress(&self) -> String {
        let mut text = phase_label(self.status.phase).to_owned();
        if let Some(bytes) = self.status.lag_bytes {
            let _written = write!(text, ", {bytes} bytes behind");
        }
        for table in &self.status.snapshot {
            let estimate = table.estimate.map_or("?".to_owned(), |rows| rows.to_string());
            let _written = write!(text, "\n  {}: {} of about {estimate}", table.table, table.rows);
            if table.complete {
                text.push_str(", complete");
            }
        }
        text
    }
}

/// How many seconds nothing was heard, if that is too long.
fn silence(heard: Option<Instant>) -> Option<u64> {
    let silent = heard?.elapsed();
    (silent > SILENCE).then_some(silent.as_secs())
}

#[cfg(test)]
mod tests {
    use erpbridge_connector::Timestamp;

    use super::*;

    fn streaming(heard_seconds: i64) -> SourceStatus {
        SourceStatus {
            phase: Phase::Streaming,
            heard_at: Some(Timestamp::from_micros(heard_seconds * 1_000_000)),
            ..SourceStatus::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_ready_only_while_it_is_heard_whatever_its_clock_says() {
        let board = Board::new(["erp1"]);
        assert_eq!(board.not_ready(), ["erp1: connecting"]);
        // A clock of the year 1970, and one that goes backwards.
        for heard in [1000, 1001, 900] {
            board.running("erp1", streaming(heard));
            tokio::time::advance(SILENCE).await;
            assert!(board.not_ready().is_empty());
        }
        board.running("erp1", streaming(900));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(board.not_ready(), ["erp1: nothing heard from the database for 100 s"]);
    }

    #[test]
    fn a_source_that_waits_for_a_person_fails_the_health_check_with_its_hint() {
        let board = Board::new(["erp1", "erp2"]);
        board.stopped_for_good("erp2", "slot \"x\" is lost", "Run a new snapshot.");
        assert_eq!(board.stopped(), ["erp2: stopped: slot \"x\" is lost. Run a new snapshot."]);
        board.failing("erp1", "connection refused");
        assert_eq!(board.stopped().len(), 1);
    }
}
