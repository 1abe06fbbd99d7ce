//! The whole source: from the stored position to the stream.
//!
//! **The first start** leaves a trace before it changes anything: it sends the position
//! `snapshot:0/0` and makes the slot only when that is durable. A bridge that dies in between
//! finds at its next start that the slot is its own unfinished work, removes it and begins again,
//! instead of asking a person whose slot this is.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    Finding, Phase, Progress, Source, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    SourceFuture, TableSchema, TableSelection,
};
use tokio::sync::watch;

use crate::assemble::{Assembler, Limits};
use crate::config::{PostgresConfig, SnapshotMode};
use crate::feedback::Feedback;
use crate::follow::Follower;
use crate::observer::Observer;
use crate::position::{Identity, LogPosition, Lsn, NotAPosition};
use crate::start::{self, Server, Start};
use crate::stream::{Connection, NewSlot};
use crate::{catalog, check, snapshot};

/// How long the bridge may take to make the first trace durable. If it takes longer, the start
/// goes on without it.
const TRACE_DEADLINE: Duration = Duration::from_secs(5);

/// After so long somebody should know that the slot waits for open transactions.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// A `PostgreSQL` database.
pub struct PostgresSource {
    config: PostgresConfig,
    selection: Arc<dyn TableSelection>,
}

/// How long the second look at a slot may take whose stream broke. If the server does not answer,
/// the next start will find out.
const LOOK_DEADLINE: Duration = Duration::from_secs(3);

/// The stream has started.
struct Begun {
    connection: Connection,
    server: Server,
    after: Lsn,
    confirmed: Lsn,
}

impl PostgresSource {
    /// Connects to nothing yet.
    pub fn new(config: PostgresConfig, selection: Arc<dyn TableSelection>) -> Self {
        Self { config, selection }
    }

    async fn run_until_stopped(&self, context: SourceContext) -> Result<(), SourceError> {
        let stop = context.stop.clone();
        let begun = tokio::select! {
            biased;
            // Dropping a beginning loses nothing: whatever it left half done is found and
            // repeated by the next start.
            () = stop.cancelled() => return Ok(()),
            begun = Box::pin(self.begin(&context)) => begun?,
        };
        context.status.send_modify(|status| status.phase = Phase::Streaming);
        match Box::pin(self.follow(begun, context)).await {
            Err(error) if error.kind() == SourceErrorKind::Connection && stop.is_cancelled() => {
                // The server misses our last confirmation; it sends those changes once more.
                tracing::info!(source = %self.config.source, %error, "the server left first");
                Ok(())
            }
            Err(error) if error.kind() == SourceErrorKind::Connection => {
                Err(self.look_again(error).await)
            }
            followed => followed,
        }
    }

    async fn begin(&self, context: &SourceContext) -> Result<Begun, SourceError> {
        let config = &self.config;
        context.status.send_modify(|status| status.phase = Phase::Connecting);
        let resume = stored(context)?;
        let mut connection = Connection::connect(config).await?;
        let server = start::read_server(&mut connection).await?;
        start::require_publication(&mut connection, config).await?;
        let slot = start::read_slot(&mut connection, &config.slot).await?;
        let switch = start::read_switch(&mut connection, &server, resume).await?;
        let (after, confirmed) =
            match start::decide(config, resume, &server, switch, slot.as_ref())? {
                Start::Resume { after, confirmed } => (after, confirmed),
                fresh => {
                    if fresh == Start::Again {
                        self.clear_away(&mut connection, slot.is_some()).await?;
                    }
                    let at = self.first_start(&mut connection, &server, context).await?;
                    (at, at)
                }
            };
        connection.start_replication(&config.slot, &config.publication, after).await?;
        tracing::info!(source = %config.source, %after, "following the log");
        Ok(Begun { connection, server, after, confirmed })
    }

    /// Removes the slot of a start that got no further than its snapshot.
    async fn clear_away(&self, connection: &mut Connection, slot: bool) -> Result<(), SourceError> {
        let PostgresConfig { source, slot: name, .. } = &self.config;
        tracing::warn!(%source, slot = %name, "the last snapshot was not finished; beginning again");
        if slot { connection.drop_slot(name).await } else { Ok(()) }
    }

    /// Makes the slot, reads the tables as of its beginning, and returns that place.
    async fn first_start(
        &self,
        connection: &mut Connection,
        server: &Server,
        context: &SourceContext,
    ) -> Result<Lsn, SourceError> {
        self.leave_trace(server, context).await?;
        let slot = self.create_slot(connection).await?;
        let at = slot.consistent_point;
        if let Some(name) = &slot.snapshot {
            context.status.send_modify(|status| status.phase = Phase::Snapshot);
            let resume = LogPosition::snapshot(at, server.identity).to_position();
            let selection = self.selection.as_ref();
            snapshot::run(&self.config, selection, name, at, resume, context).await?;
        }
        // The server was asked for its time before the slot was made, so a commit older than that
        // is not in the slot.
        let position = LogPosition::streaming(at, server.identity).to_position();
        send_progress(context, Progress { position, as_of: server.asked_at }).await?;
        Ok(at)
    }

    async fn leave_trace(
        &self,
        server: &Server,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let position = LogPosition::snapshot(Lsn::ZERO, server.identity).to_position();
        let as_of = erpbridge_connector::Timestamp::default();
        send_progress(context, Progress { position: position.clone(), as_of }).await?;
        let mut confirmed = context.confirmed.clone();
        let durable = confirmed.wait_for(|confirmed| confirmed.as_ref() == Some(&position));
        if tokio::time::timeout(TRACE_DEADLINE, durable).await.is_err() {
            tracing::warn!(source = %self.config.source, "the first position is not stored yet");
        }
        Ok(())
    }

    async fn create_slot(&self, connection: &mut Connection) -> Result<NewSlot, SourceError> {
        let PostgresConfig { source, slot, snapshot, .. } = &self.config;
        let mut creating =
            Box::pin(connection.create_slot(slot, *snapshot == SnapshotMode::Initial));
        let made = if let Ok(made) = tokio::time::timeout(SLOT_PATIENCE, &mut creating).await {
            made?
        } else {
            tracing::warn!(%source, %slot, "making the slot waits for open transactions to end");
            creating.await?
        };
        tracing::info!(%source, %slot, at = %made.consistent_point, "made the replication slot");
        Ok(made)
    }

    async fn follow(&self, begun: Begun, context: SourceContext) -> Result<(), SourceError> {
        let Begun { connection, server, after, confirmed } = begun;
        let observer = Observer::new(&self.config);
        let (probes, probed) = watch::channel(None);
        let status = context.status.clone();
        let follower = Follower {
            connection,
            assembler: self.assembler(server.identity, after),
            feedback: Feedback::new(confirmed, after, server.asked_at, server.patience),
            identity: server.identity,
            observer: &observer,
            probes: probed,
        };
        tokio::select! {
            // Dropping the observer drops a question. Dropping the follower hangs up; what it had
            // not sent comes again.
            followed = follower.run(context) => followed,
            shutting_down = observer.observe(&probes, &status) => Err(shutting_down),
        }
    }

    fn assembler(&self, identity: Identity, after: Lsn) -> Assembler {
        let PostgresConfig { batch_bytes, window_bytes, .. } = self.config;
        let limits = Limits { batch_bytes, window_bytes };
        Assembler::new(Arc::clone(&self.selection), identity, limits, after)
    }

    /// A slot that grew too far behind is taken away by ending the connection in the same words as
    /// a restart. Only the slot tells them apart.
    async fn look_again(&self, error: SourceError) -> SourceError {
        let looked = async {
            let mut connection = Connection::connect(&self.config).await?;
            start::read_slot(&mut connection, &self.config.slot).await
        };
        match tokio::time::timeout(LOOK_DEADLINE, looked).await {
            Ok(Ok(Some(slot))) if slot.lost.is_some() => {
                start::lost(&self.config, &slot, None).with_cause(error)
            }
            // The server cannot be asked, or has nothing against us: the first error stands.
            _ => error,
        }
    }
}

impl Source for PostgresSource {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        Box::pin(check::check(&self.config, self.selection.as_ref()))
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(catalog::discover(&self.config, self.selection.as_ref()))
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(self.run_until_stopped(context))
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

async fn send_progress(context: &SourceContext, progress: Progress) -> Result<(), SourceError> {
    context.out.send(SourceEvent::Progress(progress)).await.map_err(|error| {
        SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
            .with_cause(error)
    })
}
