//! The loop: one publish unit in flight, the next being built.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Position, Progress, Receiver, SourceEvent, Timestamp, Truncated};
use tokio::sync::watch;
use tokio::time::Instant;

use super::convert::{ConvertError, Converter, Seen};
use super::drift::Drifts;
use super::outbox::{Outbox, Unit};
use super::settle::Milestone;
use crate::canonical::{FrozenBatch, header};
use crate::deadletter::Reason;
use crate::metrics::Metrics;
use crate::publish::{PublishError, Published, Publisher, Standing};
use crate::state::{OffsetRecord, RowStoreError};

/// Why a pipeline ended before its source did.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The publisher could not store a unit.
    #[error("could not publish")]
    Publish(#[source] PublishError),
    /// A table changed under its mapping, or remembered rows cannot be read.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Remembered rows cannot be made durable.
    #[error(transparent)]
    Rows(#[from] RowStoreError),
    /// A mapped table was emptied by one statement, which names no rows.
    #[error("table \"{table}\" was truncated")]
    Truncated {
        /// The table, or several.
        table: String,
    },
}

/// What a mapped table's TRUNCATE means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TruncatePolicy {
    /// Publish everything before it, then stop and wait for a person.
    #[default]
    Stop,
    /// Go on; downstream is not told, but the rows are remembered no longer.
    Ignore,
}

/// How a pipeline works.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Name of the source.
    pub source: String,
    /// What a mapped table's TRUNCATE means.
    pub on_truncate: TruncatePolicy,
    /// At most this often a position beyond the stream's last event is kept beside the stream. It
    /// only lets the database drop log, so there is no hurry.
    pub keep_interval: Duration,
}

/// The first positions of a run are kept at once: what a start did (a slot, a snapshot) should not
/// have to be done again because nothing has happened since.
const EAGER: u8 = 3;

/// Between two looks at what waits.
const WAITING_INTERVAL: Duration = Duration::from_secs(1);

/// One source's way from its queue to the stream.
pub struct Pipeline<P> {
    config: PipelineConfig,
    epoch: u64,
    /// None while it is on its way with a unit.
    publisher: Option<P>,
    converter: Converter,
    outbox: Outbox,
    drifts: Drifts,
    metrics: Arc<Metrics>,
    milestones: watch::Sender<Option<Milestone>>,
    /// The position the stream's last message tells.
    tail: Option<Position>,
    stream_sequence: u64,
    /// A position beyond that, not kept yet.
    beyond: Option<Milestone>,
    keep_from: Instant,
    /// When to look next at what waits.
    waiting_from: Instant,
    /// How many more positions are kept at once.
    eager: u8,
    /// Set once no more may be read: what was read before is still published.
    ending: Option<PipelineError>,
}

/// A unit or a record on its way. It owns the publisher, so that there can be only one.
type InFlight<P> = Pin<Box<dyn Future<Output = (P, Sent)> + Send>>;

enum Sent {
    Unit {
        batch: FrozenBatch,
        progress: Option<Progress>,
        seconds: f64,
        result: Result<Option<Published>, PublishError>,
    },
    Kept {
        milestone: Milestone,
        result: Result<(), PublishError>,
    },
}

impl<P: Publisher + 'static> Pipeline<P> {
    /// A pipeline of a source that stands where the publisher's claim said.
    pub fn new(
        config: PipelineConfig,
        publisher: P,
        converter: Converter,
        standing: &Standing,
        metrics: Arc<Metrics>,
        milestones: watch::Sender<Option<Milestone>>,
    ) -> Self {
        let drifts = Drifts::new(&config.source, Arc::clone(&metrics));
        Self {
            config,
            drifts,
            epoch: standing.epoch,
            publisher: Some(publisher),
            converter,
            outbox: Outbox::new(standing.resume_after.clone()),
            metrics,
            milestones,
            tail: standing.resume_after.clone(),
            stream_sequence: standing.stream_sequence,
            beyond: None,
            keep_from: Instant::now(),
            waiting_from: Instant::now(),
            eager: EAGER,
            ending: None,
        }
    }

    /// Runs until the source has ended and everything it sent is stored.
    ///
    /// # Errors
    /// At the first error of the publisher or the mapping. Nothing after it was sent.
    pub async fn run(mut self, mut queue: Receiver) -> Result<(), PipelineError> {
        let mut in_flight: Option<InFlight<P>> = None;
        let mut source_ended = false;
        loop {
            let last = source_ended || self.ending.is_some();
            if in_flight.is_none() {
                in_flight = self.send_next(last);
            }
            let reads =
                !last && self.outbox.wants_more() && self.converter.remembered().wants_more();
            let keeps = in_flight.is_none() && self.beyond.is_some();
            let flush_at = self.converter.remembered().next_flush();
            tokio::select! {
                biased;
                // No branch loses anything: what is in flight stays in the variable and is polled
                // again, `recv` is cancel-safe, and the timer only wakes the loop.
                (publisher, sent) = wait(&mut in_flight), if in_flight.is_some() => {
                    in_flight = None;
                    self.publisher = Some(publisher);
                    self.settle(sent)?;
                }
                queued = queue.recv(), if reads => match queued {
                    Some(queued) => self.receive(queued.event)?,
                    None => source_ended = true,
                },
                () = tokio::time::sleep_until(self.keep_from), if keeps && !last => {}
                () = until(flush_at), if flush_at.is_some() && !last => {}
                else => return self.close().await,
            }
            if let Some(milestone) = self.converter.remembered().flush()? {
                self.milestones.send_replace(Some(milestone));
            }
            self.converter.remembered().room().await?;
        }
    }

    /// Lets remembered rows go to disk, and their position with them.
    async fn close(self) -> Result<(), PipelineError> {
        let closed = self.converter.into_remembered().close().await;
        let ended = self.ending.map_or(Ok(()), Err);
        match closed {
            Ok(Some(milestone)) => {
                self.milestones.send_replace(Some(milestone));
                ended
            }
            Ok(None) => ended,
            // What ended the source is worth more than what it costs to start again.
            Err(error) => ended.and(Err(error.into())),
        }
    }

    /// Converts what the source sent. What was read before an error is still published, but not
    /// after remembered rows failed: events may have been made of half of them.
    fn receive(&mut self, event: SourceEvent) -> Result<(), PipelineError> {
        let result = match event {
            SourceEvent::Changes(batch) => {
                let seen = self.converter.convert(&batch, &mut self.outbox);
                let drifts = self.converter.take_drifts();
                for kind in drifts {
                    self.drifts.count(kind, 1);
                }
                if let Err(ConvertError::Drift(_)) = &seen {
                    self.drifts.count("unknown_code", 1);
                }
                seen.map(|seen| self.count_rows(seen)).map_err(PipelineError::from)
            }
            SourceEvent::Progress(progress) => {
                self.converter.remembered().progress();
                self.converter.reached(&progress.position, &mut self.outbox);
                self.outbox.progress(progress);
                Ok(())
            }
            SourceEvent::SchemaChanged { table, previous } => {
                self.drifts.new_shape(&table, previous.as_deref());
                Ok(())
            }
            SourceEvent::Seeded => {
                self.converter.remembered().seeded();
                Ok(())
            }
            SourceEvent::Truncated(truncated) => self.truncated(&truncated),
        };
        let result = result.and_then(|()| self.show_waiting());
        match result {
            Err(error @ PipelineError::Convert(ConvertError::Rows(_) | ConvertError::Drift(_))) => {
                Err(error)
            }
            result => {
                self.ending = result.err();
                Ok(())
            }
        }
    }

    fn truncated(&mut self, truncated: &Truncated) -> Result<(), PipelineError> {
        let names: Vec<_> = truncated.tables.iter().map(|t| t.name.to_string()).collect();
        let table = names.join("\", \"");
        match self.config.on_truncate {
            TruncatePolicy::Stop => Err(PipelineError::Truncated { table }),
            TruncatePolicy::Ignore => {
                tracing::warn!(
                    source = self.config.source,
                    table,
                    "truncated; downstream is not told"
                );
                Ok(self.converter.truncate(truncated, &mut self.outbox)?)
            }
        }
    }

    /// Keeps a position beyond the stream's tail if it is time; otherwise sends the next unit, or
    /// keeps the position because it is the last chance. The position goes first: under steady
    /// load there is always another unit, and the database would keep its log for as long.
    fn send_next(&mut self, last: bool) -> Option<InFlight<P>> {
        if self.beyond.is_some() && Instant::now() >= self.keep_from {
            return self.keep_beyond();
        }
        if let Some(unit) = self.outbox.take() {
            return Some(Box::pin(publish(self.publisher.take()?, unit)));
        }
        if last { self.keep_beyond() } else { None }
    }

    fn keep_beyond(&mut self) -> Option<InFlight<P>> {
        let milestone = self.beyond.take()?;
        self.eager = self.eager.saturating_sub(1);
        if self.eager == 0 {
            self.keep_from = Instant::now() + self.config.keep_interval;
        }
        let record = milestone.record(&self.config.source, self.epoch);
        Some(Box::pin(keep(self.publisher.take()?, milestone, record)))
    }

    fn settle(&mut self, sent: Sent) -> Result<(), PipelineError> {
        match sent {
            Sent::Unit { batch, progress, seconds, result } => {
                let published = result.map_err(|error| self.failed(error))?;
                self.drifts.unknown_codes(&batch);
                if let Some(published) = published {
                    self.stream_sequence = published.stream_sequence;
                    self.count_events(&batch, &published, seconds);
                }
                // Where an event was too large, the last one of the batch may not be in the stream.
                if published.is_some_and(|published| published.too_large == 0) {
                    self.tail = tail_of(&batch).cloned().or(self.tail.take());
                }
                self.advance(&batch, progress.as_ref());
                self.observe_lag(&batch, progress.as_ref());
            }
            Sent::Kept { milestone, result } => {
                result.map_err(|error| self.failed(error))?;
                self.reach(milestone);
            }
        }
        Ok(())
    }

    fn failed(&self, error: PublishError) -> PipelineError {
        let labels = [self.config.source.as_str(), error.kind.as_str()];
        self.metrics.publish_errors.with_label_values(&labels).inc();
        PipelineError::Publish(error)
    }

    /// Moves the position. Safe here and only here: every event before it is acknowledged.
    fn advance(&mut self, batch: &FrozenBatch, progress: Option<&Progress>) {
        let settled = batch.settled().last();
        let position = progress.map(|p| &p.position).or(settled.map(|s| &s.resume));
        let Some(position) = position else { return };
        let newest = batch.settled().iter().rev().find(|s| s.complete && !s.snapshot);
        let milestone = Milestone {
            position: position.clone(),
            sequence: newest.map(|s| s.sequence.clone()),
            stream_sequence: self.stream_sequence,
            snapshot: progress.is_none() && settled.is_some_and(|settled| settled.snapshot),
        };
        if self.tail.as_ref() == Some(position) {
            self.beyond = None;
            self.reach(milestone);
        } else {
            self.beyond = Some(milestone);
        }
    }

    /// A position can be found again in NATS. It is recorded once remembered rows are on disk.
    fn reach(&mut self, milestone: Milestone) {
        if let Some(milestone) = self.converter.remembered().reach(milestone) {
            self.milestones.send_replace(Some(milestone));
        }
    }

    fn observe_lag(&self, batch: &FrozenBatch, progress: Option<&Progress>) {
        let source = [self.config.source.as_str()];
        let now = crate::clock::now().as_seconds();
        let latency = self.metrics.commit_to_publish.with_label_values(&source);
        let commits = batch.settled().iter().filter(|s| s.complete && !s.snapshot);
        let mut watermark = progress.map(|progress| progress.as_of);
        let mut transactions = 0;
        for commit in commits {
            latency.observe((now - commit.committed_at.as_seconds()).max(0.0));
            transactions += 1;
            watermark = std::cmp::max(watermark, Some(commit.committed_at));
        }
        self.metrics.transactions.with_label_values(&source).inc_by(transactions);
        if let Some(watermark) = watermark {
            self.metrics.watermark.with_label_values(&source).set(watermark.as_seconds());
        }
    }

    fn count_rows(&self, seen: Seen) {
        let counts = [
            ("read", seen.read),
            ("insert", seen.insert),
            ("update", seen.update),
            ("delete", seen.delete),
        ];
        for (operation, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.metrics
                .rows_read
                .with_label_values(&[&self.config.source, operation])
                .inc_by(count);
        }
    }

    /// Shows what waits for rows to come, now and then.
    fn show_waiting(&mut self) -> Result<(), PipelineError> {
        if Instant::now() < self.waiting_from {
            return Ok(());
        }
        self.waiting_from = Instant::now() + WAITING_INTERVAL;
        let waiting = self.converter.waiting()?;
        let source = [self.config.source.as_str()];
        let changes = i64::try_from(waiting.changes).unwrap_or(i64::MAX);
        self.metrics.waiting.with_label_values(&source).set(changes);
        let since = waiting.since.map_or(0.0, Timestamp::as_seconds);
        self.metrics.waiting_since.with_label_values(&source).set(since);
        Ok(())
    }

    fn count_events(&self, batch: &FrozenBatch, published: &Published, seconds: f64) {
        let source = [self.config.source.as_str()];
        let metrics = &self.metrics;
        let bytes = u64::try_from(batch.bytes()).unwrap_or(u64::MAX);
        metrics.publish_bytes.with_label_values(&source).inc_by(bytes);
        metrics.publish_seconds.with_label_values(&source).observe(seconds);
        let messages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        metrics.batch_messages.with_label_values(&source).observe(f64::from(messages));
        for letter in &batch.dead_letters {
            let labels = [self.config.source.as_str(), letter.reason.as_str()];
            metrics.dead_letters.with_label_values(&labels).inc();
        }
        let too_large = u64::try_from(published.too_large).unwrap_or(u64::MAX);
        let labels = [self.config.source.as_str(), Reason::TooLarge.as_str()];
        metrics.dead_letters.with_label_values(&labels).inc_by(too_large);
        self.count_event_types(batch);
    }

    /// Counts runs of equal types, so that the usual batch costs a few look-ups.
    fn count_event_types(&self, batch: &FrozenBatch) {
        let mut counts: Vec<(&str, u64)> = Vec::new();
        for message in batch.messages() {
            let Some(event_type) = message.header(header::TYPE).and_then(short_type) else {
                continue;
            };
            match counts.iter_mut().find(|(known, _)| *known == event_type) {
                Some((_, count)) => *count += 1,
                None => counts.push((event_type, 1)),
            }
        }
        for (event_type, count) in counts {
            let labels = [self.config.source.as_str(), event_type];
            self.metrics.events_published.with_label_values(&labels).inc_by(count);
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn wait<T: Unpin + Future>(future: &mut Option<T>) -> T::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn publish<P: Publisher>(mut publisher: P, unit: Unit) -> (P, Sent) {
    let batch = unit.events.freeze();
    let start = Instant::now();
    let result = if batch.is_empty() && batch.dead_letters.is_empty() {
        Ok(None)
    } else {
        publisher.publish(&batch).await.map(Some)
    };
    let seconds = start.elapsed().as_secs_f64();
    (publisher, Sent::Unit { batch, progress: unit.progress, seconds, result })
}

async fn keep<P: Publisher>(
    mut publisher: P,
    milestone: Milestone,
    record: OffsetRecord,
) -> (P, Sent) {
    let result = publisher.keep(&record).await;
    (publisher, Sent::Kept { milestone, result })
}

/// The position the last message of the batch carries: that of the transaction it belongs to.
fn tail_of(batch: &FrozenBatch) -> Option<&Position> {
    let owner = batch.settled().iter().find(|settled| settled.messages_before == batch.len());
    owner.filter(|_| !batch.is_empty()).map(|settled| &settled.resume)
}

/// `procurement.purchaseorder.released` of `erpbridge.procurement.purchaseorder.released.v1`.
fn short_type(event_type: &str) -> Option<&str> {
    let (name, _version) = event_type.strip_prefix("erpbridge.")?.rsplit_once('.')?;
    Some(name)
}
