//! The form of a text: what a canonical text must look like beyond being text.
//!
//! Currencies and units are looked up in the standards' own lists. Countries are not: the ones
//! without a code in the standard are written by codes left free in it.

use super::currencies::is_currency;
use super::units::{is_unit, usual_unit};

/// The form a text must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Any,
    /// A currency of ISO 4217: `EUR`.
    Currency,
    /// A unit of UN/ECE Recommendation 20: `KGM`.
    Unit,
    /// Two capital letters, as in ISO 3166: `DE`.
    Country,
    /// ISO 8601: `P5D`.
    Duration,
    /// A decimal of 0 or more.
    NotNegative,
    /// One of these codes.
    OneOf(Box<[Box<str>]>),
}

impl Form {
    /// One of these codes.
    pub fn one_of(codes: &[String]) -> Self {
        Self::OneOf(codes.iter().map(|code| code.as_str().into()).collect())
    }

    /// Whether the text has the form.
    pub fn admits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Currency => is_currency(text),
            Self::Country => text.len() == 2 && text.bytes().all(|c| c.is_ascii_uppercase()),
            Self::Unit => is_unit(text),
            Self::Duration => is_duration(text),
            Self::NotNegative => !text.starts_with('-'),
            Self::OneOf(codes) => codes.iter().any(|code| **code == *text),
        }
    }

    /// What a text that has not the form may stand for: the code of a unit that is usually written
    /// so, or a code in small letters.
    pub fn meant(&self, text: &str) -> Option<String> {
        match self {
            Self::Unit if usual_unit(text).is_some() => usual_unit(text).map(str::to_owned),
            Self::Unit | Self::Currency | Self::Country => {
                Some(text.to_ascii_uppercase()).filter(|text| self.admits(text))
            }
            Self::Any | Self::NotNegative | Self::Duration | Self::OneOf(_) => None,
        }
    }

    /// What the form is called in messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "text".to_owned(),
            Self::Currency => "a currency code of ISO 4217".to_owned(),
            Self::Unit => "a unit code of UN/ECE Recommendation 20".to_owned(),
            Self::Country => "a country code of ISO 3166".to_owned(),
            Self::Duration => "a duration of ISO 8601".to_owned(),
            Self::NotNegative => "a number of 0 or more".to_owned(),
            Self::OneOf(codes) => format!("one of {}", codes.join(", ")),
        }
    }
}

/// `P` and then numbers with units, in their order: `P1Y2M3W4DT5H6M7S`.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let some = !days.is_empty() || time.is_some();
    some && is_sum(days, "YMWD") && time.is_none_or(|time| !time.is_empty() && is_sum(time, "HMS"))
}

fn is_sum(text: &str, units: &str) -> bool {
    let mut units = units.chars();
    let mut digits = 0;
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits += 1;
        } else if digits == 0 || !units.any(|unit| unit == character) {
            return false;
        } else {
            digits = 0;
        }
    }
    digits == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_from_other_text() {
        for text in ["P5D", "P1Y2M3DT4H5M6S", "PT0S", "P2W"] {
            assert!(Form::Duration.admits(text), "{text}");
        }
        for text in ["", "P", "PT", "5D", "P5", "PD", "P1D2Y", "5 days"] {
            assert!(!Form::Duration.admits(text), "{text}");
        }
    }
}
