//! How much of the log there is, and how long the server keeps it.
//!
//! The server removes a file of its log when the file is older than a setting, or when all files
//! together are larger than another, whether anybody has read it or not. So it can be told how
//! long a place of the log will last, and somebody can be woken before it is gone.

use std::time::Duration;

use erpbridge_connector::{SourceError, Timestamp};

use crate::catalog::{self, number, text};
use crate::config::MysqlConfig;
use crate::position::{Coordinates, FIRST_OFFSET};
use crate::session::Session;
use crate::stream::{Entry, LogStream};

/// What the server keeps of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The files, oldest first, with their sizes.
    pub files: Vec<LogFile>,
    /// How long a file is kept after it was written to for the last time.
    pub kept: Option<Duration>,
    /// How large all files together may be.
    pub largest: Option<u64>,
    /// The server knows only a setting in days.
    pub in_days: bool,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

const SETTINGS: &[&str] = &[
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "expire_logs_days",
    "max_binlog_total_size",
];

/// Asks the server.
pub(crate) async fn read(session: &mut Session) -> Result<Retention, SourceError> {
    let settings = catalog::variables(session, SETTINGS).await?;
    let above_zero = |name: &str| {
        let number = settings.get(name)?.parse::<f64>().ok()?;
        (number > 0.0).then_some(number)
    };
    let by_age = settings.get("binlog_expire_logs_auto_purge").is_none_or(|on| on == "ON");
    let seconds = above_zero("binlog_expire_logs_seconds")
        .or_else(|| above_zero("expire_logs_days").map(|days| days * 86_400.0));
    let kept = seconds.filter(|_| by_age).and_then(|s| Duration::try_from_secs_f64(s).ok());
    let largest = settings.get("max_binlog_total_size").and_then(|bytes| bytes.parse().ok());
    let largest = largest.filter(|bytes| *bytes > 0);
    let in_days = !settings.contains_key("binlog_expire_logs_seconds");
    Ok(Retention { files: files(session).await?, kept, largest, in_days })
}

/// The files of the log. <https://dev.mysql.com/doc/refman/5.6/en/show-binary-logs.html>
pub(crate) async fn files(session: &mut Session) -> Result<Vec<LogFile>, SourceError> {
    let file = |row: &mysql_async::Row| LogFile {
        name: text(row, 0),
        bytes: number(row, 1).unwrap_or_default(),
    };
    session.read("list the files of the log", "SHOW BINARY LOGS", file).await
}

/// When the file of this place was written to for the last time: its successor begins with the
/// moment at which it was begun. Nothing is known of a file that is still being written.
pub(crate) async fn closed_at(
    config: &MysqlConfig,
    place: &Coordinates,
    end: &Coordinates,
) -> Result<Option<Timestamp>, SourceError> {
    let next = place.successor().filter(|_| place.file_number() < end.file_number());
    let Some(next) = next else { return Ok(None) };
    let entry = Entry::At(Coordinates::new(next, FIRST_OFFSET));
    let born = LogStream::born(config, &entry).await?;
    Ok(born.map(|seconds| Timestamp::from_micros(i64::from(seconds) * 1_000_000)))
}

impl Retention {
    /// How much log lies between two places; `None` if the first one is not there any more.
    pub(crate) fn bytes_between(&self, from: &Coordinates, to: &Coordinates) -> Option<u64> {
        if from.file == to.file {
            return Some(to.offset.saturating_sub(from.offset));
        }
        let first = self.files.iter().position(|file| file.name == from.file)?;
        let files = self.files.iter().skip(first).take_while(|file| file.name != to.file);
        let whole: u64 = files.map(|file| file.bytes).sum();
        Some(whole.saturating_add(to.offset).saturating_sub(from.offset))
    }

    /// How much may be written before the file of this place is removed for its size.
    pub(crate) fn room(&self, place: &Coordinates, end: &Coordinates) -> Option<u64> {
        let begin = Coordinates::new(place.file.clone(), 0);
        let held = self.bytes_between(&begin, end)?;
        self.largest.map(|largest| largest.saturating_sub(held))
    }

    /// How long the file of this place will last, at least: it was written to at `written_at` or
    /// later. The file that is being written is not removed before another is begun.
    pub(crate) fn lasts(
        &self,
        place: &Coordinates,
        end: &Coordinates,
        written_at: Timestamp,
        now: Timestamp,
    ) -> Option<Duration> {
        let kept = self.kept?;
        if place.file == end.file {
            return Some(kept);
        }
        let age = now.as_micros().saturating_sub(written_at.as_micros());
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        Some(kept.saturating_sub(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention() -> Retention {
        let files = [("binlog.000003", 1000), ("binlog.000004", 500), ("binlog.000005", 100)];
        let file = |(name, bytes): (&str, u64)| LogFile { name: name.to_owned(), bytes };
        Retention {
            files: files.into_iter().map(file).collect(),
            kept: Some(Duration::from_hours(1)),
            largest: Some(2000),
            in_days: true,
        }
    }

    fn place(file: &str, offset: u64) -> Coordinates {
        Coordinates::new(file, offset)
    }

    #[test]
    fn bytes_are_counted_across_files() {
        let (retention, end) = (retention(), place("binlog.000005", 60));
        assert_eq!(retention.bytes_between(&place("binlog.000005", 40), &end), Some(20));
        assert_eq!(retention.bytes_between(&place("binlog.000003", 900), &end), Some(660));
        assert_eq!(retention.bytes_between(&place("binlog.000002", 900), &end), None);
        assert_eq!(retention.room(&place("binlog.000004", 70), &end), Some(1440));
    }

    #[test]
    fn a_place_lasts_as_long_as_its_file_is_kept_after_it_was_written() {
        let (retention, end) = (retention(), place("binlog.000005", 60));
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let lasts = |file, now| retention.lasts(&place(file, 4), &end, at(1000), at(now));
        assert_eq!(lasts("binlog.000005", 9000), Some(Duration::from_hours(1)));
        assert_eq!(lasts("binlog.000004", 1600), Some(Duration::from_mins(50)));
        assert_eq!(lasts("binlog.000004", 9000), Some(Duration::ZERO));
    }
}
