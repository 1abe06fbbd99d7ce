//! Where something was written, and the list of what is wrong with it.

use std::fmt;
use std::sync::Arc;

use erpbridge_connector::{Finding, Severity};

/// A place in a file: what a finding points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Place {
    /// Something at this place that stops the bridge.
    pub fn error(&self, problem: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding::error(self.to_string(), problem, mend)
    }

    /// Something at this place the bridge can live with.
    pub fn warning(&self, problem: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding::warning(self.to_string(), problem, mend)
    }
}

/// Everything found so far. Reading goes on after a finding, so that all come at once.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.list.push(finding);
    }

    /// Adds an error at `place`.
    pub fn error(&mut self, place: &Place, problem: impl Into<String>, mend: impl Into<String>) {
        self.push(place.error(problem, mend));
    }

    /// Adds a warning at `place`.
    pub fn warning(&mut self, place: &Place, problem: impl Into<String>, mend: impl Into<String>) {
        self.push(place.warning(problem, mend));
    }

    /// How many there are; a caller compares two counts to learn whether a step went well.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether any of them stops the bridge.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Hands them over.
    pub fn into_vec(self) -> Vec<Finding> {
        self.list
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        self.list.extend(findings);
    }
}
