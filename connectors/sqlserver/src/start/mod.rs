//! Where to begin: the stored position against what the server says.
//!
//! A server takes any position. From one that is too old it gives what is left; one beyond its end
//! is waited for, for ever. So every case in which the two do not fit is found here, before the
//! first change is read; that nothing was cleaned away is found with the instances
//! ([`Relations::refresh`](crate::relations::Relations::refresh)).

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, TableSelection, Timestamp};

use crate::catalog::senseless;
use crate::change_tables::{Commit, newest};
use crate::position::{Identity, LogPosition, Lsn, Place, Witness};
use crate::read_so_far::ReadSoFar;
use crate::relations::Relations;
use crate::session::{Row, Session};
use crate::sql::literal;

/// What the server says of itself and of our database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose log this is.
    pub identity: Identity,
    /// Where the current fork left the one before it.
    pub forked_at: Option<Lsn>,
    /// Its clock when it was asked, in UTC.
    pub now: Timestamp,
    /// The same as its own local time, in microseconds since 1970.
    pub local: i64,
    /// Whether transactions may read as of their begin.
    pub snapshots_allowed: bool,
    /// The newest captured commit.
    pub newest: Option<Commit>,
}

/// How to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Read the tables if configured, then follow.
    Fresh,
    /// An earlier start did not finish its snapshot: follow the log to now, then read the rest.
    Finish {
        /// Everything up to this has been sent.
        after: LogPosition,
        /// What has been read.
        read: ReadSoFar,
    },
    /// Follow the log after this.
    Resume(LogPosition),
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-databases-transact-sql>
const SERVER: &str = "
SELECT SYSDATETIMEOFFSET(), CAST(d.create_date AS datetime2(3)), d.snapshot_isolation_state
FROM sys.databases AS d
WHERE d.name = DB_NAME()";

/// Reads what the server says of itself.
pub async fn read_server(session: &mut Session) -> Result<Server, SourceError> {
    let doing = "ask the server about itself";
    let row = session.row(doing, SERVER, &[]).await?.ok_or_else(|| senseless(doing))?;
    let fork = read_fork(session).await?;
    let (now, ahead) = row.cell(0).micros().zip(row.cell(0).minutes_ahead()).unwrap_or_default();
    Ok(Server {
        identity: Identity {
            fork: fork.map(|(fork, _)| fork),
            made: row.cell(1).micros().unwrap_or_default(),
        },
        forked_at: fork.and_then(|(_, place)| place),
        now: Timestamp::from_micros(now),
        local: now + i64::from(ahead) * 60_000_000,
        snapshots_allowed: row.integer(2) == Some(1),
        newest: newest(session).await?.map(|(commit, _)| commit),
    })
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-database-recovery-status-transact-sql>
const FORK: &str = "
SELECT r.recovery_fork_guid, r.fork_point_lsn
FROM sys.database_recovery_status AS r
WHERE r.database_id = DB_ID()";

/// The recovery fork and where it began; none where the server has no such view or keeps it from
/// us, as cloud databases and compatible servers do.
async fn read_fork(session: &mut Session) -> Result<Option<(u128, Option<Lsn>)>, SourceError> {
    let rows = session.patient_rows("ask which recovery fork this is", FORK, &[]).await;
    let fork = |row: &Row| {
        let place = row.cell(1).whole().and_then(Lsn::from_decimal);
        row.cell(0).guid().map(|fork| (fork, place))
    };
    match rows {
        Ok(rows) => Ok(rows.first().and_then(fork)),
        Err(error) if session.is_usable() => {
            tracing::debug!(%error, "the recovery fork is not told");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Decides how to begin.
pub fn decide(resume: Option<LogPosition>, server: &Server) -> Result<Start, SourceError> {
    let Some(position) = resume else { return Ok(Start::Fresh) };
    same_log(&position, server)?;
    if let Some(newest) = &server.newest {
        not_beyond(&position, newest)?;
    }
    Ok(match &position.place {
        Place::Streaming(_) => Start::Resume(position),
        Place::Snapshot(_, read) => Start::Finish { read: read.clone(), after: position },
    })
}

fn same_log(position: &LogPosition, server: &Server) -> Result<(), SourceError> {
    let Some(stored) = position.identity else { return Ok(()) };
    let now = server.identity;
    let (what, was, is) = match (stored.fork, now.fork) {
        (Some(was), Some(is)) if was == is => return Ok(()),
        // The new fork's history holds everything up to our position.
        (Some(_), Some(_)) if server.forked_at.is_some_and(|at| position.place.lsn() <= at) => {
            return Ok(());
        }
        (Some(was), Some(is)) => ("recovery fork", format!("{was:032x}"), format!("{is:032x}")),
        _ if stored.made == now.made => return Ok(()),
        _ => ("time of creation", stored.made.to_string(), now.made.to_string()),
    };
    let message =
        format!("this is not the database of our position: its {what} is {is}, ours was {was}");
    Err(SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(REPLACED))
}

const REPLACED: &str = "connect to the database the position comes from; if it was replaced, restored or failed over \
     for good, remove the stored offsets of this source and start with a new snapshot";

/// The time of a commit is rounded to parts of 1/300 second, up as well as down, and taken a little
/// before or after its place in the log: so much says nothing about which came first.
const CLOCK_SLACK: i64 = 10_000_000;

/// Capture may be behind our position for a while: a snapshot's position is not that of a captured
/// commit. But once it has written a commit that is clearly later by the clock, that one must lie
/// behind us in the log, too.
pub fn not_beyond(position: &LogPosition, newest: &Commit) -> Result<(), SourceError> {
    let reached = position.place.lsn();
    let clearly_later = |witness: Witness| newest.local > witness.at.saturating_add(CLOCK_SLACK);
    let later = position.witness.is_some_and(clearly_later);
    if newest.lsn >= reached || !later {
        return Ok(());
    }
    let message = format!(
        "our position {reached} lies beyond {}, where the server's log is now: its log has gone \
         back",
        newest.lsn
    );
    Err(SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(REPLACED))
}

/// Every table that a mapping names outright must be captured. One that was enabled a moment ago
/// is waited for.
pub fn require_captured(
    relations: &Relations,
    selection: &dyn TableSelection,
) -> Result<(), SourceError> {
    let captured = |name| relations.tables().iter().any(|table| table.name == name);
    let Some(missing) = selection.named().into_iter().find(|name| !captured(name.clone())) else {
        return Ok(());
    };
    if relations.unready().contains(&missing) {
        let message = format!("capture has not come to the begin of table `{missing}` yet");
        return Err(SourceError::new(SourceErrorKind::Busy, message)
            .with_hint("if this lasts, look whether the capture job and the Agent run"));
    }
    let message = format!("table `{missing}` is not captured, or this login may not see it");
    Err(SourceError::new(SourceErrorKind::Setup, message).with_hint(format!(
        "run: {}; or GRANT SELECT on the table and on SCHEMA::cdc to this login's user",
        enable_table(&missing, Some(ROLE))
    )))
}

/// The role that guards what is captured; the server makes it if there is none of this name.
pub const ROLE: &str = "erpbridge_reader";

/// The statement that captures a table for a role's members. Net changes, which nobody here asks
/// for, would cost an index more.
pub fn enable_table(table: &TableName, role: Option<&str>) -> String {
    format!(
        "EXEC sys.sp_cdc_enable_table @source_schema = {}, @source_name = {}, @role_name = {}, \
         @supports_net_changes = 0",
        literal(&table.schema),
        literal(&table.table),
        role.map_or_else(|| "NULL".to_owned(), literal)
    )
}

#[cfg(test)]
mod tests;
