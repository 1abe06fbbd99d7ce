//! From the stored position to the stream.
//!
//! **The first start** leaves a trace before it changes anything: it sends the position
//! `snapshot:0/0` and makes the slot only when that is durable. A bridge that dies in between
//! finds at its next start that the slot is its own unfinished work, removes it and begins again,
//! instead of asking a person whose slot this is.
//!
//! **A snapshot that broke off** is finished, not begun anew. The stored position says up to where the
//! log has been sent, `P`, and which tables have been read. A second, temporary slot gives a new
//! moment, `S`. First the log from `P` to `S` is sent, of *all* tables; then the tables that are
//! still to be read are read as of `S`; then the log goes on from `S`. Everything is ordered by its
//! place in the log, as ever: rows read as of `S` stand just before `S`. A table read earlier is
//! brought from `P` to `S` by its changes. A table that was not read to its end may have sent some
//! rows, and its changes correct or delete them before it is read again; to leave those changes
//! out would leave rows for ever that were deleted in between. What is remembered for lookups goes
//! from `P` to `S` with the same changes. If this breaks off too, the next start finds the same
//! kind of position, further on.
//!
//! **Seeds** go before everything else. At the first start they are read as of the slot's own
//! beginning, like the snapshot after them; at a later start as of now, before the stream begins.
//! Nothing is stored of them here: as long as the bridge says that it has none, they are read.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    Pass, Phase, Position, Progress, SnapshotMode, SourceContext, SourceError, SourceErrorKind,
    SourceEvent, TableName, TableSelection, TablesDone,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::catalog;
use crate::config::PostgresConfig;
use crate::follow::Ended;
use crate::observer::Observer;
use crate::position::{LogPosition, Lsn, NotAPosition, Places};
use crate::session::connect;
use crate::snapshot::{self, Mark, Moment, Reading};
use crate::start::{self, Server, Start};
use crate::stream::{Connection, Life};
use crate::stretch::Stretch;

/// How long the bridge may take to make the first trace durable. If it takes longer, the start
/// goes on without it.
const TRACE_DEADLINE: Duration = Duration::from_secs(5);

/// After so long somebody should know that the slot waits for open transactions.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// How long the server may take to notice that our own last connection has gone.
const FREE_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is asked meanwhile.
const FREE_PAUSE: Duration = Duration::from_millis(100);

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
    selection: &Arc<dyn TableSelection>,
    context: &SourceContext,
) -> Result<Begun, SourceError> {
    context.status.send_modify(|status| status.phase = Phase::Connecting);
    let met = Met::at(config, stored(context)?).await?;
    let Met { mut connection, server, start, has_slot } = met;
    let beginning = Beginning { config, selection, context, server };
    let never = config.snapshot == SnapshotMode::Never;
    let (after, confirmed) = match start {
        Start::Finish { after, confirmed, done } if !never => {
            return beginning.finish(connection, Unfinished { after, confirmed, done }).await;
        }
        Start::Resume { after, confirmed } | Start::Finish { after, confirmed, .. } => {
            beginning.seed_as_of_now().await?;
            (after, confirmed)
        }
        fresh => {
            if fresh == Start::Again {
                beginning.clear_away(&mut connection, has_slot).await?;
            }
            let at = beginning.first_start(&mut connection).await?;
            (at, at)
        }
    };
    stream(config, connection, server, after, confirmed).await
}

async fn stream(
    config: &PostgresConfig,
    mut connection: Connection,
    server: Server,
    after: Lsn,
    confirmed: Lsn,
) -> Result<Begun, SourceError> {
    connection.start_replication(&config.slot, &config.publication, after).await?;
    tracing::info!(source = %config.source, %after, "following the log");
    Ok(Begun { connection, server, after, confirmed })
}

/// A server, and how to begin with it.
struct Met {
    connection: Connection,
    server: Server,
    start: Start,
    has_slot: bool,
}

impl Met {
    /// Connects and compares the position with what the server says, on one connection.
    async fn at(config: &PostgresConfig, resume: Option<LogPosition>) -> Result<Self, SourceError> {
        let mut connection = Connection::connect(config).await?;
        let server = start::read_server(&mut connection).await?;
        start::require_publication(&mut connection, config).await?;
        let slot = start::read_slot(&mut connection, &config.slot).await?;
        let switch = start::read_switch(&mut connection, &server, resume.as_ref()).await?;
        let start = start::decide(config, resume, &server, switch, slot.as_ref())?;
        Ok(Self { connection, server, start, has_slot: slot.is_some() })
    }

    /// The same, while the server may still be busy to let our own last connection go.
    async fn when_free(config: &PostgresConfig, resume: &LogPosition) -> Result<Self, SourceError> {
        let deadline = Instant::now() + FREE_DEADLINE;
        loop {
            match Self::at(config, Some(resume.clone())).await {
                Err(error)
                    if error.kind() == SourceErrorKind::Busy && Instant::now() < deadline =>
                {
                    tokio::time::sleep(FREE_PAUSE).await;
                }
                met => return met,
            }
        }
    }
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

/// What an earlier start left: the log is sent up to a place, and of the tables only some are.
struct Unfinished {
    after: Lsn,
    confirmed: Lsn,
    done: Option<TablesDone>,
}

/// A start under way.
struct Beginning<'a> {
    config: &'a PostgresConfig,
    selection: &'a Arc<dyn TableSelection>,
    context: &'a SourceContext,
    server: Server,
}

impl Beginning<'_> {
    /// Removes the slot of a start that got no further than to making it.
    async fn clear_away(&self, connection: &mut Connection, slot: bool) -> Result<(), SourceError> {
        let PostgresConfig { source, slot: name, .. } = self.config;
        tracing::warn!(%source, slot = %name, "the last start was cut short; beginning again");
        if slot { connection.drop_slot(name).await } else { Ok(()) }
    }

    /// Makes the slot, reads the tables as of its beginning, and returns that place.
    async fn first_start(&self, connection: &mut Connection) -> Result<Lsn, SourceError> {
        self.leave_trace().await?;
        let moment = self.create_slot(connection, &self.config.slot, Life::Lasting).await?;
        let at = moment.at;
        self.seed(&moment, &self.unfinished(at, None)).await?;
        if self.config.snapshot == SnapshotMode::Initial {
            self.snapshot(&moment, None).await?;
        }
        self.complete(at).await?;
        Ok(at)
    }

    /// Finishes the snapshot of an earlier start, by the argument in this module's head.
    async fn finish(&self, connection: Connection, left: Unfinished) -> Result<Begun, SourceError> {
        let config = self.config;
        tracing::info!(source = %config.source, after = %left.after, "finishing the snapshot");
        let (exporter, moment) = self.moment().await?;
        let resume = self.unfinished(left.after, left.done.clone());
        self.seed(&moment, &resume).await?;
        let left = Unfinished { done: self.of_these_tables(left.done).await?, ..left };
        let done = left.done.clone();
        self.catch_up(connection, left, moment.at).await?;
        self.snapshot(&moment, done).await?;
        drop(exporter);
        self.complete(moment.at).await?;
        let resume = LogPosition::streaming(moment.at, self.server.identity);
        let Met { connection, server, start, .. } = Met::when_free(config, &resume).await?;
        match start {
            Start::Resume { after, confirmed } => {
                stream(config, connection, server, after, confirmed).await
            }
            _ => unreachable!("a position in the stream is resumed or refused"),
        }
    }

    /// What an earlier start has read, if it was to read the tables that are asked for now.
    async fn of_these_tables(
        &self,
        done: Option<TablesDone>,
    ) -> Result<Option<TablesDone>, SourceError> {
        let Some(done) = done else { return Ok(None) };
        let session = connect(self.config).await?;
        let asked = |name: &TableName| self.selection.wants(name) && self.selection.snapshots(name);
        let tables = catalog::tables(&session, &self.config.publication, asked).await?;
        Ok(done.of_list(tables.iter().map(|table| &table.schema.name)))
    }

    /// A moment of now, and the connection that must stay as it is until nobody needs it.
    async fn moment(&self) -> Result<(Connection, Moment), SourceError> {
        let mut exporter = Connection::connect(self.config).await?;
        let slot = exporter.name_of_its_own(&self.config.slot).await?;
        let moment = self.create_slot(&mut exporter, &slot, Life::Temporary).await?;
        Ok((exporter, moment))
    }

    /// Sends the log from where the earlier start came to, up to the moment of the tables that are
    /// still to be read.
    async fn catch_up(
        &self,
        mut connection: Connection,
        left: Unfinished,
        until: Lsn,
    ) -> Result<(), SourceError> {
        let Unfinished { after, confirmed, done } = left;
        let PostgresConfig { slot, publication, .. } = self.config;
        connection.start_replication(slot, publication, after).await?;
        tracing::info!(source = %self.config.source, %after, %until, "following the log so far");
        let stretch = Stretch {
            config: self.config,
            selection: self.selection,
            server: &self.server,
            connection,
            after,
            confirmed,
            places: Places::Unfinished(self.server.identity, done),
            until: Some(until),
        };
        let SourceContext { out, confirmed, stop, status, .. } = self.context;
        let context = SourceContext {
            resume_after: None,
            out: out.clone(),
            confirmed: confirmed.clone(),
            stop: stop.clone(),
            status: status.clone(),
        };
        match Box::pin(stretch.follow(context)).await? {
            Ended::Reached => Ok(()),
            Ended::Stopped => Err(SourceError::new(
                SourceErrorKind::Closed,
                "stopped before the snapshot was complete",
            )),
        }
    }

    /// Reads the tables that have not been read.
    async fn snapshot(&self, moment: &Moment, done: Option<TablesDone>) -> Result<(), SourceError> {
        let mark = Mark::Counted(self.server.identity, done);
        let reading = self.reading(moment, Pass::Snapshot, mark);
        self.watched(snapshot::run(&reading, self.context)).await.map(drop)
    }

    /// Says that the tables have been read. The server was asked for its time before the moment of
    /// the tables, so a commit older than that is not in the log after it.
    async fn complete(&self, at: Lsn) -> Result<(), SourceError> {
        let position = LogPosition::streaming(at, self.server.identity).to_position();
        self.progress(Progress { position, as_of: self.server.asked_at }).await
    }

    fn unfinished(&self, at: Lsn, done: Option<TablesDone>) -> Position {
        LogPosition::snapshot(at, done, self.server.identity).to_position()
    }

    async fn leave_trace(&self) -> Result<(), SourceError> {
        let position = self.unfinished(Lsn::ZERO, None);
        let as_of = erpbridge_connector::Timestamp::default();
        self.progress(Progress { position: position.clone(), as_of }).await?;
        let mut confirmed = self.context.confirmed.clone();
        let durable = confirmed.wait_for(|confirmed| confirmed.as_ref() == Some(&position));
        if tokio::time::timeout(TRACE_DEADLINE, durable).await.is_err() {
            tracing::warn!(source = %self.config.source, "the first position is not stored yet");
        }
        Ok(())
    }

    /// Makes a slot, which exports what it begins with. Where nobody reads that, nothing is lost.
    async fn create_slot(
        &self,
        connection: &mut Connection,
        slot: &str,
        life: Life,
    ) -> Result<Moment, SourceError> {
        let source = &self.config.source;
        let mut creating = Box::pin(connection.create_slot(slot, life));
        let made = if let Ok(made) = tokio::time::timeout(SLOT_PATIENCE, &mut creating).await {
            made?
        } else {
            tracing::warn!(%source, %slot, "making the slot waits for open transactions to end");
            creating.await?
        };
        tracing::info!(%source, %slot, at = %made.consistent_point, "made a replication slot");
        Ok(Moment { snapshot: made.snapshot, at: made.consistent_point })
    }

    /// Reads seeds at a start that is not the first, if there are any to be read.
    async fn seed_as_of_now(&self) -> Result<(), SourceError> {
        let Some(resume) = &self.context.resume_after else { return Ok(()) };
        let session = connect(self.config).await?;
        let seeds = |table: &_| self.selection.wants(table) && self.selection.seeds(table);
        let published = catalog::published(&session, &self.config.publication).await?;
        if !published.iter().any(|table| seeds(&table.name)) {
            session.close().await;
            return Ok(());
        }
        if snapshot::commits_wait_for_standbys(&session).await? {
            let (exporter, moment) = self.moment().await?;
            self.seed(&moment, resume).await?;
            drop(exporter);
        } else {
            self.seed(&snapshot::export(&session).await?, resume).await?;
        }
        session.close().await;
        Ok(())
    }

    /// Sends the seeds, if any, and that they are complete.
    async fn seed(&self, moment: &Moment, resume: &Position) -> Result<(), SourceError> {
        let reading = self.reading(moment, Pass::Seed, Mark::Fixed(resume.clone()));
        let tables = self.watched(snapshot::run(&reading, self.context)).await?;
        if tables == 0 {
            return Ok(());
        }
        tracing::info!(source = %self.config.source, tables, at = %moment.at, "sent all seeds");
        self.send(SourceEvent::Seeded).await
    }

    fn reading<'a>(&'a self, moment: &'a Moment, pass: Pass, mark: Mark) -> Reading<'a> {
        Reading { config: self.config, selection: self.selection.as_ref(), moment, pass, mark }
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
