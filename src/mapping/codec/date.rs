//! Calendar days in the spellings ERPs use.
//!
//! A spelling is read only at its own length: `261121` is no `yyyymmdd`, rather than a day in the
//! year 26. Only zeros that a numeric column has lost in front may be missing.

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
    /// `21112026`; as number `5112026` too.
    PackedDayMonthYear,
    /// `261121`, as number without leading zeros; the years 00 to 69 are 2000 to 2069, and 70 to 99
    /// are 1970 to 1999.
    ShortYearMonthDay,
}

impl DateFormat {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 8] = [
        ("iso", Self::Iso),
        ("yyyymmdd", Self::YearMonthDay),
        ("cyyddd", Self::CenturyDay),
        ("yyyyddd", Self::YearDay),
        ("dd.mm.yyyy", Self::DayMonthYear),
        ("mm/dd/yyyy", Self::MonthDayYear),
        ("ddmmyyyy", Self::PackedDayMonthYear),
        ("yymmdd", Self::ShortYearMonthDay),
    ];
}

/// The last two-digit year that belongs to this century.
const PIVOT: u32 = 69;

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
        DateFormat::DayMonthYear => {
            let (day, month, year) = three(text, '.')?;
            calendar(year, month, day)
        }
        DateFormat::MonthDayYear => {
            let (month, day, year) = three(text, '/')?;
            calendar(year, month, day)
        }
        packed => unpack(text, packed),
    }?;
    scratch.clear();
    write_day(day, scratch);
    Some(scratch)
}

/// A day written as one number.
fn unpack(text: &str, format: DateFormat) -> Option<Date> {
    let text = whole(text)?;
    let number = digits(text)?;
    let (high, middle, low) = (number / 10_000, number / 100 % 100, number % 100);
    match (format, text.len()) {
        (DateFormat::YearMonthDay, 8) => calendar(high, middle, low),
        (DateFormat::CenturyDay, ..=6) => ordinal(1900 + number / 1000, number % 1000),
        (DateFormat::YearDay, 7) => ordinal(number / 1000, number % 1000),
        (DateFormat::PackedDayMonthYear, 7 | 8) => {
            calendar(number % 10_000, number / 10_000 % 100, number / 1_000_000)
        }
        (DateFormat::ShortYearMonthDay, ..=6) => {
            let century = if high <= PIVOT { 2000 } else { 1900 };
            calendar(century + high, middle, low)
        }
        _ => None,
    }
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

/// Appends a day of the years 1 to 9999 as `YYYY-MM-DD`.
pub(super) fn write_day(day: Date, out: &mut String) {
    let (year, month, day) = day.to_calendar_date();
    write_padded(year.unsigned_abs(), 4, out);
    out.push('-');
    write_padded(u32::from(u8::from(month)), 2, out);
    out.push('-');
    write_padded(u32::from(day), 2, out);
}

/// Appends the last `width` digits of a number, at most nine.
pub(super) fn write_padded(number: u32, width: u32, out: &mut String) {
    let digit = |place: u32| number / 10_u32.saturating_pow(place) % 10;
    out.extend((0..width).rev().filter_map(|place| char::from_digit(digit(place), 10)));
}

fn calendar(year: u32, month: u32, day: u32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(dated_year(year)?, month, u8::try_from(day).ok()?).ok()
}

fn ordinal(year: u32, day: u32) -> Option<Date> {
    Date::from_ordinal_date(dated_year(year)?, u16::try_from(day).ok()?).ok()
}

fn dated_year(year: u32) -> Option<i32> {
    i32::try_from(year).ok().filter(|year| (1..=9999).contains(year))
}

/// Day and month with or without a leading zero, and a year of four digits at the end.
fn three(text: &str, separator: char) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let sized = first.len() <= 2 && second.len() <= 2 && year.len() == 4;
    sized.then_some((digits(first)?, digits(second)?, digits(year)?))
}

/// The text without the zero fraction a numeric column may print.
pub(super) fn whole(text: &str) -> Option<&str> {
    match text.split_once('.') {
        Some((whole, zeros)) => zeros.bytes().all(|digit| digit == b'0').then_some(whole),
        None => Some(text),
    }
}

/// Digits and nothing else.
pub(super) fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    plain.then(|| text.parse().ok())?
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
            ("21112026", DateFormat::PackedDayMonthYear),
            ("261121", DateFormat::ShortYearMonthDay),
            // A closing date is the last second of its day.
            ("2026-11-21 23:59:59.000", DateFormat::Iso),
        ];
        for (text, format) in spellings {
            assert_eq!(date(text, format, &mut String::new()), Some("2026-11-21"), "{text}");
        }
        assert_eq!(date("99001", DateFormat::CenturyDay, &mut String::new()), Some("1999-01-01"));
    }

    #[test]
    fn a_number_may_have_lost_its_leading_zeros() {
        let numbers = [
            ("1", DateFormat::CenturyDay, "1900-01-01"),
            ("099365.0", DateFormat::CenturyDay, "1999-12-31"),
            ("5112026", DateFormat::PackedDayMonthYear, "2026-11-05"),
            ("5112026.00", DateFormat::PackedDayMonthYear, "2026-11-05"),
            ("131", DateFormat::ShortYearMonthDay, "2000-01-31"),
            ("50131", DateFormat::ShortYearMonthDay, "2005-01-31"),
        ];
        for (text, format, expected) in numbers {
            assert_eq!(date(text, format, &mut String::new()), Some(expected), "{text}");
        }
    }

    #[test]
    fn two_digit_years_turn_at_seventy() {
        let read =
            |text| date(text, DateFormat::ShortYearMonthDay, &mut String::new()).map(str::to_owned);
        assert_eq!(read("691231").as_deref(), Some("2069-12-31"));
        assert_eq!(read("700101").as_deref(), Some("1970-01-01"));
        assert_eq!(read("991231").as_deref(), Some("1999-12-31"));
        assert_eq!(read("000229").as_deref(), Some("2000-02-29"));
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
            ("2026-1.-01", DateFormat::Iso),
            ("1126325", DateFormat::CenturyDay),
            ("261121", DateFormat::YearMonthDay),
            ("26325", DateFormat::YearDay),
            ("21.11.26", DateFormat::DayMonthYear),
            ("021.1.2026", DateFormat::DayMonthYear),
            ("31022026", DateFormat::PackedDayMonthYear),
            ("211126", DateFormat::PackedDayMonthYear),
            ("0", DateFormat::ShortYearMonthDay),
            ("990230", DateFormat::ShortYearMonthDay),
            ("20261121", DateFormat::ShortYearMonthDay),
            ("261121.5", DateFormat::ShortYearMonthDay),
        ];
        for (text, format) in wrong {
            assert_eq!(date(text, format, &mut String::new()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_day_or_none(text in "[0-9]{1,9}([-./][0-9]{1,3}){0,2}|.*") {
            for (_, format) in DateFormat::NAMES {
                if let Some(day) = date(&text, format, &mut String::new()) {
                    proptest::prop_assert!(parse_iso(day).is_some(), "{} gave {}", text, day);
                }
            }
        }

        #[test]
        fn every_day_reads_back_from_every_spelling(ordinal in 719_163_i32..=2_932_896) {
            // Counted from the Julian day, not by the code under test; 1970 to 9999, which every
            // spelling but the short ones can say.
            let day = Date::from_julian_day(ordinal + 1_721_425).unwrap();
            let (y, m, d, n) = (day.year(), u8::from(day.month()), day.day(), day.ordinal());
            let expected = format!("{y:04}-{m:02}-{d:02}");
            let mut spellings = vec![
                (DateFormat::Iso, expected.clone()),
                (DateFormat::YearMonthDay, format!("{y:04}{m:02}{d:02}")),
                (DateFormat::YearDay, format!("{y:04}{n:03}")),
                (DateFormat::DayMonthYear, format!("{d}.{m}.{y:04}")),
                (DateFormat::MonthDayYear, format!("{m}/{d}/{y:04}")),
                (DateFormat::PackedDayMonthYear, format!("{d}{m:02}{y:04}")),
            ];
            if y < 2900 {
                spellings.push((DateFormat::CenturyDay, format!("{}{n:03}", y - 1900)));
            }
            if y < 2070 {
                spellings.push((DateFormat::ShortYearMonthDay, format!("{}{m:02}{d:02}", y % 100)));
            }
            for (format, text) in spellings {
                let mut scratch = String::new();
                let found = date(&text, format, &mut scratch);
                proptest::prop_assert_eq!(found, Some(expected.as_str()), "{}", text);
            }
        }
    }
}
