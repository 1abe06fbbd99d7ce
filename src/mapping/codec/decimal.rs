//! Exact decimals: text in, text out, never through a binary number.

use super::date::{digits, whole};
use super::number::Number;

/// A decimal as it is stored: `1.1000` keeps its scale. Only what is not canonical goes: a plus,
/// leading zeros, a missing digit before or after the point, the sign of zero.
pub(crate) fn decimal<'a>(text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let number = Number::parse(text).filter(|number| number.exponent.is_none())?;
    if number.is_canonical(text) {
        return Some(text);
    }
    number.write(scratch);
    Some(scratch)
}

/// A binary floating-point number, given as its shortest text: rounded half up (away from zero)
/// to `scale` places. It never had a scale of its own, so trailing zeros are not kept.
pub(crate) fn float<'a>(text: &'a str, scale: usize, scratch: &'a mut String) -> Option<&'a str> {
    let number = Number::parse(text)?;
    let short = number.exponent.is_none() && number.fraction.len() <= scale;
    if short && number.is_canonical(text) && !number.fraction.ends_with('0') {
        return Some(text);
    }
    number.write(scratch);
    round(scratch, scale);
    Some(scratch)
}

/// A whole number of 10^-`places`: `12345` with four places is `1.2345`. Floats that hold whole
/// numbers are read too, because some databases store such columns as floats.
pub(crate) fn implied<'a>(text: &str, places: usize, scratch: &'a mut String) -> Option<&'a str> {
    Number::parse(text)?.write(scratch);
    let whole = match scratch.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.len(),
        Some(_) => return None,
        None => scratch.len(),
    };
    scratch.truncate(whole);
    set_point(scratch, places);
    drop_sign_of_zero(scratch);
    Some(scratch)
}

/// How many decimal places a cell says another one has, if it says so: at most 30, more than any
/// quantity or price.
pub(crate) fn places(text: &str) -> Option<usize> {
    const MAX_PLACES: usize = 30;
    let places = usize::try_from(digits(whole(text)?)?).ok()?;
    (places <= MAX_PLACES).then_some(places)
}

/// The number with its sign turned round.
pub(crate) fn negate<'a>(text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let number = Number::parse(text).filter(|number| number.exponent.is_none())?;
    if number.negative && number.is_canonical(text) {
        return text.strip_prefix('-');
    }
    Number { negative: !number.negative, ..number }.write(scratch);
    Some(scratch)
}

/// The number without its sign.
pub(crate) fn absolute<'a>(text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let number = decimal(text, scratch)?;
    Some(number.strip_prefix('-').unwrap_or(number))
}

/// Puts a point before the last `places` digits of a whole number.
pub(super) fn set_point(text: &mut String, places: usize) {
    if places > 0 {
        let sign = usize::from(text.starts_with('-'));
        let digits = text.len() - sign;
        for _ in digits..=places {
            text.insert(sign, '0');
        }
        text.insert(text.len() - places, '.');
    }
}

/// Rounds plain digits half up (away from zero) to `scale` places and drops trailing zeros.
pub(super) fn round(text: &mut String, scale: usize) {
    let Some(point) = text.find('.') else { return };
    let kept = point + 1 + scale;
    if let Some(first_dropped) = text.as_bytes().get(kept).copied() {
        text.truncate(kept);
        if first_dropped >= b'5' {
            carry(text);
        }
    }
    let shortened = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(shortened);
    drop_sign_of_zero(text);
}

/// Adds one to the last digit.
fn carry(text: &mut String) {
    let sign = usize::from(text.starts_with('-'));
    let mut place = text.len();
    while place > sign {
        place -= 1;
        let next = match text.as_bytes().get(place) {
            Some(b'.') => continue,
            Some(b'9') => '0',
            Some(digit) => char::from(digit + 1),
            None => return,
        };
        text.replace_range(place..=place, next.encode_utf8(&mut [0; 4]));
        if next != '0' {
            return;
        }
    }
    text.insert(sign, '1');
}

fn drop_sign_of_zero(text: &mut String) {
    if text.starts_with('-') && text.bytes().all(|c| matches!(c, b'-' | b'.' | b'0')) {
        text.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_scale_is_kept() {
        let mut scratch = String::new();
        assert_eq!(decimal("1.1000", &mut scratch), Some("1.1000"));
        assert_eq!(decimal("-12", &mut scratch), Some("-12"));
        assert_eq!(decimal("007.50", &mut scratch), Some("7.50"));
        assert_eq!(decimal(".5", &mut scratch), Some("0.5"));
        assert_eq!(decimal("+5.", &mut scratch), Some("5"));
        assert_eq!(decimal("-0.00", &mut scratch), Some("0.00"));
        let long = "123456789012345678901234567890.123456789012345678901234567890";
        assert_eq!(decimal(long, &mut scratch), Some(long));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        let mut scratch = String::new();
        for text in ["", "-", ".", "1,5", "NaN", "Infinity", "1e5", "1 000", "1.2.3", "--1", "٣"] {
            assert_eq!(decimal(text, &mut scratch), None, "{text}");
        }
        for text in ["", "NaN", "-Infinity", "1e", "e5", "1e99999"] {
            assert_eq!(float(text, 3, &mut scratch), None, "{text}");
        }
    }

    #[test]
    fn a_float_is_rounded_in_text() {
        let cases = [
            ("26.4", "26.4"),
            ("0.30000000000000004", "0.3"),
            ("2.0005", "2.001"),
            ("2.00049999", "2"),
            ("-0.0004", "0"),
            ("-1.9996", "-2"),
            ("999.9999", "1000"),
            ("5.0", "5"),
            ("120", "120"),
            ("100.50", "100.5"),
            ("1e-7", "0"),
            ("1e+20", "100000000000000000000"),
            ("1.5e3", "1500"),
            ("-2.5E-1", "-0.25"),
            ("0", "0"),
            ("-0", "0"),
        ];
        for (text, expected) in cases {
            assert_eq!(float(text, 3, &mut String::new()), Some(expected), "{text}");
        }
        assert_eq!(float("0.5", 0, &mut String::new()), Some("1"));
        assert_eq!(float("1.50", 2, &mut String::new()), Some("1.5"));
    }

    #[test]
    fn implied_decimals_put_the_point_in() {
        let cases = [
            ("12345", "1.2345"),
            ("5", "0.0005"),
            ("0", "0.0000"),
            ("-120000", "-12.0000"),
            ("1.2e+06", "120.0000"),
            ("50000.00", "5.0000"),
            ("-0", "0.0000"),
        ];
        for (text, expected) in cases {
            assert_eq!(implied(text, 4, &mut String::new()), Some(expected), "{text}");
        }
        assert_eq!(implied("1.5", 4, &mut String::new()), None);
        assert_eq!(implied("15", 0, &mut String::new()), Some("15"));
    }

    #[test]
    fn signs_are_turned_round_or_taken_away() {
        let cases = [
            ("12.50", "-12.50", "12.50"),
            ("-12.50", "12.50", "12.50"),
            ("+5", "-5", "5"),
            ("0.00", "0.00", "0.00"),
            ("-0", "0", "0"),
            ("-.5", "0.5", "0.5"),
            ("-007", "7", "7"),
        ];
        for (text, negated, unsigned) in cases {
            assert_eq!(negate(text, &mut String::new()), Some(negated), "{text}");
            assert_eq!(absolute(text, &mut String::new()), Some(unsigned), "{text}");
        }
        for text in ["", "-", "5.00-", "1e5", "(5)"] {
            assert_eq!(negate(text, &mut String::new()), None, "{text}");
            assert_eq!(absolute(text, &mut String::new()), None, "{text}");
        }
    }

    #[test]
    fn the_places_may_stand_in_another_column() {
        for (text, expected) in [("2", 2), ("0", 0), ("3.00", 3), ("02", 2), ("30", 30)] {
            assert_eq!(places(text), Some(expected), "{text}");
        }
        for text in ["", "-2", "31", "2.5", "two", "99999999999"] {
            assert_eq!(places(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_canonical_decimal_or_none(text in "[-+]?[0-9]{0,5}[.]?[0-9]{0,5}(e[-+]?[0-9]{1,3})?|.*") {
            let mut scratch = String::new();
            for result in [
                decimal(&text, &mut scratch).map(str::to_owned),
                float(&text, 3, &mut scratch).map(str::to_owned),
                implied(&text, 4, &mut scratch).map(str::to_owned),
            ] {
                let Some(result) = result else { continue };
                let digits = result.strip_prefix('-').unwrap_or(&result);
                let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
                let plain = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
                proptest::prop_assert!(plain(whole) && plain(fraction), "{} gave {}", text, result);
            }
        }

        #[test]
        fn a_float_is_never_further_off_than_half_a_place(number in -1e9_f64..1e9_f64) {
            let rounded = float(&number.to_string(), 3, &mut String::new()).map(str::parse::<f64>);
            let off = (rounded.unwrap().unwrap() - number).abs();
            proptest::prop_assert!(off <= 0.000_500_1, "{} is {} off", number, off);
        }
    }
}
