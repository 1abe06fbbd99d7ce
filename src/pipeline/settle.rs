//! After the acknowledgement: the position goes to sled, then to the database.
//!
//! The loop that publishes hands over a [`Milestone`] when a position can be found again in NATS:
//! in the stream's last message, or in the copy kept beside the stream. A milestone is a level,
//! not an edge: only the newest matters, so a slow disk slows down neither mapping nor publishing.
//! The settler then
//!
//! 1. writes it to sled and waits for the flush. sled is a cache of what NATS knows, so when it
//!    fails or is slow the bridge goes on and counts the failure;
//! 2. waits out [`SettlerConfig::confirm_delay`], and confirms it to the source.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Position, Sequence};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::metrics::Metrics;
use crate::state::{OffsetRecord, OffsetStore};

/// Between two writes of the offset, so that a busy source does not flush a thousand times a
/// second.
const PERSIST_INTERVAL: Duration = Duration::from_millis(50);
/// With nothing to do, how long to wait for something.
const IDLE: Duration = Duration::from_mins(1);

/// A position that can be found again in NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Resume after this.
    pub position: Position,
    /// Commit order of the newest complete transaction.
    pub sequence: Option<Sequence>,
    /// Last stream sequence at that moment.
    pub stream_sequence: u64,
    /// Whether it lies in a snapshot.
    pub snapshot: bool,
}

impl Milestone {
    /// As it is recorded, in NATS and on this machine.
    pub fn record(&self, source: &str, epoch: u64) -> OffsetRecord {
        OffsetRecord {
            source: source.to_owned(),
            epoch,
            stream_sequence: self.stream_sequence,
            position: self.position.clone(),
            sequence: self.sequence.clone(),
            recorded_at: clock::now(),
        }
    }
}

/// How the settler works.
#[derive(Clone, Debug)]
pub struct SettlerConfig {
    /// Name of the source.
    pub source: String,
    /// Epoch of this writer.
    pub epoch: u64,
    /// How long a stored position waits before it is confirmed to the database.
    pub confirm_delay: Duration,
}

/// Writes and confirms milestones until their sender is gone.
pub struct Settler {
    config: SettlerConfig,
    store: Arc<OffsetStore>,
    metrics: Arc<Metrics>,
    confirmed: watch::Sender<Option<Position>>,
    /// Written positions, each with the moment from which it may be confirmed.
    waiting: VecDeque<(Instant, Position)>,
    written: Option<Position>,
}

impl Settler {
    /// A settler that confirms through `confirmed`.
    pub fn new(
        config: SettlerConfig,
        store: Arc<OffsetStore>,
        metrics: Arc<Metrics>,
        confirmed: watch::Sender<Option<Position>>,
    ) -> Self {
        let waiting = VecDeque::new();
        Self { config, store, metrics, confirmed, waiting, written: None }
    }

    /// Settles milestones until their sender is dropped.
    pub async fn run(mut self, mut milestones: watch::Receiver<Option<Milestone>>) {
        loop {
            let next_due = self.waiting.front().map_or(Instant::now() + IDLE, |(at, _)| *at);
            let ended = tokio::select! {
                // A level: dropping the wait loses no milestone, the next look sees the newest.
                changed = milestones.changed() => changed.is_err(),
                () = tokio::time::sleep_until(next_due) => false,
            };
            let newest = milestones.borrow_and_update().clone();
            if let Some(milestone) = newest {
                self.write(&milestone).await;
            }
            self.confirm_due();
            if ended {
                return;
            }
            tokio::time::sleep(PERSIST_INTERVAL).await;
        }
    }

    async fn write(&mut self, milestone: &Milestone) {
        if self.written.as_ref() == Some(&milestone.position) {
            return;
        }
        let source = self.config.source.as_str();
        let start = Instant::now();
        match self.store.save(&milestone.record(source, self.config.epoch)).await {
            Ok(()) => {
                let seconds = start.elapsed().as_secs_f64();
                self.metrics.offset_persist.with_label_values(&[source]).observe(seconds);
            }
            Err(error) => {
                self.metrics.offset_persist_errors.with_label_values(&[source]).inc();
                let error = crate::error::chain(&error);
                tracing::warn!(source, error, "the offset is in NATS but not on this disk");
            }
        }
        let due = Instant::now() + self.config.confirm_delay;
        self.waiting.push_back((due, milestone.position.clone()));
        self.written = Some(milestone.position.clone());
    }

    fn confirm_due(&mut self) {
        let now = Instant::now();
        let mut due = None;
        while self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            due = self.waiting.pop_front().map(|(_, position)| position);
        }
        if due.is_some() {
            self.confirmed.send_replace(due);
        }
    }
}
