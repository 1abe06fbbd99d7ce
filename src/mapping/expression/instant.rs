//! Days and points in time.

use std::cmp::Ordering;
use std::fmt;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// A point in time, with as many digits of its second as were written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    /// In UTC, with whole seconds.
    second: OffsetDateTime,
    nanosecond: u32,
    /// How many digits of the fraction are known.
    digits: usize,
}

impl Instant {
    /// `YYYY-MM-DD HH:MM:SS[.f…]` with a `T` or a blank and a zone: `Z`, `+02`, `+02:00`, `+0200`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_at_checked(10)?;
        let (clock, rest) = time.strip_prefix(['T', ' '])?.split_at_checked(8)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("", rest),
        };
        let clock = Time::from_hms(two(clock, 0)?, two(clock, 3)?, two(clock, 6)?)
            .ok()
            .filter(|_| clock.get(2..3) == Some(":") && clock.get(5..6) == Some(":"))?;
        let local = OffsetDateTime::new_in_offset(day(date)?, clock, offset(zone)?);
        let second = local.checked_to_offset(UtcOffset::UTC)?;
        let digits = fraction.len();
        // A point wants a digit after it; more than nine are not kept by any server.
        let exact = digits <= 9 && (digits > 0 || !rest.starts_with('.'));
        let named = exact && (1..=9999).contains(&second.year());
        let scale = 10_u32.pow(9 - u32::try_from(digits).ok().filter(|digits| *digits <= 9)?);
        let nanosecond =
            if fraction.is_empty() { 0 } else { fraction.parse::<u32>().ok()? * scale };
        named.then_some(Self { second, nanosecond, digits })
    }

    /// Its day in UTC.
    pub(super) fn day(self) -> Date {
        self.second.date()
    }
}

/// What was not written counts as zero: `10:00:00` and `10:00:00.000` are the same point.
impl Ord for Instant {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.second, self.nanosecond).cmp(&(other.second, other.nanosecond))
    }
}

impl PartialOrd for Instant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Instant {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Instant {}

/// RFC 3339 in UTC, with the digits that were written.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.second.to_hms();
        write_day(self.second.date(), f)?;
        write!(f, "T{hour:02}:{minute:02}:{second:02}")?;
        if self.digits > 0 {
            let unit = 10_u32.pow(9 - u32::try_from(self.digits).unwrap_or(9));
            write!(f, ".{:0>width$}", self.nanosecond / unit, width = self.digits)?;
        }
        f.write_str("Z")
    }
}

/// `YYYY-MM-DD`, years 1 to 9999.
pub(super) fn day(text: &str) -> Option<Date> {
    let dashes = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let year = i32::from(two(text, 0)?) * 100 + i32::from(two(text, 2)?);
    let month = Month::try_from(two(text, 5)?).ok()?;
    let sized = dashes && text.len() == 10 && year > 0;
    Date::from_calendar_date(year, month, two(text, 8)?).ok().filter(|_| sized)
}

/// Writes a day as `YYYY-MM-DD`.
pub(super) fn write_day(day: Date, out: &mut impl fmt::Write) -> fmt::Result {
    let (year, month, day) = day.to_calendar_date();
    write!(out, "{year:04}-{:02}-{day:02}", u8::from(month))
}

/// The two digits at a place.
fn two(text: &str, at: usize) -> Option<u8> {
    let digits = text.get(at..at + 2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn offset(zone: &str) -> Option<UtcOffset> {
    if zone == "Z" {
        return Some(UtcOffset::UTC);
    }
    let digits = zone.strip_prefix(['+', '-'])?;
    let minutes = match digits.get(2..)? {
        "" => 0,
        minutes if minutes.len() == 2 => two(minutes, 0)?,
        minutes if minutes.len() == 3 => two(minutes.strip_prefix(':')?, 0)?,
        _ => return None,
    };
    let seconds = (i32::from(two(digits, 0)?) * 60 + i32::from(minutes)) * 60;
    let known = two(digits, 0)? < 24 && minutes < 60;
    let seconds = if zone.starts_with('-') { -seconds } else { seconds };
    UtcOffset::from_whole_seconds(seconds).ok().filter(|_| known)
}
