//! Dates and times as text. They are told as they are stored: the log also holds `0000-00-00` and
//! the 31st of February, and only a mapping knows what they mean.

use super::number::{push_padded, push_unsigned};

/// A date: 5 bits day, 4 bits month, the rest year.
pub(super) fn push_date(stored: u32, out: &mut String) {
    push_ymd(u64::from(stored >> 9), u64::from(stored >> 5 & 15), u64::from(stored & 31), out);
}

pub(super) fn push_ymd(year: u64, month: u64, day: u64, out: &mut String) {
    push_padded(year, 4, out);
    out.push('-');
    push_padded(month, 2, out);
    out.push('-');
    push_padded(day, 2, out);
}

pub(super) fn push_hms(hour: u64, minute: u64, second: u64, out: &mut String) {
    push_padded(hour, 2, out);
    out.push(':');
    push_padded(minute, 2, out);
    out.push(':');
    push_padded(second, 2, out);
}

/// Appends a time of hours, minutes and seconds, which may go beyond a day and below zero.
pub(super) fn push_signed_time(
    negative: bool,
    (hour, minute, second): (u64, u64, u64),
    micros: u64,
    out: &mut String,
) {
    if negative {
        out.push('-');
    }
    push_hms(hour, minute, second, out);
    push_micros(micros, out);
}

/// Appends the fraction of a second without zeros at its end.
pub(super) fn push_micros(micros: u64, out: &mut String) {
    if micros == 0 {
        return;
    }
    out.push('.');
    push_padded(micros, 6, out);
    while out.ends_with('0') {
        out.pop();
    }
}

/// A time before 5.6: `hhmmss` as a signed number.
pub(super) fn push_old_time(stored: i32, out: &mut String) {
    if stored < 0 {
        out.push('-');
    }
    let time = u64::from(stored.unsigned_abs());
    push_hms(time / 10_000, time / 100 % 100, time % 100, out);
}

/// A date with time before 5.6: `YYYYMMDDhhmmss` as a number.
pub(super) fn push_old_datetime(stored: u64, out: &mut String) {
    let (date, time) = (stored / 1_000_000, stored % 1_000_000);
    push_ymd(date / 10_000, date / 100 % 100, date % 100, out);
    out.push(' ');
    push_hms(time / 10_000, time / 100 % 100, time % 100, out);
}

/// How many bytes the fraction of a second takes.
pub(super) fn fraction_bytes(precision: u8) -> usize {
    usize::from(precision.div_ceil(2))
}

/// What one of the stored fraction is worth in microseconds.
fn fraction_unit(bytes: usize) -> u64 {
    match bytes {
        1 => 10_000,
        2 => 100,
        _ => 1,
    }
}

/// The bytes as one number, the highest first.
pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A time since 5.6: three bytes and those of the fraction are one number, less what makes it
/// positive. Reading the two apart would go wrong below zero, where the fraction counts downwards.
pub(super) fn push_time(stored: &[u8], out: &mut String) {
    let Some(fraction) = stored.len().checked_sub(3) else { return };
    let zero = 0x80_0000_u64 << (8 * fraction);
    let stored = big_endian(stored);
    if stored < zero {
        out.push('-');
    }
    let time = stored.abs_diff(zero);
    let (seconds, parts) = (time >> (8 * fraction), time & ((1 << (8 * fraction)) - 1));
    push_hms(seconds >> 12 & 0x3FF, seconds >> 6 & 63, seconds & 63, out);
    push_micros(parts * fraction_unit(fraction), out);
}

/// A date with time since 5.6: 17 bits year and month, then day, hour, minute, second.
pub(super) fn push_datetime(stored: &[u8], out: &mut String) {
    let Some((stored, fraction)) = stored.split_at_checked(5) else { return };
    let stored = big_endian(stored) & 0x7F_FFFF_FFFF;
    let (days, time) = (stored >> 17, stored & 0x1_FFFF);
    let months = days >> 5;
    push_ymd(months / 13, months % 13, days & 31, out);
    out.push(' ');
    push_hms(time >> 12, time >> 6 & 63, time & 63, out);
    push_micros(big_endian(fraction) * fraction_unit(fraction.len()), out);
}

/// A moment in seconds since 1970 and microseconds; zero is no moment but the zero date.
///
/// The number has no sign: `MariaDB` uses the upper half for the years from 2038 to 2106.
pub(super) fn push_timestamp(seconds: u32, micros: u64, out: &mut String) {
    if seconds == 0 && micros == 0 {
        out.push_str("0000-00-00 00:00:00");
        return;
    }
    let (days, second) = (seconds / 86_400, u64::from(seconds % 86_400));
    let (year, month, day) = civil(days);
    push_ymd(year, month, day, out);
    out.push(' ');
    push_hms(second / 3600, second / 60 % 60, second % 60, out);
    push_micros(micros, out);
    out.push_str("+00");
}

/// A moment since 5.6: four bytes, the highest first, and those of the fraction.
pub(super) fn push_timestamp2(stored: &[u8], out: &mut String) {
    let Some((seconds, fraction)) = stored.split_first_chunk::<4>() else { return };
    let micros = big_endian(fraction) * fraction_unit(fraction.len());
    push_timestamp(u32::from_be_bytes(*seconds), micros, out);
}

/// The date so many days after 1970-01-01. Years begin in March here, so that the leap day is the
/// last; 400 years have 146,097 days.
fn civil(days: u32) -> (u64, u64, u64) {
    let days = u64::from(days) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, day)
}

/// Appends a year; the log counts from 1900 and keeps zero for none.
pub(super) fn push_year(stored: u8, out: &mut String) {
    push_unsigned(if stored == 0 { 0 } else { 1900 + u64::from(stored) }, out);
}
