//! What must go on while something is waited for: confirmations come in, the status is shown, and
//! the stop is heard.

use std::future::Future;
use std::time::Duration;

use erpbridge_connector::{Position, SourceStatus};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::feedback::Feedback;
use crate::observer::Observed;

/// How long the bridge may take at the end to confirm what it was sent. The connector has ten
/// seconds in all.
const SETTLE_DEADLINE: Duration = Duration::from_secs(8);

/// How often the status is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Everything that must go on while something else is waited for.
pub(super) struct Line {
    pub(super) feedback: Feedback,
    confirmed: watch::Receiver<Option<Position>>,
    bridge_gone: bool,
    stop: CancellationToken,
    status: watch::Sender<SourceStatus>,
    observed: watch::Receiver<Observed>,
    ticks: Interval,
}

impl Line {
    pub(super) fn new(
        feedback: Feedback,
        confirmed: watch::Receiver<Option<Position>>,
        stop: CancellationToken,
        status: watch::Sender<SourceStatus>,
        observed: watch::Receiver<Observed>,
    ) -> Self {
        let mut ticks = tokio::time::interval(SHOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { feedback, confirmed, bridge_gone: false, stop, status, observed, ticks }
    }

    /// Whether nothing more shall be sent.
    pub(super) fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for `work`, or for the next tick, a confirmation or the stop.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            // Nothing is lost in any branch: ticks, confirmations and the stop are states, and
            // the work is one that may be dropped and done again.
            () = self.stop.cancelled() => None,
            _ = self.ticks.tick() => {
                self.show();
                None
            }
            changed = self.confirmed.changed(), if !self.bridge_gone => {
                self.bridge_gone = changed.is_err();
                self.take_confirmation();
                None
            }
            done = work => Some(done),
        }
    }

    /// Does `work` and meanwhile everything that must go on; `None` if stopped before its end.
    pub(super) async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                // The same future is polled until it is done. At the stop it is dropped, with an
                // event that was not sent or a question nobody needs answered any more.
                done = &mut work => return Some(done),
                () = self.stop.cancelled() => return None,
                _ = self.ticks.tick() => self.show(),
                changed = self.confirmed.changed(), if !self.bridge_gone => {
                    self.bridge_gone = changed.is_err();
                    self.take_confirmation();
                }
            }
        }
    }

    fn take_confirmation(&mut self) {
        if let Some(position) = self.confirmed.borrow_and_update().as_ref() {
            self.feedback.confirm(position);
        }
    }

    fn show(&mut self) {
        let Self { feedback, status, observed, .. } = self;
        status.send_modify(|status| feedback.show(&observed.borrow(), status));
    }

    /// Waits until the bridge has confirmed what it was sent, so that the status of a source that
    /// has ended is true.
    pub(super) async fn finish(mut self) {
        let deadline = Instant::now() + SETTLE_DEADLINE;
        self.take_confirmation();
        while !self.feedback.settled() && !self.bridge_gone {
            tokio::select! {
                // Both are states; nothing is lost.
                changed = self.confirmed.changed() => self.bridge_gone = changed.is_err(),
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.take_confirmation();
        }
        self.show();
    }
}
