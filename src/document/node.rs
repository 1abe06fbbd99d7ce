//! A value in a document with its place, and the typed ways to look at it.
//!
//! An accessor that does not find what it wants says so in the findings and returns `None`; the
//! caller goes on with the next value.

use std::collections::HashMap;
use std::time::Duration;

use super::{Findings, Place, units};

/// A value in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a value is. Scalars stay text: what they mean is decided where they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing: no text, `~` or `null` without quotes.
    Null,
    /// Text, and whether it stood in quotes or a block.
    Text {
        /// The characters.
        text: String,
        /// Whether it stood in quotes or a block.
        quoted: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Named values in order, duplicates included.
    Map(Vec<Entry>),
}

/// One `key: value` of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        self.content == Content::Null
    }

    /// The text of a scalar, without a finding if it is none.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text { text, .. } => Some(text),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// Text. A number or `true` is text as well: it is what was written.
    pub fn as_text(&self, findings: &mut Findings) -> Option<&str> {
        self.text().or_else(|| self.mismatch("text", "write a single value", findings))
    }

    /// A whole number that is not negative.
    pub fn as_u64(&self, findings: &mut Findings) -> Option<u64> {
        let number = self.text().and_then(|text| text.parse().ok());
        number.or_else(|| self.mismatch("a whole number", "write digits only", findings))
    }

    /// `true` or `false`. YAML's older words (`yes`, `on`) are refused: they are text since 1.2.
    pub fn as_bool(&self, findings: &mut Findings) -> Option<bool> {
        match self.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => self.mismatch("`true` or `false`", "write one of the two words", findings),
        }
    }

    /// A length of time: `500ms`, `10s`, `5m`, `2h`, `7d`.
    pub fn as_duration(&self, findings: &mut Findings) -> Option<Duration> {
        let duration = self.text().and_then(units::duration);
        duration.or_else(|| {
            let mend = "write a whole number and a unit: 500ms, 10s, 5m, 2h, 7d";
            self.mismatch("a length of time", mend, findings)
        })
    }

    /// A size: `512B`, `64KiB`, `8MiB`, `1GiB`.
    pub fn as_bytes(&self, findings: &mut Findings) -> Option<u64> {
        let bytes = self.text().and_then(units::bytes);
        bytes.or_else(|| {
            let mend = "write a whole number and a unit: 512B, 64KiB, 8MiB, 1GiB";
            self.mismatch("a size in bytes", mend, findings)
        })
    }

    /// Values in order.
    pub fn as_list(&self, findings: &mut Findings) -> Option<&[Self]> {
        match &self.content {
            Content::List(values) => Some(values),
            _ => self.mismatch("a list", "write `[a, b]` or one `- value` per line", findings),
        }
    }

    /// A list, or one value that stands for a list of itself.
    pub fn as_list_or_one(&self) -> &[Self] {
        match &self.content {
            Content::List(values) => values,
            _ => std::slice::from_ref(self),
        }
    }

    /// A map whose keys the document's author chooses. A key written twice is a finding.
    pub fn as_map(&self, findings: &mut Findings) -> Option<&[Entry]> {
        let Content::Map(entries) = &self.content else {
            return self.mismatch("a map", "write `key: value`, one per line", findings);
        };
        let mut first: HashMap<&str, &Place> = HashMap::new();
        for entry in entries {
            if let Some(earlier) = first.get(entry.key.as_str()) {
                let problem = format!("key `{}` is written twice", entry.key);
                let mend = format!("keep one of them; the first is on line {}", earlier.line);
                findings.error(&entry.place, problem, mend);
            } else {
                first.insert(&entry.key, &entry.place);
            }
        }
        Some(entries)
    }

    /// Changes every text in the document, keys excluded: the way interpolation comes in.
    pub fn for_each_text(&mut self, change: &mut impl FnMut(&Place, &mut String)) {
        match &mut self.content {
            Content::Null => {}
            Content::Text { text, .. } => change(&self.place, text),
            Content::List(values) => {
                values.iter_mut().for_each(|value| value.for_each_text(change))
            }
            Content::Map(entries) => {
                entries.iter_mut().for_each(|entry| entry.value.for_each_text(change));
            }
        }
    }

    fn mismatch<T>(&self, wanted: &str, mend: &str, findings: &mut Findings) -> Option<T> {
        let found = match &self.content {
            Content::Null => "nothing",
            Content::Text { .. } => "other text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        };
        findings.error(&self.place, format!("expected {wanted}, found {found}"), mend);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    fn node(text: &str) -> Node {
        Document::parse("t.yaml", text).unwrap()
    }

    #[test]
    fn scalars_are_text_until_someone_asks() {
        let mut findings = Findings::new();
        assert_eq!(node("0x10").as_text(&mut findings), Some("0x10"));
        assert_eq!(node("\"12\"").as_u64(&mut findings), Some(12));
        assert_eq!(node("true").as_bool(&mut findings), Some(true));
        assert_eq!(node("5m").as_duration(&mut findings), Some(Duration::from_mins(5)));
        assert_eq!(node("8MiB").as_bytes(&mut findings), Some(8 << 20));
        assert!(findings.is_empty());
    }

    #[test]
    fn a_wrong_kind_is_a_finding_with_its_place() {
        let mut findings = Findings::new();
        assert_eq!(node("yes").as_bool(&mut findings), None);
        assert_eq!(node("[1]").as_text(&mut findings), None);
        let findings = findings.into_vec();
        assert_eq!(findings[0].subject, "t.yaml:1:1");
        assert_eq!(findings[0].problem, "expected `true` or `false`, found other text");
        assert_eq!(findings[1].problem, "expected text, found a list");
    }

    #[test]
    fn null_is_only_null_without_quotes() {
        assert!(node("~").is_null());
        assert!(node("null").is_null());
        assert!(!node("'null'").is_null());
        assert!(!node("''").is_null());
    }

    #[test]
    fn a_key_written_twice_is_a_finding_at_the_second() {
        let mut findings = Findings::new();
        node("a: 1\nb: 2\na: 3\n").as_map(&mut findings);
        let findings = findings.into_vec();
        assert_eq!(findings[0].subject, "t.yaml:3:1");
        assert!(findings[0].mend.contains("line 1"));
    }

    #[test]
    fn every_text_can_be_changed_in_place() {
        let mut node = node("a: [x, {b: y}]");
        node.for_each_text(&mut |_, text| text.push('!'));
        let mut seen = Vec::new();
        node.for_each_text(&mut |_, text| seen.push(text.clone()));
        assert_eq!(seen, ["x!", "y!"]);
    }
}
