//! Reading rules: what a cell's text means before any codec sees it.
//!
//! Rules are written for the mapping, a table or a column; the nearest one wins. Without any, a
//! cell is read exactly as it is stored. They are applied in this order: code page, blanks, NULL
//! for blank texts and sentinels, leading zeros, filling up, case.

use std::borrow::Cow;

use erpbridge_connector::Value;

use super::codec::zone;
use super::names::word;
use crate::document::{Fields, Findings, Node};
use crate::mapping::codec::{self, Charset, CodePage, DateFormat, LocalZone};
use crate::mapping::keys;
use crate::mapping::plan::Desk;

/// Which blanks are taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trim {
    #[default]
    None,
    Start,
    End,
    Both,
}

/// How letters are made alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Case {
    /// All capitals.
    Upper,
    /// No capitals.
    Lower,
}

impl Case {
    /// The words mappings use.
    pub(super) const NAMES: [(&'static str, Self); 2] =
        [("upper", Self::Upper), ("lower", Self::Lower)];
}

/// Filled up at the start to this many characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pad {
    width: usize,
    with: char,
}

/// No code of an ERP is longer.
const MAX_PAD: u64 = 100;

/// Reading rules as they were written: what is not said is inherited.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) struct ReadingRules {
    trim: Option<Trim>,
    blank_is_null: Option<bool>,
    sentinels: Option<Box<[Box<str>]>>,
    strip_zeros: Option<bool>,
    pad: Option<Pad>,
    case: Option<Case>,
    charset: Option<Charset>,
    zone: Option<LocalZone>,
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
        rules.date = fields.get("date").and_then(|value| word(value, &DateFormat::NAMES, findings));
        rules
    }

    /// Whether it says how days are written.
    pub(super) const fn has_date(&self) -> bool {
        self.date.is_some()
    }

    fn common(fields: &Fields<'_>, findings: &mut Findings) -> Self {
        let trims = [
            ("none", Trim::None),
            ("start", Trim::Start),
            ("end", Trim::End),
            ("both", Trim::Both),
        ];
        let blanks = [("null", true), ("keep", false)];
        let blank_is_null = match fields.get("blank") {
            Some(value) if value.is_null() => Some(true),
            Some(value) => word(value, &blanks, findings),
            None => None,
        };
        let sentinels = fields.get("null").map(Node::as_list_or_one).map(|values| {
            values.iter().filter_map(|value| value.as_text(findings).map(Into::into)).collect()
        });
        Self {
            trim: fields.get("trim").and_then(|value| word(value, &trims, findings)),
            blank_is_null,
            sentinels,
            strip_zeros: fields.get("strip_zeros").and_then(|value| value.as_bool(findings)),
            pad: fields.get("pad").and_then(|value| pad(value, findings)),
            case: fields.get("case").and_then(|value| word(value, &Case::NAMES, findings)),
            charset: fields.get("charset").and_then(|value| charset(value, findings)),
            zone: fields.get("zone").and_then(|value| zone(value, findings)),
            date: None,
        }
    }

    /// These rules, and where they say nothing those of `other`.
    #[must_use]
    pub(in crate::mapping) fn or(&self, other: &Self) -> Self {
        Self {
            trim: self.trim.or(other.trim),
            blank_is_null: self.blank_is_null.or(other.blank_is_null),
            sentinels: self.sentinels.clone().or_else(|| other.sentinels.clone()),
            strip_zeros: self.strip_zeros.or(other.strip_zeros),
            pad: self.pad.or(other.pad),
            case: self.case.or(other.case),
            charset: self.charset.clone().or_else(|| other.charset.clone()),
            zone: self.zone.clone().or_else(|| other.zone.clone()),
            date: self.date.or(other.date),
        }
    }

    /// The rules of a column under those of its table under those of its mapping.
    pub(in crate::mapping) fn settle(
        column: Option<&Self>,
        table: &Self,
        mapping: &Self,
    ) -> Reading {
        let rules = column.cloned().unwrap_or_default().or(table).or(mapping);
        Reading {
            trim: rules.trim.unwrap_or_default(),
            blank_is_null: rules.blank_is_null.unwrap_or(false),
            sentinels: rules.sentinels.unwrap_or_default(),
            strip_zeros: rules.strip_zeros.unwrap_or(false),
            pad: rules.pad,
            case: rules.case,
            charset: rules.charset,
            zone: rules.zone,
            date: rules.date,
        }
    }
}

fn pad(node: &Node, findings: &mut Findings) -> Option<Pad> {
    let fields = node.fields(keys::PAD, findings)?;
    let width = fields.required("start", findings)?;
    let with = fields.get("with").map_or(Some("0"), |with| with.as_text(findings))?;
    let mut characters = with.chars();
    if let (count @ 1..=MAX_PAD, Some(with), None) =
        (width.as_u64(findings)?, characters.next(), characters.next())
    {
        Some(Pad { width: usize::try_from(count).ok()?, with })
    } else {
        let mend = format!("write `{{ start: <1 to {MAX_PAD}>, with: <one character> }}`");
        findings.error(&node.place, "texts cannot be filled up like this", mend);
        None
    }
}

fn charset(node: &Node, findings: &mut Findings) -> Option<Charset> {
    let fields = node.fields(keys::CHARSET, findings)?;
    let declared = fields.required("declared", findings)?.as_text(findings)?;
    let actual = fields.required("actual", findings)?.as_text(findings)?;
    let mut page = |label: &str| {
        let page = CodePage::parse(label);
        if page.is_none() {
            let mend = "write a name such as latin1, windows-1251, utf-8 or cp850";
            findings.error(&node.place, format!("`{label}` is no code page known here"), mend);
        }
        page
    };
    let (declared, actual) = (page(declared), page(actual));
    Some(Charset::new(declared?, actual?))
}

/// Reading rules of one column, settled.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) struct Reading {
    trim: Trim,
    blank_is_null: bool,
    sentinels: Box<[Box<str>]>,
    strip_zeros: bool,
    pad: Option<Pad>,
    case: Option<Case>,
    charset: Option<Charset>,
    /// Whose clock its local times are of, if it says so.
    pub(in crate::mapping) zone: Option<LocalZone>,
    /// How the column writes a day, if it says so.
    pub(in crate::mapping) date: Option<DateFormat>,
}

impl Reading {
    /// The cell as it is meant. Absent stays absent. Text that no code page explains stays as it
    /// is: the database has shown it like that all along.
    pub(in crate::mapping) fn read<'v>(&self, value: Value<'v>, desk: &'v Desk) -> Value<'v> {
        let Value::Text(text) = value else { return value };
        let text = match &self.charset {
            Some(charset) => {
                let repaired = desk.decoded(text, |text, scratch| charset.repair(text, scratch));
                repaired.unwrap_or(text)
            }
            None => text,
        };
        let text = match self.trim {
            Trim::None => text,
            Trim::Start => text.trim_ascii_start(),
            Trim::End => text.trim_ascii_end(),
            Trim::Both => text.trim_ascii(),
        };
        let blank = self.blank_is_null && text.trim_ascii_start().is_empty();
        if blank || self.sentinels.iter().any(|sentinel| **sentinel == *text) {
            return Value::Null;
        }
        Value::Text(self.shape(text, desk))
    }

    fn shape<'v>(&self, text: &'v str, desk: &'v Desk) -> &'v str {
        let text = if self.strip_zeros { codec::strip_zeros(text) } else { text };
        let text = match self.pad {
            Some(Pad { width, with }) => {
                let padded = desk
                    .decoded(text, |text, scratch| Some(codec::pad(text, width, with, scratch)));
                padded.unwrap_or(text)
            }
            None => text,
        };
        match self.case {
            Some(case) => desk.keep(case.of(text)),
            None => text,
        }
    }
}

impl Case {
    /// The text in this case.
    pub(in crate::mapping) fn of(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Upper => codec::upper(text),
            Self::Lower => codec::lower(text),
        }
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

    /// What a text is read as; `NULL` for nothing.
    fn read(reading: &Reading, text: &str) -> String {
        match reading.read(Value::Text(text), &Desk::default()) {
            Value::Text(text) => text.to_owned(),
            Value::Null | Value::Absent => "NULL".to_owned(),
        }
    }

    #[test]
    fn without_rules_a_cell_is_read_as_stored() {
        assert_eq!(read(&Reading::default(), " x "), " x ");
        assert_eq!(read(&Reading::default(), ""), "");
    }

    #[test]
    fn the_nearest_rule_wins() {
        let reading =
            reading("{ trim: both, null: ['0000-00-00', '-'] }", "{ trim: end, blank: null }");
        assert_eq!(read(&reading, "  M30 "), "M30");
        assert_eq!(read(&reading, "   "), "NULL");
        assert_eq!(read(&reading, " - "), "NULL");
        assert_eq!(read(&reading, "0000-00-00"), "NULL");
    }

    #[test]
    fn codes_are_brought_to_one_shape_after_their_sentinels_were_seen() {
        let rules = "{ trim: both, null: ['0000'], strip_zeros: true, case: upper }";
        let stripped = reading("{}", rules);
        assert_eq!(read(&stripped, " 0000 "), "NULL");
        assert_eq!(read(&stripped, "000471"), "471");
        assert_eq!(read(&stripped, "a-7"), "A-7");
        let padded = reading("{ pad: { start: 6, with: '0' } }", "{ trim: both }");
        assert_eq!(read(&padded, " 471"), "000471");
    }

    #[test]
    fn text_stored_in_another_code_page_is_repaired() {
        let reading =
            reading("{ charset: { declared: windows-1252, actual: windows-1251 } }", "{}");
        assert_eq!(read(&reading, "Ïîñòàâùèê"), "Поставщик");
        assert_eq!(read(&reading, "plain"), "plain");
    }

    #[test]
    fn absent_never_becomes_null() {
        let reading = reading("{}", "{ trim: both, blank: 'null' }");
        assert_eq!(reading.read(Value::Absent, &Desk::default()), Value::Absent);
    }
}
