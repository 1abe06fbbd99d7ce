//! The connection, and what must go on while something is waited for: the server gets its status,
//! its silence is watched, confirmations come in, and the stop is heard.

use std::future::Future;
use std::time::Duration;

use erpbridge_connector::{Position, SourceError, SourceStatus};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::feedback::{Feedback, Status};
use crate::position::Lsn;
use crate::stream::Connection;

/// How long the bridge may take at the end to confirm what it was sent. The connector has ten
/// seconds in all.
const SETTLE_DEADLINE: Duration = Duration::from_secs(8);

/// The connection and everything that must go on while something else is waited for.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) feedback: Feedback,
    confirmed: watch::Receiver<Option<Position>>,
    bridge_gone: bool,
    stop: CancellationToken,
    status: watch::Sender<SourceStatus>,
    ticks: Interval,
    /// As far as the server has told.
    pub(super) log_end: Lsn,
}

impl Line {
    pub(super) fn new(
        connection: Connection,
        feedback: Feedback,
        confirmed: watch::Receiver<Option<Position>>,
        stop: CancellationToken,
        status: watch::Sender<SourceStatus>,
    ) -> Self {
        let mut ticks = tokio::time::interval(feedback.look_every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            connection,
            feedback,
            confirmed,
            bridge_gone: false,
            stop,
            status,
            ticks,
            log_end: Lsn::ZERO,
        }
    }

    /// Whether nothing more shall be sent.
    pub(super) fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for bytes, a tick or the stop.
    pub(super) async fn wait(&mut self) -> Result<(), SourceError> {
        if self.feedback.reply_wanted() {
            self.tend(true).await?;
        }
        tokio::select! {
            biased;
            // Nothing is lost in any branch: ticks, confirmations and the stop are states, and
            // what `fill` has read is in the buffer.
            () = self.stop.cancelled() => Ok(()),
            _ = self.ticks.tick() => self.tend(true).await,
            changed = self.confirmed.changed(), if !self.bridge_gone => {
                self.bridge_gone = changed.is_err();
                self.take_confirmation();
                Ok(())
            }
            filled = self.connection.fill() => {
                self.feedback.heard();
                filled
            }
        }
    }

    /// Does `work` and meanwhile everything that must go on; `None` if stopped before its end.
    pub(super) async fn attend<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>, SourceError> {
        tokio::pin!(work);
        let mut waited = false;
        loop {
            tokio::select! {
                biased;
                // The same future is polled until it is done. At the stop it is dropped, with an
                // event that was not sent or a question nobody needs answered any more.
                done = &mut work => {
                    if waited {
                        // Nothing was read meanwhile, so the silence was ours.
                        self.feedback.heard();
                    }
                    return Ok(Some(done));
                }
                () = self.stop.cancelled() => return Ok(None),
                _ = self.ticks.tick() => self.tend(false).await?,
                changed = self.confirmed.changed(), if !self.bridge_gone => {
                    self.bridge_gone = changed.is_err();
                    self.take_confirmation();
                }
            }
            waited = true;
        }
    }

    fn take_confirmation(&mut self) {
        if let Some(position) = self.confirmed.borrow_and_update().as_ref() {
            self.feedback.confirm(position);
        }
    }

    /// Tells the server what is due, looks whether it is still there, and shows where we stand.
    async fn tend(&mut self, reading: bool) -> Result<(), SourceError> {
        if reading {
            self.feedback.watch()?;
        }
        self.show();
        match self.feedback.due(reading) {
            Some(status) => self.tell(status).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, status: Status) -> Result<(), SourceError> {
        let Status { confirmed, now, reply_wanted } = status;
        self.connection.send_status(confirmed, now, reply_wanted).await
    }

    fn show(&self) {
        let lag = self.log_end.bytes_since(self.feedback.confirmed());
        let heard = self.feedback.last_heard();
        self.status.send_modify(|status| {
            status.lag_bytes = (self.log_end > Lsn::ZERO).then_some(lag);
            status.heard_at = Some(heard);
        });
    }

    /// Leaves without waiting for confirmations: there is more to be sent.
    pub(super) async fn leave(mut self) -> Result<(), SourceError> {
        let last = self.feedback.tell(false);
        self.tell(last).await?;
        self.connection.finish().await
    }

    /// Waits until the bridge has confirmed what it was sent, passes that on, and leaves.
    pub(super) async fn finish(mut self) -> Result<(), SourceError> {
        let deadline = Instant::now() + SETTLE_DEADLINE;
        self.take_confirmation();
        while !self.feedback.settled() && !self.bridge_gone {
            tokio::select! {
                // Both are states; nothing is lost.
                changed = self.confirmed.changed() => self.bridge_gone = changed.is_err(),
                _ = self.ticks.tick() => self.tend(false).await?,
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.take_confirmation();
        }
        self.leave().await
    }
}
