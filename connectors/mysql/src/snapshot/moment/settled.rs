//! Whether everything that stands in the log is also seen by new snapshots.
//!
//! A transaction may be in the middle of its commit: written to the log, and not yet seen. From
//! outside such a one looks like any that is writing. So of all that have written something at one
//! look, each must have ended since, or its session must have been seen asleep: a session that
//! sleeps is not committing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::catalog::{number, optional, text};
use crate::session::Session;

/// Who may still have been committing at the first look.
pub(super) struct Settling {
    /// Transactions by their id, with the session each runs in.
    suspects: BTreeMap<String, u64>,
}

/// A transaction that has written something, and whether its session is doing something.
struct Writer {
    transaction: String,
    session: u64,
    awake: bool,
}

impl Settling {
    /// Looks for the first time; `None` if that is not allowed.
    pub(super) async fn begin(session: &mut Session) -> Result<Option<Self>, SourceError> {
        let Some(writers) = Self::writers(session).await? else { return Ok(None) };
        let awake = writers.into_iter().filter(|writer| writer.awake);
        let suspects = awake.map(|writer| (writer.transaction, writer.session)).collect();
        Ok(Some(Self { suspects }))
    }

    /// Whether nobody is under suspicion any more.
    pub(super) fn is_over(&self) -> bool {
        self.suspects.is_empty()
    }

    /// Looks again.
    pub(super) async fn look(&mut self, session: &mut Session) -> Result<(), SourceError> {
        let Some(writers) = Self::writers(session).await? else { return Ok(()) };
        self.suspects.retain(|suspect, _| {
            writers.iter().any(|writer| writer.awake && writer.transaction == *suspect)
        });
        Ok(())
    }

    /// Who stands in the way.
    pub(super) fn too_long(&self) -> SourceError {
        let sessions: Vec<String> = self.suspects.values().map(u64::to_string).collect();
        let message = format!(
            "waited in vain for transactions to end that are writing: session {}",
            sessions.join(", ")
        );
        SourceError::new(SourceErrorKind::Busy, message)
            .with_hint("look at these sessions in SHOW PROCESSLIST; start the bridge when they end")
    }

    /// The server keeps its answer for a tenth of a second and gives it to whoever asks. An answer
    /// is our own if it shows this very statement at work. `None` also if somebody asks so often
    /// that there never is one.
    async fn writers(session: &mut Session) -> Result<Option<Vec<Writer>>, SourceError> {
        for _ in 0..LOOKS {
            let mark = format!("look {}", MARK.fetch_add(1, Ordering::Relaxed));
            let answer = Self::answer(session, &mark).await;
            session.run(LOOKING, "COMMIT").await?;
            match answer {
                Ok((writers, true)) => return Ok(Some(writers)),
                Ok((_, false)) => tokio::time::sleep(STALE).await,
                Err(error) if error.kind() == SourceErrorKind::Privilege => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The writers, and whether the answer is our own.
    async fn answer(session: &mut Session, mark: &str) -> Result<(Vec<Writer>, bool), SourceError> {
        session.run(LOOKING, "START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
        let sql = WRITERS.replace("{mark}", mark);
        let rows = session.read(LOOKING, &sql, mysql_async::Row::clone).await?;
        let (own, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| number(row, 1) == Some(1));
        let fresh = own.iter().any(|row| text(row, 2).contains(mark));
        let writer = |row: &mysql_async::Row| Writer {
            transaction: text(row, 3),
            session: number(row, 4).unwrap_or_default(),
            awake: optional(row, 5).is_some_and(|command| command != "Sleep"),
        };
        Ok((others.iter().map(writer).collect(), fresh))
    }
}

const LOOKING: &str = "look who is writing";

/// <https://dev.mysql.com/doc/refman/5.6/en/information-schema-innodb-trx-table.html>
const WRITERS: &str = "
SELECT '{mark}', t.trx_mysql_thread_id = CONNECTION_ID(), t.trx_query,
       t.trx_id, t.trx_mysql_thread_id, p.command
FROM information_schema.innodb_trx t
LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
WHERE t.trx_rows_modified > 0 OR t.trx_mysql_thread_id = CONNECTION_ID()";

/// Tells one look from another.
static MARK: AtomicU32 = AtomicU32::new(0);

/// How long the server keeps an answer.
const STALE: Duration = Duration::from_millis(110);

/// How often an answer of our own is looked for.
const LOOKS: u32 = 20;
