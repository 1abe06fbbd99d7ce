//! Every metric, named once.
//!
//! Names and labels are promises: dashboards and alerts are built on them. Labels are bounded
//! (source, event type, reason, phase, table); nothing carries a business key. Times are stamps,
//! not ages, because an age freezes when the process hangs.

use std::sync::Arc;

use erpbridge_connector::{Operation, Phase, SourceErrorKind};
use prometheus::core::Collector;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::deadletter::Reason;
use crate::publish::PublishErrorKind;

/// Commit-to-publish latency: from the fastest we can be to an hour behind.
const LAG_SECONDS: &[f64] = &[
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    3600.0,
];
/// Waiting for a server or a disk.
const WAIT_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Messages in one publish unit; a thousand is the server's limit.
const MESSAGES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// All metrics of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// `erpbridge_source_watermark_timestamp_seconds{source}`
    pub watermark: GaugeVec,
    /// `erpbridge_source_lag_bytes{source}`
    pub lag_bytes: IntGaugeVec,
    /// `erpbridge_source_retained_log_bytes{source}`
    pub retained_bytes: IntGaugeVec,
    /// `erpbridge_source_safe_log_bytes{source}`
    pub safe_bytes: IntGaugeVec,
    /// `erpbridge_source_log_kept_seconds{source}`
    pub log_kept: GaugeVec,
    /// `erpbridge_source_heard_timestamp_seconds{source}`
    pub heard: GaugeVec,
    /// `erpbridge_source_phase{source,phase}`
    pub phase: IntGaugeVec,
    /// `erpbridge_source_errors_total{source,reason}`
    pub source_errors: IntCounterVec,
    /// `erpbridge_restarts_total{source}`
    pub restarts: IntCounterVec,
    /// `erpbridge_rows_read_total{source,operation}`
    pub rows_read: IntCounterVec,
    /// `erpbridge_transactions_total{source}`
    pub transactions: IntCounterVec,
    /// `erpbridge_queue_bytes{source}`
    pub queue_bytes: IntGaugeVec,
    /// `erpbridge_commit_to_publish_seconds{source}`
    pub commit_to_publish: HistogramVec,
    /// `erpbridge_events_published_total{source,event_type}`
    pub events_published: IntCounterVec,
    /// `erpbridge_publish_bytes_total{source}`
    pub publish_bytes: IntCounterVec,
    /// `erpbridge_publish_batch_messages{source}`
    pub batch_messages: HistogramVec,
    /// `erpbridge_publish_seconds{source}`
    pub publish_seconds: HistogramVec,
    /// `erpbridge_publish_errors_total{source,reason}`
    pub publish_errors: IntCounterVec,
    /// `erpbridge_dead_letters_total{source,reason}`
    pub dead_letters: IntCounterVec,
    /// `erpbridge_offset_persist_seconds{source}`
    pub offset_persist: HistogramVec,
    /// `erpbridge_offset_persist_errors_total{source}`
    pub offset_persist_errors: IntCounterVec,
    /// `erpbridge_rows_remembered{source}`
    pub rows_remembered: IntGaugeVec,
    /// `erpbridge_rows_bytes{source,part}`
    pub rows_bytes: IntGaugeVec,
    /// `erpbridge_row_lookups_total{source,result}`
    pub row_lookups: IntCounterVec,
    /// `erpbridge_waiting_changes{source}`
    pub waiting: IntGaugeVec,
    /// `erpbridge_waiting_since_timestamp_seconds{source}`
    pub waiting_since: GaugeVec,
    /// `erpbridge_mapping_drift_total{source,kind}`
    pub drift: IntCounterVec,
    /// `erpbridge_snapshot_rows{source,table}`
    pub snapshot_rows: IntGaugeVec,
    /// `erpbridge_snapshot_rows_estimate{source,table}`
    pub snapshot_rows_estimate: IntGaugeVec,
    /// `erpbridge_snapshot_complete{source,table}`
    pub snapshot_complete: IntGaugeVec,
}

impl Metrics {
    /// Registers every metric, once per process.
    ///
    /// # Errors
    /// Only if two metrics above had the same name.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new();
        let metrics = Self::register(&registry)?;
        Ok(Arc::new(metrics))
    }

    #[expect(clippy::too_many_lines, reason = "the catalogue: one entry per metric, no logic")]
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let r = registry;
        let build = int_gauge(r, "build_info", "Version of this build; always 1", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            registry: registry.clone(),
            watermark: gauge(
                r,
                "source_watermark_timestamp_seconds",
                "Commit time up to which everything is published; moves on an idle database too",
                &["source"],
            )?,
            lag_bytes: int_gauge(
                r,
                "source_lag_bytes",
                "Log written by the database but not yet confirmed by the bridge",
                &["source"],
            )?,
            retained_bytes: int_gauge(
                r,
                "source_retained_log_bytes",
                "Log the database keeps because of the bridge",
                &["source"],
            )?,
            safe_bytes: int_gauge(
                r,
                "source_safe_log_bytes",
                "Log the database can still write before it gives the bridge up; -1 without bound",
                &["source"],
            )?,
            log_kept: gauge(
                r,
                "source_log_kept_seconds",
                "How long the database will at least keep log that is not confirmed; -1 if unknown",
                &["source"],
            )?,
            heard: gauge(
                r,
                "source_heard_timestamp_seconds",
                "When the database last said anything",
                &["source"],
            )?,
            phase: int_gauge(
                r,
                "source_phase",
                "1 for the phase the source is in: connecting, snapshot, streaming, stopped",
                &["source", "phase"],
            )?,
            source_errors: counter(
                r,
                "source_errors_total",
                "Errors of the source by reason",
                &["source", "reason"],
            )?,
            restarts: counter(
                r,
                "restarts_total",
                "How often the pipeline of a source was started again after an error",
                &["source"],
            )?,
            rows_read: counter(
                r,
                "rows_read_total",
                "Row changes of mapped tables read from the source",
                &["source", "operation"],
            )?,
            transactions: counter(
                r,
                "transactions_total",
                "Source transactions with changes of mapped tables that are fully published",
                &["source"],
            )?,
            queue_bytes: int_gauge(
                r,
                "queue_bytes",
                "Row changes waiting between source and mapping",
                &["source"],
            )?,
            commit_to_publish: histogram(
                r,
                "commit_to_publish_seconds",
                "From the commit in the source to the stored event, per transaction",
                LAG_SECONDS,
            )?,
            events_published: counter(
                r,
                "events_published_total",
                "Events stored in the stream",
                &["source", "event_type"],
            )?,
            publish_bytes: counter(
                r,
                "publish_bytes_total",
                "Bytes of stored events, headers included",
                &["source"],
            )?,
            batch_messages: histogram(
                r,
                "publish_batch_messages",
                "Messages per publish unit",
                MESSAGES,
            )?,
            publish_seconds: histogram(
                r,
                "publish_seconds",
                "From sending a publish unit to its acknowledgement",
                WAIT_SECONDS,
            )?,
            publish_errors: counter(
                r,
                "publish_errors_total",
                "Errors of the publisher by reason",
                &["source", "reason"],
            )?,
            dead_letters: counter(
                r,
                "dead_letters_total",
                "Changes that could not become events, by reason",
                &["source", "reason"],
            )?,
            offset_persist: histogram(
                r,
                "offset_persist_seconds",
                "From writing an offset to its flush",
                WAIT_SECONDS,
            )?,
            offset_persist_errors: counter(
                r,
                "offset_persist_errors_total",
                "Offsets that could not be flushed in time",
                &["source"],
            )?,
            rows_remembered: int_gauge(
                r,
                "rows_remembered",
                "Rows remembered on disk for lookups and old values",
                &["source"],
            )?,
            rows_bytes: int_gauge(
                r,
                "rows_bytes",
                "Bytes of remembered rows: on disk, in memory, not yet on disk, for taking back",
                &["source", "part"],
            )?,
            row_lookups: counter(
                r,
                "row_lookups_total",
                "Rows looked up: found in memory (hit), read from disk (miss), searched by parent",
                &["source", "result"],
            )?,
            waiting: int_gauge(
                r,
                "waiting_changes",
                "Changes that wait for a row they look up",
                &["source"],
            )?,
            waiting_since: gauge(
                r,
                "waiting_since_timestamp_seconds",
                "When the oldest change was committed that waits; 0 if none does",
                &["source"],
            )?,
            drift: counter(
                r,
                "mapping_drift_total",
                "What the mapping does not know: unknown_code, column, table",
                &["source", "kind"],
            )?,
            snapshot_rows: int_gauge(
                r,
                "snapshot_rows",
                "Rows read by the running or last snapshot",
                &["source", "table"],
            )?,
            snapshot_rows_estimate: int_gauge(
                r,
                "snapshot_rows_estimate",
                "The database's own estimate of the rows to read",
                &["source", "table"],
            )?,
            snapshot_complete: int_gauge(
                r,
                "snapshot_complete",
                "1 once the table's snapshot is complete",
                &["source", "table"],
            )?,
        })
    }

    /// Shows every metric of a source at its first value, so that a rate over a new series and an
    /// alert on its absence both work from the start.
    pub fn introduce(&self, source: &str, event_types: &[String]) {
        let gauges = [
            &self.lag_bytes,
            &self.retained_bytes,
            &self.safe_bytes,
            &self.queue_bytes,
            &self.rows_remembered,
            &self.waiting,
        ];
        for gauge in gauges {
            gauge.with_label_values(&[source]).set(0);
        }
        self.log_kept.with_label_values(&[source]).set(-1.0);
        for stamp in [&self.watermark, &self.heard, &self.waiting_since] {
            stamp.with_label_values(&[source]).set(0.0);
        }
        for counter in
            [&self.restarts, &self.transactions, &self.publish_bytes, &self.offset_persist_errors]
        {
            counter.with_label_values(&[source]).reset();
        }
        for histogram in [
            &self.commit_to_publish,
            &self.batch_messages,
            &self.publish_seconds,
            &self.offset_persist,
        ] {
            // Asking for the series creates it.
            histogram.with_label_values(&[source]).get_sample_count();
        }
        self.introduce_reasons(source);
        for event_type in event_types {
            self.events_published.with_label_values(&[source, event_type]).reset();
        }
        self.set_phase(source, "connecting");
    }

    fn introduce_reasons(&self, source: &str) {
        for operation in ["read", "insert", "update", "delete"] {
            self.rows_read.with_label_values(&[source, operation]).reset();
        }
        for kind in SourceErrorKind::ALL {
            self.source_errors.with_label_values(&[source, kind.as_str()]).reset();
        }
        for kind in PublishErrorKind::ALL {
            self.publish_errors.with_label_values(&[source, kind.as_str()]).reset();
        }
        for reason in Reason::ALL {
            self.dead_letters.with_label_values(&[source, reason.as_str()]).reset();
        }
        for kind in ["unknown_code", "column", "table"] {
            self.drift.with_label_values(&[source, kind]).reset();
        }
        for result in ["hit", "miss", "search"] {
            self.row_lookups.with_label_values(&[source, result]).reset();
        }
        for part in ["disk", "memory", "dirty", "undo"] {
            self.rows_bytes.with_label_values(&[source, part]).set(0);
        }
    }

    /// Sets the phase of a source: one series is 1, the others 0.
    pub fn set_phase(&self, source: &str, phase: &str) {
        for known in ["connecting", "snapshot", "streaming", "stopped"] {
            let value = i64::from(known == phase);
            self.phase.with_label_values(&[source, known]).set(value);
        }
    }

    /// The text exposition format, version 0.0.4.
    ///
    /// # Errors
    /// If a metric could not be encoded.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The phase label of a source's own phase.
pub const fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Snapshot => "snapshot",
        Phase::Streaming => "streaming",
    }
}

/// The label of an operation.
pub const fn operation_label(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    }
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn name(name: &str) -> String {
    format!("erpbridge_{name}")
}

fn gauge(r: &Registry, n: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
    keep(r, GaugeVec::new(Opts::new(name(n), help), labels)?)
}

fn int_gauge(
    r: &Registry,
    n: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    keep(r, IntGaugeVec::new(Opts::new(name(n), help), labels)?)
}

fn counter(
    r: &Registry,
    n: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    keep(r, IntCounterVec::new(Opts::new(name(n), help), labels)?)
}

fn histogram(
    r: &Registry,
    n: &str,
    help: &str,
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let options = HistogramOpts::new(name(n), help).buckets(buckets.to_vec());
    keep(r, HistogramVec::new(options, &["source"])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_of_a_source_is_there_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.introduce("erp1", &["a.b.c".to_owned()]);
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for series in [
            "erpbridge_source_watermark_timestamp_seconds{source=\"erp1\"} 0",
            "erpbridge_commit_to_publish_seconds_count{source=\"erp1\"} 0",
            "erpbridge_dead_letters_total{reason=\"unknown_code\",source=\"erp1\"} 0",
            "erpbridge_events_published_total{event_type=\"a.b.c\",source=\"erp1\"} 0",
            "erpbridge_source_phase{phase=\"connecting\",source=\"erp1\"} 1",
        ] {
            assert!(text.contains(series), "{series} is missing");
        }
    }
}
