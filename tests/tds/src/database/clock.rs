//! The server's clock: the machine's, or one that a test holds.

use std::time::{Duration, UNIX_EPOCH};

use crate::value::calendar::{DAY, DAYS_TO_1970};

/// Tells the time in units of 100 ns since 0001-01-01 UTC.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// What it tells if it stands still.
    held: Option<i64>,
    /// How far it was moved on.
    ahead: i64,
}

const EPOCH: i64 = DAYS_TO_1970 as i64 * DAY;

impl Clock {
    pub(crate) fn now(&self) -> i64 {
        self.held.unwrap_or_else(machine) + self.ahead
    }

    /// Stands still at this many microseconds since 1970.
    pub(crate) fn hold(&mut self, micros: i64) {
        *self = Self { held: Some(EPOCH + micros * 10), ahead: 0 };
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += i64::try_from(by.as_nanos() / 100).unwrap_or(0);
    }
}

fn machine() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of a server of its own")]
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EPOCH + i64::try_from(since.as_nanos() / 100).unwrap_or(0)
}
