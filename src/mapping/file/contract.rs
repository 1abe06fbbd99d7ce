//! What an event's schema asks for beyond the catalogue: the form of some texts, and whether an
//! event can be told of a row that is gone. Checking it here keeps an event that would break the
//! contract from being made at all.

use serde_json::Value;

use crate::canonical::{EventDef, catalog};

/// The form a text must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Form {
    /// Any text.
    Any,
    /// ISO 4217: three capital letters.
    Currency,
    /// UN/ECE Recommendation 20: two or three capitals or digits.
    Unit,
    /// ISO 3166: two capital letters.
    Country,
    /// ISO 8601: `P5D`.
    Duration,
    /// One of the states the schema lists.
    OneOf(Box<[Box<str>]>),
}

impl Form {
    /// Whether the text has the form.
    pub(in crate::mapping) fn admits(&self, text: &str) -> bool {
        let capitals = |text: &str| text.bytes().all(|c| c.is_ascii_uppercase());
        match self {
            Self::Any => true,
            Self::Currency => text.len() == 3 && capitals(text),
            Self::Country => text.len() == 2 && capitals(text),
            Self::Unit => {
                let plain = text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
                plain && (2..=3).contains(&text.len())
            }
            Self::Duration => is_duration(text),
            Self::OneOf(states) => states.iter().any(|state| **state == *text),
        }
    }

    /// What the form is called in messages.
    pub(in crate::mapping) fn describe(&self) -> String {
        match self {
            Self::Any => "text".to_owned(),
            Self::Currency => "a currency code of ISO 4217".to_owned(),
            Self::Unit => "a unit code of UN/ECE Recommendation 20".to_owned(),
            Self::Country => "a country code of ISO 3166".to_owned(),
            Self::Duration => "a duration of ISO 8601".to_owned(),
            Self::OneOf(states) => format!("one of {}", states.join(", ")),
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

/// The form the schema asks of a text field.
pub(super) fn form(event: &EventDef, field: &str) -> Form {
    let Some(schema) = schema(event) else { return Form::Any };
    let field = schema.pointer(&format!("/$defs/fields/properties/{field}"));
    match field.and_then(reference) {
        Some("#/$defs/currency") => Form::Currency,
        Some("#/$defs/unit") => Form::Unit,
        Some("#/$defs/country") => Form::Country,
        Some("#/$defs/duration") => Form::Duration,
        _ => Form::Any,
    }
}

/// Whether the event must say how things are now, so that it cannot be told of a deleted row.
pub(super) fn needs_after(event: &EventDef) -> bool {
    let required = schema(event)
        .and_then(|schema| schema.pointer(&format!("/$defs/{}/required", event.event)).cloned());
    required.is_some_and(|list| list.as_array().is_some_and(|l| l.iter().any(|of| of == "after")))
}

fn schema(event: &EventDef) -> Option<Value> {
    serde_json::from_str(catalog().schema_text(&event.name)?).ok()
}

fn reference(field: &Value) -> Option<&str> {
    let alternatives = field.get("anyOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    std::iter::once(field).chain(alternatives).find_map(|part| part.get("$ref")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_follow_the_schema() {
        let event = |name| catalog().event(name).unwrap();
        let order = event("procurement.purchaseorder.created");
        assert_eq!(form(order, "currency"), Form::Currency);
        assert_eq!(form(order, "supplier"), Form::Any);
        assert!(needs_after(order));
        assert!(!needs_after(event("procurement.purchaseorder.cancelled")));
    }

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
