//! When progress is told, and what it says.
//!
//! **Why a position is safe here.** A [`Progress`] is queued only behind everything that lies before it, when the
//! batch under construction is empty. Between two transactions the server's own "everything before
//! this has been sent" moves it, so an idle database does not pile up log. Its `as_of` comes from
//! a probe: the log ended at `lsn` at a moment, and once everything before `lsn` is queued, no
//! commit older than that moment is to come. The time of a keepalive would not do, because a
//! server that is an hour behind sends keepalives, too.

use std::time::Duration;

use erpbridge_connector::{Progress, SourceEvent, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::assemble::{Assembler, Outbox};
use crate::observer::Probe;
use crate::position::{Lsn, Places};

/// Progress is told at most this often; batches carry positions of their own.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// For so long the first probe is waited for before progress is told without one.
const FIRST_PROBE: Duration = Duration::from_secs(10);

/// When progress is told, and what it says.
pub(super) struct Watermark {
    places: Places,
    probes: watch::Receiver<Option<Probe>>,
    /// The oldest probe whose place has not been reached.
    pending: Option<Probe>,
    as_of: Option<Timestamp>,
    told: Option<(Lsn, Timestamp)>,
    told_at: Option<Instant>,
    since: Instant,
}

impl Watermark {
    pub(super) fn new(places: Places, probes: watch::Receiver<Option<Probe>>) -> Self {
        let since = Instant::now();
        Self { places, probes, pending: None, as_of: None, told: None, told_at: None, since }
    }

    /// Queues a progress if there is one to tell and it is time.
    pub(super) fn progress(&mut self, assembler: &Assembler, outbox: &mut Outbox) {
        let Some(reached) = assembler.handed_over() else { return };
        self.advance(reached, assembler.last_commit_at());
        let as_of = match self.as_of {
            Some(as_of) => as_of,
            None if self.since.elapsed() < FIRST_PROBE => return,
            None => Timestamp::default(),
        };
        let early = self.told_at.is_some_and(|told| told.elapsed() < PROGRESS_EVERY);
        if early || self.told == Some((reached, as_of)) {
            return;
        }
        (self.told, self.told_at) = (Some((reached, as_of)), Some(Instant::now()));
        let position = self.places.at(reached);
        outbox.push_back(SourceEvent::Progress(Progress { position, as_of }));
    }

    /// Where the log ended when that was last asked.
    pub(super) fn log_end(&self) -> Lsn {
        self.probes.borrow().map_or(Lsn::ZERO, |probe| probe.lsn)
    }

    fn advance(&mut self, reached: Lsn, last_commit_at: Option<Timestamp>) {
        self.as_of = std::cmp::max(self.as_of, last_commit_at);
        if self.pending.is_none() && self.probes.has_changed().unwrap_or(false) {
            self.pending = *self.probes.borrow_and_update();
        }
        if let Some(probe) = self.pending.take_if(|probe| probe.lsn <= reached) {
            self.as_of = std::cmp::max(self.as_of, Some(probe.at));
        }
    }
}
