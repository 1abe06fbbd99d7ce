//! A stretch of the log: from one place on, to another or until it is stopped.

use std::sync::Arc;

use erpbridge_connector::{Position, SourceContext, SourceError, TableSelection, Timestamp};
use tokio::sync::watch;

use crate::assemble::{Assembler, Limits};
use crate::config::MysqlConfig;
use crate::feedback::Feedback;
use crate::follow::{Birth, Ended, Follower, Left};
use crate::observer::{Observed, Observer};
use crate::position::{Coordinates, Places};
use crate::relations::{History, Relations};
use crate::retention;
use crate::start::{Route, Server};
use crate::stream::{Entry, LogStream, Purpose};

/// A stretch of the log, and everything it takes to follow it.
pub(crate) struct Stretch<'a> {
    pub(crate) config: &'a MysqlConfig,
    pub(crate) selection: &'a Arc<dyn TableSelection>,
    pub(crate) server: &'a Server,
    pub(crate) route: Route,
    /// The position that led here.
    pub(crate) resume: Position,
    pub(crate) history: History,
    pub(crate) places: Places,
    pub(crate) until: Option<Coordinates>,
}

impl Stretch<'_> {
    /// Follows it.
    pub(crate) async fn follow(self, context: SourceContext) -> Result<Left, SourceError> {
        let observer = Observer::new(self.config);
        let (observed, watched) = watch::channel(Observed::default());
        let following = Box::pin(self.follow_with(&observer, watched, context));
        tokio::select! {
            // Dropping the observer drops a question. Dropping the follower hangs up; what it had
            // not sent comes again.
            followed = following => followed,
            never = observer.observe(&observed) => match never {},
        }
    }

    async fn follow_with(
        self,
        observer: &Observer<'_>,
        observed: watch::Receiver<Observed>,
        context: SourceContext,
    ) -> Result<Left, SourceError> {
        let Self { config, selection, route, .. } = self;
        let Route { reached, entry, known, .. } = route;
        let relations = Relations::new(config, Arc::clone(selection), observer, self.history);
        let preparing = Box::pin(prepare(config, &entry, &self.server.log.at, relations));
        // Dropping a preparation hangs up.
        let Some(prepared) = context.stop.run_until_cancelled(preparing).await else {
            let history = History::new(None, 0);
            return Ok(Left { ended: Ended::Stopped, reached, history });
        };
        let (relations, stream, written) = prepared?;
        let limits = Limits {
            batch_bytes: config.batch_bytes,
            window_bytes: config.window_bytes,
            prepared_bytes: config.prepared_bytes,
        };
        let moved = matches!(entry, Entry::Without(_));
        let birth = reached.born.filter(|_| !moved);
        let birth = birth.map(|born| Birth { file: reached.at.file.clone(), born });
        let (selection, places) = (Arc::clone(selection), self.places);
        let follower = Follower {
            stream,
            assembler: Assembler::new(selection, places.clone(), limits, reached, known),
            feedback: Feedback::new(&self.resume, written),
            places,
            until: self.until,
            relations,
            old_images: self.server.old_images,
            observed,
            birth,
            entering: moved.then_some(self.resume),
        };
        follower.run(context).await
    }
}

/// The log is opened after the shapes have been asked for: the answer may take a while, and the
/// server would wait for us to read.
async fn prepare<'o>(
    config: &MysqlConfig,
    entry: &Entry,
    end: &Coordinates,
    mut relations: Relations<'o>,
) -> Result<(Relations<'o>, LogStream, Option<Timestamp>), SourceError> {
    let mut written = None;
    if let Entry::At(place) = entry {
        relations.begin(place).await?;
        written = retention::closed_at(config, place, end).await?;
    }
    let stream = LogStream::open(config, entry, Purpose::Follow).await?;
    Ok((relations, stream, written))
}
