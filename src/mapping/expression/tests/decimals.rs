//! Decimals against an oracle that has no limits.

use std::cmp::Ordering;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::super::decimal::{Decimal, MAX_DIGITS, QUOTIENT_PLACES, Rounding};

/// A decimal of any length.
#[derive(Clone, Debug)]
struct Oracle {
    whole: BigInt,
    places: u32,
}

impl Oracle {
    fn parse(text: &str) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let places = u32::try_from(fraction.len()).unwrap();
        Self { whole: format!("{whole}{fraction}").parse().unwrap(), places }
    }

    fn scaled(&self, places: u32) -> BigInt {
        &self.whole * BigInt::from(10).pow(places - self.places)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let places = std::cmp::max(self.places, other.places);
        self.scaled(places).cmp(&other.scaled(places))
    }

    fn with(&self, other: &Self, operation: impl Fn(BigInt, BigInt) -> BigInt) -> Self {
        let places = std::cmp::max(self.places, other.places);
        Self { whole: operation(self.scaled(places), other.scaled(places)), places }
    }

    fn shortest(&self) -> Self {
        let mut short = self.clone();
        while short.places > 0 && &short.whole % 10 == BigInt::ZERO {
            short = Self { whole: short.whole / 10, places: short.places - 1 };
        }
        short
    }

    fn fits(&self) -> bool {
        let short = self.shortest();
        short.places <= MAX_DIGITS
            && short.whole.magnitude().to_string().len() <= MAX_DIGITS as usize
    }

    /// To `places` places: the nearest, from the middle away from zero.
    fn quotient(&self, other: &Self, places: u32) -> Self {
        let numerator = self.scaled(self.places + other.places + places);
        let divisor = other.scaled(self.places + other.places);
        let negative = (numerator < BigInt::ZERO) != (divisor < BigInt::ZERO);
        let (numerator, divisor) = (numerator.magnitude().clone(), divisor.magnitude().clone());
        let whole = BigInt::from((numerator * 2_u32 + &divisor) / (divisor * 2_u32));
        Self { whole: if negative { -whole } else { whole }, places }
    }
}

/// What is told of a result must be the oracle's, and refused only what does not fit.
fn agrees(found: Option<Decimal>, expected: &Oracle, exact: bool) -> Result<(), TestCaseError> {
    match found {
        Some(found) => {
            let found = Oracle::parse(&found.to_string());
            prop_assert_eq!(found.compare(expected), Ordering::Equal, "{:?} {:?}", found, expected);
        }
        None => prop_assert!(!exact || !expected.fits(), "refused {:?}", expected),
    }
    Ok(())
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,6}",
        "-?[0-9]{1,6}[.][0-9]{1,4}",
        "-?[1-9][0-9]{0,37}",
        "-?[0-9]{1,19}[.][0-9]{1,19}",
        "-?[0-9]{1,35}[.][0-9]{1,30}",
        "-?0[.]0{0,30}[0-9]{1,8}",
        "-?[1-9]0{0,37}",
    ]
}

fn both(a: &str, b: &str) -> (Decimal, Decimal, Oracle, Oracle) {
    (Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap(), Oracle::parse(a), Oracle::parse(b))
}

proptest! {
    #[test]
    fn sums_and_comparisons_are_the_oracles(a in number(), b in number()) {
        let (x, y, p, q) = both(&a, &b);
        agrees(x.add(y), &p.with(&q, |p, q| p + q), true)?;
        prop_assert_eq!(x.cmp(&y), p.compare(&q));
        prop_assert_eq!(x == y, p.compare(&q) == Ordering::Equal);
        prop_assert_eq!(y.cmp(&x), p.compare(&q).reverse());
    }

    #[test]
    fn products_are_the_oracles(a in number(), b in number()) {
        let (x, y, p, q) = both(&a, &b);
        let exact = Oracle { whole: &p.whole * &q.whole, places: p.places + q.places };
        // Digits that only zeros make fit may be refused; digits that fit as they are may not.
        let plain = Oracle { whole: &p.shortest().whole * &q.shortest().whole, places: 0 };
        agrees(x.multiply(y), &exact, plain.fits())?;
    }

    #[test]
    fn quotients_are_the_oracles_rounded(a in number(), b in number()) {
        let (x, y, p, q) = both(&a, &b);
        prop_assume!(q.whole != BigInt::ZERO);
        let places = std::cmp::max(QUOTIENT_PLACES, p.shortest().places);
        let expected = p.quotient(&q, places);
        let digits = expected.whole.magnitude().to_string().len();
        agrees(x.divide(y), &expected, digits <= MAX_DIGITS as usize)?;
        let short = q.scaled(q.places).magnitude().to_string().len() <= 38;
        let rest = p.with(&q, |p, q| p % q);
        agrees(x.remainder(y), &rest, short && p.places == q.places)?;
    }

    #[test]
    fn rounding_is_the_oracles(a in number(), places in 0_u32..40) {
        let (x, p) = (Decimal::parse(&a).unwrap(), Oracle::parse(&a));
        let one = Oracle { whole: BigInt::from(1), places: 0 };
        let half_up = if places < p.places { p.quotient(&one, places) } else { p.clone() };
        agrees(x.round(places, Rounding::HalfUp), &half_up, true)?;
        let (floor, ceiling) = (x.round(places, Rounding::Floor).unwrap(), x.round(places, Rounding::Ceiling).unwrap());
        let unit = Decimal::parse(&format!("1e-{places}")).unwrap();
        prop_assert!(floor <= x && x <= ceiling);
        prop_assert!(ceiling == floor || ceiling == floor.add(unit).unwrap());
        prop_assert_eq!(floor == x, ceiling == x);
    }

    #[test]
    fn a_number_is_printed_as_it_was_written(a in number()) {
        let printed = Decimal::parse(&a).unwrap().to_string();
        let again = Decimal::parse(&printed).unwrap();
        prop_assert!(again.to_string() == printed);
        prop_assert_eq!(Oracle::parse(&a).compare(&Oracle::parse(&printed)), Ordering::Equal);
        let fraction = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert_eq!(fraction(&a), fraction(&printed), "places are kept");
    }

    #[test]
    fn any_text_is_a_number_or_none(text in "[-+]?[0-9]{0,80}[.]?[0-9]{0,80}(e[-+]?[0-9]{1,4})?|.*") {
        if let Some(number) = Decimal::parse(&text) {
            let printed = number.to_string();
            prop_assert!(printed.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)), "{}", printed);
            prop_assert_eq!(Decimal::parse(&printed), Some(number));
        }
    }

    #[test]
    fn numbers_are_in_one_order(mut numbers in proptest::collection::vec(number(), 3)) {
        numbers.sort_by_key(|text| Decimal::parse(text).unwrap());
        let sorted: Vec<Oracle> = numbers.iter().map(|text| Oracle::parse(text)).collect();
        prop_assert!(sorted.is_sorted_by(|a, b| a.compare(b) != Ordering::Greater));
    }
}

#[test]
fn the_limits_are_where_they_are_said_to_be() {
    let nines = "9".repeat(76);
    let read = |text: &str| Decimal::parse(text).map(|number| number.to_string());
    assert_eq!(read(&nines).as_deref(), Some(nines.as_str()));
    assert_eq!(read(&format!("-{nines}")), Some(format!("-{nines}")));
    assert_eq!(read(&format!("0.{nines}")), Some(format!("0.{nines}")));
    assert_eq!(read(&"1".repeat(77)), None);
    assert_eq!(read(&format!("0.0{nines}")), None);
    assert_eq!(read("1e75").map(|text| text.len()), Some(76));
    assert_eq!(read("1e76"), None);
    assert_eq!(read("1e-76").map(|text| text.len()), Some(78));
    assert_eq!(read("1e-77"), None);
    assert_eq!(read("10e-77").map(|text| text.len()), Some(78));
    assert_eq!(read("0e-400").map(|text| text.len()), Some(78));
    assert_eq!(read("0e400").as_deref(), Some("0"));
    let nines = Decimal::parse(&nines).unwrap();
    assert_eq!(nines.add(Decimal::from(1)), None);
    assert_eq!(nines.round(0, Rounding::HalfUp), Some(nines));
    let almost = Decimal::parse(&format!("{}.9", "9".repeat(75))).unwrap();
    assert_eq!(almost.round(0, Rounding::HalfUp), Decimal::parse("1e75"));
    assert_eq!(Decimal::from(1).divide(nines), None);
    assert_eq!(nines.divide(Decimal::parse("1e74").unwrap()), Some(Decimal::from(100)));
    assert!(nines > Decimal::parse("0.5").unwrap());
    assert!(nines.negate() < Decimal::parse(&format!("0.{}", "1".repeat(76))).unwrap());
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", "+", ".", "e5", "1e", "1e+", "--1", "1.2.3", "1,5", "1 ", " 1", "0x1", "NaN",
        "Infinity", "٣", "1e99999", "1e5e5", "1e5.0",
    ] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
    let read = |text: &str| Decimal::parse(text).unwrap().to_string();
    assert_eq!(
        [read("+5"), read(".5"), read("5."), read("-0.00"), read("007.10")],
        ["5", "0.5", "5", "0.00", "7.10"]
    );
}
