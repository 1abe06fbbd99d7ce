//! Row filters: which rows of a table, or which firings of a rule, are meant.

use erpbridge_connector::Value;

use super::formula::Formula;
use super::names::ColumnName;
use crate::document::{Content, Fields, Findings, Node};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// All tests must hold.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Filter<S: Stage> {
    /// One per column.
    pub tests: Box<[Test<S>]>,
    /// What must be true beside them.
    pub condition: Option<S::Formula>,
}

/// A column is, or is not, one of some values. Values are compared after the reading rules;
/// `null` is a value like any other.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Test<S: Stage> {
    /// The column.
    pub column: S::Column,
    /// Whether the values are the ones not wanted.
    pub negated: bool,
    /// The values; none is NULL.
    pub values: Box<[Option<Box<str>>]>,
}

impl<S: Stage> Default for Filter<S> {
    fn default() -> Self {
        Self { tests: Box::default(), condition: None }
    }
}

impl Filter<Written> {
    /// `where:` and `if:` of a table or a rule.
    pub(super) fn parse(fields: &Fields<'_>, findings: &mut Findings) -> Self {
        let tests = fields.get("where").map(|node| Self::tests(node, findings));
        let condition = fields.get("if").and_then(|node| Formula::condition(node, findings));
        Self { tests: tests.unwrap_or_default(), condition }
    }

    /// `{ column: value, column: [values], column: { not: value or [values] } }`
    fn tests(node: &Node, findings: &mut Findings) -> Box<[Test<Written>]> {
        let entries = node.as_map(findings).unwrap_or_default();
        let tests = entries.iter().filter_map(|entry| {
            let column = ColumnName { name: entry.key.clone(), place: entry.place.clone() };
            let (negated, values) = match &entry.value.content {
                Content::Map(_) => {
                    let fields = entry.value.fields(keys::TEST, findings)?;
                    (true, fields.required("not", findings)?)
                }
                _ => (false, &entry.value),
            };
            Some(Test { column, negated, values: parse_values(values, findings) })
        });
        tests.collect()
    }
}

fn parse_values(node: &Node, findings: &mut Findings) -> Box<[Option<Box<str>>]> {
    let values = node.as_list_or_one();
    if values.is_empty() {
        findings.error(&node.place, "no value is named", "name at least one value");
    }
    let read = |value: &Node| match value.content {
        Content::Null => Some(None),
        _ => value.as_text(findings).map(|text| Some(text.into())),
    };
    values.iter().filter_map(read).collect()
}

impl<S: Stage> Test<S> {
    /// Whether the value passes; `None` if the log did not carry it.
    pub(in crate::mapping) fn accepts(&self, value: Value<'_>) -> Option<bool> {
        let text = match value {
            Value::Absent => return None,
            Value::Null => None,
            Value::Text(text) => Some(text),
        };
        Some(self.values.iter().any(|wanted| wanted.as_deref() == text) != self.negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn null_is_a_value_like_any_other() {
        let node = Document::parse("f", "{ a: OP, b: [X, null], c: { not: [X, ~] } }").unwrap();
        let mut findings = Findings::new();
        let tests = Filter::tests(&node, &mut findings);
        assert!(findings.is_empty());
        let [a, b, c] = &*tests else { panic!("three tests") };
        assert_eq!(a.accepts(Value::Text("OP")), Some(true));
        assert_eq!(a.accepts(Value::Null), Some(false));
        assert_eq!(b.accepts(Value::Null), Some(true));
        assert_eq!(c.accepts(Value::Null), Some(false));
        assert_eq!(c.accepts(Value::Text("Y")), Some(true));
        assert_eq!(c.accepts(Value::Absent), None);
    }
}
