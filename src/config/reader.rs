//! Typed looks at the configuration that need to know where its file lies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::{Fields, Findings, Node, similar};

/// Collects findings while the configuration is read.
pub(super) struct Reader<'f> {
    /// Where relative paths start.
    pub(super) base: &'f Path,
    pub(super) findings: Findings,
}

impl Reader<'_> {
    /// A path, relative to the configuration file.
    pub(super) fn path(&mut self, node: &Node) -> Option<PathBuf> {
        let text = node.as_text(&mut self.findings)?;
        Some(self.base.join(text))
    }

    /// The path under a key.
    pub(super) fn path_at(&mut self, fields: &Fields<'_>, key: &str) -> Option<PathBuf> {
        fields.get(key).and_then(|node| self.path(node))
    }

    /// The text under a key.
    pub(super) fn text<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n str> {
        fields.get(key).and_then(|node| node.as_text(&mut self.findings))
    }

    /// The size under a key.
    pub(super) fn bytes(&mut self, fields: &Fields<'_>, key: &str) -> Option<u64> {
        fields.get(key).and_then(|node| node.as_bytes(&mut self.findings))
    }

    /// The length of time under a key.
    pub(super) fn duration(&mut self, fields: &Fields<'_>, key: &str) -> Option<Duration> {
        fields.get(key).and_then(|node| node.as_duration(&mut self.findings))
    }

    /// The number under a key.
    pub(super) fn number(&mut self, fields: &Fields<'_>, key: &str) -> Option<usize> {
        let number = fields.get(key).and_then(|node| node.as_u64(&mut self.findings))?;
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// `true` or `false` under a key.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        fields.get(key).and_then(|node| node.as_bool(&mut self.findings))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = node.as_text(&mut self.findings)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let mend = match similar(text, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write one of: {}", known.join(", ")),
            };
            self.findings.error(&node.place, format!("`{text}` is not known here"), mend);
        }
        found
    }

    /// A secret: the text of the file under `<key>_file`, or the value under `<key>` itself.
    pub(super) fn secret(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let file_key = format!("{key}_file");
        match (fields.get(&file_key), fields.get(key)) {
            (Some(node), other) => {
                if let Some(other) = other {
                    let problem = format!("`{key}` and `{file_key}` are both given");
                    self.findings.error(&other.place, problem, "keep the file");
                }
                self.secret_file(node)
            }
            (None, Some(node)) => node.as_text(&mut self.findings).map(str::to_owned),
            (None, None) => None,
        }
    }

    fn secret_file(&mut self, node: &Node) -> Option<String> {
        let path = self.path(node)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                let problem = format!("could not read the secret: {error}");
                self.findings.error(&node.place, problem, "name a file this user may read");
                None
            }
        }
    }
}
