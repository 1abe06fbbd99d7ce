//! After the acknowledgement: the position goes to sled, then to the database.
//!
//! The loop that publishes hands over a [`Milestone`] after each stored unit. A milestone is a
//! level, not an edge: only the newest matters, so a slow disk slows down neither mapping nor
//! publishing. The settler writes it and then confirms it:
//!
//! 1. If the position lies beyond the stream's last event, copy it to the key-value bucket; at
//!    most every [`SettlerConfig::keep_interval`], because it only lets the database drop log.
//! 2. Write it to sled and wait for the flush. sled is a cache of what the stream knows, so when it
//!    fails or is slow the bridge goes on and counts the failure.
//! 3. Wait out [`SettlerConfig::confirm_delay`], then confirm it to the source.
//!
//! A position is therefore never confirmed to the database before it can be found again in NATS.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Position, Sequence};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::metrics::Metrics;
use crate::state::{OffsetRecord, OffsetStore};

/// Where a source stands after a stored unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Resume after this.
    pub position: Position,
    /// Commit order of the newest complete transaction.
    pub sequence: Option<Sequence>,
    /// Last stream sequence at that moment.
    pub stream_sequence: u64,
    /// Whether the stream's last message itself tells this position.
    pub in_stream: bool,
}

/// Copies a record to where it outlives this machine.
pub trait Keep: Send + Sync {
    /// Stores the record; returns when it is stored.
    fn keep(
        &self,
        record: &OffsetRecord,
    ) -> impl Future<Output = Result<(), crate::publish::PublishError>> + Send;
}

/// How the settler works.
#[derive(Clone, Debug)]
pub struct SettlerConfig {
    /// Name of the source.
    pub source: String,
    /// Epoch of this writer.
    pub epoch: u64,
    /// At most this often a position beyond the stream's tail is copied and confirmed.
    pub keep_interval: Duration,
    /// How long a stored position waits before it is confirmed to the database.
    pub confirm_delay: Duration,
}

/// Writes and confirms milestones until their sender is gone.
pub struct Settler<K> {
    config: SettlerConfig,
    keep: K,
    store: Arc<OffsetStore>,
    metrics: Arc<Metrics>,
    confirmed: watch::Sender<Option<Position>>,
    waiting: VecDeque<(Instant, Position)>,
    kept_at: Option<Instant>,
}

/// Between two writes of the offset, so that a busy source does not flush a thousand times a
/// second.
const PERSIST_INTERVAL: Duration = Duration::from_millis(50);

impl<K: Keep> Settler<K> {
    /// A settler that confirms through `confirmed`.
    pub fn new(
        config: SettlerConfig,
        keep: K,
        store: Arc<OffsetStore>,
        metrics: Arc<Metrics>,
        confirmed: watch::Sender<Option<Position>>,
    ) -> Self {
        Self {
            config,
            keep,
            store,
            metrics,
            confirmed,
            waiting: VecDeque::new(),
            kept_at: None,
        }
    }

    /// Settles milestones until the sender is dropped, and the last one whatever the intervals.
    pub async fn run(mut self, mut milestones: watch::Receiver<Option<Milestone>>) {
        loop {
            let wake = self.next_wake(milestones.borrow().as_ref());
            let ended = tokio::select! {
                // A level: dropping the wait loses no milestone, the next look sees the newest.
                changed = milestones.changed() => changed.is_err(),
                () = tokio::time::sleep_until(wake) => false,
            };
            let newest = milestones.borrow_and_update().clone();
            if let Some(milestone) = newest {
                self.settle(&milestone, ended).await;
            }
            self.confirm_due();
            if ended {
                return;
            }
            tokio::time::sleep(PERSIST_INTERVAL).await;
        }
    }

    async fn settle(&mut self, milestone: &Milestone, last: bool) {
        if self.waiting.back().is_some_and(|(_, position)| *position == milestone.position)
            || self.confirmed.borrow().as_ref() == Some(&milestone.position)
        {
            return;
        }
        if !milestone.in_stream && !last && !self.keep_is_due() {
            return;
        }
        let record = self.record(milestone);
        if !milestone.in_stream && !self.keep(&record).await {
            return;
        }
        self.persist(&record).await;
        self.waiting
            .push_back((Instant::now() + self.config.confirm_delay, milestone.position.clone()));
    }

    /// Copies the record into NATS. Without the copy the position is not confirmed: the database
    /// keeps a little more log, and the next look tries again.
    async fn keep(&mut self, record: &OffsetRecord) -> bool {
        self.kept_at = Some(Instant::now());
        match self.keep.keep(record).await {
            Ok(()) => true,
            Err(error) => {
                let error = crate::error::chain(&error);
                tracing::warn!(source = self.config.source, error, "the idle position is not kept");
                false
            }
        }
    }

    async fn persist(&self, record: &OffsetRecord) {
        let source = self.config.source.as_str();
        let start = Instant::now();
        if let Err(error) = self.store.save(record).await {
            self.metrics.offset_persist_errors.with_label_values(&[source]).inc();
            let error = crate::error::chain(&error);
            tracing::warn!(source, error, "the offset is in the stream but not on this disk");
            return;
        }
        let seconds = start.elapsed().as_secs_f64();
        self.metrics.offset_persist.with_label_values(&[source]).observe(seconds);
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

    fn keep_is_due(&self) -> bool {
        self.kept_at.is_none_or(|at| at.elapsed() >= self.config.keep_interval)
    }

    fn next_wake(&self, pending: Option<&Milestone>) -> Instant {
        let far = Instant::now() + Duration::from_secs(60);
        let confirm = self.waiting.front().map_or(far, |(at, _)| *at);
        let keep = match (pending, self.kept_at) {
            (Some(milestone), Some(at)) if !milestone.in_stream => at + self.config.keep_interval,
            _ => far,
        };
        // Never at once: a position that could not be kept is tried again in its own time.
        let soonest = Instant::now() + PERSIST_INTERVAL;
        std::cmp::max(soonest, std::cmp::min(confirm, keep))
    }

    fn record(&self, milestone: &Milestone) -> OffsetRecord {
        OffsetRecord {
            source: self.config.source.clone(),
            epoch: self.config.epoch,
            stream_sequence: milestone.stream_sequence,
            position: milestone.position.clone(),
            sequence: milestone.sequence.clone(),
            recorded_at: clock::now(),
        }
    }
}
