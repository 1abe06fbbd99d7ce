//! Days and the time of day: from text, to text, rounded as SQL Server rounds.

/// Units of 100 ns in a second.
pub(crate) const SECOND: i64 = 10_000_000;
/// Units of 100 ns in a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;
/// Days from 0001-01-01 to 1900-01-01, where `datetime` begins to count.
pub(crate) const DAYS_TO_1900: i32 = 693_595;
/// Days from 0001-01-01 to 1970-01-01.
pub(crate) const DAYS_TO_1970: i32 = 719_162;

/// Days since 0001-01-01 of a date of the Gregorian calendar.
pub(crate) fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 307)
}

/// Year, month and day.
pub(crate) fn date(days: i32) -> (i32, i32, i32) {
    let shifted = i64::from(days) + 306;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let small = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    (small(year + era * 400 + carry), small(month), small(day))
}

/// Rounds units of 100 ns to so many digits of a second, half up.
pub(crate) fn round(ticks: i64, scale: u8) -> i64 {
    let unit = 10_i64.pow(7_u32.saturating_sub(u32::from(scale)));
    (ticks + unit / 2).div_euclid(unit) * unit
}

/// Rounds to the 300th of a second and then to the milliseconds a `datetime` shows.
pub(crate) fn round_datetime(ticks: i64) -> i64 {
    let (seconds, rest) = (ticks.div_euclid(SECOND), ticks.rem_euclid(SECOND));
    let thirds = (rest * 300 + SECOND / 2) / SECOND;
    let millis = (thirds * 10 + 1) / 3;
    seconds * SECOND + millis * 10_000
}

/// 300ths of a second in the milliseconds of a `datetime`.
pub(crate) fn three_hundredths(ticks_of_day: i64) -> i64 {
    (ticks_of_day * 3 + 50_000) / 100_000
}

/// A date, maybe with a time and a zone in minutes, as people and ISO 8601 write it.
pub(crate) struct Read {
    pub(crate) days: i32,
    /// Units of 100 ns since midnight.
    pub(crate) ticks: i64,
    pub(crate) zone: Option<i16>,
}

/// Reads `2024-01-31`, `20240131`, `2024-01-31T10:20:30.1234567+01:00`, `10:20:30`.
pub(crate) fn read(text: &str) -> Option<Read> {
    let text = text.trim();
    let (date_text, time_text) = match text.find([' ', 'T']) {
        Some(place) => (text.get(..place)?, text.get(place + 1..)?.trim()),
        None if text.contains(':') => ("1900-01-01", text),
        None => (text, "00:00:00"),
    };
    let (time_text, zone) = split_zone(time_text)?;
    Some(Read { days: read_date(date_text)?, ticks: read_time(time_text)?, zone })
}

fn read_date(text: &str) -> Option<i32> {
    let compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<i32> = if compact {
        [text.get(..4)?, text.get(4..6)?, text.get(6..)?].iter().flat_map(|p| p.parse()).collect()
    } else {
        text.split('-').flat_map(str::parse).collect()
    };
    match parts.as_slice() {
        [year, month, day] => days(*year, *month, *day),
        _ => None,
    }
}

fn split_zone(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(text) = text.strip_suffix('Z') {
        return Some((text, Some(0)));
    }
    let Some(place) = text.rfind(['+', '-']) else { return Some((text, None)) };
    let (hours, minutes) = text.get(place + 1..)?.split_once(':')?;
    let minutes = hours.parse::<i16>().ok()? * 60 + minutes.parse::<i16>().ok()?;
    let sign = if text.get(place..=place)? == "-" { -1 } else { 1 };
    Some((text.get(..place)?.trim_end(), Some(sign * minutes)))
}

/// Units of 100 ns since midnight.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let digits: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    let ticks = digits.parse::<i64>().ok()?;
    let valid = hours < 24 && minutes < 60 && seconds < 60 && fraction.len() <= 7;
    valid.then_some((hours * 3600 + minutes * 60 + seconds) * SECOND + ticks)
}

/// `2024-01-31`
pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `10:20:30.123`, with so many digits of a second.
pub(crate) fn time_text(ticks: i64, scale: u8) -> String {
    let seconds = ticks / SECOND;
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if scale == 0 {
        return clock;
    }
    let digits = format!("{:07}", ticks % SECOND);
    format!("{clock}.{}", digits.get(..usize::from(scale)).unwrap_or(&digits))
}

/// Days and units of 100 ns of that day.
pub(crate) fn split(moment: i64) -> (i32, i64) {
    let days = i32::try_from(moment.div_euclid(DAY)).unwrap_or(0);
    (days, moment.rem_euclid(DAY))
}

/// Together again.
pub(crate) fn join(days: i32, ticks: i64) -> i64 {
    i64::from(days) * DAY + ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_the_first_of_january_of_year_one() {
        assert_eq!(days(1, 1, 1), Some(0));
        assert_eq!(days(1900, 1, 1), Some(DAYS_TO_1900));
        assert_eq!(days(1970, 1, 1), Some(DAYS_TO_1970));
        assert_eq!(days(9999, 12, 31), Some(3_652_058));
        assert_eq!(days(2023, 2, 29), None);
    }

    #[test]
    fn every_day_is_found_again() {
        for number in (0..3_652_059).step_by(17) {
            let (year, month, day) = date(number);
            assert_eq!(days(year, month, day), Some(number));
        }
    }

    #[test]
    fn a_datetime_ends_in_0_3_or_7_milliseconds() {
        let rounded = |millis: i64| round_datetime(millis * 10_000) / 10_000;
        assert_eq!([994, 995, 998, 999].map(rounded), [993, 997, 997, 1000]);
        assert_eq!(three_hundredths(997 * 10_000), 299);
        assert_eq!(three_hundredths(993 * 10_000), 298);
    }
}
