//! Instants: from the database's text to RFC 3339 in UTC, with the precision the text has.

use std::fmt::Write as _;

use super::date::{digits, parse_iso};

/// How far local time is ahead of UTC, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(i32);

impl Zone {
    /// UTC itself.
    pub(crate) const UTC: Self = Self(0);

    /// `UTC`, `+02:00` or `-05:30`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("utc") || text == "Z" {
            return Some(Self::UTC);
        }
        let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
        let sized = hours.len() == 2 && minutes.len() == 2;
        let (hours, minutes) =
            (i32::try_from(digits(hours)?).ok()?, i32::try_from(digits(minutes)?).ok()?);
        let valid = sized && hours <= 15 && minutes < 60;
        let ahead = hours * 60 + minutes;
        valid.then_some(Self(if text.starts_with('-') { -ahead } else { ahead }))
    }
}

/// `YYYY-MM-DD HH:MM:SS[.f…][+00]` as RFC 3339 in UTC. The text's fraction is kept digit by digit.
pub(crate) fn instant<'a>(text: &str, zone: Zone, scratch: &'a mut String) -> Option<&'a str> {
    let (day, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix([' ', 'T'])?;
    let time = time.strip_suffix("+00").or_else(|| time.strip_suffix('Z')).unwrap_or(time);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let (hour, minute, second) = parse_clock(clock)?;
    let exact = fraction.len() <= 9 && fraction.bytes().all(|c| c.is_ascii_digit());
    let date = parse_iso(day).filter(|_| exact)?;
    // Only hours and minutes move with the zone; seconds and fraction stay as they are.
    let minutes = i32::try_from(hour * 60 + minute).ok()? - zone.0;
    let date = date.checked_add(time::Duration::days(i64::from(minutes.div_euclid(1440))))?;
    let minutes = minutes.rem_euclid(1440);
    let (year, month, day) = date.to_calendar_date();
    let (hour, minute, month) = (minutes / 60, minutes % 60, u8::from(month));
    scratch.clear();
    write!(scratch, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}").ok()?;
    if !fraction.is_empty() {
        scratch.push('.');
        scratch.push_str(fraction);
    }
    scratch.push('Z');
    Some(scratch)
}

fn parse_clock(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, ':').map(|part| digits(part).filter(|_| part.len() == 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &str) -> Option<String> {
        instant(text, Zone::parse(zone)?, &mut String::new()).map(str::to_owned)
    }

    #[test]
    fn precision_is_kept_and_zones_are_taken_out() {
        let cases = [
            ("2026-11-21 10:00:00+00", "UTC", "2026-11-21T10:00:00Z"),
            ("2026-11-21 10:00:00.1200+00", "UTC", "2026-11-21T10:00:00.1200Z"),
            ("2026-11-21 00:30:05", "+02:00", "2026-11-20T22:30:05Z"),
            ("2026-12-31 23:30:00", "-01:30", "2027-01-01T01:00:00Z"),
            ("2026-11-21T10:00:00", "UTC", "2026-11-21T10:00:00Z"),
        ];
        for (text, zone, expected) in cases {
            assert_eq!(read(text, zone).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_instant_is_refused() {
        for text in ["infinity", "2026-11-21", "2026-11-21 25:00:00", "0044-03-15 10:00:00 BC", ""]
        {
            assert_eq!(read(text, "UTC"), None, "{text}");
        }
        assert_eq!(Zone::parse("Europe/Berlin"), None);
        assert_eq!(Zone::parse("+2"), None);
    }
}
