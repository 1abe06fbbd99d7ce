//! Distributed transactions that stand across a moment.
//!
//! Since `MySQL` 5.7 and `MariaDB` 10.5 the rows of a distributed transaction are in the log where
//! it was *prepared*, and are seen where it is committed. One that was prepared before a moment and
//! committed after it is in neither the tables nor the log that follows. So there must be none: no
//! transaction was waiting for its end before the moment, and none was prepared between that look
//! and the moment, which the server's own counter tells.

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::binlog::Family;
use crate::catalog::{number, text};
use crate::session::Session;

/// What there was before a moment.
pub(super) struct Prepared {
    counter: u64,
    waiting: Vec<String>,
}

impl Prepared {
    /// Looks before the moment. The counter first: what is prepared in between changes it.
    pub(super) async fn read(session: &mut Session) -> Result<Self, SourceError> {
        if !rows_are_logged_when_prepared(session) {
            return Ok(Self { counter: 0, waiting: Vec::new() });
        }
        let counter = counter(session).await?;
        Ok(Self { counter, waiting: waiting(session).await? })
    }

    /// One that waits for its end.
    pub(super) fn first(&self) -> Option<&str> {
        self.waiting.first().map(String::as_str)
    }
}

/// Looks after the moment: whether nothing stood across it.
pub(super) async fn none_prepared(
    before: &Prepared,
    session: &mut Session,
) -> Result<bool, SourceError> {
    if !rows_are_logged_when_prepared(session) {
        return Ok(true);
    }
    Ok(before.waiting.is_empty() && counter(session).await? == before.counter)
}

fn rows_are_logged_when_prepared(session: &Session) -> bool {
    match session.family() {
        Family::MySql => session.version() >= (5, 7, 7),
        Family::MariaDb => session.version() >= (10, 5, 0),
    }
}

async fn counter(session: &mut Session) -> Result<u64, SourceError> {
    let sql = "SHOW GLOBAL STATUS LIKE 'Com_xa_prepare'";
    let counter = session.read("count prepared transactions", sql, |row| number(row, 1)).await?;
    Ok(counter.into_iter().flatten().next().unwrap_or_default())
}

/// Since 8.0 this needs a right of its own. Without it nobody can be told to be waiting, and the
/// check says so.
async fn waiting(session: &mut Session) -> Result<Vec<String>, SourceError> {
    let sql = "XA RECOVER";
    let waiting = session.read("list prepared transactions", sql, |row| text(row, "data")).await;
    match waiting {
        Err(error) if error.kind() == SourceErrorKind::Privilege => Ok(Vec::new()),
        waiting => waiting,
    }
}
