//! The one place that asks the operating system for the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use erpbridge_connector::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, in microseconds since the Unix epoch. A clock set before 1970 reads as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the place everyone else asks")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A moment as people read it: RFC 3339 in UTC. What that cannot say is told in microseconds.
pub fn display(at: Timestamp) -> String {
    let nanoseconds = i128::from(at.as_micros()) * 1000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok();
    let text = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("{} microseconds since 1970", at.as_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(display(Timestamp::from_micros(1_500_000)), "1970-01-01T00:00:01.5Z");
        assert!(display(Timestamp::from_micros(i64::MAX)).ends_with("since 1970"));
    }
}
