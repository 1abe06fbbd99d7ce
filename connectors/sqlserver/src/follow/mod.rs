//! The loop: look, read, hand over, wait.
//!
//! One task does all of it over one session, so there is no order to get wrong. It looks for
//! captured commits behind the place it has reached; if there are some, it reads their changes and
//! looks again at once; if there are none, it waits, longer each time up to the configured
//! interval. Entries that say only that nothing happened move the place like any other, so the
//! position of an idle database never grows older than what the server keeps.
//!
//! It may be told to follow only to a place. What was committed up to that place has then been
//! sent, nothing that was committed later.

use std::time::Duration;

use erpbridge_connector::{
    Position, Progress, Sender, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    SourceStatus, TableSelection, Timestamp,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::assemble::{Assembler, Limits, Outbox};
use crate::change_tables::{Commit, commits};
use crate::config::SqlServerConfig;
use crate::error_number::INVALID_OBJECT;
use crate::feedback::Feedback;
use crate::observer::Observer;
use crate::position::{LogPosition, Lsn, Places};
use crate::relations::Relations;
use crate::session::{Session, told};
use crate::stream::Window;

/// The first pause after a busy time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// Progress is told at most this often while there is work; batches carry positions of their own.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How often the instances are looked at while nothing happens.
const INSTANCES_EVERY: Duration = Duration::from_secs(15);

/// Why following ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// Everything that was committed up to the place to follow to has been sent.
    Reached,
}

/// A stretch of the log to follow.
pub struct Follower<'a> {
    /// How to read.
    pub config: &'a SqlServerConfig,
    /// What the bridge wants.
    pub selection: &'a dyn TableSelection,
    /// Over which session.
    pub session: Session,
    /// The captured tables as of the start.
    pub relations: Relations,
    /// Makes the positions.
    pub places: Places,
    /// Behind which place to begin.
    pub after: LogPosition,
    /// Follow no further than this place of the log.
    pub until: Option<Lsn>,
}

impl Follower<'_> {
    /// Follows until stopped or failed, or to the given place.
    pub async fn run(self, context: SourceContext) -> Result<Ended, SourceError> {
        let SourceContext { out, confirmed, stop, status, .. } = context;
        let following = Box::pin(Loop::new(self, out, confirmed, status).run());
        tokio::select! {
            biased;
            // What was read and not sent is lost with the other branch; it is read again at the
            // next start, because no position covers it.
            () = stop.cancelled() => Ok(Ended::Stopped),
            ended = following => match ended {
                // The bridge answers a closed queue with a stop, and the other way round.
                Err(error) if stop.is_cancelled() && error.kind() == SourceErrorKind::Closed => {
                    Ok(Ended::Stopped)
                }
                ended => ended,
            },
        }
    }
}

struct Loop<'a> {
    config: &'a SqlServerConfig,
    selection: &'a dyn TableSelection,
    session: Session,
    relations: Relations,
    places: Places,
    until: Option<Lsn>,
    assembler: Assembler,
    outbox: Outbox,
    out: Sender,
    confirmed: watch::Receiver<Option<Position>>,
    status: watch::Sender<SourceStatus>,
    observer: Observer,
    feedback: Feedback,
    /// Where this run began, which was confirmed before it.
    begun: LogPosition,
    /// The position of everything sent or in the batch.
    reached: LogPosition,
    as_of: Option<Timestamp>,
    told: Option<(Lsn, Timestamp)>,
    told_at: Option<Instant>,
    refreshed_at: Instant,
    pause: Duration,
}

impl<'a> Loop<'a> {
    fn new(
        follower: Follower<'a>,
        out: Sender,
        confirmed: watch::Receiver<Option<Position>>,
        status: watch::Sender<SourceStatus>,
    ) -> Self {
        let Follower { config, selection, session, relations, places, after, until } = follower;
        let limits = Limits {
            batch_bytes: config.batch_bytes,
            window_bytes: config.window_bytes,
            row_bytes: config.max_row_bytes,
        };
        Self {
            assembler: Assembler::new(limits, after.place.lsn(), after.to_position()),
            begun: after.clone(),
            reached: after,
            config,
            selection,
            session,
            relations,
            places,
            until,
            outbox: Outbox::new(),
            out,
            confirmed,
            status,
            observer: Observer::default(),
            feedback: Feedback::default(),
            as_of: None,
            told: None,
            told_at: None,
            refreshed_at: Instant::now(),
            pause: SHORTEST_PAUSE,
        }
    }

    async fn run(mut self) -> Result<Ended, SourceError> {
        loop {
            if self.until.is_some_and(|until| self.lsn() >= until) {
                return Ok(Ended::Reached);
            }
            let (after, most) = (self.lsn(), self.config.transactions_per_poll);
            let mut commits = commits(&mut self.session, after, most).await?;
            let all = commits.len();
            if let Some(until) = self.until {
                commits.retain(|commit| commit.lsn <= until);
            }
            match commits.last().cloned() {
                Some(last) => self.read(commits, &last).await?,
                // Only commits behind the place to follow to are left.
                None if all > 0 => return Ok(Ended::Reached),
                None => self.idle().await?,
            }
        }
    }

    fn lsn(&self) -> Lsn {
        self.reached.place.lsn()
    }

    /// Reads the changes of these commits and sends them.
    async fn read(&mut self, commits: Vec<Commit>, last: &Commit) -> Result<(), SourceError> {
        self.pause = SHORTEST_PAUSE;
        self.refresh().await?;
        match self.send_changes(commits).await {
            // An instance was dropped between two statements. Where that leaves a table without
            // one, or our part of it unread, the look says so; else it was drained, and
            // everything since our position is read once more without it.
            Err(error) if told(&error) == Some(INVALID_OBJECT) => {
                self.refresh().await?;
                return Err(dropped(error));
            }
            sent => sent?,
        }
        self.move_to(last);
        self.assembler.flush(&mut self.outbox);
        self.deliver().await?;
        self.observe().await?;
        self.progress(false).await
    }

    async fn send_changes(&mut self, commits: Vec<Commit>) -> Result<(), SourceError> {
        let Self { session, relations, assembler, places, outbox, out, .. } = self;
        let after = self.reached.place.lsn();
        let mut window = Window::open(session, relations.tables(), after, commits).await?;
        while let Some((commit, captured, entry)) = window.next(session).await? {
            if assembler.belongs_elsewhere(entry.lsn) {
                close(assembler, places, relations, outbox);
            }
            assembler.take(commit, captured, &entry, outbox)?;
            send_all(out, outbox).await?;
        }
        close(assembler, places, relations, outbox);
        Ok(())
    }

    /// Everything up to this commit is in the batch or has been sent.
    fn move_to(&mut self, last: &Commit) {
        self.reached = self.places.at(last.lsn, self.relations.witness(last.local));
        self.as_of = std::cmp::max(self.as_of, Some(last.at));
        self.assembler.vouched(last.lsn, self.reached.to_position());
    }

    async fn refresh(&mut self) -> Result<(), SourceError> {
        let (reached, witness) = (self.lsn(), self.reached.witness);
        let relations = &mut self.relations;
        relations.refresh(&mut self.session, self.selection, reached, witness).await?;
        self.refreshed_at = Instant::now();
        self.feedback.tell(&self.confirmed, self.relations.tables());
        Ok(())
    }

    /// Looks after capture now and then, busy or not.
    async fn observe(&mut self) -> Result<(), SourceError> {
        let confirmed = self.confirmed.borrow().as_ref().and_then(LogPosition::read);
        let confirmed = confirmed.as_ref().or(Some(&self.begun));
        let (reached, status) = (&self.reached, &self.status);
        let seen = self.observer.look(&mut self.session, reached, confirmed, status).await?;
        self.as_of = std::cmp::max(self.as_of, seen);
        Ok(())
    }

    /// Nothing happens: look after capture, tell where we stand, and wait.
    async fn idle(&mut self) -> Result<(), SourceError> {
        self.observe().await?;
        self.progress(true).await?;
        if self.refreshed_at.elapsed() >= INSTANCES_EVERY {
            self.refresh().await?;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = std::cmp::min(self.pause * 2, self.config.poll_interval);
        Ok(())
    }

    /// Tells where we stand if that is news and it is time. Everything before it is in the queue.
    async fn progress(&mut self, idle: bool) -> Result<(), SourceError> {
        let Some(as_of) = self.as_of else { return Ok(()) };
        let early = self.told_at.is_some_and(|told| told.elapsed() < PROGRESS_EVERY);
        let news = Some((self.lsn(), as_of));
        if self.told == news || (early && !idle) {
            return Ok(());
        }
        (self.told, self.told_at) = (news, Some(Instant::now()));
        let position = self.reached.to_position();
        self.outbox.push_back(SourceEvent::Progress(Progress { position, as_of }));
        self.deliver().await
    }

    async fn deliver(&mut self) -> Result<(), SourceError> {
        send_all(&self.out, &mut self.outbox).await
    }
}

/// The open transaction is complete.
fn close(assembler: &mut Assembler, places: &Places, relations: &Relations, outbox: &mut Outbox) {
    let Some(commit) = assembler.open_commit() else { return };
    let resume = places.at(commit.lsn, relations.witness(commit.local));
    assembler.complete(resume.to_position(), outbox);
}

async fn send_all(out: &Sender, outbox: &mut Outbox) -> Result<(), SourceError> {
    while let Some(event) = outbox.pop_front() {
        out.send(event).await.map_err(closed)?;
    }
    Ok(())
}

fn dropped(error: SourceError) -> SourceError {
    let message = "a capture instance was dropped while it was being read";
    SourceError::new(SourceErrorKind::Busy, message).with_cause(error)
}

/// The queue is gone.
pub(crate) fn closed(error: erpbridge_connector::Closed) -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
        .with_cause(error)
}
