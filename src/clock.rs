//! The one place that asks the operating system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use erpbridge_connector::Timestamp;

/// Now, in microseconds since the Unix epoch. A clock set before 1970 reads as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the place everyone else asks")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
