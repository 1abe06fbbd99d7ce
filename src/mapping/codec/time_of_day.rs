//! Times of day in the spellings ERPs use, with the precision each of them has.

use time::Date;

use super::date::{digits, parse_iso, whole, write_padded};
use crate::canonical::Precision;

/// How a column writes a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// `930` or `0930`.
    Hhmm,
    /// `93005` or `093005`.
    Hhmmss,
    /// `09:30`, `09:30:05` or `09:30:05.25`, alone or after a day (which is left out: a column
    /// without a type for times holds them on some day of its own, such as 1754-01-01).
    Iso,
    /// Seconds since midnight.
    Seconds,
    /// Milliseconds since midnight.
    Milliseconds,
}

impl TimeFormat {
    /// The names mappings use.
    pub(crate) const NAMES: [(&'static str, Self); 5] = [
        ("hhmm", Self::Hhmm),
        ("hhmmss", Self::Hhmmss),
        ("iso", Self::Iso),
        ("seconds", Self::Seconds),
        ("milliseconds", Self::Milliseconds),
    ];
}

const DAY: u32 = 86_400;

/// A time of day and how exactly it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay {
    /// Whole seconds since midnight: a whole day of them at its end.
    pub(super) second: u32,
    fraction: Fraction,
    precision: Precision,
}

/// The digits behind the second, as many as were written: `.250` is not `.25`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fraction {
    digits: u32,
    places: u32,
}

impl TimeOfDay {
    fn new(hour: u32, minute: u32, second: u32, precision: Precision) -> Option<Self> {
        let end = (hour, minute, second) == (24, 0, 0);
        let exists = end || (hour < 24 && minute < 60 && second < 60);
        let second = exists.then(|| (hour * 60 + minute) * 60 + second)?;
        Some(Self { second, fraction: Fraction::default(), precision })
    }

    /// How exactly the source knows it: [`Precision::Micro`] stands for every fraction.
    pub(crate) fn precision(self) -> Precision {
        self.precision
    }

    /// The same on a day: its end is the beginning of the next.
    pub(super) fn on(self, day: Date) -> Option<(Date, Self)> {
        if self.second < DAY {
            return Some((day, self));
        }
        Some((day.next_day()?, Self { second: 0, ..self }))
    }

    /// Nothing comes after the end of a day.
    fn checked(self) -> Option<Self> {
        let within = self.second < DAY || (self.second == DAY && self.fraction.digits == 0);
        within.then_some(self)
    }

    /// Appends what is written behind the second.
    pub(super) fn write_fraction(self, out: &mut String) {
        if self.fraction.places > 0 {
            out.push('.');
            write_padded(self.fraction.digits, self.fraction.places, out);
        }
    }
}

/// Reads a time of day, from 00:00 to 24:00, which is the end of the day. Numbers may have lost their
/// leading zeros and may have a zero fraction.
pub(crate) fn time_of_day(text: &str, format: TimeFormat) -> Option<TimeOfDay> {
    if format == TimeFormat::Iso {
        return parse_clock(after_day(text)?);
    }
    let text = whole(text)?;
    let number = digits(text)?;
    match (format, text.len()) {
        (TimeFormat::Hhmm, ..=4) => {
            TimeOfDay::new(number / 100, number % 100, 0, Precision::Minute)
        }
        (TimeFormat::Hhmmss, ..=6) => {
            TimeOfDay::new(number / 10_000, number / 100 % 100, number % 100, Precision::Second)
        }
        (TimeFormat::Seconds, _) => since_midnight(number, Fraction::default()),
        (TimeFormat::Milliseconds, _) => {
            since_midnight(number / 1000, Fraction { digits: number % 1000, places: 3 })
        }
        _ => None,
    }
}

fn since_midnight(second: u32, fraction: Fraction) -> Option<TimeOfDay> {
    let precision = if fraction.places > 0 { Precision::Micro } else { Precision::Second };
    TimeOfDay { second, fraction, precision }.checked()
}

/// What follows the day, if there is one.
fn after_day(text: &str) -> Option<&str> {
    match text.split_once([' ', 'T']) {
        Some((day, time)) => parse_iso(day).map(|_| time),
        None => Some(text),
    }
}

/// `H:MM[:SS[.f…]]` with up to nine digits of fraction.
pub(super) fn parse_clock(text: &str) -> Option<TimeOfDay> {
    let mut parts = text.splitn(3, ':');
    let hour = parts.next().filter(|hour| hour.len() <= 2).and_then(digits)?;
    let minute = two_digits(parts.next()?)?;
    let Some(seconds) = parts.next() else {
        return TimeOfDay::new(hour, minute, 0, Precision::Minute);
    };
    let Some((second, fraction)) = seconds.split_once('.') else {
        return TimeOfDay::new(hour, minute, two_digits(seconds)?, Precision::Second);
    };
    let time = TimeOfDay::new(hour, minute, two_digits(second)?, Precision::Micro)?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 9)?;
    TimeOfDay { fraction: Fraction { digits: digits(fraction)?, places }, ..time }.checked()
}

fn two_digits(text: &str) -> Option<u32> {
    digits(text).filter(|_| text.len() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `HH:MM:SS[.f…]`.
    fn read(text: &str, format: TimeFormat) -> Option<(String, Precision)> {
        let time = time_of_day(text, format)?;
        let (hour, minute) = (time.second / 3600, time.second / 60 % 60);
        let mut written = format!("{hour:02}:{minute:02}:{:02}", time.second % 60);
        time.write_fraction(&mut written);
        Some((written, time.precision()))
    }

    #[test]
    fn every_format_gives_its_time_and_its_precision() {
        use Precision::{Micro, Minute, Second};
        use TimeFormat::{Hhmm, Hhmmss, Iso, Milliseconds, Seconds};
        let spellings = [
            // SAP Business One, DocTime: an integer of hours and minutes.
            ("930", Hhmm, "09:30:00", Minute),
            ("0930", Hhmm, "09:30:00", Minute),
            ("5", Hhmm, "00:05:00", Minute),
            ("0", Hhmm, "00:00:00", Minute),
            ("2359", Hhmm, "23:59:00", Minute),
            // JD Edwards, UPMT and TDAY: a number of hours, minutes and seconds.
            ("93005", Hhmmss, "09:30:05", Second),
            ("93005.00", Hhmmss, "09:30:05", Second),
            ("5", Hhmmss, "00:00:05", Second),
            ("093005", Hhmmss, "09:30:05", Second),
            ("235959", Hhmmss, "23:59:59", Second),
            ("09:30", Iso, "09:30:00", Minute),
            ("9:30:05", Iso, "09:30:05", Second),
            ("09:30:05.25", Iso, "09:30:05.25", Micro),
            ("09:30:05.2500", Iso, "09:30:05.2500", Micro),
            ("09:30:05.000000001", Iso, "09:30:05.000000001", Micro),
            // Dynamics NAV and GP: a time in a column that wants a day.
            ("1754-01-01 09:30:00.000", Iso, "09:30:00.000", Micro),
            ("1900-01-01T14:22:33", Iso, "14:22:33", Second),
            // Epicor: seconds since midnight.
            ("34205", Seconds, "09:30:05", Second),
            ("34205.0000", Seconds, "09:30:05", Second),
            ("86399", Seconds, "23:59:59", Second),
            ("34205250", Milliseconds, "09:30:05.250", Micro),
            ("0", Milliseconds, "00:00:00.000", Micro),
            // The end of the day.
            ("2400", Hhmm, "24:00:00", Minute),
            ("240000", Hhmmss, "24:00:00", Second),
            ("24:00:00", Iso, "24:00:00", Second),
            ("24:00:00.000", Iso, "24:00:00.000", Micro),
            ("86400", Seconds, "24:00:00", Second),
        ];
        for (text, format, expected, precision) in spellings {
            assert_eq!(read(text, format), Some((expected.to_owned(), precision)), "{text}");
        }
    }

    #[test]
    fn a_time_that_does_not_exist_is_refused() {
        use TimeFormat::{Hhmm, Hhmmss, Iso, Milliseconds, Seconds};
        let wrong = [
            ("2401", Hhmm),
            ("1060", Hhmm),
            ("00930", Hhmm),
            ("93005", Hhmm),
            ("9.5", Hhmm),
            ("-930", Hhmm),
            ("", Hhmm),
            ("240001", Hhmmss),
            ("96000", Hhmmss),
            ("0093005", Hhmmss),
            ("24:01", Iso),
            ("24:00:00.5", Iso),
            ("25:00", Iso),
            ("09:60", Iso),
            ("23:59:60", Iso),
            ("9:3", Iso),
            ("09:30:", Iso),
            ("09:30:05.", Iso),
            ("09:30:05.0000000001", Iso),
            ("09:30:05+02", Iso),
            ("-09:30:05", Iso),
            ("1754-02-30 09:30", Iso),
            ("930", Iso),
            ("86401", Seconds),
            ("34205.25", Seconds),
            ("86400001", Milliseconds),
            ("99999999999999999999", Milliseconds),
        ];
        for (text, format) in wrong {
            assert_eq!(read(text, format), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_time_reads_back_from_every_spelling(milli in 0_u32..86_400_000) {
            // The clock is taken from another library.
            let (second, milli_of_second) = (milli / 1000, milli % 1000);
            let clock = time::Time::MIDNIGHT + time::Duration::seconds(second.into());
            let (h, m, s) = clock.as_hms();
            let to_second = format!("{h:02}:{m:02}:{s:02}");
            let exact = format!("{to_second}.{milli_of_second:03}");
            let spellings = [
                (TimeFormat::Hhmm, format!("{}", u32::from(h) * 100 + u32::from(m)), format!("{h:02}:{m:02}:00")),
                (TimeFormat::Hhmmss, format!("{h:02}{m:02}{s:02}"), to_second.clone()),
                (TimeFormat::Seconds, format!("{second}.0"), to_second.clone()),
                (TimeFormat::Iso, to_second.clone(), to_second),
                (TimeFormat::Milliseconds, milli.to_string(), exact.clone()),
                (TimeFormat::Iso, exact.clone(), exact),
            ];
            for (format, text, expected) in spellings {
                proptest::prop_assert_eq!(read(&text, format).map(|(time, _)| time), Some(expected));
            }
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9]{1,2}(:[0-9]{1,2}){0,2}([.][0-9]{0,10})?|[0-9]{0,12}[.]?0?|.*") {
            for (_, format) in TimeFormat::NAMES {
                if let Some((written, _)) = read(&text, format) {
                    proptest::prop_assert!(*written <= *"24:00:00.000000000", "{} gave {}", text, written);
                }
            }
        }
    }
}
