//! Reading rules: what a cell's text means before any codec sees it.
//!
//! Rules are written for the mapping, a table or a column; the nearest one wins. Without any, a
//! cell is read exactly as it is stored.

use erpbridge_connector::Value;

use super::names::word;
use crate::document::{Fields, Findings, Node};
use crate::mapping::codec::DateFormat;
use crate::mapping::keys;

/// Which blanks are taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trim {
    #[default]
    None,
    End,
    Both,
}

/// Reading rules as they were written: what is not said is inherited.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) struct ReadingRules {
    trim: Option<Trim>,
    blank_is_null: Option<bool>,
    sentinels: Box<[Box<str>]>,
    date: Option<DateFormat>,
}

impl ReadingRules {
    /// `read:` of a mapping or a table.
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Self {
        let fields = node.fields(keys::READ, findings);
        fields.map(|fields| Self::common(&fields, findings)).unwrap_or_default()
    }

    /// One column under `columns:`.
    pub(super) fn parse_column(node: &Node, findings: &mut Findings) -> Self {
        let Some(fields) = node.fields(keys::COLUMN, findings) else { return Self::default() };
        let mut rules = Self::common(&fields, findings);
        rules.sentinels = fields
            .get("null")
            .map_or(&[][..], Node::as_list_or_one)
            .iter()
            .filter_map(|value| value.as_text(findings).map(Into::into))
            .collect();
        rules.date = fields.get("date").and_then(|value| word(value, &DateFormat::NAMES, findings));
        rules
    }

    fn common(fields: &Fields<'_>, findings: &mut Findings) -> Self {
        let trims = [("none", Trim::None), ("end", Trim::End), ("both", Trim::Both)];
        let blanks = [("null", true), ("keep", false)];
        let trim = fields.get("trim").and_then(|value| word(value, &trims, findings));
        let blank_is_null = match fields.get("blank") {
            Some(value) if value.is_null() => Some(true),
            Some(value) => word(value, &blanks, findings),
            None => None,
        };
        Self { trim, blank_is_null, ..Self::default() }
    }

    /// The rules of a column under those of its table under those of its mapping.
    pub(in crate::mapping) fn settle(
        column: Option<&Self>,
        table: &Self,
        mapping: &Self,
    ) -> Reading {
        let trim = column.and_then(|rules| rules.trim).or(table.trim).or(mapping.trim);
        let blank = column.and_then(|rules| rules.blank_is_null);
        let blank_is_null = blank.or(table.blank_is_null).or(mapping.blank_is_null);
        Reading {
            trim: trim.unwrap_or_default(),
            blank_is_null: blank_is_null.unwrap_or(false),
            sentinels: column.map(|rules| rules.sentinels.clone()).unwrap_or_default(),
            date: column.and_then(|rules| rules.date),
        }
    }
}

/// Reading rules of one column, settled.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) struct Reading {
    trim: Trim,
    blank_is_null: bool,
    sentinels: Box<[Box<str>]>,
    /// How the column writes a day, if it says so.
    pub(in crate::mapping) date: Option<DateFormat>,
}

impl Reading {
    /// The cell as it is meant. Absent stays absent.
    pub(in crate::mapping) fn read<'b>(&self, value: Value<'b>) -> Value<'b> {
        let Value::Text(text) = value else { return value };
        let text = match self.trim {
            Trim::None => text,
            Trim::End => text.trim_ascii_end(),
            Trim::Both => text.trim_ascii(),
        };
        let blank = self.blank_is_null && text.trim_ascii_start().is_empty();
        if blank || self.sentinels.iter().any(|sentinel| **sentinel == *text) {
            return Value::Null;
        }
        Value::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn reading(column: &str, mapping: &str) -> Reading {
        let mut findings = Findings::new();
        let column = Document::parse("c", column).unwrap();
        let mapping = Document::parse("m", mapping).unwrap();
        let column = ReadingRules::parse_column(&column, &mut findings);
        let mapping = ReadingRules::parse(&mapping, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        ReadingRules::settle(Some(&column), &ReadingRules::default(), &mapping)
    }

    #[test]
    fn without_rules_a_cell_is_read_as_stored() {
        let value = Value::Text(" x ");
        assert_eq!(Reading::default().read(value), value);
        assert_eq!(Reading::default().read(Value::Text("")), Value::Text(""));
    }

    #[test]
    fn the_nearest_rule_wins() {
        let reading =
            reading("{ trim: both, null: ['0000-00-00', '-'] }", "{ trim: end, blank: null }");
        assert_eq!(reading.read(Value::Text("  M30 ")), Value::Text("M30"));
        assert_eq!(reading.read(Value::Text("   ")), Value::Null);
        assert_eq!(reading.read(Value::Text(" - ")), Value::Null);
        assert_eq!(reading.read(Value::Text("0000-00-00")), Value::Null);
    }

    #[test]
    fn absent_never_becomes_null() {
        let reading = reading("{}", "{ trim: both, blank: 'null' }");
        assert_eq!(reading.read(Value::Absent), Value::Absent);
    }
}
