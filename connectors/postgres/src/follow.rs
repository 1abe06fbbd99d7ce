//! The loop: read, decode, hand over; and meanwhile keep the server content.
//!
//! One task does all of it, so there is no order to get wrong between two. Whatever it waits for
//! (the next bytes, room in the queue, the catalogue) it waits for beside the clock, the
//! confirmations and the stop, so a blocked bridge never makes the server believe that we are
//! gone, and the queue's bound becomes the TCP window's.
//!
//! **Progress.** A [`Progress`] is queued only behind everything that lies before it, when the
//! batch under construction is empty. Between two transactions the server's own "everything before
//! this has been sent" moves it, so an idle database does not pile up log. Its `as_of` comes from
//! a probe: the log ended at `lsn` at a moment, and once everything before `lsn` is queued, no
//! commit older than that moment is to come. The time of a keepalive would not do, because a
//! server that is an hour behind sends keepalives, too.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use erpbridge_connector::{
    Position, Progress, Sender, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    SourceStatus, Timestamp,
};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::Lsn;
use crate::assemble::{Assembler, Outbox};
use crate::feedback::{Feedback, Status};
use crate::observer::{Observer, Probe};
use crate::pgoutput::{self, Message};
use crate::position::{Identity, LogPosition};
use crate::stream::{Connection, Event};

/// Progress is told at most this often; batches carry positions of their own.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// For so long the first probe is waited for before progress is told without one.
const FIRST_PROBE: Duration = Duration::from_secs(10);

/// How long the bridge may take at the end to confirm what it was sent. The connector has ten
/// seconds in all.
const SETTLE_DEADLINE: Duration = Duration::from_secs(8);

/// Why decoding paused.
enum Pause {
    /// Events wait to be sent.
    Full,
    /// A wanted table is announced; the catalogue must be asked. The message is kept.
    Announced(Vec<u8>),
    /// Nothing more is buffered.
    Quiet,
}

/// Follows the stream of one connection.
pub struct Follower<'a> {
    /// The stream, already started.
    pub connection: Connection,
    /// Makes batches.
    pub assembler: Assembler,
    /// What is told and heard.
    pub feedback: Feedback,
    /// Whose log this is.
    pub identity: Identity,
    /// Answers what announcements leave out.
    pub observer: &'a Observer<'a>,
    /// Where the log ended, and when.
    pub probes: watch::Receiver<Option<Probe>>,
}

impl Follower<'_> {
    /// Follows until stopped or failed.
    pub async fn run(self, context: SourceContext) -> Result<(), SourceError> {
        let SourceContext { out, confirmed, stop, status, .. } = context;
        let mut ticks = tokio::time::interval(self.feedback.look_every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watermark = Watermark::new(self.identity, self.probes);
        let line = Line {
            connection: self.connection,
            feedback: self.feedback,
            confirmed,
            bridge_gone: false,
            stop,
            status,
            ticks,
            log_end: Lsn::ZERO,
        };
        let (assembler, observer) = (self.assembler, self.observer);
        Loop { line, assembler, observer, outbox: VecDeque::new(), watermark, out }.run().await
    }
}

struct Loop<'a> {
    line: Line,
    assembler: Assembler,
    observer: &'a Observer<'a>,
    outbox: Outbox,
    watermark: Watermark,
    out: Sender,
}

impl Loop<'_> {
    async fn run(mut self) -> Result<(), SourceError> {
        while !self.line.stop.is_cancelled() {
            let pause = match self.decode() {
                Ok(pause) => pause,
                Err(error) => {
                    // What came before the fault is whole and may go.
                    self.assembler.flush(&mut self.outbox);
                    self.deliver().await?;
                    return Err(error);
                }
            };
            if let Pause::Announced(message) = &pause {
                self.announce(message).await?;
            }
            if matches!(pause, Pause::Quiet) {
                // Waiting for more would only make what is there late.
                self.assembler.flush(&mut self.outbox);
            }
            self.line.log_end = std::cmp::max(self.line.log_end, self.watermark.log_end());
            self.watermark.progress(&self.assembler, &mut self.outbox);
            self.deliver().await?;
            if matches!(pause, Pause::Quiet) {
                self.line.wait().await?;
            }
        }
        // The queue must close before the bridge can know that nothing more comes.
        let Self { line, out, .. } = self;
        drop(out);
        line.finish().await
    }

    /// Decodes what is buffered until there is something to send.
    fn decode(&mut self) -> Result<Pause, SourceError> {
        let Self { line: Line { connection, feedback, log_end, .. }, assembler, outbox, .. } = self;
        while outbox.is_empty() {
            match connection.event()? {
                None => return Ok(Pause::Quiet),
                Some(Event::Other) => {}
                Some(Event::KeepAlive { wal_end, sent_at, reply_wanted }) => {
                    feedback.heard_time(sent_at, reply_wanted);
                    *log_end = std::cmp::max(*log_end, wal_end);
                    assembler.vouched(wal_end);
                }
                Some(Event::Data { sent_at, message: bytes }) => {
                    feedback.heard_time(sent_at, false);
                    match decode(bytes)? {
                        Message::Relation(relation) if assembler.wants(&relation) => {
                            return Ok(Pause::Announced(bytes.to_vec()));
                        }
                        Message::Relation(relation) => assembler.announce(&relation, None, outbox),
                        message => assembler.take(message, outbox)?,
                    }
                }
            }
        }
        Ok(Pause::Full)
    }

    async fn announce(&mut self, message: &[u8]) -> Result<(), SourceError> {
        let Message::Relation(relation) = decode(message)? else { return Ok(()) };
        let looking = self.observer.facts(&relation);
        if let Some(facts) = self.line.attend(looking).await? {
            self.assembler.announce(&relation, Some(&facts?), &mut self.outbox);
        }
        Ok(())
    }

    /// Sends what is in the outbox, waiting for room. After the stop the rest is dropped: it was
    /// not sent, so it comes again at the next start.
    async fn deliver(&mut self) -> Result<(), SourceError> {
        while let Some(event) = self.outbox.pop_front() {
            let position = position_of(&event);
            let sending = self.out.send(event);
            match self.line.attend(sending).await? {
                Some(sent) => sent.map_err(closed)?,
                None => return Ok(()),
            }
            if let Some(position) = position {
                self.line.feedback.sent(&position);
            }
        }
        Ok(())
    }
}

/// The connection and everything that must go on while something else is waited for.
struct Line {
    connection: Connection,
    feedback: Feedback,
    confirmed: watch::Receiver<Option<Position>>,
    bridge_gone: bool,
    stop: CancellationToken,
    status: watch::Sender<SourceStatus>,
    ticks: Interval,
    log_end: Lsn,
}

impl Line {
    /// Waits for bytes, a tick or the stop.
    async fn wait(&mut self) -> Result<(), SourceError> {
        if self.feedback.reply_wanted() {
            self.tend(true).await?;
        }
        tokio::select! {
            biased;
            // Nothing is lost in any branch: ticks, confirmations and the stop are states, and
            // what `fill` has read is in the buffer.
            () = self.stop.cancelled() => Ok(()),
            _ = self.ticks.tick() => self.tend(true).await,
            changed = self.confirmed.changed(), if !self.bridge_gone => {
                self.bridge_gone = changed.is_err();
                self.take_confirmation();
                Ok(())
            }
            filled = self.connection.fill() => {
                self.feedback.heard();
                filled
            }
        }
    }

    /// Does `work` and meanwhile everything that must go on; `None` if stopped before its end.
    async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, SourceError> {
        tokio::pin!(work);
        let mut waited = false;
        loop {
            tokio::select! {
                biased;
                // The same future is polled until it is done. At the stop it is dropped, with an
                // event that was not sent or a question nobody needs answered any more.
                done = &mut work => {
                    if waited {
                        // Nothing was read meanwhile, so the silence was ours.
                        self.feedback.heard();
                    }
                    return Ok(Some(done));
                }
                () = self.stop.cancelled() => return Ok(None),
                _ = self.ticks.tick() => self.tend(false).await?,
                changed = self.confirmed.changed(), if !self.bridge_gone => {
                    self.bridge_gone = changed.is_err();
                    self.take_confirmation();
                }
            }
            waited = true;
        }
    }

    fn take_confirmation(&mut self) {
        if let Some(position) = self.confirmed.borrow_and_update().as_ref() {
            self.feedback.confirm(position);
        }
    }

    /// Tells the server what is due, looks whether it is still there, and shows where we stand.
    async fn tend(&mut self, reading: bool) -> Result<(), SourceError> {
        if reading {
            self.feedback.watch()?;
        }
        self.show();
        match self.feedback.due(reading) {
            Some(status) => self.tell(status).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, status: Status) -> Result<(), SourceError> {
        let Status { confirmed, now, reply_wanted } = status;
        self.connection.send_status(confirmed, now, reply_wanted).await
    }

    fn show(&self) {
        let lag = self.log_end.bytes_since(self.feedback.confirmed());
        let heard = self.feedback.last_heard();
        self.status.send_modify(|status| {
            status.lag_bytes = (self.log_end > Lsn::ZERO).then_some(lag);
            status.heard_at = Some(heard);
        });
    }

    /// Waits until the bridge has confirmed what it was sent, passes that on, and leaves.
    async fn finish(mut self) -> Result<(), SourceError> {
        let deadline = Instant::now() + SETTLE_DEADLINE;
        self.take_confirmation();
        while !self.feedback.settled() && !self.bridge_gone {
            tokio::select! {
                // Both are states; nothing is lost.
                changed = self.confirmed.changed() => self.bridge_gone = changed.is_err(),
                _ = self.ticks.tick() => self.tend(false).await?,
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.take_confirmation();
        }
        let last = self.feedback.tell(false);
        self.tell(last).await?;
        self.connection.finish().await
    }
}

/// When progress is told, and what it says.
struct Watermark {
    identity: Identity,
    probes: watch::Receiver<Option<Probe>>,
    /// The oldest probe whose place has not been reached.
    pending: Option<Probe>,
    as_of: Option<Timestamp>,
    told: Option<(Lsn, Timestamp)>,
    told_at: Option<Instant>,
    since: Instant,
}

impl Watermark {
    fn new(identity: Identity, probes: watch::Receiver<Option<Probe>>) -> Self {
        let since = Instant::now();
        Self { identity, probes, pending: None, as_of: None, told: None, told_at: None, since }
    }

    /// Queues a progress if there is one to tell and it is time.
    fn progress(&mut self, assembler: &Assembler, outbox: &mut Outbox) {
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
        let position = LogPosition::streaming(reached, self.identity).to_position();
        outbox.push_back(SourceEvent::Progress(Progress { position, as_of }));
    }

    /// Where the log ended when that was last asked.
    fn log_end(&self) -> Lsn {
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

/// Where the log stands once this event is durable.
fn position_of(event: &SourceEvent) -> Option<Position> {
    match event {
        SourceEvent::Changes(batch) => batch.transactions().last().map(|last| last.resume.clone()),
        SourceEvent::Progress(progress) => Some(progress.position.clone()),
        SourceEvent::Truncated(_) | SourceEvent::SchemaChanged { .. } => None,
    }
}

fn decode(bytes: &[u8]) -> Result<Message<'_>, SourceError> {
    pgoutput::decode(bytes).map_err(|error| {
        let tag = bytes.first().map_or('?', |tag| char::from(*tag));
        let message = format!("a message of type {tag:?} in the log cannot be read");
        SourceError::new(SourceErrorKind::Decode, message).with_cause(error)
    })
}

fn closed(error: erpbridge_connector::Closed) -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
        .with_cause(error)
}
