//! What we tell the server and what we make of its silence.
//!
//! **Why the place we tell is safe.** [`Feedback::confirmed`] begins with what the slot itself
//! had confirmed and grows only by what the bridge reports as durable, never by what was merely
//! read or sent. A report of something that was not sent is not believed.

use std::time::Duration;

use erpbridge_connector::{Position, SourceError, SourceErrorKind, Timestamp};
use tokio::time::Instant;

use crate::Lsn;
use crate::position::LogPosition;

/// A status goes out at least this often, and more often if the server is less patient.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// After so much silence the server is asked for a sign of life, so that an idle database is
/// known to be idle.
const ASK_AFTER: Duration = Duration::from_secs(1);

/// How often all of this is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a patient server is believed to be.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the server may be late beyond its patience.
const MARGIN: Duration = Duration::from_secs(5);

/// A status that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Everything before this is durable.
    pub confirmed: Lsn,
    /// Our time, by the server's clock.
    pub now: Timestamp,
    /// Whether the server shall answer.
    pub reply_wanted: bool,
}

/// What has been confirmed, told and heard.
#[derive(Debug)]
pub struct Feedback {
    confirmed: Lsn,
    sent: Lsn,
    told: Lsn,
    told_at: Instant,
    heard_at: Instant,
    server_time: Timestamp,
    reply_wanted: bool,
    patience: Duration,
}

impl Feedback {
    /// `confirmed` is what the slot has confirmed, `after` where the stream begins.
    pub fn new(
        confirmed: Lsn,
        after: Lsn,
        server_time: Timestamp,
        patience: Option<Duration>,
    ) -> Self {
        let now = Instant::now();
        Self {
            confirmed,
            sent: after,
            told: confirmed,
            told_at: now,
            heard_at: now,
            server_time,
            reply_wanted: false,
            patience: patience.unwrap_or(PATIENCE),
        }
    }

    /// How often [`Self::due`] must be asked.
    pub fn look_every(&self) -> Duration {
        std::cmp::min(LOOK_EVERY, self.patience / 3)
    }

    /// Everything before `position` is in the queue.
    pub fn sent(&mut self, position: &Position) {
        if let Some(lsn) = confirmable(position) {
            self.sent = std::cmp::max(self.sent, lsn);
        }
    }

    /// The bridge reports `position` as durable.
    pub fn confirm(&mut self, position: &Position) {
        match confirmable(position) {
            Some(lsn) if lsn <= self.sent => self.confirmed = std::cmp::max(self.confirmed, lsn),
            Some(lsn) => {
                tracing::warn!(%lsn, sent = %self.sent, "not sent, yet reported as durable");
            }
            None => {}
        }
    }

    /// What may be forgotten.
    pub fn confirmed(&self) -> Lsn {
        self.confirmed
    }

    /// Whether everything that was sent is durable.
    pub fn settled(&self) -> bool {
        self.confirmed >= self.sent
    }

    /// The server said something.
    pub fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// The server said what time it is, and perhaps that it waits for a status.
    pub fn heard_time(&mut self, server_time: Timestamp, reply_wanted: bool) {
        self.server_time = server_time;
        self.reply_wanted |= reply_wanted;
    }

    /// When the server last said anything, by its own clock.
    pub fn last_heard(&self) -> Timestamp {
        self.server_time
    }

    /// Whether the server waits for a status.
    pub fn reply_wanted(&self) -> bool {
        self.reply_wanted
    }

    /// The status that is due now, if one is. While nothing is read, silence means nothing.
    pub fn due(&mut self, reading: bool) -> Option<Status> {
        let ask = reading && self.heard_at.elapsed() >= ASK_AFTER;
        let every = std::cmp::min(STATUS_EVERY, self.patience / 3);
        let news = self.confirmed > self.told;
        let due = ask || news || self.reply_wanted || self.told_at.elapsed() >= every;
        due.then(|| self.tell(ask))
    }

    /// The status as it is.
    pub fn tell(&mut self, reply_wanted: bool) -> Status {
        self.told = self.confirmed;
        self.told_at = Instant::now();
        self.reply_wanted = false;
        Status { confirmed: self.confirmed, now: self.now(), reply_wanted }
    }

    /// A server that does not even answer when asked is gone; TCP may not notice for hours.
    pub fn watch(&self) -> Result<(), SourceError> {
        let silence = self.heard_at.elapsed();
        if silence <= self.patience + MARGIN {
            return Ok(());
        }
        let message = format!("the server has said nothing for {} s", silence.as_secs());
        Err(SourceError::new(SourceErrorKind::Connection, message))
    }

    /// The server's clock, carried on by ours since it last told.
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.heard_at.elapsed().as_micros()).unwrap_or(0);
        Timestamp::from_micros(self.server_time.as_micros().saturating_add(since))
    }
}

fn confirmable(position: &Position) -> Option<Lsn> {
    position.as_str().parse::<LogPosition>().ok()?.confirmable()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback() -> Feedback {
        let patience = Some(Duration::from_secs(6));
        Feedback::new(Lsn::new(0x10), Lsn::new(0x20), Timestamp::default(), patience)
    }

    fn at(lsn: &str) -> Position {
        Position::new(lsn)
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_sent_and_reported_is_confirmed() {
        let mut feedback = feedback();
        feedback.sent(&at("0/40"));
        assert_eq!(feedback.tell(false).confirmed, Lsn::new(0x10));
        feedback.confirm(&at("0/41"));
        feedback.confirm(&at("snapshot:0/40"));
        feedback.confirm(&at("nonsense"));
        assert_eq!(feedback.confirmed(), Lsn::new(0x10));
        feedback.confirm(&at("0/30"));
        feedback.confirm(&at("0/20"));
        assert_eq!(feedback.confirmed(), Lsn::new(0x30));
        assert!(!feedback.settled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_due_on_news_on_request_and_after_a_third_of_the_patience() {
        let mut feedback = feedback();
        assert_eq!(feedback.due(false), None);
        feedback.heard_time(Timestamp::default(), true);
        assert!(feedback.due(false).is_some());
        assert_eq!(feedback.due(false), None);
        feedback.confirm(&at("0/20"));
        assert!(feedback.due(false).is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(feedback.due(false).is_some_and(|status| !status.reply_wanted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_asked_and_then_given_up() {
        let mut feedback = feedback();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(feedback.due(true).is_some_and(|status| status.reply_wanted));
        assert!(feedback.watch().is_ok());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(feedback.watch().unwrap_err().kind(), SourceErrorKind::Connection);
    }
}
