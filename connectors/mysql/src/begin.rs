//! From the stored position to the stream.
//!
//! **The first start** takes a moment of the tables, reads them as of that moment, and follows the
//! log from it. Nothing is made on the server, so nothing is left there if it breaks off.
//!
//! **A snapshot that broke off** is finished, not begun anew. The stored position says up to where
//! the log has been sent, `P`, and which tables have been read. A new moment, `S`, is taken. First
//! the log from `P` to `S` is sent, of *all* tables; then the tables that are still to be read are
//! read as of `S`; then the log goes on from `S`. Everything is ordered by its place in the log, as
//! ever: rows read as of `S` stand just before `S`. A table read earlier is brought from `P` to `S`
//! by its changes. A table that was not read to its end may have sent some rows, and its changes
//! correct or delete them before it is read again; to leave those changes out would leave rows for
//! ever that were deleted in between. What is remembered for lookups goes from `P` to `S` with the
//! same changes. If this breaks off too, the next start finds the same kind of position, further on.
//!
//! **Seeds** go before everything else. At the first start they are read as of the snapshot's
//! moment; at a later start as of now, before the log is followed. Nothing is stored of them here: as
//! long as the bridge says that it has none, they are read.

use std::sync::Arc;

use erpbridge_connector::{
    Pass, Phase, Position, Progress, SnapshotMode, SourceContext, SourceError, SourceErrorKind,
    SourceEvent, TableName, TableSelection, TablesDone, Timestamp,
};

use crate::catalog;
use crate::config::MysqlConfig;
use crate::follow::Ended;
use crate::observer::Observer;
use crate::position::{Identity, LogPosition, NotAPosition, Places, Reached};
use crate::relations::{History, Relations};
use crate::session::{Session, connect};
use crate::snapshot::{self, Mark, Moment, Reading};
use crate::start::{self, Route, Server, Start};
use crate::stream::{Entry, LogStream};
use crate::stretch::Stretch;

/// Everything that was to be read has been; the log is to be followed from here.
pub(crate) struct Begun {
    pub(crate) server: Server,
    pub(crate) route: Route,
    /// The position that the route follows from.
    pub(crate) resume: Position,
    pub(crate) history: History,
}

/// Connects, compares, and reads what is to be read.
pub(crate) async fn begin(
    config: &MysqlConfig,
    selection: &Arc<dyn TableSelection>,
    context: &SourceContext,
) -> Result<Begun, SourceError> {
    context.status.send_modify(|status| status.phase = Phase::Connecting);
    let resume = stored(context)?;
    let era = resume.as_ref().and_then(|resume| resume.identity).map_or(0, |was| was.era);
    let mut session = connect(config).await?;
    let server = start::read_server(&mut session, resume.as_ref()).await?;
    let start = start::decide(resume, &server)?;
    let beginning = Beginning { config, selection, context, server };
    match start {
        Start::Fresh => beginning.first_start(session).await,
        Start::Finish(route, done) if config.snapshot == SnapshotMode::Initial => {
            session.close().await;
            let history = beginning.history(&route, era);
            beginning.finish(route, history, done).await
        }
        Start::Resume(route) | Start::Finish(route, _) => {
            session.close().await;
            beginning.seed_as_of_now(&route).await?;
            let history = beginning.history(&route, era);
            let resume = beginning.resume_after()?;
            Ok(Begun { server: beginning.server, route, resume, history })
        }
    }
}

fn stored(context: &SourceContext) -> Result<Option<LogPosition>, SourceError> {
    context.resume_after.as_ref().map(parsed).transpose()
}

/// A stored position as a place in a log.
pub(crate) fn parsed(position: &Position) -> Result<LogPosition, SourceError> {
    position.as_str().parse().map_err(|error: NotAPosition| {
        let message = format!("the stored position `{position}` cannot be read");
        SourceError::new(SourceErrorKind::Setup, message)
            .with_cause(error)
            .with_hint("import the offsets of this source again, or remove them to begin anew")
    })
}

/// A start under way.
struct Beginning<'a> {
    config: &'a MysqlConfig,
    selection: &'a Arc<dyn TableSelection>,
    context: &'a SourceContext,
    server: Server,
}

impl Beginning<'_> {
    /// Reads the tables as of a moment, and says where the log goes on.
    async fn first_start(self, session: Session) -> Result<Begun, SourceError> {
        let identity = Identity { server: self.server.id, era: 0 };
        let wants = |table: &TableName| self.selection.wants(table);
        let seeds = |table: &TableName| wants(table) && self.selection.seeds(table);
        let initial = self.config.snapshot == SnapshotMode::Initial;
        let (reached, as_of, history) = if initial || self.any(session, seeds).await? {
            let mut moment = snapshot::take(self.config, wants).await?;
            let reached = self.place_of(&moment).await?;
            let history = self.known_at(&moment).await?;
            self.seed(&mut moment, identity, &unfinished(&reached, None, identity)).await?;
            if initial {
                self.snapshot(&mut moment, identity, Mark::Counted(reached.clone(), None)).await?;
            }
            (reached, moment.asked_at, history)
        } else {
            let (reached, as_of) = self.now().await?;
            let history = self.known_now(&reached).await?;
            (reached, as_of, history)
        };
        self.begun(reached, identity, as_of, history).await
    }

    /// Whether there is any such table.
    async fn any(
        &self,
        mut session: Session,
        asked: impl Fn(&TableName) -> bool,
    ) -> Result<bool, SourceError> {
        let tables = catalog::tables(&mut session, asked).await?;
        session.close().await;
        Ok(!tables.is_empty())
    }

    /// Finishes the snapshot of an earlier start, by the argument in this module's head.
    async fn finish(
        self,
        route: Route,
        history: History,
        done: Option<TablesDone>,
    ) -> Result<Begun, SourceError> {
        let source = &self.config.source;
        tracing::info!(%source, after = %route.reached.at, "finishing the snapshot");
        let identity = route.identity;
        let wants = |table: &TableName| self.selection.wants(table);
        let mut moment = snapshot::take(self.config, wants).await?;
        self.seed(&mut moment, identity, &self.resume_after()?).await?;
        let names = moment.tables.iter().map(|table| table.shape.name());
        let asked = |name: &TableName| self.selection.wants(name) && self.selection.snapshots(name);
        let names: Vec<TableName> = names.filter(asked).collect();
        let done = done.and_then(|done| done.of_list(&names));
        let (reached, history) = self.catch_up(route, history, &moment, done.clone()).await?;
        let mark = Mark::Counted(reached.clone(), done);
        self.snapshot(&mut moment, identity, mark).await?;
        let as_of = moment.asked_at;
        drop(moment);
        self.begun(reached, identity, as_of, history).await
    }

    /// Sends the log from where the earlier start came to, up to the moment of the tables that are
    /// still to be read.
    async fn catch_up(
        &self,
        route: Route,
        history: History,
        moment: &Moment,
        done: Option<TablesDone>,
    ) -> Result<(Reached, History), SourceError> {
        let (after, until) = (&route.reached.at, &moment.log.at);
        tracing::info!(source = %self.config.source, %after, %until, "following the log so far");
        let SourceContext { out, confirmed, stop, status, .. } = self.context;
        let context = SourceContext {
            resume_after: None,
            out: out.clone(),
            confirmed: confirmed.clone(),
            stop: stop.clone(),
            status: status.clone(),
        };
        let stretch = Stretch {
            config: self.config,
            selection: self.selection,
            server: &self.server,
            places: Places::Unfinished(route.identity, done),
            resume: self.resume_after()?,
            route,
            history,
            until: Some(until.clone()),
        };
        let left = Box::pin(stretch.follow(context)).await?;
        match left.ended {
            Ended::Reached => Ok((left.reached, left.history)),
            Ended::Stopped => Err(SourceError::new(
                SourceErrorKind::Closed,
                "stopped before the snapshot was complete",
            )),
        }
    }

    /// The moment's place in the log, and that the log can be read there: to find out after a
    /// snapshot of hours that it cannot would be late.
    async fn place_of(&self, moment: &Moment) -> Result<Reached, SourceError> {
        let mut reached = Reached::new(moment.log.at.clone());
        reached.gtids.clone_from(&moment.log.gtids);
        let identity = Identity { server: self.server.id, era: 0 };
        let Route { entry, .. } = Route::along(reached.clone(), identity);
        reached.born = LogStream::born(self.config, &entry).await?;
        Ok(reached)
    }

    /// Where the log ends now, and what time it was before.
    async fn now(&self) -> Result<(Reached, Timestamp), SourceError> {
        let mut session = connect(self.config).await?;
        let as_of = catalog::clock(&mut session).await?;
        let log = catalog::log_end(&mut session).await?;
        let mut reached = Reached::new(log.at);
        reached.gtids = match log.gtids {
            Some(gtids) => Some(gtids),
            None if session.family() == crate::binlog::Family::MariaDb => {
                catalog::gtids_before(&mut session, &reached.at).await?
            }
            None => None,
        };
        session.close().await;
        let identity = Identity { server: self.server.id, era: 0 };
        let Route { entry, .. } = Route::along(reached.clone(), identity);
        reached.born = LogStream::born(self.config, &entry).await?;
        Ok((reached, as_of))
    }

    /// The shapes of the moment's tables.
    async fn known_at(&self, moment: &Moment) -> Result<History, SourceError> {
        let mut history = History::new(self.config.shapes_file.clone(), 0);
        let place = &moment.log.at;
        history.begin(place);
        for table in &moment.tables {
            history.found(&table.shape.name(), place, table.shape.clone());
        }
        history.write().await?;
        Ok(history)
    }

    /// The shapes of the tables at the end of the log.
    async fn known_now(&self, reached: &Reached) -> Result<History, SourceError> {
        let observer = Observer::new(self.config);
        let history = History::new(self.config.shapes_file.clone(), 0);
        let selection = Arc::clone(self.selection);
        let mut relations = Relations::new(self.config, selection, &observer, history);
        relations.begin(&reached.at).await?;
        Ok(relations.into_history())
    }

    /// What is known of the log to be read. In another server's log the shapes are the same, up to
    /// the same transactions.
    fn history(&self, route: &Route, era: u16) -> History {
        let mut history = History::open(self.config.shapes_file.clone(), era);
        if matches!(route.entry, Entry::Without(_)) {
            history.move_to(route.identity.era, &route.reached.at);
        }
        history
    }

    /// Says that the tables have been read. The server was asked for its time before the moment of
    /// the tables, so a commit older than that is not in the log after it.
    async fn begun(
        self,
        reached: Reached,
        identity: Identity,
        as_of: Timestamp,
        history: History,
    ) -> Result<Begun, SourceError> {
        let resume = LogPosition::streaming(reached.clone(), identity).to_position();
        let progress = Progress { position: resume.clone(), as_of };
        self.send(SourceEvent::Progress(progress)).await?;
        let route = Route::along(reached, identity);
        Ok(Begun { server: self.server, route, resume, history })
    }

    /// Reads seeds at a start that is not the first, if there are any to be read.
    async fn seed_as_of_now(&self, route: &Route) -> Result<(), SourceError> {
        let seeds = |table: &TableName| self.selection.wants(table) && self.selection.seeds(table);
        let session = connect(self.config).await?;
        if !self.any(session, seeds).await? {
            return Ok(());
        }
        let mut moment = snapshot::take(self.config, seeds).await?;
        self.seed(&mut moment, route.identity, &self.resume_after()?).await
    }

    /// Sends the seeds, if any, and that they are complete.
    async fn seed(
        &self,
        moment: &mut Moment,
        identity: Identity,
        resume: &Position,
    ) -> Result<(), SourceError> {
        let reading = self.reading(identity, Pass::Seed, Mark::Fixed(resume.clone()));
        let tables = snapshot::run(&reading, moment, self.context).await?;
        if tables == 0 {
            return Ok(());
        }
        tracing::info!(source = %self.config.source, tables, at = %moment.until, "sent all seeds");
        self.send(SourceEvent::Seeded).await
    }

    /// Reads the tables that have not been read.
    async fn snapshot(
        &self,
        moment: &mut Moment,
        identity: Identity,
        mark: Mark,
    ) -> Result<(), SourceError> {
        let reading = self.reading(identity, Pass::Snapshot, mark);
        snapshot::run(&reading, moment, self.context).await.map(drop)
    }

    fn reading(&self, identity: Identity, pass: Pass, mark: Mark) -> Reading<'_> {
        let (selection, old_images) = (self.selection.as_ref(), self.server.old_images);
        Reading { config: self.config, selection, pass, identity, old_images, mark }
    }

    fn resume_after(&self) -> Result<Position, SourceError> {
        self.context.resume_after.clone().ok_or_else(|| {
            SourceError::new(SourceErrorKind::Setup, "there is no position to resume after")
        })
    }

    async fn send(&self, event: SourceEvent) -> Result<(), SourceError> {
        self.context.out.send(event).await.map_err(|error| {
            SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
                .with_cause(error)
        })
    }
}

fn unfinished(reached: &Reached, done: Option<TablesDone>, identity: Identity) -> Position {
    LogPosition::snapshot(Some(reached.clone()), done, identity).to_position()
}
