//! The loop: one publish unit in flight, the next being built.

use std::pin::Pin;
use std::sync::Arc;

use erpbridge_connector::{Position, Progress, Receiver, SourceEvent, Truncated};
use tokio::sync::watch;
use tokio::time::Instant;

use super::convert::{Converter, Seen};
use super::outbox::{Outbox, Unit};
use super::plans::Misfit;
use super::settle::Milestone;
use crate::canonical::{FrozenBatch, header};
use crate::metrics::Metrics;
use crate::publish::{PublishError, Published, Publisher, Standing};

/// Why a pipeline ended before its source did.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The publisher could not store a unit.
    #[error("could not publish")]
    Publish(#[source] PublishError),
    /// A table changed under its mapping.
    #[error(transparent)]
    Misfit(#[from] Misfit),
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
    /// Go on; downstream is not told.
    Ignore,
}

/// One source's way from its queue to the stream.
pub struct Pipeline<P> {
    source: String,
    publisher: Option<P>,
    converter: Converter,
    outbox: Outbox,
    metrics: Arc<Metrics>,
    milestones: watch::Sender<Option<Milestone>>,
    on_truncate: TruncatePolicy,
    /// The position the stream's last message tells.
    tail: Option<Position>,
    stream_sequence: u64,
    /// Set once no more may be read: what was read before is still published.
    ending: Option<PipelineError>,
}

/// A unit on its way. It owns the publisher, so that there can be only one.
type InFlight<P> = Pin<Box<dyn Future<Output = Sent<P>> + Send>>;

struct Sent<P> {
    publisher: P,
    batch: FrozenBatch,
    progress: Option<Progress>,
    seconds: f64,
    result: Result<Option<Published>, PublishError>,
}

impl<P: Publisher + 'static> Pipeline<P> {
    /// A pipeline of a source that stands where the publisher's claim said.
    pub fn new(
        source: impl Into<String>,
        publisher: P,
        converter: Converter,
        standing: &Standing,
        metrics: Arc<Metrics>,
        milestones: watch::Sender<Option<Milestone>>,
    ) -> Self {
        Self {
            source: source.into(),
            publisher: Some(publisher),
            converter,
            outbox: Outbox::new(standing.resume_after.clone()),
            metrics,
            milestones,
            on_truncate: TruncatePolicy::Stop,
            tail: standing.resume_after.clone(),
            stream_sequence: standing.stream_sequence,
            ending: None,
        }
    }

    /// Sets what TRUNCATE means.
    #[must_use]
    pub fn on_truncate(mut self, policy: TruncatePolicy) -> Self {
        self.on_truncate = policy;
        self
    }

    /// Runs until the source has ended and everything it sent is stored.
    ///
    /// # Errors
    /// At the first error of the publisher or the mapping. Nothing after it was sent.
    pub async fn run(mut self, mut queue: Receiver) -> Result<(), PipelineError> {
        let mut in_flight: Option<InFlight<P>> = None;
        let mut source_ended = false;
        loop {
            if in_flight.is_none() {
                in_flight = self.send_next();
            }
            let reads = !source_ended && self.ending.is_none() && self.outbox.wants_more();
            tokio::select! {
                biased;
                // Neither branch loses anything: the unit in flight is kept in the variable and
                // polled again, and `recv` is cancel-safe.
                sent = wait(&mut in_flight), if in_flight.is_some() => {
                    in_flight = None;
                    self.settle(sent)?;
                }
                queued = queue.recv(), if reads => match queued {
                    Some(queued) => self.receive(queued.event),
                    None => source_ended = true,
                },
                else => return self.ending.map_or(Ok(()), Err),
            }
        }
    }

    fn receive(&mut self, event: SourceEvent) {
        let result = match event {
            SourceEvent::Changes(batch) => {
                let seen = self.converter.convert(&batch, &mut self.outbox);
                seen.map(|seen| self.count_rows(seen)).map_err(PipelineError::from)
            }
            SourceEvent::Progress(progress) => {
                self.outbox.progress(progress);
                Ok(())
            }
            SourceEvent::SchemaChanged { table, .. } => {
                let (source, table) = (self.source.as_str(), table.name.to_string());
                tracing::info!(source, table, "the table has a new shape");
                Ok(())
            }
            SourceEvent::Truncated(truncated) => self.truncated(&truncated),
        };
        self.ending = result.err();
    }

    fn truncated(&self, truncated: &Truncated) -> Result<(), PipelineError> {
        let names: Vec<_> = truncated.tables.iter().map(|t| t.name.to_string()).collect();
        let table = names.join("\", \"");
        match self.on_truncate {
            TruncatePolicy::Stop => Err(PipelineError::Truncated { table }),
            TruncatePolicy::Ignore => {
                tracing::warn!(source = self.source, table, "truncated; downstream is not told");
                Ok(())
            }
        }
    }

    fn send_next(&mut self) -> Option<InFlight<P>> {
        let unit = self.outbox.take()?;
        let publisher = self.publisher.take()?;
        Some(Box::pin(send(publisher, unit)))
    }

    fn settle(&mut self, sent: Sent<P>) -> Result<(), PipelineError> {
        let published = sent.result.map_err(|error| {
            let labels = [self.source.as_str(), error.kind.as_str()];
            self.metrics.publish_errors.with_label_values(&labels).inc();
            PipelineError::Publish(error)
        })?;
        self.publisher = Some(sent.publisher);
        if let Some(published) = published {
            self.stream_sequence = published.stream_sequence;
            self.count_events(&sent.batch, sent.seconds);
        }
        self.advance(&sent.batch, sent.progress.as_ref());
        Ok(())
    }

    /// Moves the position. Safe here and only here: every event before it is acknowledged.
    fn advance(&mut self, batch: &FrozenBatch, progress: Option<&Progress>) {
        if let Some(position) = tail_of(batch) {
            self.tail = Some(position.clone());
        }
        let settled = batch.settled().last();
        let position = progress.map(|p| &p.position).or(settled.map(|s| &s.resume));
        if let Some(position) = position {
            self.milestones.send_replace(Some(Milestone {
                position: position.clone(),
                sequence: settled.filter(|s| s.complete).map(|s| s.sequence.clone()),
                stream_sequence: self.stream_sequence,
                in_stream: self.tail.as_ref() == Some(position),
            }));
        }
        self.observe_lag(batch, progress);
    }

    fn observe_lag(&self, batch: &FrozenBatch, progress: Option<&Progress>) {
        let source = [self.source.as_str()];
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
            self.metrics.rows_read.with_label_values(&[&self.source, operation]).inc_by(count);
        }
    }

    fn count_events(&self, batch: &FrozenBatch, seconds: f64) {
        let source = [self.source.as_str()];
        let metrics = &self.metrics;
        let bytes = u64::try_from(batch.bytes()).unwrap_or(u64::MAX);
        metrics.publish_bytes.with_label_values(&source).inc_by(bytes);
        metrics.publish_seconds.with_label_values(&source).observe(seconds);
        let messages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        metrics.batch_messages.with_label_values(&source).observe(f64::from(messages));
        for letter in &batch.dead_letters {
            let labels = [self.source.as_str(), letter.reason.as_str()];
            metrics.dead_letters.with_label_values(&labels).inc();
        }
        self.count_event_types(batch);
    }

    /// Counts runs of equal types, so that the usual batch costs a few look-ups.
    fn count_event_types(&self, batch: &FrozenBatch) {
        let mut counts: Vec<(&str, u64)> = Vec::new();
        for message in batch.messages() {
            let Some(event_type) = message.header(header::TYPE).and_then(short_type) else { continue };
            match counts.iter_mut().find(|(known, _)| *known == event_type) {
                Some((_, count)) => *count += 1,
                None => counts.push((event_type, 1)),
            }
        }
        for (event_type, count) in counts {
            let labels = [self.source.as_str(), event_type];
            self.metrics.events_published.with_label_values(&labels).inc_by(count);
        }
    }
}

async fn wait<T: Unpin + Future>(future: &mut Option<T>) -> T::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn send<P: Publisher>(mut publisher: P, unit: Unit) -> Sent<P> {
    let batch = unit.events.freeze();
    let start = Instant::now();
    let result = if batch.is_empty() && batch.dead_letters.is_empty() {
        Ok(None)
    } else {
        publisher.publish(&batch).await.map(Some)
    };
    let seconds = start.elapsed().as_secs_f64();
    Sent { publisher, batch, progress: unit.progress, seconds, result }
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
