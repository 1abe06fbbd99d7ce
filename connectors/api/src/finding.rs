//! What a check found, and how to mend it.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the bridge runs.
    Warning,
    /// The bridge would not run, or would hurt the source.
    Error,
}

/// One thing a check found. All findings are reported at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object it is about: a table, a role, a setting, `file:line:column`.
    pub subject: String,
    /// What is wrong, in one sentence.
    pub problem: String,
    /// What to do, in one sentence.
    pub mend: String,
    /// Statements that mend it, ready to run; empty where no statement does.
    pub sql: Vec<String>,
}

impl Finding {
    /// A finding that stops the bridge.
    pub fn error(
        subject: impl Into<String>,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, subject.into(), problem.into(), mend.into())
    }

    /// A finding the bridge can live with.
    pub fn warning(
        subject: impl Into<String>,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, subject.into(), problem.into(), mend.into())
    }

    /// Adds a statement that mends it.
    #[must_use]
    pub fn with_sql(mut self, statement: impl Into<String>) -> Self {
        self.sql.push(statement.into());
        self
    }

    fn new(severity: Severity, subject: String, problem: String, mend: String) -> Self {
        Self { severity, subject, problem, mend, sql: Vec::new() }
    }
}
