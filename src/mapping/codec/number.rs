//! The parts of a number's text.

use std::cmp::Ordering;

/// More places than any database's number has; a longer exponent is not a quantity.
const MAX_EXPONENT: usize = 400;

/// A number's text, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'t> {
    pub(super) negative: bool,
    pub(super) whole: &'t str,
    pub(super) fraction: &'t str,
    pub(super) exponent: Option<isize>,
}

impl<'t> Number<'t> {
    /// `[+-]digits[.digits][e[+-]digits]`, with digits on at least one side of the point.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, Some(read_exponent(exponent)?)),
            None => (unsigned, None),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = whole.bytes().chain(fraction.bytes()).all(|c| c.is_ascii_digit());
        let some = !whole.is_empty() || !fraction.is_empty();
        (numeric && some).then_some(Self { negative, whole, fraction, exponent })
    }

    /// Whether `text`, from which this was parsed, is already what [`Self::write`] would write.
    pub(super) fn is_canonical(&self, text: &str) -> bool {
        let leading = self.whole.len() > 1 && self.whole.starts_with('0');
        let bare = self.whole.is_empty() || text.ends_with('.');
        let signed = text.starts_with('+') || (self.negative && self.is_zero());
        self.exponent.is_none() && !leading && !bare && !signed
    }

    /// By value.
    fn compare(&self, other: &Self) -> Ordering {
        let (mut one, mut two) = (String::new(), String::new());
        self.write(&mut one);
        other.write(&mut two);
        let negative = one.starts_with('-');
        if negative != two.starts_with('-') {
            return if negative { Ordering::Less } else { Ordering::Greater };
        }
        let parts = |text: &str| {
            let digits = text.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            (whole.len(), whole.to_owned(), fraction.trim_end_matches('0').to_owned())
        };
        let order = parts(&one).cmp(&parts(&two));
        if negative { order.reverse() } else { order }
    }

    /// Writes plain digits over whatever `out` held.
    pub(super) fn write(&self, out: &mut String) {
        out.clear();
        let shift = self.exponent.unwrap_or(0);
        let point = isize::try_from(self.whole.len()).unwrap_or(isize::MAX).saturating_add(shift);
        let digits = self.whole.len() + self.fraction.len();
        if self.negative && !self.is_zero() {
            out.push('-');
        }
        let sign = out.len();
        // Zeros between the point and the first digit, for a point left of all digits.
        let before = usize::try_from(-point).unwrap_or(0);
        let point = usize::try_from(point).unwrap_or(0);
        out.extend(self.whole.chars().chain(self.fraction.chars()).take(point));
        out.extend(std::iter::repeat_n('0', point.saturating_sub(digits)));
        let zeros =
            out.get(sign..).map_or(0, |whole| whole.len() - whole.trim_start_matches('0').len());
        out.replace_range(sign..sign + zeros, "");
        if out.len() == sign {
            out.push('0');
        }
        if point < digits {
            out.push('.');
            out.extend(std::iter::repeat_n('0', before));
            out.extend(self.whole.chars().chain(self.fraction.chars()).skip(point));
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.whole.bytes().chain(self.fraction.bytes()).all(|digit| digit == b'0')
    }
}

fn read_exponent(text: &str) -> Option<isize> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    let size: usize = plain.then(|| digits.parse().ok())??;
    let size = isize::try_from(size).ok().filter(|_| size <= MAX_EXPONENT)?;
    Some(if text.starts_with('-') { -size } else { size })
}

/// A whole number; a fraction of zeros only (`5.00`) is one too.
pub(crate) fn integer<'a>(text: &'a str, scratch: &'a mut String) -> Option<&'a str> {
    let number = Number::parse(text).filter(|number| number.exponent.is_none())?;
    if number.fraction.bytes().any(|digit| digit != b'0') {
        return None;
    }
    if number.fraction.is_empty() && number.is_canonical(text) {
        return Some(text);
    }
    Number { fraction: "", ..number }.write(scratch);
    Some(scratch)
}

/// Whether a decimal is written as events write it.
pub(crate) fn is_canonical(text: &str) -> bool {
    Number::parse(text).is_some_and(|number| number.is_canonical(text))
}

/// Numbers by value, then what is no number as text. Were a number compared with a text as texts, `9`
/// would come before `10`, `10` before `1a` and `1a` before `9`, and no order would hold.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    match (Number::parse(one), Number::parse(other)) {
        (Some(_), Some(_)) if one == other => Ordering::Equal,
        (Some(a), Some(b)) => a.compare(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_among_texts_have_one_order_however_many_there_are() {
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("10", "1a"), Ordering::Less);
        assert_eq!(compare("1a", "9"), Ordering::Greater);
        let mut codes: Vec<String> = (0..300_u32)
            .map(|n| n.wrapping_mul(2_654_435_761) % 1000)
            .map(|n| if n % 3 == 0 { format!("{n}a") } else { n.to_string() })
            .collect();
        // A standard sort may panic over an order that runs in a circle.
        codes.sort_by(|one, other| compare(one, other));
        let texts = codes.iter().position(|code| code.ends_with('a')).unwrap();
        assert!(codes[texts..].iter().all(|code| code.ends_with('a')));
    }

    #[test]
    fn integers_lose_what_is_not_theirs() {
        let mut scratch = String::new();
        assert_eq!(integer("42", &mut scratch), Some("42"));
        assert_eq!(integer("0042", &mut scratch), Some("42"));
        assert_eq!(integer("42.00", &mut scratch), Some("42"));
        assert_eq!(integer("+7", &mut scratch), Some("7"));
        assert_eq!(integer("42.5", &mut scratch), None);
        assert_eq!(integer("x", &mut scratch), None);
    }

    #[test]
    fn exponents_move_the_point_both_ways() {
        let plain = |text: &str| {
            let mut out = String::new();
            Number::parse(text).map(|number| number.write(&mut out)).map(|()| out)
        };
        assert_eq!(plain("1.25e1").as_deref(), Some("12.5"));
        assert_eq!(plain("1.25e-3").as_deref(), Some("0.00125"));
        assert_eq!(plain("125e-2").as_deref(), Some("1.25"));
        assert_eq!(plain("0.001e2").as_deref(), Some("0.1"));
        assert_eq!(plain("12e2").as_deref(), Some("1200"));
        assert_eq!(plain("1.25e2").as_deref(), Some("125"));
    }
}
