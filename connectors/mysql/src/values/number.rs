//! Numbers as text.

use std::fmt::Write;

/// Appends a number's digits.
pub(super) fn push_unsigned(number: u64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut from = digits.len();
    let mut rest = number;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        from = place;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(from..).unwrap_or_default();
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Appends a number, with a minus if it is negative.
pub(super) fn push_signed(number: i64, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    push_unsigned(number.unsigned_abs(), out);
}

/// Appends a number with at least `width` digits.
pub(super) fn push_padded(number: u64, width: usize, out: &mut String) {
    let digits = number.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1);
    for _ in digits..width {
        out.push('0');
    }
    push_unsigned(number, out);
}

/// Appends the shortest text that reads back to the same number at this width.
pub(super) fn push_float32(number: f32, out: &mut String) {
    // Writing to a string never fails.
    write!(out, "{number}").expect("a string takes all that is written");
}

/// As [`push_float32`].
pub(super) fn push_float64(number: f64, out: &mut String) {
    write!(out, "{number}").expect("a string takes all that is written");
}

/// Appends bytes as hexadecimal digits behind `\x`.
pub(super) fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    out.push_str("\\x");
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0F));
    }
}

/// How many bytes a number of so many digits at one side of the point takes.
const DIGIT_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Nine digits go into four bytes.
const GROUP: usize = 9;

/// How many bytes a `DECIMAL` takes.
pub(super) fn decimal_bytes(precision: u8, scale: u8) -> usize {
    let (whole, fraction) = digits(precision, scale);
    side_bytes(whole) + side_bytes(fraction)
}

fn digits(precision: u8, scale: u8) -> (usize, usize) {
    (usize::from(precision.saturating_sub(scale)), usize::from(scale))
}

fn side_bytes(digits: usize) -> usize {
    digits / GROUP * 4 + DIGIT_BYTES.get(digits % GROUP).copied().unwrap_or_default()
}

/// Appends a `DECIMAL`: groups of nine digits, the odd ones outermost; the first bit is set unless
/// the number is negative, and then all other bits are turned.
pub(super) fn push_decimal(bytes: &[u8], precision: u8, scale: u8, out: &mut String) {
    let (whole, fraction) = digits(precision, scale);
    let negative = bytes.first().is_some_and(|first| first & 0x80 == 0);
    if negative {
        out.push('-');
    }
    let mut groups = Groups { bytes, negative, first: true };
    let before = out.len();
    let odd = whole % GROUP;
    for digits in std::iter::once(odd).chain(std::iter::repeat_n(GROUP, whole / GROUP)) {
        let number = groups.next(digits);
        if out.len() > before {
            push_padded(number, digits, out);
        } else if number > 0 {
            push_unsigned(number, out);
        }
    }
    if out.len() == before {
        out.push('0');
    }
    if fraction == 0 {
        return;
    }
    out.push('.');
    for _ in 0..fraction / GROUP {
        push_padded(groups.next(GROUP), GROUP, out);
    }
    let odd = fraction % GROUP;
    if odd > 0 {
        push_padded(groups.next(odd), odd, out);
    }
}

struct Groups<'a> {
    bytes: &'a [u8],
    negative: bool,
    first: bool,
}

impl Groups<'_> {
    /// The number that the next so many digits make.
    fn next(&mut self, digits: usize) -> u64 {
        let length = DIGIT_BYTES.get(digits).copied().unwrap_or_default();
        let (taken, rest) = self.bytes.split_at_checked(length).unwrap_or_default();
        self.bytes = rest;
        let mut number = 0;
        for byte in taken {
            let byte = if std::mem::take(&mut self.first) { byte ^ 0x80 } else { *byte };
            number = number << 8 | u64::from(if self.negative { !byte } else { byte });
        }
        number
    }
}
