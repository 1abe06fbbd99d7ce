//! Code tables: what the source's codes mean.
//!
//! Each must say what happens to a code it does not know. Guessing is how a new status of the ERP
//! becomes a wrong purchase order, so there is no default for the default.

use hashbrown::HashMap;

use crate::document::{Content, Entry, Findings, Node, Place};

/// A code table.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct CodeTable {
    /// Its name, for messages.
    pub name: String,
    codes: HashMap<Box<str>, Target>,
    other: Other,
    companies: HashMap<Box<str>, Own>,
    /// Where it was written.
    pub place: Place,
}

/// What one company says instead.
#[derive(Clone, Debug, Default)]
struct Own {
    codes: HashMap<Box<str>, Target>,
    other: Option<Other>,
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
    /// Reads `{ raw: canonical, …, "*": …, company: { token: { raw: canonical } } }`. The parts of
    /// several nodes are one table; of the same code the last one counts.
    pub(super) fn parse(name: &str, nodes: &[&Node], findings: &mut Findings) -> Option<Self> {
        let node = nodes.first()?;
        let mut own = Own::default();
        let mut companies: HashMap<Box<str>, Own> = HashMap::new();
        let entries: Vec<&[Entry]> =
            nodes.iter().filter_map(|node| node.as_map(findings)).collect();
        for entry in entries.into_iter().flatten() {
            match &entry.value.content {
                Content::Map(_) if entry.key == "company" => {
                    for entry in entry.value.as_map(findings).unwrap_or_default() {
                        companies
                            .entry(entry.key.as_str().into())
                            .or_default()
                            .read_all(&entry.value, findings);
                    }
                }
                _ => own.read(entry, findings),
            }
        }
        let Own { codes, other } = own;
        if other.is_none() {
            let problem = format!("code table `{name}` does not say what an unknown code becomes");
            let mend = "add `\"*\": dead_letter`, `\"*\": pass` or `\"*\": <value>`";
            findings.error(&node.place, problem, mend);
        }
        let other = other.unwrap_or(Other::DeadLetter);
        Some(Self { name: name.to_owned(), codes, other, companies, place: node.place.clone() })
    }

    /// Whether it depends on the company.
    pub(in crate::mapping) fn is_local(&self) -> bool {
        !self.companies.is_empty()
    }

    /// What `raw` means to a company.
    pub(in crate::mapping) fn look_up<'a>(
        &'a self,
        raw: &'a str,
        company: Option<&str>,
    ) -> Coded<'a> {
        let own = company.filter(|_| self.is_local()).and_then(|name| self.companies.get(name));
        let target = own.and_then(|own| own.codes.get(raw)).or_else(|| self.codes.get(raw));
        match (target, own.and_then(|own| own.other.as_ref()).unwrap_or(&self.other)) {
            (Some(target), _) | (None, Other::Value(target)) => {
                target.value.as_deref().map_or(Coded::Null, Coded::Value)
            }
            (None, Other::Pass) => Coded::Value(raw),
            (None, Other::DeadLetter) => Coded::Unknown,
        }
    }

    /// Whether unknown codes pass as they are.
    pub(in crate::mapping) fn passes(&self) -> bool {
        let others = self.companies.values().filter_map(|own| own.other.as_ref());
        std::iter::once(&self.other).chain(others).any(|other| matches!(other, Other::Pass))
    }

    /// Every value the table can give, with the place where it was written.
    pub(in crate::mapping) fn targets(&self) -> impl Iterator<Item = (&str, &Place)> {
        let own = self.companies.values();
        let others =
            std::iter::once(&self.other).chain(own.clone().filter_map(|own| own.other.as_ref()));
        let others = others.filter_map(|other| match other {
            Other::Value(target) => Some(target),
            Other::DeadLetter | Other::Pass => None,
        });
        let codes = self.codes.values().chain(own.flat_map(|own| own.codes.values()));
        codes.chain(others).filter_map(|target| Some((target.value.as_deref()?, &target.place)))
    }
}

impl Own {
    fn read_all(&mut self, node: &Node, findings: &mut Findings) {
        for entry in node.as_map(findings).unwrap_or_default() {
            self.read(entry, findings);
        }
    }

    fn read(&mut self, entry: &Entry, findings: &mut Findings) {
        let Some(target) = target(&entry.value, findings) else { return };
        if entry.key == "*" {
            self.other = Some(match target.value.as_deref() {
                Some("dead_letter") => Other::DeadLetter,
                Some("pass") => Other::Pass,
                _ => Other::Value(target),
            });
        } else {
            self.codes.insert(entry.key.as_str().into(), target);
        }
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
        (CodeTable::parse("states", &[&node], &mut findings).unwrap(), findings)
    }

    #[test]
    fn an_unknown_code_becomes_what_the_table_says() {
        let (strict, _) = table("{ D: draft, X: null, '*': dead_letter }");
        assert_eq!(strict.look_up("D", None), Coded::Value("draft"));
        assert_eq!(strict.look_up("X", None), Coded::Null);
        assert_eq!(strict.look_up("?", None), Coded::Unknown);
        assert_eq!(table("{ '*': pass }").0.look_up("?", None), Coded::Value("?"));
        assert_eq!(table("{ '*': other }").0.look_up("?", None), Coded::Value("other"));
    }

    #[test]
    fn a_company_may_say_something_else() {
        let text = "{ A: open, '*': dead_letter, company: { acme: { A: released, '*': draft } } }";
        let (table, findings) = table(text);
        assert!(findings.is_empty());
        assert_eq!(table.look_up("A", Some("globe")), Coded::Value("open"));
        assert_eq!(table.look_up("A", Some("acme")), Coded::Value("released"));
        assert_eq!(table.look_up("?", Some("acme")), Coded::Value("draft"));
        assert_eq!(table.look_up("?", Some("globe")), Coded::Unknown);
        assert_eq!(table.targets().count(), 3);
    }

    #[test]
    fn a_table_without_a_default_is_a_finding() {
        let findings = table("{ D: draft }").1.into_vec();
        assert!(findings[0].problem.contains("unknown code"));
    }
}
