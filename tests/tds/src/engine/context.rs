//! What a statement knows while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::session::{Session, Transition};
use crate::database::Database;
use crate::database::state::State;
use crate::problem::{Problem, Result};
use crate::sql::Hints;
use crate::value::calendar::SECOND;
use crate::{Login, ServerFacts};

const PAUSE: Duration = Duration::from_millis(1);

/// What a statement knows while it runs: who asks, and as of when it sees the data.
pub(crate) struct Context {
    pub(crate) database: Database,
    pub(crate) login: Login,
    pub(crate) facts: ServerFacts,
    pub(crate) name: String,
    /// The session as it was when the statement began.
    pub(crate) session: Session,
    /// UTC, in units of 100 ns.
    pub(crate) now: i64,
    /// The last commit, and the last thing the capture job wrote, that it sees.
    pub(crate) as_of: (u64, u64),
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Context {
    /// Begins a statement. In a snapshot transaction the first one that looks at data decides what
    /// all see.
    pub(crate) fn begin(
        database: &Database,
        session: &mut Session,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let state = database.state();
        let login = state.login(&session.user).cloned().ok_or_else(|| {
            Problem::raised(18_456, format!("Login failed for user '{}'.", session.user))
        })?;
        let latest = (state.data.commits, state.data.cdc.as_ref().map_or(0, |cdc| cdc.written));
        let snapshot = session.in_snapshot() || state.facts.secondary && session.depth > 0;
        let as_of = if snapshot { *session.snapshot.get_or_insert(latest) } else { latest };
        Ok(Self {
            login,
            facts: state.facts.clone(),
            name: state.data.name.clone(),
            session: session.clone(),
            now: state.clock.now(),
            as_of,
            cancelled: Arc::clone(cancelled),
            database: database.clone(),
        })
    }

    /// The server's local time.
    pub(crate) fn local_now(&self) -> i64 {
        self.now + i64::from(self.facts.utc_offset) * 60 * SECOND
    }

    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Problem::Cancelled) } else { Ok(()) }
    }

    /// Waits until a table may be read, and locks it where the statement or the isolation level
    /// says so.
    pub(crate) fn read_lock(&self, table: i32, hints: Hints) -> Result<()> {
        let locks = self.locks(hints);
        if !locks && (self.session.in_snapshot() || hints.uncommitted || self.facts.secondary) {
            return self.check_snapshot_allowed();
        }
        let begun = Instant::now();
        loop {
            let mut state = self.database.state();
            if !state.blocked(table, Some(self.session.id), hints.exclusive) {
                if locks && self.session.depth > 0 {
                    state.lock(table, hints.exclusive, Some(self.session.id));
                }
                return Ok(());
            }
            drop(state);
            self.check_cancelled()?;
            let waited = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
            if self.session.lock_timeout >= 0 && waited >= self.session.lock_timeout {
                return Err(Problem::raised(1222, "Lock request time out period exceeded."));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn check_snapshot_allowed(&self) -> Result<()> {
        let allowed = self.database.state().data.snapshot_isolation || self.facts.secondary;
        if allowed || !self.session.in_snapshot() {
            return Ok(());
        }
        Err(Problem::raised(
            3952,
            format!(
                "Snapshot isolation transaction failed accessing database '{}' because snapshot isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot isolation.",
                self.name
            ),
        ))
    }

    /// Whether locks stay after the statement.
    fn locks(&self, hints: Hints) -> bool {
        let level = self.session.isolation;
        let strict = matches!(level, "repeatable read" | "serializable") && !hints.uncommitted;
        strict || hints.exclusive || hints.hold
    }

    /// Whether the user may select from an object.
    pub(crate) fn may_select(&self, schema: &str, object: &str) -> bool {
        may_select(&self.login, schema, object)
    }

    /// Refuses what the user may not select from, in SQL Server's words.
    pub(crate) fn check_select(&self, schema: &str, object: &str) -> Result<()> {
        if self.may_select(schema, object) {
            return Ok(());
        }
        Err(Problem::raised(
            229,
            format!(
                "The SELECT permission was denied on the object '{object}', database '{}', schema '{schema}'.",
                self.name
            ),
        ))
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.database.state()
    }
}

/// Whether a user may select from an object.
pub(crate) fn may_select(login: &Login, schema: &str, object: &str) -> bool {
    let full = format!("{schema}.{object}");
    let granted = |on: &String| on.eq_ignore_ascii_case(schema) || on.eq_ignore_ascii_case(&full);
    is_owner(login) || has_role(login, "db_datareader") || login.select.iter().any(granted)
}

/// Whether the user owns the database.
pub(crate) fn is_owner(login: &Login) -> bool {
    login.owner || has_role(login, "db_owner")
}

/// Whether the user is in a role; the owner is in every fixed one only.
pub(crate) fn has_role(login: &Login, role: &str) -> bool {
    login.roles.iter().any(|one| one.eq_ignore_ascii_case(role))
}

/// Ends what a session's transaction held, with what the client is told.
pub(crate) fn end(database: &Database, session: &mut Session, how: Transition) -> Transition {
    database.state().end_transaction(session.id);
    session.depth = 0;
    session.snapshot = None;
    session.savepoints.clear();
    how
}
