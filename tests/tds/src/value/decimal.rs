//! Exact numbers.

use std::fmt;

use super::Decimal;

impl Decimal {
    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self { digits: number.into(), scale: 0 }
    }

    /// Reads digits with a point and a sign.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || whole.len() + fraction.len() == 0 {
            return None;
        }
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38)?;
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { digits: if negative { -digits } else { digits }, scale })
    }

    /// The same number at another scale, rounded half away from zero; `None` if it grows too
    /// large to hold.
    pub(crate) fn rescaled(self, scale: u8) -> Option<Self> {
        let power = |by: u8| 10_i128.checked_pow(u32::from(by));
        let digits = if scale >= self.scale {
            self.digits.checked_mul(power(scale - self.scale)?)?
        } else {
            let unit = power(self.scale - scale)?;
            let half = unit / 2 * self.digits.signum();
            (self.digits + half) / unit
        };
        Some(Self { digits, scale })
    }

    /// Whether its digits fit this precision.
    pub(crate) fn fits(self, precision: u8) -> bool {
        let limit = 10_u128.checked_pow(u32::from(precision));
        limit.is_none_or(|limit| self.digits.unsigned_abs() < limit)
    }

    /// The nearest float.
    pub(crate) fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Both numbers at the larger of their scales.
    pub(crate) fn aligned(self, other: Self) -> Option<(i128, i128, u8)> {
        let scale = std::cmp::max(self.scale, other.scale);
        Some((self.rescaled(scale)?.digits, other.rescaled(scale)?.digits, scale))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_eight_digits_are_read_rounded_and_printed() {
        let text = "-12345678901234567890123456789012345.678";
        let number = Decimal::read(text).unwrap();
        assert_eq!(number.to_string(), text);
        assert_eq!(
            number.rescaled(2).unwrap().to_string(),
            "-12345678901234567890123456789012345.68"
        );
        assert!(number.fits(38) && !number.fits(37));
        assert_eq!(Decimal::read("0.05").unwrap().rescaled(1).unwrap().to_string(), "0.1");
        assert_eq!(Decimal::read("1e5"), None);
    }
}
