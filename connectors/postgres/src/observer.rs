//! What is asked of the database beside the log: the facts a table's announcement leaves out,
//! where the log ends now, and how the server sees our slot.
//!
//! One session serves all of it. It is opened when it is needed and opened again when it broke;
//! that the log's end cannot be asked for a while never stops the stream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{ColumnKind, SourceError, SourceErrorKind, SourceStatus, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Row;

use crate::config::PostgresConfig;
use crate::pgoutput::Relation;
use crate::position::Lsn;
use crate::relations::{TableFacts, TypeFacts};
use crate::session::{Session, connect};
use crate::{catalog, sqlstate, values};

/// How long an answer may take: all questions read a few rows of the catalogue.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How often the log's end is asked: this is how exact the watermark is.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One in so many probes also looks at the slot.
const SLOT_EVERY: u32 = 15;

/// How long a commit that the log has told may take until the server shows it to other sessions:
/// an instant, unless the table has gone since and is never shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// Until then this is how often we look.
const SHOWN_PAUSE: Duration = Duration::from_millis(5);

/// A session for questions.
pub struct Observer<'a> {
    config: &'a PostgresConfig,
    session: Mutex<Option<Arc<Session>>>,
}

/// Where the log ended at a moment: every commit up to `at` lies before `lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The end of the log.
    pub lsn: Lsn,
    /// The moment, by the server's clock.
    pub at: Timestamp,
}

impl<'a> Observer<'a> {
    /// Opens nothing yet.
    pub fn new(config: &'a PostgresConfig) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    /// Everything the announcement of a table leaves out.
    pub async fn facts(&self, relation: &Relation<'_>) -> Result<TableFacts, SourceError> {
        self.ask(async |session| {
            let oids: Vec<u32> = relation.columns.iter().map(|column| column.type_oid).collect();
            let primary_key = shown_key(session, relation).await?;
            let kinds = catalog::base_types(session, &oids).await?;
            let names = type_names(session, relation, &oids).await?;
            let kind = |oid: &u32| {
                let looked_up = kinds.get(oid).and_then(|base| base.kind);
                values::kind(*oid).or(looked_up).unwrap_or(ColumnKind::Other)
            };
            let types =
                oids.iter().zip(names).map(|(oid, name)| TypeFacts { kind: kind(oid), name });
            Ok(TableFacts { primary_key, types: types.collect() })
        })
        .await
    }

    /// Asks for the log's end and the slot until the server is shutting down, and returns that.
    ///
    /// A server that shuts down waits for its replication connections until they have confirmed
    /// everything, which a bridge with a blocked publisher does not. So it must hang up, or the
    /// ERP's database could not be restarted; and only this session is told.
    pub async fn observe(
        &self,
        probes: &watch::Sender<Option<Probe>>,
        status: &watch::Sender<SourceStatus>,
    ) -> SourceError {
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut well = true;
        for round in (0..SLOT_EVERY).cycle() {
            ticks.tick().await;
            let observed = self.observe_once(round == 0, probes, status).await;
            well = match observed {
                Ok(()) => true,
                Err(error) if sqlstate::is_shutting_down(&error) => return error,
                Err(error) => {
                    if well {
                        tracing::warn!(%error, "cannot ask where the log ends; the watermark stands still");
                    }
                    false
                }
            };
        }
        unreachable!("a cycle has no end")
    }

    async fn observe_once(
        &self,
        slot: bool,
        probes: &watch::Sender<Option<Probe>>,
        status: &watch::Sender<SourceStatus>,
    ) -> Result<(), SourceError> {
        let probed = self
            .ask(async |session| session.read("ask where the log ends", PROBE, &[], probe).await);
        let mut probed: Vec<Option<Probe>> = probed.await?;
        probes.send_replace(probed.pop().flatten());
        if slot {
            self.look_at_slot(status).await?;
        }
        Ok(())
    }

    async fn look_at_slot(&self, status: &watch::Sender<SourceStatus>) -> Result<(), SourceError> {
        let name = &self.config.slot;
        let bytes = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        let looked = self.ask(async |session| {
            session.read("ask how the server sees the slot", SLOT, &[name], bytes).await
        });
        let mut looked: Vec<(Option<i64>, Option<i64>)> = looked.await?;
        let (retained, safe) = looked.pop().unwrap_or_default();
        let natural = |bytes: Option<i64>| bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0));
        status.send_modify(|status| {
            status.retained_bytes = natural(retained);
            status.safe_bytes = natural(safe);
        });
        Ok(())
    }

    /// Asks over the session. One that failed is not used again.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Session) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let session = self.session().await?;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, question(&session)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer()));
        if answer.is_err() {
            *self.session.lock().await = None;
        }
        answer
    }

    async fn session(&self) -> Result<Arc<Session>, SourceError> {
        let mut session = self.session.lock().await;
        if let Some(session) = session.as_ref() {
            return Ok(Arc::clone(session));
        }
        let opened = Arc::new(connect(self.config).await?);
        *session = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

/// The primary key, once the catalogue shows the table as it was announced.
///
/// The log tells a commit as soon as it is on disk, which is a moment before other sessions see it.
/// A table made just now may not be there yet, or not have its key.
async fn shown_key(session: &Session, relation: &Relation<'_>) -> Result<Vec<String>, SourceError> {
    let until = Instant::now() + SHOWN_WITHIN;
    loop {
        let key = catalog::primary_key(session, relation.oid).await?;
        let agrees = match relation.identity {
            b'd' => flagged(relation) == key.iter().map(String::as_str).collect(),
            _ => !key.is_empty() || catalog::is_shown(session, relation.oid).await?,
        };
        if agrees || Instant::now() >= until {
            return Ok(key);
        }
        tokio::time::sleep(SHOWN_PAUSE).await;
    }
}

/// The columns that are flagged as key: under the default identity, those of the primary key.
fn flagged<'a>(relation: &Relation<'a>) -> BTreeSet<&'a str> {
    relation.columns.iter().filter(|column| column.key).map(|column| column.name).collect()
}

fn no_answer() -> SourceError {
    let message = "the database has not answered a question about its catalogue within 30 s";
    SourceError::new(SourceErrorKind::Connection, message)
}

/// `now()` is taken before the end of the log is read, never after. A standby only knows what it
/// has replayed. A commit under `synchronous_commit = off` reaches the log on disk up to three
/// `wal_writer_delay` late, and the watermark is early by as much.
const PROBE: &str = "
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
             ELSE pg_current_wal_flush_lsn() END)::text,
       (extract(epoch FROM CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp()
                                ELSE now() END) * 1000000)::bigint";

fn probe(row: &Row) -> Result<Option<Probe>, tokio_postgres::Error> {
    let (lsn, at): (Option<String>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let lsn = lsn.and_then(|lsn| lsn.parse::<Lsn>().ok());
    Ok(lsn.zip(at).map(|(lsn, at)| Probe { lsn, at: Timestamp::from_micros(at) }))
}

const SLOT: &str = "
SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                            ELSE pg_current_wal_lsn() END, restart_lsn)::bigint,
       safe_wal_size
FROM pg_replication_slots
WHERE slot_name = $1";

const TYPE_NAMES: &str = "
SELECT format_type(announced.type, announced.modifier)
FROM ROWS FROM (unnest($1::oid[]), unnest($2::int4[])) WITH ORDINALITY
     AS announced (type, modifier, place)
ORDER BY place";

/// How SQL spells the types of the columns. They come from the announcement and not from the
/// table, which may have lost a column since.
async fn type_names(
    session: &Session,
    relation: &Relation<'_>,
    oids: &[u32],
) -> Result<Vec<String>, SourceError> {
    let modifiers: Vec<i32> = relation.columns.iter().map(|column| column.type_modifier).collect();
    let doing = format!("look up the types of `{}.{}`", relation.schema, relation.table);
    session.read(&doing, TYPE_NAMES, &[&oids, &modifiers], |row| row.try_get(0)).await
}
