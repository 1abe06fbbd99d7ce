//! A session: its settings and its transaction.

/// What a session is, between its requests.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: u16,
    pub(crate) user: String,
    pub(crate) application: String,
    pub(crate) read_only: bool,
    pub(crate) encrypted: bool,
    pub(crate) isolation: &'static str,
    pub(crate) lock_timeout: i64,
    pub(crate) deadlock_priority: i64,
    pub(crate) abort_on_error: bool,
    /// `@@TRANCOUNT`
    pub(crate) depth: u32,
    /// The number of the open transaction.
    pub(crate) transaction: u64,
    /// What a snapshot transaction sees, once it has looked.
    pub(crate) snapshot: Option<(u64, u64)>,
    pub(crate) savepoints: Vec<String>,
    /// `@@ROWCOUNT`
    pub(crate) rows: u64,
}

/// What became of the transaction, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    Begun(u64),
    Committed,
    RolledBack,
}

impl Session {
    pub(crate) fn new(id: u16, user: &str) -> Self {
        Self {
            id,
            user: user.to_owned(),
            application: String::new(),
            read_only: false,
            encrypted: false,
            isolation: "read committed",
            lock_timeout: -1,
            deadlock_priority: 0,
            abort_on_error: false,
            depth: 0,
            transaction: 0,
            snapshot: None,
            savepoints: Vec::new(),
            rows: 0,
        }
    }

    /// Whether it sees one moment of the database.
    pub(crate) fn in_snapshot(&self) -> bool {
        self.isolation == "snapshot"
    }
}
