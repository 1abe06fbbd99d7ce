//! Which tables of the database a mapping's table stands for: one by name, or every one whose
//! name matches a pattern.
//!
//! ERPs that keep a company in its tables' names (`CRONUS$Purchase Line`, `0_purch_orders`) have
//! as many tables as companies. What the pattern captures tells them apart: it can name the
//! company, and lookups between such tables stay within equal captures.

use erpbridge_connector::TableName;
use regex::{Regex, RegexBuilder};

use crate::document::{Fields, Findings, Node};

/// No table's name needs a larger machine to be recognised.
const PATTERN_BYTES: usize = 1 << 18;

/// Which tables are meant.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Selector {
    /// This one.
    Name(TableName),
    /// Every one whose `schema.table` matches as a whole.
    Pattern(Regex),
}

/// What a pattern captured of a table's name: names and texts, sorted by name.
pub(in crate::mapping) type Captures = Vec<(Box<str>, Box<str>)>;

impl Selector {
    /// Reads `table:` or `pattern:`.
    pub(super) fn parse(fields: &Fields<'_>, findings: &mut Findings) -> Option<Self> {
        match (fields.get("table"), fields.get("pattern")) {
            (Some(name), None) => table_name(name, findings).map(Self::Name),
            (None, Some(pattern)) => compile(pattern, findings).map(Self::Pattern),
            _ => {
                let mend = "write `table: schema.name`, or `pattern:` for tables of many companies";
                findings.error(fields.place(), "which table of the database is this?", mend);
                None
            }
        }
    }

    /// What the name captures, if the table is meant.
    pub(in crate::mapping) fn captures(&self, table: &TableName) -> Option<Captures> {
        let pattern = match self {
            Self::Name(name) => return (name == table).then(Captures::new),
            Self::Pattern(pattern) => pattern,
        };
        let text = table.to_string();
        let found = pattern.captures(&text)?;
        let named = pattern.capture_names().flatten();
        let mut captures: Captures = named
            .map(|name| (name.into(), found.name(name).map_or("", |part| part.as_str()).into()))
            .collect();
        captures.sort();
        Some(captures)
    }

    /// Whether the pattern has a capture of that name.
    pub(super) fn has_capture(&self, name: &str) -> bool {
        match self {
            Self::Name(_) => false,
            Self::Pattern(pattern) => pattern.capture_names().flatten().any(|known| known == name),
        }
    }

    /// The table's name, if it is one by name.
    pub(in crate::mapping) fn name(&self) -> Option<&TableName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Pattern(_) => None,
        }
    }

    /// As it was written.
    pub(in crate::mapping) fn text(&self) -> String {
        match self {
            Self::Name(name) => name.to_string(),
            Self::Pattern(pattern) => pattern.as_str().to_owned(),
        }
    }
}

fn compile(node: &Node, findings: &mut Findings) -> Option<Regex> {
    let text = node.as_text(findings)?;
    let built = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(PATTERN_BYTES).build();
    built
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let mend = "write a regular expression for `schema.table`, as in 'dbo\\.(?<company>.+)\\$Item'";
            findings.error(&node.place, format!("the pattern cannot be read: {reason}"), mend);
        })
        .ok()
}

fn table_name(node: &Node, findings: &mut Findings) -> Option<TableName> {
    let text = node.as_text(findings)?;
    match text.split_once('.') {
        Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {
            Some(TableName::new(schema, table))
        }
        _ => {
            let problem = format!("`{text}` does not name a table");
            findings.error(&node.place, problem, "write `schema.table`, as the database spells it");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn selector(text: &str) -> Result<Selector, Vec<String>> {
        let mut findings = Findings::new();
        let node = Document::parse("t.yaml", text).unwrap();
        let fields = node.fields(&["table", "pattern"], &mut findings).unwrap();
        let selector = Selector::parse(&fields, &mut findings);
        let problems = findings.into_vec().into_iter().map(|finding| finding.problem).collect();
        selector.ok_or(problems)
    }

    #[test]
    fn a_pattern_takes_the_company_out_of_the_name() {
        let selector = selector(r"pattern: 'dbo\.(?<company>.+)\$Purchase Line'").unwrap();
        let captures = selector.captures(&TableName::new("dbo", "CRONUS$Purchase Line")).unwrap();
        assert_eq!(captures, [("company".into(), "CRONUS".into())]);
        assert!(selector.captures(&TableName::new("dbo", "CRONUS$Purchase Line 2")).is_none());
        assert!(selector.captures(&TableName::new("xdbo", "CRONUS$Purchase Line")).is_none());
    }

    #[test]
    fn a_bad_pattern_and_a_missing_one_are_findings() {
        let problem = selector("pattern: '(a'").unwrap_err().remove(0);
        assert!(problem.starts_with("the pattern cannot be read: "), "{problem}");
        assert_eq!(selector("{}").unwrap_err(), ["which table of the database is this?"]);
        assert_eq!(selector("table: po").unwrap_err(), ["`po` does not name a table"]);
    }
}
