//! Calendar days in the spellings ERPs use.

use std::fmt::Write as _;

use time::{Date, Month};

/// How a column writes a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateFormat {
    /// `2026-11-21`, alone or before a time of day (which is left out).
    Iso,
    /// `20261121`, as number or text.
    YearMonthDay,
    /// `126325`: century since 1900, year, day of the year.
    CenturyDay,
    /// `2026325`: year and day of the year.
    YearDay,
    /// `21.11.2026`.
    DayMonthYear,
    /// `11/21/2026`.
    MonthDayYear,
}

impl DateFormat {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 6] = [
        ("iso", Self::Iso),
        ("yyyymmdd", Self::YearMonthDay),
        ("cyyddd", Self::CenturyDay),
        ("yyyyddd", Self::YearDay),
        ("dd.mm.yyyy", Self::DayMonthYear),
        ("mm/dd/yyyy", Self::MonthDayYear),
    ];
}

/// The day as `YYYY-MM-DD`; years 1 to 9999.
pub(crate) fn date<'a>(
    text: &'a str,
    format: DateFormat,
    scratch: &'a mut String,
) -> Option<&'a str> {
    if format == DateFormat::Iso {
        return iso(text);
    }
    let day = match format {
        DateFormat::Iso | DateFormat::YearMonthDay => {
            let day = digits(text)?;
            calendar(day / 10_000, day / 100 % 100, day % 100)
        }
        DateFormat::CenturyDay => {
            let day = digits(text)?;
            ordinal(1900 + day / 1000, day % 1000)
        }
        DateFormat::YearDay => {
            let day = digits(text)?;
            ordinal(day / 1000, day % 1000)
        }
        DateFormat::DayMonthYear => {
            let (day, month, year) = three(text, '.')?;
            calendar(year, month, day)
        }
        DateFormat::MonthDayYear => {
            let (month, day, year) = three(text, '/')?;
            calendar(year, month, day)
        }
    }?;
    scratch.clear();
    let (year, month, day) = day.to_calendar_date();
    write!(scratch, "{year:04}-{:02}-{day:02}", u8::from(month)).ok()?;
    Some(scratch)
}

/// The day at the head of ISO text, borrowed; a time of day may follow after a blank or a `T`.
fn iso(text: &str) -> Option<&str> {
    let (day, rest) = text.split_at_checked(10)?;
    let alone = rest.is_empty() || rest.starts_with([' ', 'T']);
    parse_iso(day).filter(|_| alone).map(|_| day)
}

/// `YYYY-MM-DD` as a day.
pub(super) fn parse_iso(day: &str) -> Option<Date> {
    let mut parts = day.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let sized = year.len() == 4 && month.len() == 2 && day.len() == 2;
    calendar(digits(year)?, digits(month)?, digits(day)?).filter(|_| sized)
}

fn calendar(year: u32, month: u32, day: u32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()
}

fn ordinal(year: u32, day: u32) -> Option<Date> {
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
    Date::from_ordinal_date(year, u16::try_from(day).ok()?).ok()
}

fn three(text: &str, separator: char) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, separator).map(digits);
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// Digits only, with the zero fraction a numeric column may print.
pub(super) fn digits(text: &str) -> Option<u32> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let plain = !whole.is_empty() && whole.bytes().all(|c| c.is_ascii_digit());
    plain.then(|| whole.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gives_the_same_day() {
        let spellings = [
            ("2026-11-21", DateFormat::Iso),
            ("2026-11-21 00:00:00", DateFormat::Iso),
            ("20261121", DateFormat::YearMonthDay),
            ("20261121.00", DateFormat::YearMonthDay),
            ("126325", DateFormat::CenturyDay),
            ("2026325", DateFormat::YearDay),
            ("21.11.2026", DateFormat::DayMonthYear),
            ("11/21/2026", DateFormat::MonthDayYear),
        ];
        for (text, format) in spellings {
            assert_eq!(date(text, format, &mut String::new()), Some("2026-11-21"), "{text}");
        }
        assert_eq!(date("99001", DateFormat::CenturyDay, &mut String::new()), Some("1999-01-01"));
    }

    #[test]
    fn a_day_that_does_not_exist_is_refused() {
        let wrong = [
            ("2026-02-30", DateFormat::Iso),
            ("0000-00-00", DateFormat::Iso),
            ("infinity", DateFormat::Iso),
            ("2026-11-21x", DateFormat::Iso),
            ("12026-01-01", DateFormat::Iso),
            ("0", DateFormat::CenturyDay),
            ("126366", DateFormat::CenturyDay),
            ("20261301", DateFormat::YearMonthDay),
            ("-1", DateFormat::YearMonthDay),
            ("21.11", DateFormat::DayMonthYear),
        ];
        for (text, format) in wrong {
            assert_eq!(date(text, format, &mut String::new()), None, "{text}");
        }
    }
}
