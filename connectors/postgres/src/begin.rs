//! From the stored position to the stream.
//!
//! **The first start** leaves a trace before it changes anything: it sends the position
//! `snapshot:0/0` and makes the slot only when that is durable. A bridge that dies in between
//! finds at its next start that the slot is its own unfinished work, removes it and begins again,
//! instead of asking a person whose slot this is.
//!
//! **Seeds** go before everything else. At the first start they are read as of the slot's own
//! beginning, like the snapshot after them; at a later start as of now, before the stream begins.
//! Nothing is stored of them here: as long as the bridge says that it has none, they are read.

use std::future::Future;
use std::time::Duration;

use erpbridge_connector::{
    Pass, Phase, Position, Progress, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    TableSelection,
};
use tokio::sync::watch;

use crate::catalog;
use crate::config::{PostgresConfig, SnapshotMode};
use crate::observer::Observer;
use crate::position::{LogPosition, Lsn, NotAPosition};
use crate::session::connect;
use crate::snapshot::{self, Moment, Reading};
use crate::start::{self, Server, Start};
use crate::stream::{Connection, NewSlot};

/// How long the bridge may take to make the first trace durable. If it takes longer, the start
/// goes on without it.
const TRACE_DEADLINE: Duration = Duration::from_secs(5);

/// After so long somebody should know that the slot waits for open transactions.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// The stream has started.
pub(crate) struct Begun {
    pub(crate) connection: Connection,
    pub(crate) server: Server,
    /// Where the stream begins.
    pub(crate) after: Lsn,
    /// What the slot has confirmed.
    pub(crate) confirmed: Lsn,
}

/// Connects, compares, reads what is to be read, and starts the stream.
pub(crate) async fn begin(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
    context: &SourceContext,
) -> Result<Begun, SourceError> {
    context.status.send_modify(|status| status.phase = Phase::Connecting);
    let resume = stored(context)?;
    let mut connection = Connection::connect(config).await?;
    let server = start::read_server(&mut connection).await?;
    start::require_publication(&mut connection, config).await?;
    let slot = start::read_slot(&mut connection, &config.slot).await?;
    let switch = start::read_switch(&mut connection, &server, resume).await?;
    let start = start::decide(config, resume, &server, switch, slot.as_ref())?;
    let beginning = Beginning { config, selection, context, server };
    let (after, confirmed) = match start {
        Start::Resume { after, confirmed } => {
            beginning.seed_as_of_now().await?;
            (after, confirmed)
        }
        fresh => {
            if fresh == Start::Again {
                beginning.clear_away(&mut connection, slot.is_some()).await?;
            }
            let at = beginning.first_start(&mut connection).await?;
            (at, at)
        }
    };
    connection.start_replication(&config.slot, &config.publication, after).await?;
    tracing::info!(source = %config.source, %after, "following the log");
    Ok(Begun { connection, server, after, confirmed })
}

fn stored(context: &SourceContext) -> Result<Option<LogPosition>, SourceError> {
    let Some(position) = &context.resume_after else { return Ok(None) };
    let parsed = position.as_str().parse().map_err(|error: NotAPosition| {
        let message = format!("the stored position `{position}` cannot be read");
        SourceError::new(SourceErrorKind::Setup, message)
            .with_cause(error)
            .with_hint("import the offsets of this source again, or remove them to begin anew")
    });
    parsed.map(Some)
}

/// A start under way.
struct Beginning<'a> {
    config: &'a PostgresConfig,
    selection: &'a dyn TableSelection,
    context: &'a SourceContext,
    server: Server,
}

impl Beginning<'_> {
    /// Removes the slot of a start that got no further than its snapshot.
    async fn clear_away(&self, connection: &mut Connection, slot: bool) -> Result<(), SourceError> {
        let PostgresConfig { source, slot: name, .. } = self.config;
        tracing::warn!(%source, slot = %name, "the last snapshot was not finished; beginning again");
        if slot { connection.drop_slot(name).await } else { Ok(()) }
    }

    /// Makes the slot, reads the tables as of its beginning, and returns that place.
    async fn first_start(&self, connection: &mut Connection) -> Result<Lsn, SourceError> {
        self.leave_trace().await?;
        let slot = self.create_slot(connection).await?;
        let at = slot.consistent_point;
        if let Some(snapshot) = slot.snapshot {
            let moment = Moment { snapshot, at };
            let resume = LogPosition::snapshot(at, self.server.identity).to_position();
            self.watched(self.seed(&moment, &resume)).await?;
            if self.config.snapshot == SnapshotMode::Initial {
                let reading = self.reading(&moment, Pass::Snapshot, &resume);
                self.watched(snapshot::run(&reading, self.context)).await?;
            }
        }
        // The server was asked for its time before the slot was made, so a commit older than that
        // is not in the slot.
        let position = LogPosition::streaming(at, self.server.identity).to_position();
        self.progress(Progress { position, as_of: self.server.asked_at }).await?;
        Ok(at)
    }

    async fn leave_trace(&self) -> Result<(), SourceError> {
        let position = LogPosition::snapshot(Lsn::ZERO, self.server.identity).to_position();
        let as_of = erpbridge_connector::Timestamp::default();
        self.progress(Progress { position: position.clone(), as_of }).await?;
        let mut confirmed = self.context.confirmed.clone();
        let durable = confirmed.wait_for(|confirmed| confirmed.as_ref() == Some(&position));
        if tokio::time::timeout(TRACE_DEADLINE, durable).await.is_err() {
            tracing::warn!(source = %self.config.source, "the first position is not stored yet");
        }
        Ok(())
    }

    /// The slot exports what it begins with. Where nobody reads that, nothing is lost by it.
    async fn create_slot(&self, connection: &mut Connection) -> Result<NewSlot, SourceError> {
        let PostgresConfig { source, slot, .. } = self.config;
        let mut creating = Box::pin(connection.create_slot(slot));
        let made = if let Ok(made) = tokio::time::timeout(SLOT_PATIENCE, &mut creating).await {
            made?
        } else {
            tracing::warn!(%source, %slot, "making the slot waits for open transactions to end");
            creating.await?
        };
        tracing::info!(%source, %slot, at = %made.consistent_point, "made the replication slot");
        Ok(made)
    }

    /// Reads seeds at a start that is not the first, if there are any to be read.
    async fn seed_as_of_now(&self) -> Result<(), SourceError> {
        let session = connect(self.config).await?;
        let seeds = |table: &_| self.selection.wants(table) && self.selection.seeds(table);
        let published = catalog::published(&session, &self.config.publication).await?;
        if let Some(resume) = &self.context.resume_after
            && published.iter().any(|table| seeds(&table.name))
        {
            let moment = snapshot::export(&session).await?;
            self.watched(self.seed(&moment, resume)).await?;
        }
        session.close().await;
        Ok(())
    }

    /// Sends the seeds, if any, and that they are complete.
    async fn seed(&self, moment: &Moment, resume: &Position) -> Result<(), SourceError> {
        let reading = self.reading(moment, Pass::Seed, resume);
        let tables = snapshot::run(&reading, self.context).await?;
        if tables == 0 {
            return Ok(());
        }
        tracing::info!(source = %self.config.source, tables, at = %moment.at, "sent all seeds");
        self.send(SourceEvent::Seeded).await
    }

    fn reading<'a>(&'a self, moment: &'a Moment, pass: Pass, resume: &Position) -> Reading<'a> {
        let Self { config, selection, .. } = *self;
        Reading { config, selection, moment, pass, resume: resume.clone() }
    }

    /// Reads, while the status tells how much log the slot keeps for us meanwhile.
    async fn watched<T>(
        &self,
        reading: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let observer = Observer::new(self.config);
        let (probes, _) = watch::channel(None);
        tokio::select! {
            // Dropping the observer drops a question; dropping the reading ends the start, which
            // is repeated.
            read = Box::pin(reading) => read,
            shutting_down = Box::pin(observer.observe(&probes, &self.context.status)) => {
                Err(shutting_down)
            }
        }
    }

    async fn progress(&self, progress: Progress) -> Result<(), SourceError> {
        self.send(SourceEvent::Progress(progress)).await
    }

    async fn send(&self, event: SourceEvent) -> Result<(), SourceError> {
        self.context.out.send(event).await.map_err(|error| {
            SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
                .with_cause(error)
        })
    }
}
