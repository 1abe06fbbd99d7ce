//! A map whose keys we chose: unknown ones are findings with a suggestion.

use super::{Entry, Findings, Node, Place, similar};

/// A map that was checked against the keys it may have.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    place: &'n Place,
    entries: &'n [Entry],
}

impl Node {
    /// A map that may have only the `known` keys. Unknown and repeated keys are findings; the
    /// others can still be read.
    pub fn fields(&self, known: &[&str], findings: &mut Findings) -> Option<Fields<'_>> {
        let entries = self.as_map(findings)?;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let mend = match similar(&entry.key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the keys here are {}", quoted(known)),
            };
            findings.error(&entry.place, format!("unknown key `{}`", entry.key), mend);
        }
        Some(Fields { place: &self.place, entries })
    }
}

impl<'n> Fields<'n> {
    /// Where the map begins.
    pub fn place(&self) -> &'n Place {
        self.place
    }

    /// The value under `key`, if the key is there; a key without value gives a null node.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key and its value, for findings about the key itself.
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value under `key`; its absence is a finding.
    pub fn required(&self, key: &str, findings: &mut Findings) -> Option<&'n Node> {
        let value = self.get(key);
        if value.is_none() {
            findings.error(self.place, format!("key `{key}` is missing"), format!("add `{key}:`"));
        }
        value
    }

    /// The entries in the order they were written.
    pub fn entries(&self) -> &'n [Entry] {
        self.entries
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    #[test]
    fn an_unknown_key_gets_a_suggestion_and_the_rest_is_read() {
        let node = Document::parse("t.yaml", "form: number\nrule: x\n").unwrap();
        let mut findings = Findings::new();
        let fields = node.fields(&["from", "rule"], &mut findings).unwrap();
        assert_eq!(fields.get("rule").unwrap().text(), Some("x"));
        assert!(fields.required("from", &mut findings).is_none());
        let findings = findings.into_vec();
        assert_eq!(findings[0].problem, "unknown key `form`");
        assert_eq!(findings[0].mend, "did you mean `from`?");
        assert_eq!(findings[1].problem, "key `from` is missing");
    }

    #[test]
    fn without_a_near_key_all_are_listed() {
        let node = Document::parse("t.yaml", "zzzzzz: 1").unwrap();
        let mut findings = Findings::new();
        node.fields(&["from", "rule"], &mut findings);
        assert_eq!(findings.into_vec()[0].mend, "the keys here are `from`, `rule`");
    }
}
