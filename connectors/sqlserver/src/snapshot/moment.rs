//! A moment of the database at which several sessions look, and its place in the log.
//!
//! The server cannot hand a snapshot from one session to another, and it does not say where in the
//! log a snapshot lies. Both are had by keeping writers away from the tables for the blink of an
//! eye:
//!
//! 1. one session takes shared locks on all tables to be read, which waits for open changes of
//!    them and holds up new ones;
//! 2. meanwhile each reader begins its transaction and reads a row, which fixes what it sees; and
//!    the first one sets a savepoint, which writes a record into the log: its place is the
//!    moment's;
//! 3. the locks are let go, after a few milliseconds in all.
//!
//! What was committed to these tables before that place is seen by every reader, what is committed
//! later lies behind it in the log. If the locks are not to be had within the configured time, if
//! the place is not told to us, or if the database does not allow snapshots at all, there is no
//! such moment. Then the newest captured commit stands for it: everything up to there is seen, and
//! what is seen beyond it comes from the log once more. That is said, in the log and by `check`.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, Timestamp};

use crate::config::SqlServerConfig;
use crate::error_number::is_contention;
use crate::position::Lsn;
use crate::session::{Session, connect, told};
use crate::sql;
use crate::start::{Server, read_server};

/// What several sessions look at.
pub struct Moment {
    /// Its place in the log: everything committed up to it is seen.
    pub at: Lsn,
    /// No commit older than this, by the server's clock, lies behind its place.
    pub as_of: Timestamp,
    /// When it was, by the server's clock in UTC.
    pub now: Timestamp,
    /// The same as the server's local time.
    pub local: i64,
    /// Whether nothing behind its place is seen, and every reader sees the same.
    pub exact: bool,
    /// The sessions that look at it, one for each reader.
    pub sessions: Vec<Session>,
}

/// Makes a moment of these tables for so many readers. All of them are captured from
/// `captured_from` on, which stands for the newest commit where that is older: what was committed
/// before a table was captured is seen by everybody now.
pub async fn take(
    config: &SqlServerConfig,
    tables: &[TableName],
    readers: usize,
    captured_from: Lsn,
) -> Result<Moment, SourceError> {
    let mut first = connect(config).await?;
    let Server { now, local, snapshots_allowed, newest, .. } = read_server(&mut first).await?;
    let mut sessions = vec![first];
    while sessions.len() < readers {
        sessions.push(connect(config).await?);
    }
    let at = newest.as_ref().map_or(Lsn::ZERO, |commit| commit.lsn);
    let at = std::cmp::max(at, captured_from.previous());
    let as_of = newest.map_or(Timestamp::default(), |commit| commit.at);
    let mut moment = Moment { at, as_of, now, local, exact: false, sessions };
    if tables.is_empty() {
        return Ok(moment);
    }
    if snapshots_allowed {
        moment.fix(config, tables).await?;
    }
    let (source, at) = (&config.source, moment.at);
    if moment.exact {
        tracing::info!(%source, %at, "reading tables as of one moment");
    } else {
        tracing::warn!(
            %source,
            %at,
            snapshots_allowed,
            "reading tables without an exact moment: changes made meanwhile come twice"
        );
    }
    Ok(moment)
}

/// <https://learn.microsoft.com/en-us/sql/t-sql/statements/set-transaction-isolation-level-transact-sql>
const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION";

/// A snapshot is taken with the first row read, not with the begin.
const FIX: &str = "SELECT TOP (1) ct.object_id FROM cdc.change_tables AS ct";

/// A transaction that only reads has no place in the log. A savepoint is written into it.
const SAVE: &str = "SAVE TRANSACTION erpbridge";

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/sys-dm-tran-database-transactions-transact-sql>
const PLACE: &str = "
SELECT t.database_transaction_begin_lsn, t.database_transaction_last_lsn
FROM sys.dm_tran_database_transactions AS t
JOIN sys.dm_tran_session_transactions AS s ON s.transaction_id = t.transaction_id
WHERE s.session_id = @@SPID AND t.database_id = DB_ID()";

/// A place in the log, and the server's clock there: microseconds in UTC, and how many minutes its
/// local time was ahead.
type Stand = (Lsn, (i64, i16));

impl Moment {
    /// Fixes what the readers see, and the place if it can be had.
    async fn fix(
        &mut self,
        config: &SqlServerConfig,
        tables: &[TableName],
    ) -> Result<(), SourceError> {
        let keeper = keep_away(config, tables).await?;
        let looking = tokio::time::timeout(LONGEST_HOLD, self.look(keeper.is_some()));
        let stand = looking.await.map_err(|_| too_long())??;
        if let Some(mut keeper) = keeper {
            keeper.run("let the tables go", "ROLLBACK TRANSACTION").await?;
            keeper.close().await;
        }
        if let Some((at, (now, ahead))) = stand {
            (self.at, self.exact) = (std::cmp::max(at, self.at), true);
            self.now = Timestamp::from_micros(now);
            self.as_of = self.now;
            self.local = now + i64::from(ahead) * 60_000_000;
        }
        Ok(())
    }

    /// Begins the readers' transactions, and says where, if nobody can write meanwhile.
    async fn look(&mut self, undisturbed: bool) -> Result<Option<Stand>, SourceError> {
        let doing = "begin to read as of one moment";
        for session in &mut self.sessions {
            session.begin(doing, BEGIN).await?;
            session.row(doing, FIX, &[]).await?;
        }
        let Some(first) = self.sessions.first_mut().filter(|_| undisturbed) else {
            return Ok(None);
        };
        let at = place(first).await?;
        let row = first.row("read the server's clock", NOW, &[]).await?;
        let clock = row.as_ref().map(|row| row.cell(0));
        Ok(at.zip(clock.and_then(|clock| clock.micros().zip(clock.minutes_ahead()))))
    }
}

/// Locks are held for no longer than this, whatever happens.
const LONGEST_HOLD: Duration = Duration::from_secs(3);

fn too_long() -> SourceError {
    let message = format!("begin to read as of one moment: not done within {LONGEST_HOLD:.0?}");
    SourceError::new(SourceErrorKind::Connection, message)
}

const NOW: &str = "SELECT SYSDATETIMEOFFSET()";

/// How often the locks are tried.
const ATTEMPTS: u32 = 3;

/// How long one table's lock is waited for. Whoever wants to change the table in the meantime
/// waits behind us.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long all of them together may take, because the first ones are held all the time.
const LOCKS_DEADLINE: Duration = Duration::from_secs(2);

/// A session that holds shared locks on all tables; none where others change them all the time,
/// and none on a replica that is only read, where nobody can be kept away.
async fn keep_away(
    config: &SqlServerConfig,
    tables: &[TableName],
) -> Result<Option<Session>, SourceError> {
    if config.read_only {
        return Ok(None);
    }
    let lock_timeout = std::cmp::min(config.lock_timeout, LONGEST_WAIT);
    let hasty = SqlServerConfig { lock_timeout, ..config.clone() };
    for _ in 0..ATTEMPTS {
        // A new session each time: the locks of a failed attempt go with the old one.
        let mut session = connect(&hasty).await?;
        let locked = tokio::time::timeout(LOCKS_DEADLINE, lock(&mut session, tables)).await;
        match locked {
            Ok(Ok(())) => return Ok(Some(session)),
            Ok(Err(error)) if told(&error).is_some_and(is_contention) => {
                tracing::info!(%error, "somebody else is changing the tables");
            }
            Ok(Err(error)) => return Err(error),
            // Dropped in the middle of an answer, the session lets go of everything.
            Err(_) => tracing::info!("the tables cannot all be had at once"),
        }
    }
    Ok(None)
}

/// In the order of the names, as everybody should who locks several tables.
async fn lock(session: &mut Session, tables: &[TableName]) -> Result<(), SourceError> {
    session.begin("begin to keep writers away", "BEGIN TRANSACTION").await?;
    for table in tables {
        let doing = format!("keep writers away from `{table}`");
        let lock = format!("SELECT TOP (1) 1 FROM {} WITH (TABLOCK, HOLDLOCK)", sql::table(table));
        session.rows(&doing, &lock, &[]).await?;
    }
    Ok(())
}

/// The place of the savepoint; none where we may not know.
async fn place(session: &mut Session) -> Result<Option<Lsn>, SourceError> {
    let doing = "ask for the moment's place in the log";
    session.run(doing, SAVE).await?;
    match session.row(doing, PLACE, &[]).await {
        Ok(row) => {
            let place = |cell: usize| {
                let row = row.as_ref()?;
                Lsn::from_decimal(row.cell(cell).whole()?).filter(|lsn| *lsn > Lsn::ZERO)
            };
            Ok(place(1).or_else(|| place(0)))
        }
        Err(error)
            if session.is_usable()
                && matches!(error.kind(), SourceErrorKind::Privilege | SourceErrorKind::Setup) =>
        {
            tracing::info!(%error, "the moment's place in the log is not told to us");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
