//! When progress is told, and what it says.
//!
//! **Why a position is safe here.** A [`Progress`] is queued only behind everything that lies before
//! it, when the batch under construction is empty. Its `as_of` comes from a probe: the log ended at
//! a place at a moment, and once everything before the place is queued, no commit older than that
//! moment is to come. (A transaction is dated by its statement where the log says nothing better,
//! so one that ran for a minute may still come with an older date.)
//!
//! **In another server's log** that was entered by what we know and not by a place, our place is not
//! known until the log has said it. Until then the old position stands: resuming after it enters
//! in the same way again.

use std::time::Duration;

use erpbridge_connector::{Position, Progress, SourceEvent, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::assemble::{Assembler, Outbox};
use crate::observer::{Observed, Probe};
use crate::position::{Coordinates, Places};

/// Progress is told at most this often; batches carry positions of their own.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// For so long the first probe is waited for before progress is told without one.
const FIRST_PROBE: Duration = Duration::from_secs(10);

/// When progress is told, and what it says.
pub(super) struct Watermark {
    places: Places,
    observed: watch::Receiver<Observed>,
    /// The oldest probe whose place has not been reached.
    pending: Option<Probe>,
    as_of: Option<Timestamp>,
    told: Option<(Position, Timestamp)>,
    told_at: Option<Instant>,
    since: Instant,
}

impl Watermark {
    pub(super) fn new(places: Places, observed: watch::Receiver<Observed>) -> Self {
        let since = Instant::now();
        Self { places, observed, pending: None, as_of: None, told: None, told_at: None, since }
    }

    /// Queues a progress if there is one to tell and it is time. `instead` is the position to tell
    /// as long as our place is not known.
    pub(super) fn progress(
        &mut self,
        assembler: &Assembler,
        instead: Option<&Position>,
        outbox: &mut Outbox,
    ) {
        if self.told_at.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
            return;
        }
        let Some(reached) = assembler.handed_over() else { return };
        if instead.is_none() {
            self.advance(&reached.at, assembler.last_commit_at());
        }
        let as_of = match self.as_of {
            Some(as_of) => as_of,
            None if self.since.elapsed() < FIRST_PROBE => return,
            None => Timestamp::default(),
        };
        let position = instead.map_or_else(|| self.places.at(reached), Position::clone);
        let told = Some((position.clone(), as_of));
        if self.told == told {
            return;
        }
        (self.told, self.told_at) = (told, Some(Instant::now()));
        outbox.push_back(SourceEvent::Progress(Progress { position, as_of }));
    }

    /// Where the log ended when that was last asked.
    pub(super) fn log_end(&self) -> Option<Coordinates> {
        self.observed.borrow().probe.as_ref().map(|probe| probe.at.clone())
    }

    fn advance(&mut self, reached: &Coordinates, last_commit_at: Option<Timestamp>) {
        self.as_of = std::cmp::max(self.as_of, last_commit_at);
        if self.pending.is_none() && self.observed.has_changed().unwrap_or(false) {
            self.pending = self.observed.borrow_and_update().probe.clone();
        }
        if let Some(probe) = self.pending.take_if(|probe| probe.at.order(reached).is_le()) {
            self.as_of = std::cmp::max(self.as_of, Some(probe.time));
        }
    }
}
