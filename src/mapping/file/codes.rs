//! Code tables: what the source's codes mean.
//!
//! Each must say what happens to a code it does not know. Guessing is how a new status of the ERP
//! becomes a wrong purchase order, so there is no default for the default.

use hashbrown::HashMap;

use crate::document::{Findings, Node, Place};

/// A code table.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct CodeTable {
    /// Its name, for messages.
    pub name: String,
    codes: HashMap<Box<str>, Target>,
    other: Other,
    /// Where it was written.
    pub place: Place,
}

#[derive(Clone, Debug)]
struct Target {
    value: Option<Box<str>>,
    place: Place,
}

/// What `"*"` says.
#[derive(Clone, Debug)]
enum Other {
    DeadLetter,
    Pass,
    Value(Target),
}

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Coded<'a> {
    /// This.
    Value(&'a str),
    /// Nothing: the table gives it no value.
    Null,
    /// The table does not know it.
    Unknown,
}

impl CodeTable {
    /// Reads `{ raw: canonical, …, "*": … }`.
    pub(super) fn parse(name: &str, node: &Node, findings: &mut Findings) -> Option<Self> {
        let mut codes = HashMap::new();
        let mut other = None;
        for entry in node.as_map(findings)? {
            let Some(target) = target(&entry.value, findings) else { continue };
            if entry.key == "*" {
                other = Some(match target.value.as_deref() {
                    Some("dead_letter") => Other::DeadLetter,
                    Some("pass") => Other::Pass,
                    _ => Other::Value(target),
                });
            } else {
                codes.insert(entry.key.as_str().into(), target);
            }
        }
        if other.is_none() {
            let problem = format!("code table `{name}` does not say what an unknown code becomes");
            let mend = "add `\"*\": dead_letter`, `\"*\": pass` or `\"*\": <value>`";
            findings.error(&node.place, problem, mend);
        }
        let other = other.unwrap_or(Other::DeadLetter);
        Some(Self { name: name.to_owned(), codes, other, place: node.place.clone() })
    }

    /// What `raw` means.
    pub(in crate::mapping) fn look_up<'a>(&'a self, raw: &'a str) -> Coded<'a> {
        match (self.codes.get(raw), &self.other) {
            (Some(target), _) | (None, Other::Value(target)) => {
                target.value.as_deref().map_or(Coded::Null, Coded::Value)
            }
            (None, Other::Pass) => Coded::Value(raw),
            (None, Other::DeadLetter) => Coded::Unknown,
        }
    }

    /// Whether unknown codes pass as they are.
    pub(in crate::mapping) fn passes(&self) -> bool {
        matches!(self.other, Other::Pass)
    }

    /// Every value the table can give, with the place where it was written.
    pub(in crate::mapping) fn targets(&self) -> impl Iterator<Item = (&str, &Place)> {
        let other = match &self.other {
            Other::Value(target) => Some(target),
            Other::DeadLetter | Other::Pass => None,
        };
        let all = self.codes.values().chain(other);
        all.filter_map(|target| Some((target.value.as_deref()?, &target.place)))
    }
}

fn target(node: &Node, findings: &mut Findings) -> Option<Target> {
    let value = if node.is_null() { None } else { Some(node.as_text(findings)?.into()) };
    Some(Target { value, place: node.place.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn table(text: &str) -> (CodeTable, Findings) {
        let mut findings = Findings::new();
        let node = Document::parse("t.yaml", text).unwrap();
        (CodeTable::parse("states", &node, &mut findings).unwrap(), findings)
    }

    #[test]
    fn an_unknown_code_becomes_what_the_table_says() {
        let (strict, _) = table("{ D: draft, X: null, '*': dead_letter }");
        assert_eq!(strict.look_up("D"), Coded::Value("draft"));
        assert_eq!(strict.look_up("X"), Coded::Null);
        assert_eq!(strict.look_up("?"), Coded::Unknown);
        assert_eq!(table("{ '*': pass }").0.look_up("?"), Coded::Value("?"));
        assert_eq!(table("{ '*': other }").0.look_up("?"), Coded::Value("other"));
    }

    #[test]
    fn a_table_without_a_default_is_a_finding() {
        let findings = table("{ D: draft }").1.into_vec();
        assert!(findings[0].problem.contains("unknown code"));
    }
}
