//! Exact decimals: up to 76 digits, of which up to 76 after the point.
//!
//! A decimal is a whole number of 256 bits and the number of its places. That holds every
//! `numeric(38, s)` of the servers we read, MySQL's `decimal(65, 30)`, and the product of any two
//! 38-digit numbers, without touching the heap. Results are exact or refused, never cut short;
//! only a quotient is rounded, to a number of places that is told. The places of a number are
//! kept as they were written (`1.10` stays `1.10`); they count for nothing in comparisons.

use std::cmp::Ordering;
use std::fmt;

use ethnum::I256;

/// How many digits a number may have, and how many places.
pub(super) const MAX_DIGITS: u32 = 76;

/// How many places a quotient has at least, unless it needs fewer.
pub(super) const QUOTIENT_PLACES: u32 = 20;

/// Every power of ten up to this one fits 128 bits.
const HALF: u32 = 38;

/// The longest exponent that is read: no database's number is longer.
const MAX_EXPONENT: i64 = 400;

/// An exact decimal. Its whole number always has at most [`MAX_DIGITS`] digits.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    whole: I256,
    places: u32,
}

/// What becomes of the places that are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest; from the middle away from zero.
    HalfUp,
    /// Towards minus infinity.
    Floor,
    /// Towards plus infinity.
    Ceiling,
}

impl Decimal {
    /// `[+-]digits[.digits][e[+-]digits]` with a digit on at least one side of the point. `None`
    /// for any other text and for numbers that are too long.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mut digits, mut point, mut exponent) = (Digits::default(), None, 0);
        for (at, byte) in unsigned.bytes().enumerate() {
            match byte {
                b'0'..=b'9' => digits.push(byte - b'0')?,
                b'.' if point.is_none() => point = Some(digits.seen),
                b'e' | b'E' => {
                    exponent = read_exponent(unsigned.get(at + 1..)?)?;
                    break;
                }
                _ => return None,
            }
        }
        if digits.seen == 0 {
            return None;
        }
        let places = i64::from(digits.seen - point.unwrap_or(digits.seen)) - exponent;
        let whole = digits.whole();
        Self::fit(if negative { -whole } else { whole }, places)
    }

    /// The number, if it has no fraction and fits.
    pub(super) fn to_whole(self) -> Option<i64> {
        let short = self.shortest();
        if short.places == 0 { i64::try_from(short.whole).ok() } else { None }
    }

    /// Whether it is below zero.
    pub(super) fn is_negative(self) -> bool {
        self.whole < I256::ZERO
    }

    /// The same digits with the other sign.
    pub(super) fn negate(self) -> Self {
        Self { whole: -self.whole, ..self }
    }

    /// Without its sign.
    pub(super) fn abs(self) -> Self {
        Self { whole: self.whole.abs(), ..self }
    }

    /// The exact sum, with the places of the operand that has more.
    pub(super) fn add(self, other: Self) -> Option<Self> {
        exactly(self, other, |a, b| {
            let (a, b, places) = align(a, b)?;
            Self::fit(a.checked_add(b)?, places)
        })
    }

    /// The exact product, with the places of both operands.
    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        exactly(self, other, |a, b| {
            let places = i64::from(a.places) + i64::from(b.places);
            Self::fit(a.whole.checked_mul(b.whole)?, places)
        })
    }

    /// The quotient, rounded half up (away from zero) to [`QUOTIENT_PLACES`] or to the places of
    /// the dividend, if it has more; without trailing zeros. `None` for a divisor of zero, for a
    /// quotient that is too long, and where a divisor of more than 74 digits leaves no room.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        let (a, b) = (self.shortest(), other.shortest());
        if b.whole == I256::ZERO {
            return None;
        }
        let places = std::cmp::max(QUOTIENT_PLACES, a.places);
        let shift = places - a.places + b.places;
        let (whole, left) = long_division(a.whole.abs(), b.whole.abs(), shift)?;
        let negative = a.is_negative() != b.is_negative();
        let places = i64::from(places) - i64::from(left);
        let quotient = Self::fit(if negative { -whole } else { whole }, places)?;
        Some(quotient.shortest())
    }

    /// What is left of a division without places; it has the sign of the dividend. `None` as for
    /// [`Self::divide`].
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        exactly(self, other, |a, b| {
            let (a, b, places) = align(a, b)?;
            Self::fit(a.checked_rem(b)?, places)
        })
    }

    /// At most `places` places; a number that has no more stays as it is.
    pub(super) fn round(self, places: u32, rounding: Rounding) -> Option<Self> {
        let Some(cut) = self.places.checked_sub(places).filter(|cut| *cut > 0) else {
            return Some(self);
        };
        let unit = power_of_ten(cut);
        let (kept, rest) = (self.whole / unit, self.whole % unit);
        let away = match rounding {
            // Not `2 * rest >= unit`: that could be one bit too long.
            Rounding::HalfUp => rest.abs() >= unit - rest.abs(),
            Rounding::Floor => rest < I256::ZERO,
            Rounding::Ceiling => rest > I256::ZERO,
        };
        let step = if self.is_negative() { -I256::ONE } else { I256::ONE };
        Self::fit(if away { kept + step } else { kept }, i64::from(places))
    }

    /// Without trailing zeros after the point.
    pub(super) fn shortest(self) -> Self {
        let Self { mut whole, mut places } = self;
        // Most numbers fit 128 bits, where dividing is far quicker.
        if let Ok(mut short) = i128::try_from(whole) {
            while places > 0 && short % 10 == 0 {
                short /= 10;
                places -= 1;
            }
            return Self { whole: I256::new(short), places };
        }
        while places > 0 && whole % 10 == 0 {
            whole /= 10;
            places -= 1;
        }
        Self { whole, places }
    }

    /// A number of these digits and places. Trailing zeros go as far as they must.
    fn fit(mut whole: I256, mut places: i64) -> Option<Self> {
        if whole == I256::ZERO {
            places = places.clamp(0, i64::from(MAX_DIGITS));
        }
        if places < 0 {
            let missing = u32::try_from(-places).ok().filter(|missing| *missing <= MAX_DIGITS)?;
            whole = whole.checked_mul(power_of_ten(missing))?;
            places = 0;
        }
        let limit = power_of_ten(MAX_DIGITS);
        while places > i64::from(MAX_DIGITS) || (places > 0 && whole.abs() >= limit) {
            if whole % 10 != 0 {
                return None;
            }
            whole /= 10;
            places -= 1;
        }
        let places = u32::try_from(places).ok()?;
        (whole.abs() < limit).then_some(Self { whole, places })
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self { whole: I256::from(number), places: 0 }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.places == other.places {
            return self.whole.cmp(&other.whole);
        }
        match align(*self, *other) {
            Some((a, b, _)) => a.cmp(&b),
            // Too long to be aligned: the number with fewer places is the larger one by far, and
            // it is not zero.
            None if self.places < other.places => self.whole.cmp(&I256::ZERO),
            None => I256::ZERO.cmp(&other.whole),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

/// Plain digits, never an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative() { "-" } else { "" };
        if self.places == 0 {
            return write!(f, "{sign}{}", self.whole.abs());
        }
        let unit = power_of_ten(self.places);
        let (whole, fraction) = (self.whole.abs() / unit, self.whole.abs() % unit);
        let width = usize::try_from(self.places).unwrap_or_default();
        write!(f, "{sign}{whole}.{fraction:0>width$}")
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digits of a number while they are read: two halves of 38 digits, so that the common number
/// is read in 128 bits.
#[derive(Default)]
struct Digits {
    high: u128,
    low: u128,
    /// Digits in `low`; leading zeros are none.
    filled: u32,
    /// All digits, leading zeros included.
    seen: u32,
}

impl Digits {
    /// `None` if there are too many.
    fn push(&mut self, digit: u8) -> Option<()> {
        self.seen = self.seen.checked_add(1)?;
        if self.filled == HALF {
            if self.high != 0 {
                return None;
            }
            (self.high, self.low, self.filled) = (self.low, 0, 0);
        }
        self.low = self.low * 10 + u128::from(digit);
        if self.low != 0 || self.high != 0 {
            self.filled += 1;
        }
        Some(())
    }

    fn whole(&self) -> I256 {
        let low = I256::from(self.low);
        if self.high == 0 {
            return low;
        }
        // 38 digits and at most 38 more: 76, which 255 bits hold.
        I256::from(self.high) * power_of_ten(self.filled) + low
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let size: i64 = digits.parse().ok().filter(|size| plain && *size <= MAX_EXPONENT)?;
    Some(if text.starts_with('-') { -size } else { size })
}

/// 10 to the power of at most [`MAX_DIGITS`].
fn power_of_ten(exponent: u32) -> I256 {
    let low = I256::new(10_i128.pow(std::cmp::min(exponent, HALF)));
    if exponent <= HALF {
        return low;
    }
    let rest = std::cmp::min(exponent, MAX_DIGITS) - HALF;
    low * I256::new(10_i128.pow(rest))
}

/// Both numbers as wholes of the same place.
fn align(a: Decimal, b: Decimal) -> Option<(I256, I256, i64)> {
    let (a_whole, b_whole) = match a.places.cmp(&b.places) {
        Ordering::Equal => (a.whole, b.whole),
        Ordering::Less => (a.whole.checked_mul(power_of_ten(b.places - a.places))?, b.whole),
        Ordering::Greater => (a.whole, b.whole.checked_mul(power_of_ten(a.places - b.places))?),
    };
    Some((a_whole, b_whole, i64::from(std::cmp::max(a.places, b.places))))
}

/// An operation on two numbers as they are; if that is too long, on their shortest forms.
fn exactly(
    a: Decimal,
    b: Decimal,
    operation: impl Fn(Decimal, Decimal) -> Option<Decimal>,
) -> Option<Decimal> {
    operation(a, b).or_else(|| operation(a.shortest(), b.shortest()))
}

/// `dividend * 10^shift / divisor`, rounded half up; both are not negative. As on paper: as many
/// digits at a time as fit beside the divisor, until nothing is left over. How much of `shift` was
/// not needed is told with the quotient.
fn long_division(dividend: I256, divisor: I256, mut shift: u32) -> Option<(I256, u32)> {
    let at_once = MAX_DIGITS.saturating_sub(digits_of(divisor));
    let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
    while shift > 0 && rest != I256::ZERO {
        let step = std::cmp::min(shift, at_once);
        if step == 0 {
            return None;
        }
        let unit = power_of_ten(step);
        rest = rest.checked_mul(unit)?;
        quotient = quotient.checked_mul(unit)?.checked_add(rest / divisor)?;
        rest %= divisor;
        shift -= step;
    }
    let away = rest != I256::ZERO && rest >= divisor - rest;
    Some((if away { quotient.checked_add(I256::ONE)? } else { quotient }, shift))
}

/// How many digits a number that is not negative has, or one more.
fn digits_of(number: I256) -> u32 {
    let bits = 256 - number.leading_zeros();
    // log10(2) is a little less than 1233 / 4096.
    bits * 1233 / 4096 + 1
}
