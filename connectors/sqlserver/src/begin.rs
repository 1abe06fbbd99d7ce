//! From the stored position to the log.
//!
//! **A snapshot that broke off** is finished, not begun anew. The stored position says up to where
//! the log has been sent, `P`, which tables have been read, and up to which key those that were
//! being read. A new moment is `S`. First the log from `P` to `S` is sent, of *all* tables; then
//! what is still to be read is read as of `S`: the other tables, and of those in part the rows
//! behind that key; then the log goes on from `S`. Everything is ordered by its place in the log,
//! as ever: rows read as of `S` stand just behind `S`. What was read earlier, whole tables or the
//! rows up to a key, is brought from `P` to `S` by its changes, wherever a change moves a row to:
//! behind the key it is read again, before it it is told by the change. A table may also have sent
//! rows that no position covers, and its changes correct or delete them before they are read again;
//! to leave those changes out would leave rows for ever that were deleted in between. What is remembered for lookups goes from `P` to `S` with the same
//! changes. Capture is behind the database, so the log up to `S` may have to be waited for. If this
//! breaks off too, the next start finds the same kind of position, further on.
//!
//! **Seeds** go before everything else. At the first start they are read as of the same moment as
//! the snapshot after them; at a later start as of now, before the log is followed. Nothing is
//! stored of them here: as long as the bridge says that it has none, they are read.

use std::sync::Arc;

use erpbridge_connector::{
    Pass, Phase, Position, Progress, SnapshotMode, SourceContext, SourceError, SourceErrorKind,
    SourceEvent, TableName, TableSelection,
};

use crate::config::SqlServerConfig;
use crate::follow::{Ended, Follower, closed};
use crate::position::{LogPosition, NotAPosition, Place, Places};
use crate::read_so_far::ReadSoFar;
use crate::relations::Relations;
use crate::session::{Session, connect};
use crate::snapshot::{self, Mark, Moment, Reading, wanted};
use crate::start::{self, Server, Start};
use crate::tls;

/// Connects, compares, reads what is to be read, and is ready to follow.
pub(crate) async fn begin<'a>(
    config: &'a SqlServerConfig,
    selection: &'a Arc<dyn TableSelection>,
    context: &SourceContext,
) -> Result<Follower<'a>, SourceError> {
    context.status.send_modify(|status| status.phase = Phase::Connecting);
    if let Some(warning) = tls::warning(config) {
        tracing::warn!(source = %config.source, "{warning}");
    }
    let stored = stored(context)?;
    let mut session = connect(config).await?;
    let server = start::read_server(&mut session).await?;
    let start = start::decide(stored, &server)?;
    let selection = selection.as_ref();
    let beginning = Beginning { config, selection, context, server };
    let (relations, after) = beginning.run(&mut session, start).await?;
    tracing::info!(source = %config.source, after = %after.place.lsn(), "following the log");
    let places = Places::Streaming(beginning.server.identity);
    Ok(Follower { config, selection, session, relations, places, after, until: None })
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
    config: &'a SqlServerConfig,
    selection: &'a dyn TableSelection,
    context: &'a SourceContext,
    server: Server,
}

impl Beginning<'_> {
    async fn run(
        &self,
        session: &mut Session,
        start: Start,
    ) -> Result<(Relations, LogPosition), SourceError> {
        let never = self.config.snapshot == SnapshotMode::Never;
        let mut relations = Relations::default();
        match &start {
            Start::Fresh => relations.begin(session, self.selection).await?,
            Start::Finish { after, .. } | Start::Resume(after) => {
                let (lsn, witness) = (after.place.lsn(), after.witness);
                relations.refresh(session, self.selection, lsn, witness).await?;
            }
        }
        start::require_captured(&relations, self.selection)?;
        let after = match start {
            Start::Fresh => self.first_start(&relations).await?,
            Start::Finish { after, read } if !never => {
                let after = Box::pin(self.finish(relations, after, read)).await?;
                relations = Relations::default();
                let (lsn, witness) = (after.place.lsn(), after.witness);
                relations.refresh(session, self.selection, lsn, witness).await?;
                after
            }
            Start::Finish { after, .. } | Start::Resume(after) => {
                self.seed_as_of_now(&relations).await?;
                LogPosition { place: Place::Streaming(after.place.lsn()), ..after }
            }
        };
        Ok((relations, after))
    }

    /// Reads the tables as of now, and returns that place.
    async fn first_start(&self, relations: &Relations) -> Result<LogPosition, SourceError> {
        let initial = self.config.snapshot == SnapshotMode::Initial;
        let passes: &[Pass] = if initial { &[Pass::Seed, Pass::Snapshot] } else { &[Pass::Seed] };
        let mut moment = self.moment(relations, passes).await?;
        let resume = self.unfinished(relations, &moment);
        self.seed(relations, &mut moment, &resume).await?;
        if initial {
            self.snapshot(relations, &mut moment, ReadSoFar::default()).await?;
        }
        self.complete(relations, moment).await
    }

    /// Finishes the snapshot of an earlier start, by the argument in this module's head.
    async fn finish(
        &self,
        relations: Relations,
        after: LogPosition,
        mut read: ReadSoFar,
    ) -> Result<LogPosition, SourceError> {
        let names = wanted(&relations, self.selection, Pass::Snapshot);
        snapshot::forget_others(&mut read, &relations, &names);
        tracing::info!(source = %self.config.source, after = %after.place.lsn(), "finishing the snapshot");
        let mut moment = self.moment(&relations, &[Pass::Seed, Pass::Snapshot]).await?;
        self.seed(&relations, &mut moment, &after.to_position()).await?;
        self.catch_up(after, read.clone(), &moment).await?;
        self.snapshot(&relations, &mut moment, read).await?;
        self.complete(&relations, moment).await
    }

    /// A moment of now for the tables of these passes.
    async fn moment(&self, relations: &Relations, passes: &[Pass]) -> Result<Moment, SourceError> {
        let tables = passes.iter().map(|pass| wanted(relations, self.selection, *pass));
        let most = tables.clone().map(|tables| tables.len()).max().unwrap_or(0);
        let mut tables: Vec<TableName> = tables.flatten().collect();
        tables.sort();
        tables.dedup();
        let readers = most.clamp(1, self.config.snapshot_tables_in_parallel);
        snapshot::take(self.config, &tables, readers, relations.captured_from()).await
    }

    /// Sends the log from where the earlier start came to, up to the moment of the tables that are
    /// still to be read.
    async fn catch_up(
        &self,
        after: LogPosition,
        read: ReadSoFar,
        moment: &Moment,
    ) -> Result<(), SourceError> {
        let mut session = connect(self.config).await?;
        let mut relations = Relations::default();
        let (lsn, witness) = (after.place.lsn(), after.witness);
        relations.refresh(&mut session, self.selection, lsn, witness).await?;
        tracing::info!(source = %self.config.source, after = %lsn, until = %moment.at, "following the log so far");
        let follower = Follower {
            config: self.config,
            selection: self.selection,
            session,
            relations,
            places: Places::Unfinished(self.server.identity, read),
            after,
            until: Some(moment.at),
        };
        let SourceContext { out, confirmed, stop, status, .. } = self.context;
        let context = SourceContext {
            resume_after: None,
            out: out.clone(),
            confirmed: confirmed.clone(),
            stop: stop.clone(),
            status: status.clone(),
        };
        match Box::pin(follower.run(context)).await? {
            Ended::Reached => Ok(()),
            Ended::Stopped => Err(SourceError::new(
                SourceErrorKind::Closed,
                "stopped before the snapshot was complete",
            )),
        }
    }

    /// Reads the tables that have not been read.
    async fn snapshot(
        &self,
        relations: &Relations,
        moment: &mut Moment,
        read: ReadSoFar,
    ) -> Result<(), SourceError> {
        let mark = Mark::Counted(self.server.identity, read);
        let reading = self.reading(relations, Pass::Snapshot, mark);
        Box::pin(snapshot::run(&reading, moment, self.context)).await.map(drop)
    }

    /// Says that the tables have been read.
    async fn complete(
        &self,
        relations: &Relations,
        moment: Moment,
    ) -> Result<LogPosition, SourceError> {
        let Moment { at, as_of, local, sessions, .. } = moment;
        for session in sessions {
            session.close().await;
        }
        let after = Places::Streaming(self.server.identity).at(at, relations.witness(local));
        self.send(SourceEvent::Progress(Progress { position: after.to_position(), as_of })).await?;
        Ok(after)
    }

    fn unfinished(&self, relations: &Relations, moment: &Moment) -> Position {
        let places = Places::Unfinished(self.server.identity, ReadSoFar::default());
        places.at(moment.at, relations.witness(moment.local)).to_position()
    }

    /// Reads seeds at a start that is not the first, if there are any to be read.
    async fn seed_as_of_now(&self, relations: &Relations) -> Result<(), SourceError> {
        let Some(resume) = &self.context.resume_after else { return Ok(()) };
        if wanted(relations, self.selection, Pass::Seed).is_empty() {
            return Ok(());
        }
        let mut moment = self.moment(relations, &[Pass::Seed]).await?;
        self.seed(relations, &mut moment, resume).await
    }

    /// Sends the seeds, if any, and that they are complete.
    async fn seed(
        &self,
        relations: &Relations,
        moment: &mut Moment,
        resume: &Position,
    ) -> Result<(), SourceError> {
        if wanted(relations, self.selection, Pass::Seed).is_empty() {
            return Ok(());
        }
        let reading = self.reading(relations, Pass::Seed, Mark::Fixed(resume.clone()));
        let tables = Box::pin(snapshot::run(&reading, moment, self.context)).await?;
        tracing::info!(source = %self.config.source, tables, at = %moment.at, "sent all seeds");
        self.send(SourceEvent::Seeded).await
    }

    fn reading<'a>(&'a self, relations: &'a Relations, pass: Pass, mark: Mark) -> Reading<'a> {
        Reading { config: self.config, relations, selection: self.selection, pass, mark }
    }

    async fn send(&self, event: SourceEvent) -> Result<(), SourceError> {
        self.context.out.send(event).await.map_err(closed)
    }
}
