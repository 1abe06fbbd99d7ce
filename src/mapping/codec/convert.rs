//! Unit conversion: products and quotients of exact decimals.
//!
//! The arithmetic is that of pen and paper, digit by digit on the stack: amounts have few digits,
//! and there is no size at which the result would stop being exact. What is computed never had a
//! scale of its own, so trailing zeros are not kept.

use super::decimal::{round, set_point};
use super::number::Number;

/// The digits a number may have, and the decimal places: twice what databases store.
const MAX_DIGITS: usize = 76;

/// `text` × `factor`: exact, or rounded half up (away from zero) to `scale` places.
pub(crate) fn multiply<'a>(
    text: &str,
    factor: &str,
    scale: Option<usize>,
    scratch: &'a mut String,
) -> Option<&'a str> {
    let product = Exact::parse(text)?.times(&Exact::parse(factor)?);
    scratch.clear();
    push_sign(product.negative, scratch);
    scratch.extend(product.digits().iter().rev().filter_map(|digit| to_char(*digit)));
    if product.length == 0 {
        scratch.push('0');
    }
    set_point(scratch, product.places);
    round(scratch, scale.unwrap_or(product.places));
    Some(scratch)
}

/// `text` × `numerator` ÷ `denominator`, rounded half up (away from zero) to `scale` places, at
/// most 76. The product is exact; only the quotient is rounded.
pub(crate) fn divide<'a>(
    text: &str,
    numerator: &str,
    denominator: &str,
    scale: usize,
    scratch: &'a mut String,
) -> Option<&'a str> {
    let dividend = Exact::parse(text)?.times(&Exact::parse(numerator)?);
    let divisor = Exact::parse(denominator)?;
    if divisor.length == 0 || scale > MAX_DIGITS {
        return None;
    }
    // Rounding looks at one place more than is kept.
    let places = scale + 1;
    let steps = (dividend.length + places + divisor.places).saturating_sub(dividend.places);
    scratch.clear();
    push_sign(dividend.negative != divisor.negative, scratch);
    let sign = scratch.len();
    let mut remainder = Remainder::of(&divisor);
    let digits = dividend.digits().iter().rev().copied().chain(std::iter::repeat(0));
    for digit in digits.take(steps) {
        let digit = remainder.step(digit);
        if digit > 0 || scratch.len() > sign {
            scratch.extend(to_char(digit));
        }
    }
    set_point(scratch, places);
    round(scratch, scale);
    Some(scratch)
}

/// A number as its digits, the lowest first, and how many of them stand behind the point.
struct Exact {
    negative: bool,
    digits: [u16; 2 * MAX_DIGITS],
    length: usize,
    places: usize,
}

impl Exact {
    const ZERO: Self = Self { negative: false, digits: [0; 2 * MAX_DIGITS], length: 0, places: 0 };

    /// Any number of at most [`MAX_DIGITS`] digits and places, zeros at its ends not counted.
    fn parse(text: &str) -> Option<Self> {
        let number = Number::parse(text)?;
        if number.is_zero() {
            return Some(Self::ZERO);
        }
        let digits = || number.whole.bytes().chain(number.fraction.bytes());
        let leading = digits().take_while(|digit| *digit == b'0').count();
        let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
        let length = number.whole.len() + number.fraction.len() - leading - trailing;
        // Of what value the lowest digit is that is not zero.
        let lowest = isize::try_from(trailing).ok()? + number.exponent.unwrap_or(0)
            - isize::try_from(number.fraction.len()).ok()?;
        let zeros = usize::try_from(lowest).unwrap_or(0);
        let places = usize::try_from(-lowest).unwrap_or(0);
        let mut exact = Self { negative: number.negative, places, ..Self::ZERO };
        exact.length = Some(zeros + length).filter(|length| *length <= MAX_DIGITS)?;
        let significant = digits().rev().skip(trailing).take(length);
        for (slot, digit) in exact.digits.iter_mut().skip(zeros).zip(significant) {
            *slot = u16::from(digit - b'0');
        }
        (places <= MAX_DIGITS).then_some(exact)
    }

    fn digits(&self) -> &[u16] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// The product of two parsed numbers. No sum of digits reaches 76 · 9 · 9 + 9 · 76.
    fn times(&self, other: &Self) -> Self {
        if self.length == 0 || other.length == 0 {
            return Self::ZERO;
        }
        let mut product = Self {
            negative: self.negative != other.negative,
            length: self.length + other.length,
            places: self.places + other.places,
            ..Self::ZERO
        };
        for (shift, left) in self.digits().iter().enumerate() {
            for (sum, right) in product.digits.iter_mut().skip(shift).zip(other.digits()) {
                *sum += left * right;
            }
        }
        let mut carry = 0;
        for digit in &mut product.digits {
            let sum = *digit + carry;
            (*digit, carry) = (sum % 10, sum / 10);
        }
        if product.digits().last() == Some(&0) {
            product.length -= 1;
        }
        product
    }
}

/// What is left of a dividend while it is divided, the lowest digit first; always less than the
/// divisor between two steps.
struct Remainder<'d> {
    divisor: &'d [u16],
    digits: [u16; MAX_DIGITS + 1],
}

impl<'d> Remainder<'d> {
    /// Of a dividend of which no digit has been seen yet.
    fn of(divisor: &'d Exact) -> Self {
        // One zero above the divisor's highest digit, where the remainder may have a digit.
        let divisor = divisor.digits.get(..=divisor.length).unwrap_or_default();
        Self { divisor, digits: [0; MAX_DIGITS + 1] }
    }

    /// Takes the dividend's next digit down and gives the next digit of the quotient.
    fn step(&mut self, digit: u16) -> u16 {
        let digits = self.digits.get_mut(..self.divisor.len()).unwrap_or_default();
        digits.rotate_right(1);
        if let Some(lowest) = digits.first_mut() {
            *lowest = digit;
        }
        let mut quotient = 0;
        while digits.iter().rev().ge(self.divisor.iter().rev()) {
            subtract(digits, self.divisor);
            quotient += 1;
        }
        quotient
    }
}

/// `from` − `what`, which is not greater.
fn subtract(from: &mut [u16], what: &[u16]) {
    let mut borrowed = 0;
    for (digit, less) in from.iter_mut().zip(what) {
        let owed = less + borrowed;
        borrowed = u16::from(*digit < owed);
        *digit = *digit + 10 * borrowed - owed;
    }
}

fn push_sign(negative: bool, out: &mut String) {
    if negative {
        out.push('-');
    }
}

fn to_char(digit: u16) -> Option<char> {
    char::from_digit(digit.into(), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_multiplies_exactly() {
        let cases = [
            ("120", "12", "1440"),
            ("12.50", "1.000", "12.5"),
            ("1.5", "0.5", "0.75"),
            ("-3", "0.453592370", "-1.36077711"),
            ("0", "-5", "0"),
            ("-0.00", "5", "0"),
            ("100", "1e-05", "0.001"),
            ("2.5e3", "4", "10000"),
            (
                "99999999999999999999999999999999999999",
                "99999999999999999999999999999999999999",
                "9999999999999999999999999999999999999800000000000000000000000000000000000001",
            ),
        ];
        for (text, factor, expected) in cases {
            assert_eq!(multiply(text, factor, None, &mut String::new()), Some(expected), "{text}");
            assert_eq!(multiply(factor, text, None, &mut String::new()), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_product_is_rounded_half_up_if_it_has_a_scale() {
        let cases = [
            ("1.005", "1", 2, "1.01"),
            ("-1.005", "1", 2, "-1.01"),
            ("1.0049999", "1", 2, "1"),
            ("0.5", "1", 0, "1"),
            ("-0.4", "1", 0, "0"),
            ("9.99", "1", 1, "10"),
            ("7", "3", 5, "21"),
        ];
        for (text, factor, scale, expected) in cases {
            let mut scratch = String::new();
            assert_eq!(multiply(text, factor, Some(scale), &mut scratch), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_ratio_is_rounded_once() {
        let cases = [
            // SAP: 10 boxes, UMREZ 24 pieces for UMREN 1 box.
            ("10.000", "24", "1", 6, "240"),
            ("10", "1", "24", 6, "0.416667"),
            ("10", "1", "3", 0, "3"),
            ("5", "1", "2", 0, "3"),
            ("-5", "1", "2", 0, "-3"),
            ("1", "2", "3", 3, "0.667"),
            // 1/3 first would give 0.999.
            ("3", "1", "3", 3, "1"),
            ("1", "1", "0.0004", 2, "2500"),
            ("0.0001", "1", "1000", 2, "0"),
            ("-0.0001", "1", "1000", 2, "0"),
            ("0", "7", "-9", 4, "0"),
            ("1", "-1", "-8", 2, "0.13"),
            ("12.5", "1000", "2.5", 2, "5000"),
            ("1", "1", "1e40", 40, "0.0000000000000000000000000000000000000001"),
        ];
        for (text, numerator, denominator, scale, expected) in cases {
            let mut scratch = String::new();
            let found = divide(text, numerator, denominator, scale, &mut scratch);
            assert_eq!(found, Some(expected), "{text} * {numerator} / {denominator}");
        }
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        let long = "9".repeat(77);
        let small = format!("0.{}1", "0".repeat(76));
        for text in ["", "x", "1,5", "NaN", &long, &small, "1e76", "1e-77"] {
            assert_eq!(multiply(text, "1", None, &mut String::new()), None, "{text}");
            assert_eq!(multiply("1", text, None, &mut String::new()), None, "{text}");
            assert_eq!(divide("1", "1", text, 2, &mut String::new()), None, "{text}");
        }
        assert_eq!(divide("1", "1", "0.00", 2, &mut String::new()), None);
        assert_eq!(divide("1", "1", "3", 77, &mut String::new()), None);
        let most = format!("-{}.{}", "9".repeat(38), "9".repeat(38));
        assert!(divide(&most, &most, "0.7", 76, &mut String::new()).is_some());
        assert!(multiply(&most, &most, None, &mut String::new()).is_some());
    }

    /// A whole number of 10^-`places`, as text.
    fn scaled(number: i128, places: usize) -> String {
        let one = 10_u128.pow(u32::try_from(places).unwrap());
        let sign = if number < 0 { "-" } else { "" };
        let (whole, rest) = (number.unsigned_abs() / one, number.unsigned_abs() % one);
        if places == 0 {
            return format!("{sign}{whole}");
        }
        let text = format!("{sign}{whole}.{rest:0places$}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    proptest::proptest! {
        #[test]
        fn a_product_is_that_of_the_machine(
            left in -1_000_000_000_000_i128..1_000_000_000_000, left_places in 0_usize..8,
            right in -1_000_000_000_000_i128..1_000_000_000_000, right_places in 0_usize..8,
        ) {
            let mut scratch = String::new();
            let found =
                multiply(&scaled(left, left_places), &scaled(right, right_places), None, &mut scratch);
            let expected = scaled(left * right, left_places + right_places);
            proptest::prop_assert_eq!(found, Some(expected.as_str()));
        }

        #[test]
        fn a_quotient_is_that_of_the_machine(
            value in -1_000_000_000_i128..1_000_000_000, value_places in 0_usize..6,
            numerator in -100_000_i128..100_000, denominator in 1_i128..100_000_000,
            places in 0_usize..6, scale in 0_usize..10,
        ) {
            let mut scratch = String::new();
            let found = divide(
                &scaled(value, value_places),
                &numerator.to_string(),
                &scaled(-denominator, places),
                scale,
                &mut scratch,
            );
            let ten = |power: usize| 10_i128.pow(u32::try_from(power).unwrap());
            let dividend = (value * numerator).abs() * ten(places + scale);
            let divisor = denominator * ten(value_places);
            let rounded = (2 * dividend + divisor) / (2 * divisor);
            let sign = if value * numerator > 0 { -1 } else { 1 };
            let expected = scaled(sign * rounded, scale);
            proptest::prop_assert_eq!(found, Some(expected.as_str()));
        }

        #[test]
        fn any_texts_give_a_canonical_decimal_or_none(
            left in "[-+]?[0-9]{0,80}[.]?[0-9]{0,80}(e[-+]?[0-9]{1,3})?|.*",
            right in "[-+]?[0-9]{0,5}[.]?[0-9]{0,5}(e[-+]?[0-9]{1,2})?",
            scale in 0_usize..100,
        ) {
            let mut scratch = String::new();
            for result in [
                multiply(&left, &right, Some(scale), &mut scratch).map(str::to_owned),
                divide(&left, &right, &right, scale, &mut scratch).map(str::to_owned),
                divide(&right, &left, &left, scale, &mut scratch).map(str::to_owned),
            ] {
                let Some(result) = result else { continue };
                let number = Number::parse(&result);
                proptest::prop_assert!(number.is_some_and(|number| number.is_canonical(&result)));
            }
        }
    }
}
