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

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, Timestamp};

use crate::catalog::senseless;
use crate::config::SqlServerConfig;
use crate::position::Lsn;
use crate::session::{Session, connect};
use crate::sql;
use crate::start::{Server, read_server};

/// What several sessions look at.
pub struct Moment {
    /// Its place in the log: everything committed up to it is seen.
    pub at: Lsn,
    /// When it was, by the server's clock in UTC.
    pub now: Timestamp,
    /// The same as the server's local time.
    pub local: i64,
    /// Whether nothing behind its place is seen, and every reader sees the same.
    pub exact: bool,
    /// The sessions that look at it, one for each reader.
    pub sessions: Vec<Session>,
}

/// Makes a moment of these tables for so many readers. `floor` is where capture began, which
/// stands for the newest commit while there is none.
pub async fn take(
    config: &SqlServerConfig,
    tables: &[TableName],
    readers: usize,
    floor: Lsn,
) -> Result<Moment, SourceError> {
    let mut sessions = vec![connect(config).await?];
    let first = sessions.first_mut().ok_or_else(|| senseless("open a session"))?;
    let server = read_server(first).await?;
    while sessions.len() < readers {
        sessions.push(connect(config).await?);
    }
    let newest = server.newest.as_ref().map_or(floor.previous(), |commit| commit.lsn);
    let Server { now, local, snapshots_allowed, .. } = server;
    let mut moment = Moment { at: newest, now, local, exact: false, sessions };
    if snapshots_allowed && !tables.is_empty() {
        moment.fix(config, tables).await?;
    }
    if moment.exact {
        tracing::info!(source = %config.source, at = %moment.at, "reading tables as of one moment");
    } else if !tables.is_empty() {
        tracing::warn!(
            source = %config.source,
            at = %moment.at,
            snapshots_allowed,
            "reading tables without a moment of their own: changes made meanwhile come twice"
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

impl Moment {
    /// Fixes what the readers see, and the place if it can be had.
    async fn fix(
        &mut self,
        config: &SqlServerConfig,
        tables: &[TableName],
    ) -> Result<(), SourceError> {
        let mut keeper = connect(config).await?;
        let kept = keep_away(&mut keeper, tables).await;
        if let Err(error) = kept {
            if !error.kind().remedy().eq(&erpbridge_connector::Remedy::Retry) {
                return Err(error);
            }
            tracing::warn!(%error, "somebody is changing the tables all the time");
            return Ok(());
        }
        for session in &mut self.sessions {
            session.run("begin to read as of one moment", BEGIN).await?;
            session.row("begin to read as of one moment", FIX, &[]).await?;
        }
        if let Some(first) = self.sessions.first_mut() {
            if let Some(at) = place(first).await? {
                (self.at, self.exact) = (at, true);
            }
            let now = first.row("read the server's clock", NOW, &[]).await?;
            let clock = now.as_ref().map(|row| row.cell(0));
            if let Some((now, ahead)) = clock.and_then(|c| c.micros().zip(c.minutes_ahead())) {
                self.now = Timestamp::from_micros(now);
                self.local = now + i64::from(ahead) * 60_000_000;
            }
        }
        keeper.run("let the tables go", "ROLLBACK TRANSACTION").await?;
        keeper.close().await;
        Ok(())
    }
}

const NOW: &str = "SELECT SYSDATETIMEOFFSET()";

/// Takes shared locks, in the order of the names as everybody does who locks several tables.
async fn keep_away(session: &mut Session, tables: &[TableName]) -> Result<(), SourceError> {
    session.run("begin to keep writers away", "BEGIN TRANSACTION").await?;
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
