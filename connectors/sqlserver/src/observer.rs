//! Whether capture is alive: silence is not health.
//!
//! Nothing fails where the Agent or the capture job has stopped: the change tables just stay as
//! they are. But a living job writes an entry into `cdc.lsn_time_mapping` every five minutes even
//! where nothing happens. So the age of the newest entry is the lag of capture; it is what the
//! watermark of the source follows, and beyond [`STALE`] it is also said in words.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceStatus, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::change_tables::{Commit, newest};
use crate::position::LogPosition;
use crate::retention;
use crate::session::Session;
use crate::start::not_beyond;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it is asked for how long changes are kept.
const ASK_EVERY: Duration = Duration::from_mins(10);

/// Capture that has written nothing for so long has stopped: two entries are missing.
pub const STALE: Duration = Duration::from_mins(11);

/// Looks now and then.
#[derive(Debug, Default)]
pub struct Observer {
    looked_at: Option<Instant>,
    warned: bool,
    /// How long the server keeps changes, if it says so, and when it was asked.
    kept: Option<(Option<Duration>, Instant)>,
}

impl Observer {
    /// Looks if it is time, and says when the newest entry was made that lies at or before our
    /// position: no commit older than that is to come. What is `confirmed` tells how old the
    /// first change is that is still needed.
    pub async fn look(
        &mut self,
        session: &mut Session,
        reached: &LogPosition,
        confirmed: Option<&LogPosition>,
        status: &watch::Sender<SourceStatus>,
    ) -> Result<Option<Timestamp>, SourceError> {
        if self.looked_at.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(None);
        }
        let newest = newest(session).await?;
        self.looked_at = Some(Instant::now());
        let Some((commit, now)) = newest else { return Ok(None) };
        let left = self.left(session, &commit, now, confirmed).await?;
        status.send_modify(|status| {
            status.heard_at = Some(now);
            status.log_kept_for = left;
        });
        not_beyond(reached, &commit)?;
        self.judge(age(commit.at, now));
        Ok((commit.lsn <= reached.place.lsn()).then_some(commit.at))
    }

    /// How long what is not confirmed will still be kept.
    async fn left(
        &mut self,
        session: &mut Session,
        newest: &Commit,
        now: Timestamp,
        confirmed: Option<&LogPosition>,
    ) -> Result<Option<Duration>, SourceError> {
        let kept = match self.kept {
            Some((kept, asked_at)) if asked_at.elapsed() < ASK_EVERY => kept,
            _ => {
                let kept = retention::read(session).await?;
                self.kept = Some((kept, Instant::now()));
                kept
            }
        };
        let ahead = newest.local - newest.at.as_micros();
        let local = now.as_micros().saturating_add(ahead);
        let witness = confirmed.and_then(|confirmed| confirmed.witness);
        Ok(kept.zip(witness).map(|(kept, witness)| retention::left(kept, witness.at, local)))
    }

    fn judge(&mut self, age: Duration) {
        let stale = age > STALE;
        if stale && !self.warned {
            tracing::warn!(
                minutes = age.as_secs() / 60,
                "nothing has been captured for long, not even that nothing happened: is the \
                 server's Agent running, and its capture job? EXEC sys.sp_cdc_start_job starts it"
            );
        } else if !stale && self.warned {
            tracing::info!("capture goes on");
        }
        self.warned = stale;
    }
}

/// How long ago something was by the server's clock.
pub fn age(then: Timestamp, now: Timestamp) -> Duration {
    let micros = now.as_micros().saturating_sub(then.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_once_until_capture_goes_on() {
        let mut observer = Observer::default();
        let mut warned = Vec::new();
        for minutes in [1, 12, 20, 3, 15] {
            observer.judge(Duration::from_mins(minutes));
            warned.push(observer.warned);
        }
        assert_eq!(warned, [false, true, true, false, true]);
    }

    #[test]
    fn a_clock_that_went_back_is_no_age() {
        let at = Timestamp::from_micros;
        assert_eq!(age(at(5_000_000), at(7_000_000)), Duration::from_secs(2));
        assert_eq!(age(at(7), at(5)), Duration::ZERO);
    }
}
