//! A cell as it came from the server, freed from the client library: bytes in, text out. Pure.
//!
//! What a cell carries is what the server sent for the expression of the select list
//! ([`values`](crate::values)), which is chosen so that nothing is lost on the way: a `decimal` is
//! its digits, a `datetime` has been rounded by the server as it shows it, characters of any code
//! page come as Unicode.

use std::fmt::{self, Write as _};

/// One cell of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// `bit`
    Bool(bool),
    /// `tinyint` to `bigint`
    Integer(i64),
    /// `decimal`: its digits as a whole number, and how many of them stand behind the point.
    Decimal(i128, u8),
    /// `real`
    Float32(f32),
    /// `float`
    Float64(f64),
    /// Characters.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `uniqueidentifier`
    Guid(u128),
    /// `date`
    Date(Day),
    /// `time`
    Time(Clock),
    /// `datetime2`
    Moment(Day, Clock),
    /// `datetimeoffset`, as of UTC, with the minutes it was ahead of UTC.
    Instant(Day, Clock, i16),
}

/// A day, counted from 0001-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub u32);

/// A time of day in parts of a second: so many parts, each ten to the minus `scale` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Parts since midnight.
    pub parts: u64,
    /// Decimal places.
    pub scale: u8,
}

const DAYS_TO_1970: i64 = 719_162;
const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Cell {
    /// The number, if it is a whole one.
    pub const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The characters.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Microseconds since 1970-01-01 00:00 of the same clock, in UTC for an instant.
    pub fn micros(&self) -> Option<i64> {
        match self {
            Self::Moment(day, clock) | Self::Instant(day, clock, _) => {
                let days = i64::from(day.0) - DAYS_TO_1970;
                Some(days.saturating_mul(MICROS_PER_DAY).saturating_add(clock.micros()))
            }
            _ => None,
        }
    }

    /// The number of a decimal without places behind the point.
    pub const fn whole(&self) -> Option<i128> {
        match self {
            Self::Decimal(digits, 0) => Some(*digits),
            _ => None,
        }
    }

    /// The `uniqueidentifier`.
    pub const fn guid(&self) -> Option<u128> {
        match self {
            Self::Guid(guid) => Some(*guid),
            _ => None,
        }
    }

    /// How many minutes the clock of an instant was ahead of UTC.
    pub const fn minutes_ahead(&self) -> Option<i16> {
        match self {
            Self::Instant(_, _, minutes) => Some(*minutes),
            _ => None,
        }
    }

    /// About how many bytes it takes in memory as text.
    pub const fn weight(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => 2 + 2 * bytes.len(),
            _ => 16,
        }
    }

    /// Appends its canonical text; nothing for NULL.
    pub fn write(&self, out: &mut String) {
        let written = match self {
            Self::Null => Ok(()),
            Self::Bool(yes) => out.write_str(if *yes { "true" } else { "false" }),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Decimal(digits, scale) => decimal(*digits, *scale, out),
            Self::Float32(number) if plain(f64::from(*number)) => write!(out, "{number}"),
            Self::Float32(number) => write!(out, "{number:e}"),
            Self::Float64(number) if plain(*number) => write!(out, "{number}"),
            Self::Float64(number) => write!(out, "{number:e}"),
            Self::Text(text) => out.write_str(text),
            Self::Bytes(bytes) => hexadecimal(bytes, out),
            Self::Guid(guid) => hyphenated(*guid, out),
            Self::Date(day) => write!(out, "{day}"),
            Self::Time(clock) => write!(out, "{clock}"),
            Self::Moment(day, clock) => write!(out, "{day} {clock}"),
            Self::Instant(day, clock, _) => write!(out, "{day} {clock}+00"),
        };
        written.expect("writing into a string cannot fail");
    }
}

/// Whether a number is short enough without an exponent.
fn plain(number: f64) -> bool {
    number == 0.0 || (1e-5..1e15).contains(&number.abs())
}

fn decimal(digits: i128, scale: u8, out: &mut String) -> fmt::Result {
    let sign = if digits < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let all = format!("{:0width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = all.split_at(all.len() - scale);
    if scale == 0 { write!(out, "{sign}{whole}") } else { write!(out, "{sign}{whole}.{fraction}") }
}

fn hexadecimal(bytes: &[u8], out: &mut String) -> fmt::Result {
    out.push_str("\\x");
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

fn hyphenated(guid: u128, out: &mut String) -> fmt::Result {
    let digits = format!("{guid:032x}");
    digits.chars().enumerate().try_for_each(|(place, digit)| {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.write_char('-')?;
        }
        out.write_char(digit)
    })
}

impl Day {
    /// Year, month and day of the Gregorian calendar, by counting eras of 400 years from a first
    /// of March.
    fn civil(self) -> (i64, i64, i64) {
        let days = i64::from(self.0) + 306;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (era * 400 + year + i64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Clock {
    fn seconds(self) -> (u64, u64) {
        let parts = 10_u64.saturating_pow(u32::from(self.scale));
        (self.parts / parts, self.parts % parts)
    }

    fn micros(self) -> i64 {
        let (seconds, parts) = self.seconds();
        let scale = u32::from(self.scale);
        let micros = match 6_u32.checked_sub(scale) {
            Some(missing) => parts.saturating_mul(10_u64.saturating_pow(missing)),
            None => parts / 10_u64.saturating_pow(scale - 6),
        };
        i64::try_from(seconds.saturating_mul(1_000_000).saturating_add(micros)).unwrap_or(0)
    }
}

impl fmt::Display for Clock {
    /// Zeros at the end of the fraction are left away, as other databases do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, parts) = self.seconds();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:02}", seconds % 60)?;
        if parts == 0 {
            return Ok(());
        }
        let fraction = format!("{parts:0width$}", width = usize::from(self.scale));
        write!(f, ".{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(cell: &Cell) -> String {
        let mut out = String::new();
        cell.write(&mut out);
        out
    }

    #[test]
    fn a_decimal_keeps_every_digit_of_its_scale() {
        for (digits, scale, expected) in [
            (11_000, 4, "1.1000"),
            (-5, 4, "-0.0005"),
            (0, 6, "0.000000"),
            (0, 0, "0"),
            (-42, 0, "-42"),
            (
                99_999_999_999_999_999_999_999_999_999_999_999_999,
                38,
                "0.99999999999999999999999999999999999999",
            ),
            (9_223_372_036_854_775_807, 4, "922337203685477.5807"),
        ] {
            assert_eq!(text(&Cell::Decimal(digits, scale)), expected);
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "0001-01-01"),
            (30, "0001-01-31"),
            (31, "0001-02-01"),
            (58, "0001-02-28"),
            (59, "0001-03-01"),
            (693_595, "1900-01-01"),
            (719_162, "1970-01-01"),
            (738_944, "2024-02-29"),
            (3_652_058, "9999-12-31"),
        ] {
            assert_eq!(Day(days).to_string(), expected);
        }
    }

    #[test]
    fn a_time_shows_the_fraction_it_has() {
        for (parts, scale, expected) in [
            (0, 0, "00:00:00"),
            (86_399, 0, "23:59:59"),
            (863_999_999_999, 7, "23:59:59.9999999"),
            (450_005_000_000, 7, "12:30:00.5"),
            (1, 3, "00:00:00.001"),
        ] {
            assert_eq!(Clock { parts, scale }.to_string(), expected);
        }
    }

    #[test]
    fn a_moment_counts_from_1970() {
        let clock = Clock { parts: 15_000, scale: 3 };
        assert_eq!(Cell::Moment(Day(719_163), clock).micros(), Some(86_400_000_000 + 15_000_000));
        let clock = Clock { parts: 10_000_009, scale: 7 };
        assert_eq!(Cell::Instant(Day(719_162), clock, 60).micros(), Some(1_000_000));
    }

    #[test]
    fn every_kind_of_cell_has_its_text() {
        let clock = Clock { parts: 36_000, scale: 0 };
        for (cell, expected) in [
            (Cell::Bool(true), "true"),
            (Cell::Integer(-7), "-7"),
            (Cell::Float32(0.1), "0.1"),
            (Cell::Float64(1e21), "1e21"),
            (Cell::Float64(-1.797_693_134_862_315_7e308), "-1.7976931348623157e308"),
            (Cell::Float32(16_777_216.0), "16777216"),
            (Cell::Float64(1e-7), "1e-7"),
            (Cell::Float64(0.1), "0.1"),
            (Cell::Text("A1  ".to_owned()), "A1  "),
            (Cell::Bytes(vec![0, 255]), "\\x00ff"),
            (
                Cell::Guid(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF),
                "01234567-89ab-cdef-0123-456789abcdef",
            ),
            (Cell::Instant(Day(719_162), clock, -300), "1970-01-01 10:00:00+00"),
            (Cell::Null, ""),
        ] {
            assert_eq!(text(&cell), expected);
        }
    }

    proptest! {
        #[test]
        fn no_cell_makes_the_writer_panic(days: u32, parts: u64, scale in 0..=9_u8, digits: i128) {
            let clock = Clock { parts, scale };
            for cell in [Cell::Moment(Day(days), clock), Cell::Decimal(digits, scale)] {
                prop_assert!(!text(&cell).is_empty());
                prop_assert_eq!(cell.micros().is_some(), matches!(cell, Cell::Moment(..)));
            }
        }

        #[test]
        fn days_follow_one_another(days in 0..3_652_058_u32) {
            prop_assert!(Day(days).to_string() < Day(days + 1).to_string());
        }
    }
}
