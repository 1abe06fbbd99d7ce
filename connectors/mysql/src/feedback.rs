//! What was sent, what of it is durable, and how long the server will keep the rest.
//!
//! `MySQL` is told nothing: it keeps its log by age, whoever needs it. So what is confirmed decides
//! nothing on the server; it is where a restart would begin, and so the place whose log must not
//! be lost. A report of something that was not sent is not believed.

use std::cmp::Ordering;
use std::collections::VecDeque;

use erpbridge_connector::{Position, SourceStatus, Timestamp};
use tokio::time::Instant;

use crate::observer::Observed;
use crate::position::{Coordinates, LogPosition};

/// Two places that were sent within this time are one here.
const GRAIN_MICROS: i64 = 1_000_000;

/// So many places at most are remembered with their times.
const MOST: usize = 4096;

/// A place that was sent, in whichever server's log.
#[derive(Clone, Debug)]
struct Sent {
    era: u16,
    /// Where the log would be read from.
    at: Coordinates,
    /// When it was written, by the server's clock.
    time: Timestamp,
}

impl Sent {
    fn of(position: &Position, time: Timestamp) -> Option<Self> {
        let position: LogPosition = position.as_str().parse().ok()?;
        let era = position.identity.map_or(0, |identity| identity.era);
        let at = position.place.reached()?.read_from().clone();
        Some(Self { era, at, time })
    }

    fn order(&self, other: &Self) -> Ordering {
        self.era.cmp(&other.era).then_with(|| self.at.order(&other.at))
    }
}

/// What has been sent and confirmed.
#[derive(Debug)]
pub(crate) struct Feedback {
    /// Sent and not confirmed, oldest first; some are left out.
    sent: VecDeque<Sent>,
    last: Option<Sent>,
    confirmed: Option<Sent>,
    settled: bool,
    server_time: Option<(Timestamp, Instant)>,
    heard_at: Instant,
}

impl Feedback {
    /// Nothing has been sent; before that place everything is durable, and its file was written to
    /// until `written`, if that is known.
    pub(crate) fn new(confirmed: &Position, written: Option<Timestamp>) -> Self {
        Self {
            sent: VecDeque::new(),
            last: None,
            confirmed: Sent::of(confirmed, written.unwrap_or_default()),
            settled: true,
            server_time: None,
            heard_at: Instant::now(),
        }
    }

    /// Everything before `position` is in the queue; that place was written at `time`.
    pub(crate) fn sent(&mut self, position: &Position, time: Timestamp) {
        let Some(sent) = Sent::of(position, time) else { return };
        let near = self.sent.back().is_some_and(|last| {
            sent.time.as_micros().saturating_sub(last.time.as_micros()) < GRAIN_MICROS
        });
        if !near {
            if self.sent.len() >= MOST {
                // Every second one: times become coarser, never too young.
                let mut keep = false;
                self.sent.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            self.sent.push_back(sent.clone());
        }
        (self.last, self.settled) = (Some(sent), false);
    }

    /// The bridge reports `position` as durable.
    pub(crate) fn confirm(&mut self, position: &Position) {
        let Some(mut confirmed) = Sent::of(position, Timestamp::default()) else { return };
        let Some(last) = &self.last else { return };
        match confirmed.order(last) {
            Ordering::Greater => {
                tracing::warn!(%position, "not sent, yet reported as durable");
                return;
            }
            Ordering::Equal => self.settled = true,
            Ordering::Less => {}
        }
        while self.sent.front().is_some_and(|sent| sent.order(&confirmed).is_le()) {
            let passed = self.sent.pop_front();
            confirmed.time = passed.map_or(confirmed.time, |passed| passed.time);
        }
        if let Some(before) = &self.confirmed {
            confirmed.time = std::cmp::max(confirmed.time, before.time);
        }
        self.confirmed = Some(confirmed);
    }

    /// Whether everything that was sent is durable.
    pub(crate) const fn settled(&self) -> bool {
        self.settled
    }

    /// The server said something.
    pub(crate) fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Shows where we stand.
    pub(crate) fn show(&mut self, observed: &Observed, status: &mut SourceStatus) {
        let Some(probe) = &observed.probe else { return };
        if self.server_time.is_none_or(|(told, _)| told < probe.time) {
            self.server_time = Some((probe.time, Instant::now()));
        }
        status.heard_at = self.last_heard();
        let (Some(confirmed), Some(retention)) = (&self.confirmed, &observed.retention) else {
            return;
        };
        let (place, end) = (&confirmed.at, &probe.at);
        status.lag_bytes = retention.bytes_between(place, end);
        status.safe_bytes = retention.room(place, end);
        let written = confirmed.time > Timestamp::default();
        status.log_kept_for =
            retention.lasts(place, end, confirmed.time, probe.time).filter(|_| {
                // Nothing is known of when an earlier run's place was written.
                written || place.file == end.file
            });
    }

    /// The moment of the last sign of life, by the server's clock.
    fn last_heard(&self) -> Option<Timestamp> {
        let (told, at) = self.server_time?;
        let since = |later: Instant, earlier: Instant| {
            i64::try_from(later.saturating_duration_since(earlier).as_micros()).unwrap_or_default()
        };
        let shift = since(self.heard_at, at) - since(at, self.heard_at);
        Some(Timestamp::from_micros(told.as_micros().saturating_add(shift)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::observer::Probe;
    use crate::retention::{LogFile, Retention};

    fn at(text: &str) -> Position {
        Position::new(text)
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[tokio::test]
    async fn only_what_was_sent_is_believed_to_be_durable() {
        let mut feedback = Feedback::new(&at("b.000001:100;server=1;era=0"), None);
        assert!(feedback.settled());
        feedback.sent(&at("b.000001:200;server=1;era=0"), seconds(10));
        feedback.sent(&at("b.000001:300;server=1;era=0"), seconds(20));
        feedback.confirm(&at("b.000001:400;server=1;era=0"));
        feedback.confirm(&at("nonsense"));
        assert!(!feedback.settled());
        feedback.confirm(&at("b.000001:200;server=1;era=0"));
        assert!(!feedback.settled());
        feedback.confirm(&at("b.000001:300;server=1;era=0"));
        assert!(feedback.settled());
    }

    #[tokio::test]
    async fn the_log_lasts_from_the_time_at_which_what_is_confirmed_was_written() {
        let mut feedback = Feedback::new(&at("b.000001:100;server=1;era=0"), None);
        let file = |name: &str| LogFile { name: name.to_owned(), bytes: 1000 };
        let observed = Observed {
            probe: Some(Probe { at: Coordinates::new("b.000002", 50), time: seconds(1000) }),
            retention: Some(Retention {
                files: vec![file("b.000001"), file("b.000002")],
                kept: Some(Duration::from_hours(1)),
                largest: None,
                in_days: true,
            }),
        };
        let mut status = SourceStatus::default();
        feedback.show(&observed, &mut status);
        assert_eq!((status.lag_bytes, status.log_kept_for), (Some(950), None));
        feedback.sent(&at("b.000001:200;server=1;era=0"), seconds(400));
        feedback.sent(&at("b.000002:50;server=1;era=0"), seconds(900));
        feedback.confirm(&at("b.000001:200;server=1;era=0"));
        feedback.show(&observed, &mut status);
        assert_eq!(status.log_kept_for, Some(Duration::from_mins(50)));
        feedback.confirm(&at("b.000002:50;server=1;era=0"));
        feedback.show(&observed, &mut status);
        assert_eq!(status.log_kept_for, Some(Duration::from_hours(1)));
    }
}
