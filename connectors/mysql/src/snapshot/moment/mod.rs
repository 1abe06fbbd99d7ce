//! A moment of the database that is also a place of its log.
//!
//! Several sessions see the tables as they were at one instant, and the log is known to go on
//! there. Nothing but `MariaDB` offers the two together; how they are brought together:
//!
//! | server | how | what it costs |
//! |---|---|---|
//! | `MariaDB` | a consistent snapshot knows its own place in the log; several sessions take theirs again and again until all have the same | nothing: nobody waits |
//! | `MySQL`, in a quiet instant | nothing was committed between two looks at the log, and the snapshots were taken in between | nothing |
//! | `MySQL`, busy | the mapped tables are locked against writes while the snapshots are taken | writes to them wait: a few milliseconds, at most [`LOCK_WAIT`] |
//! | `MySQL`, busy, the lock refused | the log goes on *before* the snapshot | what was committed in between comes twice |
//!
//! # Why no commit is lost
//!
//! `MySQL` writes a commit to its log *before* other sessions see it: a snapshot taken after a look
//! at the log may lack what the log has already, and then nobody would ever send it. So before a
//! snapshot counts, every transaction that could have been in the middle of its commit at that
//! look has ended, or its session has been seen doing nothing ([`settled`]). A
//! table lock comes to the same, because it waits for every transaction that has written to the
//! tables.
//!
//! # Why no shape is wrong
//!
//! The tables are described before and after. If they differ, or if a distributed transaction was
//! prepared before the moment (its rows lie before it in the log and become visible after it), all
//! begins anew.

mod distributed;
mod settled;
#[cfg(test)]
mod tests;

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, Timestamp};
use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::binlog::Family;
use crate::catalog::{self, LogEnd, Table};
use crate::config::MysqlConfig;
use crate::position::Coordinates;
use crate::session::{Session, connect};
use crate::sql;
use distributed::{Prepared, none_prepared};
use settled::Settling;

/// How long writers may be kept waiting for the lock; it is given up after that.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long the lock may be held. It is given up with the session if the server does not answer.
const LOCK_HOLD: Duration = Duration::from_secs(5);

/// How often the lock is tried.
const LOCK_ATTEMPTS: u32 = 3;

/// How long a quiet instant, or one that several sessions share, is looked for.
const OPTIMISM: Duration = Duration::from_secs(2);

/// How long a moment is looked for at which nothing stands in the way.
const PATIENCE: Duration = Duration::from_mins(1);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// A moment, and the sessions that see it.
pub struct Moment {
    /// Where the log goes on: everything committed before it is seen.
    pub log: LogEnd,
    /// Nothing committed at or after this place is seen. It is the same place, unless nothing but
    /// an overlap could be had.
    pub until: Coordinates,
    /// The server's clock, before the moment.
    pub asked_at: Timestamp,
    /// The tables that were asked for, in the order of their names, as they were at the moment.
    pub tables: Vec<Table>,
    /// At least one.
    pub(super) sessions: Vec<Session>,
}

/// What the sessions were made to see.
struct Instance {
    log: LogEnd,
    until: Coordinates,
}

impl Instance {
    fn exact(log: LogEnd) -> Self {
        Self { until: log.at.clone(), log }
    }
}

/// Takes a moment of the tables that are asked for.
///
/// Dropping it ends the sessions, and with them every trace on the server.
pub async fn take(
    config: &MysqlConfig,
    asked: impl Fn(&TableName) -> bool,
) -> Result<Moment, SourceError> {
    let mut clerk = connect(config).await?;
    let mut tables = catalog::tables(&mut clerk, &asked).await?;
    let readers = std::cmp::min(config.snapshot_tables_in_parallel, tables.len());
    let mut sessions = open(config, std::cmp::max(1, readers)).await?;
    let end = Instant::now() + PATIENCE;
    loop {
        let asked_at = catalog::clock(&mut clerk).await?;
        let prepared = Prepared::read(&mut clerk).await?;
        let instance = see(&mut clerk, &mut sessions, &tables).await?;
        let now = catalog::tables(&mut clerk, &asked).await?;
        let same = same_shapes(&tables, &now);
        if same && none_prepared(&prepared, &mut clerk).await? {
            clerk.close().await;
            let Instance { log, until } = instance;
            return Ok(Moment { log, until, asked_at, tables, sessions });
        }
        if Instant::now() > end {
            return Err(in_the_way(same, &prepared));
        }
        tables = now;
        sleep(PAUSE).await;
    }
}

async fn open(config: &MysqlConfig, count: usize) -> Result<Vec<Session>, SourceError> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        let mut session = connect(config).await?;
        session.run("prepare a session for reading tables", PATIENT).await?;
        if session.family() == Family::MariaDb {
            if session.version() >= (10, 3, 0) {
                session.run("prepare a session for reading tables", NEVER_IDLE).await?;
            }
            log_nothing(&mut session).await?;
        }
        sessions.push(session);
    }
    Ok(sessions)
}

/// A `MariaDB` session lets go of a table it has read only if it writes no log, which it never
/// does here; but to say so needs a right of its own (`BINLOG ADMIN`). Without it, tables are let
/// go when all have been read.
async fn log_nothing(session: &mut Session) -> Result<(), SourceError> {
    match session.run("turn off our own log", "SET SESSION sql_log_bin = 0").await {
        Err(error) if error.kind() == SourceErrorKind::Privilege => Ok(()),
        done => done,
    }
}

/// While the queue to the bridge is full nobody reads what the server sends, or asks for more.
const PATIENT: &str = "SET SESSION net_write_timeout = 31536000, wait_timeout = 31536000; \
                       SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// `MariaDB` can be told to end transactions in which nothing happens.
const NEVER_IDLE: &str =
    "SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0";

fn same_shapes(left: &[Table], right: &[Table]) -> bool {
    left.iter().map(|table| &table.shape).eq(right.iter().map(|table| &table.shape))
}

fn in_the_way(same: bool, prepared: &Prepared) -> SourceError {
    let message = "no moment was found to read the tables as of";
    let hint = match (same, prepared.first()) {
        (false, _) => "the tables go on changing their shape: wait until that is done".to_owned(),
        (true, Some(xid)) => format!(
            "transaction {xid} is prepared and waits for its end: run XA COMMIT or XA ROLLBACK, as \
             whoever prepared it would"
        ),
        (true, None) => {
            "distributed transactions are prepared all the time: start the bridge in a \
                         quiet hour"
                .to_owned()
        }
    };
    SourceError::new(SourceErrorKind::Busy, message).with_hint(hint)
}

/// Makes the sessions see one instant.
async fn see(
    clerk: &mut Session,
    sessions: &mut Vec<Session>,
    tables: &[Table],
) -> Result<Instance, SourceError> {
    if clerk.family() == Family::MariaDb {
        return agree(clerk, sessions).await.map(Instance::exact);
    }
    if tables.is_empty() {
        // Nothing is read, so anything that is seen fits any place.
        let log = catalog::log_end(clerk).await?;
        begin(sessions).await?;
        return Ok(Instance::exact(log));
    }
    if let Some(quiet) = quiet(clerk, sessions).await? {
        return Ok(Instance::exact(quiet));
    }
    match lock(clerk, sessions, tables).await? {
        Some(locked) => Ok(Instance::exact(locked)),
        None => overlap(clerk, sessions).await,
    }
}

/// Every session's snapshot knows its place, and with the same place it is the same snapshot.
/// Where commits come too fast for several to agree, fewer read.
async fn agree(clerk: &mut Session, sessions: &mut Vec<Session>) -> Result<LogEnd, SourceError> {
    let end = Instant::now() + OPTIMISM;
    let mut places = begin_with_place(sessions).await?;
    while Instant::now() < end && !places.windows(2).all(|pair| pair.first() == pair.last()) {
        places = begin_with_place(sessions).await?;
    }
    let votes = |place: &Coordinates| places.iter().filter(|other| *other == place).count();
    let chosen = places.iter().max_by_key(|place| votes(place)).cloned();
    let at = chosen.ok_or_else(catalog::no_log)?;
    let mut agreeing = places.iter().map(|place| *place == at);
    sessions.retain(|_| agreeing.next().unwrap_or(false));
    let gtids = catalog::gtids_before(clerk, &at).await?;
    Ok(LogEnd { at, gtids })
}

async fn begin_with_place(sessions: &mut [Session]) -> Result<Vec<Coordinates>, SourceError> {
    try_join_all(sessions.iter_mut().map(async |session| {
        session.run(BEGINNING, BEGIN).await?;
        catalog::snapshot_place(session).await
    }))
    .await
}

const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
const BEGINNING: &str = "begin to read the tables as of a moment";

async fn begin(sessions: &mut [Session]) -> Result<(), SourceError> {
    try_join_all(sessions.iter_mut().map(|session| session.run(BEGINNING, BEGIN))).await?;
    Ok(())
}

/// The same end of the log before and after, and nobody in the middle of a commit.
async fn quiet(
    clerk: &mut Session,
    sessions: &mut [Session],
) -> Result<Option<LogEnd>, SourceError> {
    let end = Instant::now() + OPTIMISM;
    while Instant::now() < end {
        let before = catalog::log_end(clerk).await?;
        let Some(settling) = Settling::begin(clerk).await? else { return Ok(None) };
        if settling.is_over() {
            begin(sessions).await?;
            if catalog::log_end(clerk).await?.at == before.at {
                return Ok(Some(before));
            }
        }
        sleep(PAUSE).await;
    }
    Ok(None)
}

/// Snapshots under a lock; `None` if it cannot be had.
async fn lock(
    clerk: &mut Session,
    sessions: &mut [Session],
    tables: &[Table],
) -> Result<Option<LogEnd>, SourceError> {
    for attempt in 1..=LOCK_ATTEMPTS {
        match clerk.run("lock the tables for a moment", &lock_statements(tables)).await {
            Ok(()) => return under_lock(clerk, sessions).await.map(Some),
            // Also if one of them has just been dropped: then the tables are looked up again.
            Err(error)
                if matches!(error.kind(), SourceErrorKind::Busy | SourceErrorKind::Schema) =>
            {
                unlock(clerk).await?;
                tracing::info!(attempt, "tables are being written to; no lock for a moment");
            }
            Err(error) if error.kind() == SourceErrorKind::Privilege => {
                unlock(clerk).await?;
                tracing::warn!("may not lock tables; changes of this moment may come twice");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        sleep(LOCK_WAIT * attempt).await;
    }
    Ok(None)
}

/// Without autocommit `InnoDB` waits for whoever has written to the tables, also before 5.7.
/// <https://dev.mysql.com/doc/refman/5.6/en/lock-tables.html>
fn lock_statements(tables: &[Table]) -> String {
    let tables = tables.iter().map(|table| format!("{} READ", sql::table(&table.shape.name())));
    let (seconds, tables) = (LOCK_WAIT.as_secs(), tables.collect::<Vec<_>>().join(", "));
    format!(
        "SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}, \
         autocommit = 0; LOCK TABLES {tables}"
    )
}

async fn under_lock(clerk: &mut Session, sessions: &mut [Session]) -> Result<LogEnd, SourceError> {
    let locked_at = Instant::now();
    let looking = async {
        begin(sessions).await?;
        catalog::log_end(clerk).await
    };
    let log = timeout(LOCK_HOLD, looking).await.map_err(|_| {
        // The session goes with this error, and the lock with the session.
        let message = "the server did not answer while the tables were locked";
        SourceError::new(SourceErrorKind::Connection, message)
    })??;
    unlock(clerk).await?;
    tracing::info!(held = ?locked_at.elapsed(), "locked the tables for a moment");
    Ok(log)
}

async fn unlock(clerk: &mut Session) -> Result<(), SourceError> {
    clerk.run("unlock the tables", "UNLOCK TABLES; SET SESSION autocommit = 1").await
}

/// The log goes on before the snapshot; what lies in between comes twice, nothing is lost. Of
/// several sessions each would see another instant, so one reads.
async fn overlap(
    clerk: &mut Session,
    sessions: &mut Vec<Session>,
) -> Result<Instance, SourceError> {
    let end = Instant::now() + PATIENCE;
    let log = catalog::log_end(clerk).await?;
    let mut settling = Settling::begin(clerk).await?.ok_or_else(may_not)?;
    while !settling.is_over() {
        if Instant::now() > end {
            return Err(settling.too_long());
        }
        sleep(PAUSE).await;
        settling.look(clerk).await?;
    }
    sessions.truncate(1);
    begin(sessions).await?;
    let until = catalog::log_end(clerk).await?.at;
    tracing::warn!(after = %log.at, until = %until, "changes in this part of the log come twice");
    Ok(Instance { log, until })
}

fn may_not() -> SourceError {
    let message = "may neither lock the tables for a moment nor see who is writing to them";
    SourceError::new(SourceErrorKind::Privilege, message)
        .with_hint("run erpbridge check: it prints the GRANT that is missing")
}
