//! What is asked of the server beside the log: the shapes of tables, where the log ends, and how
//! long it is kept.
//!
//! One session serves all of it. It is opened when it is needed and opened again when it broke;
//! that the log's end cannot be asked for a while never stops the stream.

use std::convert::Infallible;
use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;

use crate::catalog::{self, Table};
use crate::config::MysqlConfig;
use crate::position::Coordinates;
use crate::retention::{self, Retention};
use crate::session::{Session, connect};

/// How long an answer may take: all questions read a few rows of the catalogue.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How often the log's end is asked: this is how exact the watermark is.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One in so many probes also asks what is left of the log.
const FILES_EVERY: u32 = 15;

/// A session for questions.
pub struct Observer<'a> {
    config: &'a MysqlConfig,
    session: Mutex<Option<Session>>,
}

/// Where the log ended at a moment: every transaction committed up to `time` lies before `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The end of the log.
    pub at: Coordinates,
    /// The moment, by the server's clock.
    pub time: Timestamp,
}

/// What was observed last.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Where the log ends.
    pub probe: Option<Probe>,
    /// What the server keeps of it.
    pub retention: Option<Retention>,
}

/// Tables as they are, and where the log ended after that.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) tables: Vec<Table>,
    pub(crate) end: Coordinates,
}

impl<'a> Observer<'a> {
    /// Opens nothing yet.
    pub fn new(config: &'a MysqlConfig) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    /// Tables by their names, as they are now; those that are gone are left out. Every change of
    /// them that is not in the answer lies behind the end of the log.
    pub(crate) async fn named(&self, names: &[TableName]) -> Result<Known, SourceError> {
        self.ask(async |session| {
            let tables = catalog::describe(session, names).await?;
            Ok(Known { tables, end: catalog::log_end(session).await?.at })
        })
        .await
    }

    /// The same of all tables that are asked for.
    pub(crate) async fn known(
        &self,
        asked: impl Fn(&TableName) -> bool,
    ) -> Result<Known, SourceError> {
        self.ask(async |session| {
            let tables = catalog::tables(session, &asked).await?;
            Ok(Known { tables, end: catalog::log_end(session).await?.at })
        })
        .await
    }

    /// Asks again and again where the log ends and what is left of it.
    pub(crate) async fn observe(&self, observed: &watch::Sender<Observed>) -> Infallible {
        let mut ticks = tokio::time::interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut well = true;
        for round in (0..FILES_EVERY).cycle() {
            ticks.tick().await;
            let looked = self.observe_once(round == 0, observed).await;
            if let Err(error) = &looked
                && well
            {
                tracing::warn!(%error, "cannot ask where the log ends; the watermark stands still");
            }
            well = looked.is_ok();
        }
        unreachable!("a cycle has no end")
    }

    async fn observe_once(
        &self,
        files: bool,
        observed: &watch::Sender<Observed>,
    ) -> Result<(), SourceError> {
        let probe = self.ask(probe).await?;
        observed.send_modify(|observed| observed.probe = Some(probe));
        if files {
            let retention = self.ask(retention::read).await?;
            observed.send_modify(|observed| observed.retention = Some(retention));
        }
        Ok(())
    }

    /// Asks over the session. One that failed is not used again.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let mut kept = self.session.lock().await;
        let mut session = match kept.take() {
            Some(session) => session,
            None => connect(self.config).await?,
        };
        let answer = tokio::time::timeout(ANSWER_DEADLINE, question(&mut session)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer()))?;
        *kept = Some(session);
        Ok(answer)
    }
}

/// The clock is read before the end of the log, never after.
async fn probe(session: &mut Session) -> Result<Probe, SourceError> {
    let time = catalog::clock(session).await?;
    Ok(Probe { time, at: catalog::log_end(session).await?.at })
}

fn no_answer() -> SourceError {
    let message = "the server has not answered a question within 30 s";
    SourceError::new(SourceErrorKind::Connection, message)
}
