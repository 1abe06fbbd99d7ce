//! A stretch of the log: from one place on, to another or until it is stopped.

use std::sync::Arc;

use erpbridge_connector::{SourceContext, SourceError, TableSelection};
use tokio::sync::watch;

use crate::assemble::{Assembler, Limits};
use crate::config::PostgresConfig;
use crate::feedback::Feedback;
use crate::follow::{Ended, Follower, unless_gone};
use crate::observer::Observer;
use crate::position::{Lsn, Places};
use crate::start::Server;
use crate::stream::Connection;

/// A stretch of the log, and everything it takes to follow it.
pub(crate) struct Stretch<'a> {
    pub(crate) config: &'a PostgresConfig,
    pub(crate) selection: &'a Arc<dyn TableSelection>,
    pub(crate) server: &'a Server,
    /// Streaming after `after`.
    pub(crate) connection: Connection,
    pub(crate) after: Lsn,
    /// What the slot has confirmed.
    pub(crate) confirmed: Lsn,
    pub(crate) places: Places,
    pub(crate) until: Option<Lsn>,
}

impl Stretch<'_> {
    /// Follows it.
    pub(crate) async fn follow(self, context: SourceContext) -> Result<Ended, SourceError> {
        let Self { config, server, after, .. } = self;
        let observer = Observer::new(config);
        let (probes, probed) = watch::channel(None);
        let status = context.status.clone();
        let limits = Limits { batch_bytes: config.batch_bytes, window_bytes: config.window_bytes };
        let selection = Arc::clone(self.selection);
        let follower = Follower {
            connection: self.connection,
            assembler: Assembler::new(selection, self.places.clone(), limits, after),
            feedback: Feedback::new(self.confirmed, after, server.asked_at, server.patience),
            places: self.places,
            until: self.until,
            observer: &observer,
            probes: probed,
        };
        let stop = context.stop.clone();
        let observed = async {
            // The follower and its queue are still there; see there why that matters.
            let shutting_down = observer.observe(&probes, &status).await;
            (shutting_down, stop.is_cancelled())
        };
        tokio::select! {
            // Dropping the observer drops a question. Dropping the follower hangs up; what it had
            // not sent comes again.
            followed = follower.run(context) => followed,
            (shutting_down, stopped) = observed => {
                if stopped { unless_gone(shutting_down) } else { Err(shutting_down) }
            }
        }
    }
}
