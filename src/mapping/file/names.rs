//! Names that will be resolved later, with the place to blame if they cannot be.

use crate::document::{Findings, Node, Place};

/// A column as a mapping names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mapping) struct ColumnName {
    /// The name, as the database spells it.
    pub name: String,
    /// Where it was written.
    pub place: Place,
}

impl ColumnName {
    /// One column.
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let name = node.as_text(findings)?.to_owned();
        Some(Self { name, place: node.place.clone() })
    }

    /// A list of columns, or one. An empty list is a finding.
    pub(super) fn parse_list(node: &Node, findings: &mut Findings) -> Vec<Self> {
        let values = node.as_list_or_one();
        if values.is_empty() {
            findings.error(&node.place, "no column is named", "name at least one column");
        }
        values.iter().filter_map(|value| Self::parse(value, findings)).collect()
    }
}

/// Names of mappings, tables and rules become parts of ids and headers.
pub(in crate::mapping) fn check_name(name: &str, place: &Place, findings: &mut Findings) {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(legal) {
        let mend = "write up to 100 letters, digits, `-`, `_` or `.`";
        findings.error(place, "not a name", mend);
    }
}

/// One of a closed list of words. Anything else is a finding that lists them.
pub(super) fn word<T: Copy>(
    node: &Node,
    words: &[(&str, T)],
    findings: &mut Findings,
) -> Option<T> {
    let text = node.as_text(findings)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        findings.error(&node.place, format!("unknown word `{text}`"), one_of(&known, text));
    }
    found
}

/// "did you mean …?" or the whole list.
pub(super) fn one_of(known: &[&str], written: &str) -> String {
    match crate::document::similar(written, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "there are none yet".to_owned(),
        None => format!("write one of: {}", known.join(", ")),
    }
}
