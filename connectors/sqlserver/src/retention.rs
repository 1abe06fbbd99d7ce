//! How long the server keeps changes, and how long it will still keep ours.
//!
//! The cleanup job removes changes by age and asks nobody. So the time that is left is what it
//! keeps, less the age of the first change that is not confirmed. The job runs once a day, so the
//! server often keeps more; it never keeps less.

use std::time::Duration;

use erpbridge_connector::SourceError;

use crate::session::Session;

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-tables/dbo-cdc-jobs-transact-sql>
const RETENTION: &str = "
SELECT j.retention FROM msdb.dbo.cdc_jobs AS j
WHERE j.database_id = DB_ID() AND j.job_type = N'cleanup'";

/// The same where there is no msdb to ask: Azure SQL Database keeps its jobs with the changes.
const RETENTION_IN_AZURE: &str = "
SELECT j.retention FROM cdc.cdc_jobs AS j WHERE j.job_type = N'cleanup'";

/// How long changes are kept; none where this login is not told.
pub async fn read(session: &mut Session) -> Result<Option<Duration>, SourceError> {
    for question in [RETENTION, RETENTION_IN_AZURE] {
        match session.row("ask how long changes are kept", question, &[]).await {
            Ok(Some(row)) => return Ok(row.integer(0).and_then(minutes)),
            Ok(None) => {}
            Err(error) if session.is_usable() => {
                tracing::debug!(%error, "how long changes are kept is not told");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn minutes(minutes: i64) -> Option<Duration> {
    u64::try_from(minutes).ok().map(|minutes| Duration::from_secs(minutes.saturating_mul(60)))
}

/// How long a change of the one time is still kept at the other, both in microseconds of the
/// server's local time.
pub fn left(kept: Duration, written: i64, now: i64) -> Duration {
    let age = u64::try_from(now.saturating_sub(written)).unwrap_or(0);
    kept.saturating_sub(Duration::from_micros(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_shrinks_with_the_age_of_what_is_not_confirmed() {
        let hours = |hours: u64| i64::try_from(hours * 3_600_000_000).unwrap();
        let kept = Duration::from_hours(72);
        assert_eq!(left(kept, hours(10), hours(12)), Duration::from_hours(70));
        assert_eq!(left(kept, hours(10), hours(100)), Duration::ZERO);
        // A clock that was put back makes nothing younger than new.
        assert_eq!(left(kept, hours(12), hours(10)), kept);
    }
}
