//! Durations: a number of units becomes ISO 8601.

use std::fmt::Write as _;

use super::number::Number;

/// What a column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationUnit {
    /// Days of 24 hours.
    Days,
    /// Seven days.
    Weeks,
    /// Hours.
    Hours,
    /// Minutes.
    Minutes,
    /// Days of somebody's calendar, written as days. Nobody says how long one is, so they have no
    /// fraction.
    WorkingDays,
}

impl DurationUnit {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("days", Self::Days),
        ("weeks", Self::Weeks),
        ("hours", Self::Hours),
        ("minutes", Self::Minutes),
        ("working_days", Self::WorkingDays),
    ];

    fn seconds(self) -> Option<u128> {
        match self {
            Self::Weeks => Some(7 * DAY),
            Self::Days => Some(DAY),
            Self::Hours => Some(3600),
            Self::Minutes => Some(60),
            Self::WorkingDays => None,
        }
    }
}

const DAY: u128 = 86_400;

/// More digits than any count of time has; so many still fit every sum below.
const MAX_DIGITS: usize = 18;

/// A number of units: `5` days are `P5D`, `1.5` hours are `PT1H30M`. Whole numbers keep their unit
/// (`P2W`, `PT90M`); a fraction must come out whole in seconds. Nothing is negative.
pub(crate) fn duration<'a>(
    text: &str,
    unit: DurationUnit,
    scratch: &'a mut String,
) -> Option<&'a str> {
    let mut plain = String::new();
    let mut number = Number::parse(text)?;
    if number.exponent.is_some() {
        // As floats are written that are very large, very small, or of some databases at all.
        number.write(&mut plain);
        number = Number::parse(&plain)?;
    }
    if number.negative && !number.is_zero() {
        return None;
    }
    let whole = count(number.whole.trim_start_matches('0'))?;
    let fraction = number.fraction.trim_end_matches('0');
    scratch.clear();
    if fraction.is_empty() {
        let (mark, letter) = match unit {
            DurationUnit::Days | DurationUnit::WorkingDays => ("P", 'D'),
            DurationUnit::Weeks => ("P", 'W'),
            DurationUnit::Hours => ("PT", 'H'),
            DurationUnit::Minutes => ("PT", 'M'),
        };
        write!(scratch, "{mark}{whole}{letter}").ok()?;
    } else {
        write_mixed(whole, whole_seconds(fraction, unit)?, unit, scratch)?;
    }
    Some(scratch)
}

/// The seconds of a fraction of a unit, if there are no parts of them.
fn whole_seconds(fraction: &str, unit: DurationUnit) -> Option<u128> {
    let parts = count(fraction)? * unit.seconds()?;
    let one = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    parts.is_multiple_of(one).then_some(parts / one)
}

/// Writes whole units and the seconds of a broken one. Hours and minutes are not carried into
/// larger units; weeks become days, because ISO 8601 has them only alone.
fn write_mixed(whole: u128, rest: u128, unit: DurationUnit, out: &mut String) -> Option<()> {
    let (mut days, mut hours, mut minutes) = (0, 0, 0);
    match unit {
        DurationUnit::Weeks => days = whole * 7,
        DurationUnit::Days | DurationUnit::WorkingDays => days = whole,
        DurationUnit::Hours => hours = whole,
        DurationUnit::Minutes => minutes = whole,
    }
    days += rest / DAY;
    hours += rest % DAY / 3600;
    minutes += rest % 3600 / 60;
    let seconds = rest % 60;
    out.push('P');
    write_part(days, 'D', out)?;
    if hours + minutes + seconds > 0 {
        out.push('T');
    }
    write_part(hours, 'H', out)?;
    write_part(minutes, 'M', out)?;
    write_part(seconds, 'S', out)
}

fn write_part(number: u128, letter: char, out: &mut String) -> Option<()> {
    if number > 0 {
        write!(out, "{number}{letter}").ok()?;
    }
    Some(())
}

/// Digits as a number; none at all are zero, as before the point of `.5`.
fn count(digits: &str) -> Option<u128> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.parse().ok().filter(|_| digits.len() <= MAX_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_units_become_iso_durations() {
        use DurationUnit::{Days, Hours, Minutes, Weeks, WorkingDays};
        let cases = [
            ("5", Days, "P5D"),
            ("5.00", Days, "P5D"),
            ("0", Days, "P0D"),
            ("-0.0", Days, "P0D"),
            ("007", Days, "P7D"),
            ("1.5", Days, "P1DT12H"),
            ("0.25", Days, "PT6H"),
            ("2", Weeks, "P2W"),
            ("1.5", Weeks, "P10DT12H"),
            ("36", Hours, "PT36H"),
            ("1.5", Hours, "PT1H30M"),
            ("1.50", Hours, "PT1H30M"),
            (".01", Hours, "PT36S"),
            ("36.5", Hours, "PT36H30M"),
            ("90", Minutes, "PT90M"),
            ("90.5", Minutes, "PT90M30S"),
            ("5", WorkingDays, "P5D"),
            ("5.0", WorkingDays, "P5D"),
            ("1e1", Days, "P10D"),
            ("1.2e+02", Days, "P120D"),
            ("1.5E0", Hours, "PT1H30M"),
            ("25e-2", Days, "PT6H"),
            ("0e9", Days, "P0D"),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(duration(text, unit, &mut String::new()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_seconds_is_refused() {
        use DurationUnit::{Days, Hours, Minutes, WorkingDays};
        let wrong = [
            ("1.5", WorkingDays),
            ("0.001", Hours),
            ("0.3333333333", Hours),
            ("0.01", Minutes),
            ("-5", Days),
            ("5D", Days),
            ("1e18", Days),
            ("1e400", Days),
            ("1e-9", Hours),
            ("1e", Days),
            ("1234567890123456789", Days),
            ("0.1234567890123456789", Days),
            ("", Days),
        ];
        for (text, unit) in wrong {
            assert_eq!(duration(text, unit, &mut String::new()), None, "{text}");
        }
    }

    /// The length of what was written, read back letter by letter.
    fn seconds_of(duration: &str) -> u128 {
        let (mut total, mut number, mut clock) = (0, 0, false);
        for letter in duration.chars() {
            let unit = match (letter, clock) {
                ('0'..='9', _) => {
                    number = number * 10 + u128::from(letter.to_digit(10).unwrap());
                    continue;
                }
                ('W', false) => 604_800,
                ('D', false) => 86_400,
                ('H', true) => 3600,
                ('M', true) => 60,
                ('S', true) => 1,
                ('T', _) => {
                    clock = true;
                    0
                }
                _ => 0,
            };
            total += number * unit;
            number = 0;
        }
        total
    }

    proptest::proptest! {
        #[test]
        fn a_duration_is_as_long_as_its_number_says(milli in 0_u128..10_000_000_000) {
            let text = format!("{}.{:03}", milli / 1000, milli % 1000);
            for (_, unit) in DurationUnit::NAMES {
                let mut scratch = String::new();
                let found = duration(&text, unit, &mut scratch);
                let per_unit = unit.seconds().unwrap_or(DAY);
                let exact = unit.seconds().map_or(milli % 1000 == 0, |unit| milli * unit % 1000 == 0);
                proptest::prop_assert_eq!(found.is_some(), exact, "{} {:?}", text, unit);
                if let Some(found) = found {
                    proptest::prop_assert_eq!(seconds_of(found) * 1000, milli * per_unit, "{}", found);
                    proptest::prop_assert!(!found.ends_with(['P', 'T']), "{}", found);
                }
            }
        }

        #[test]
        fn any_text_is_a_duration_or_none(text in "[-+]?[0-9]{0,20}[.]?[0-9]{0,20}|.*") {
            for (_, unit) in DurationUnit::NAMES {
                if let Some(found) = duration(&text, unit, &mut String::new()) {
                    proptest::prop_assert!(found.starts_with('P'));
                }
            }
        }
    }
}
