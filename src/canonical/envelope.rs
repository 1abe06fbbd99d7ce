//! Header values: `CloudEvents` 1.0 in the binary mode of its NATS binding.
//!
//! Attribute values are printable ASCII; a space, `"`, `%` and everything else outside of it is
//! percent-encoded as UTF-8 bytes.

use std::io::Write as _;

use erpbridge_connector::{Sequence, Timestamp};
use time::{Duration, OffsetDateTime};

/// How exactly the business knows when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// A calendar day.
    Day,
    /// A minute.
    Minute,
    /// A second.
    Second,
    /// Fractions of a second.
    Micro,
}

impl Precision {
    /// The promised name, for the `ce-effectiveprecision` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Micro => "micro",
        }
    }
}

/// Appends an attribute value.
pub(super) fn attribute(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' | 0..=0x20 | 0x7f.. => {
                write!(out, "%{byte:02X}").expect("writing to memory does not fail");
            }
            plain => out.push(plain),
        }
    }
}

/// The greatest ordinal and index that sort as bytes: ten and three digits. A transaction with
/// ten thousand million row changes, or a table with a thousand rules, is not expected; beyond
/// them the text is still exact, only longer.
const ORDINAL_DIGITS: usize = 10;
const INDEX_DIGITS: usize = 3;

/// Appends the order key of an event as `ce-sequence` carries it.
pub(super) fn sequence(out: &mut Vec<u8>, sequence: &Sequence, ordinal: u64, index: u32) {
    out.extend_from_slice(sequence.as_str().as_bytes());
    out.push(b'-');
    padded(out, ordinal, ORDINAL_DIGITS);
    out.push(b'-');
    padded(out, u64::from(index), INDEX_DIGITS);
}

/// Appends a number in decimal digits.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    padded(out, number, 1);
}

/// Appends a number in decimal digits, with zeros before it up to the width. The standard library
/// formats the same at several times the price, and every event has several of these.
fn padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [0; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        if number == 0 && used >= width {
            break;
        }
        *place = last_digit(number);
        number /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Writes a number into a text of fixed width, with zeros before it.
fn fill(text: &mut [u8], mut number: u64) {
    for place in text.iter_mut().rev() {
        *place = last_digit(number);
        number /= 10;
    }
}

fn last_digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or_default()
}

/// Appends a number as 16 hexadecimal digits.
pub(super) fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    for byte in number.to_be_bytes() {
        out.extend([byte >> 4, byte & 0xf].map(|nibble| match nibble {
            0..=9 => b'0' + nibble,
            letter => b'a' + (letter - 10),
        }));
    }
}

/// Reads a `ce-sequence` back: commit order, ordinal of the row change, index of the event among
/// those of the change.
pub fn parse_sequence(text: &str) -> Option<(Sequence, u64, u32)> {
    let mut parts = text.rsplitn(3, '-');
    let index = number(parts.next()?, INDEX_DIGITS)?;
    let ordinal = number(parts.next()?, ORDINAL_DIGITS)?;
    let sequence = parts.next()?;
    let is_sequence = !sequence.is_empty() && sequence.bytes().all(|b| b.is_ascii_alphanumeric());
    is_sequence.then(|| Some((Sequence::new(sequence), ordinal, u32::try_from(index).ok()?)))?
}

fn number(digits: &str, width: usize) -> Option<u64> {
    let is_number = digits.len() >= width && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// An instant as text, without a heap allocation.
pub(super) struct InstantText([u8; 27]);

/// An instant as events write it.
pub fn instant(at: Timestamp) -> String {
    InstantText::new(at).as_str().to_owned()
}

impl InstantText {
    /// RFC 3339 in UTC with microseconds. Instants outside of the years 0 to 9999, which RFC 3339
    /// cannot say, become the nearest it can.
    pub(super) fn new(at: Timestamp) -> Self {
        let earliest = time::macros::datetime!(0000-01-01 0:00 UTC);
        let latest = time::macros::datetime!(9999-12-31 23:59:59.999999 UTC);
        let when = OffsetDateTime::UNIX_EPOCH
            .saturating_add(Duration::microseconds(at.as_micros()))
            .clamp(earliest, latest);
        let (year, month, day) = when.to_calendar_date();
        let (hour, minute, second, micro) = when.to_hms_micro();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let parts = [
            (0..4, u64::from(year.unsigned_abs())),
            (5..7, u64::from(u8::from(month))),
            (8..10, u64::from(day)),
            (11..13, u64::from(hour)),
            (14..16, u64::from(minute)),
            (17..19, u64::from(second)),
            (20..26, u64::from(micro)),
        ];
        for (place, number) in parts {
            fill(text.get_mut(place).unwrap_or_default(), number);
        }
        Self(text)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(commit: &str, ordinal: u64, index: u32) -> String {
        let mut out = Vec::new();
        sequence(&mut out, &Sequence::new(commit), ordinal, index);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn attributes_are_percent_encoded_printable_ascii() {
        let mut out = Vec::new();
        attribute(&mut out, "a b\"c%d\u{e9}\n\u{7f}/:~");
        assert_eq!(String::from_utf8(out).unwrap(), "a%20b%22c%25d%C3%A9%0A%7F/:~");
    }

    #[test]
    fn instants_have_microseconds_and_end_in_z() {
        let text = |micros| InstantText::new(Timestamp::from_micros(micros)).as_str().to_owned();
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(1_774_000_000_000_007), "2026-03-20T09:46:40.000007Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MIN), "0000-01-01T00:00:00.000000Z");
    }

    #[test]
    fn text_that_is_not_an_order_key_is_refused() {
        for text in ["", "1", "1-2-3", "0A-0000000001", "-0000000001-000", "0A-000000000x-000"] {
            assert_eq!(parse_sequence(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_writes_them(number: u64, width in 1..20_usize) {
            let mut out = Vec::new();
            padded(&mut out, number, width);
            hexadecimal(&mut out, number);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text, format!("{number:0width$}{number:016x}"));
        }
    }

    fn key() -> impl Strategy<Value = (String, u64, u32)> {
        ("[0-9A-F]{16}", 0..10_000_000_000_u64, 0..1000_u32)
    }

    proptest! {
        #[test]
        fn an_order_key_reads_back((commit, ordinal, index) in key()) {
            let read = parse_sequence(&written(&commit, ordinal, index));
            prop_assert_eq!(read, Some((Sequence::new(commit), ordinal, index)));
        }

        #[test]
        fn order_keys_sort_as_bytes_as_they_do_as_numbers(one in key(), other in key()) {
            let bytes = written(&one.0, one.1, one.2).cmp(&written(&other.0, other.1, other.2));
            prop_assert_eq!(bytes, one.cmp(&other));
        }

        #[test]
        fn keys_of_one_transaction_sort_by_ordinal_then_index(
            one in (0..2000_u64, 0..1000_u32),
            other in (0..2000_u64, 0..1000_u32),
        ) {
            let bytes = written("0A", one.0, one.1).cmp(&written("0A", other.0, other.1));
            prop_assert_eq!(bytes, one.cmp(&other));
        }

        #[test]
        fn any_attribute_is_printable_ascii_without_space(text in any::<String>()) {
            let mut out = Vec::new();
            attribute(&mut out, &text);
            prop_assert!(out.iter().all(u8::is_ascii_graphic));
        }
    }
}
