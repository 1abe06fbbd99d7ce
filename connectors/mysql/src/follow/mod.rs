//! The loop: receive, decode, hand over; and meanwhile hear the bridge.
//!
//! Events are received by a task of their own and wait there in small number, so a blocked bridge
//! holds up the server's sending and nothing else: no lock is held there, and the log is kept by
//! its age. Everything after that is one task, so there is no order to get wrong between two.
//!
//! It may be told to follow only to a place. What was committed before that place has then been
//! sent, nothing that was committed later, and the bridge need not have confirmed any of it.

use std::collections::VecDeque;

use erpbridge_connector::{
    Position, ReplicaIdentity, Sender, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    Timestamp,
};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use crate::assemble::{Assembler, Next, Outbox};
use crate::binlog::{Event, Located};
use crate::feedback::Feedback;
use crate::observer::Observed;
use crate::position::{Coordinates, Places, Reached};
use crate::relations::{History, Relations};
use crate::sqlstate::OTHER_LOG_HINT;
use crate::stream::LogStream;

mod line;
mod watermark;

use line::Line;
use watermark::Watermark;

/// How often the place up to which changes of shapes have been seen is noted.
const COVER_EVERY: Duration = Duration::from_secs(10);

/// Why decoding paused.
enum Pause {
    /// Events wait to be sent.
    Full,
    /// Nothing more has been received.
    Quiet,
    /// Everything before the place to follow to has been read.
    Reached,
    /// It was stopped while something was asked.
    Stopped,
}

/// Why following ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was stopped.
    Stopped,
    /// Everything that was committed before the place to follow to has been sent.
    Reached,
}

/// How following ended, and where.
pub(crate) struct Left {
    pub(crate) ended: Ended,
    /// The place it came to.
    pub(crate) reached: Reached,
    /// What is known of the tables by then.
    pub(crate) history: History,
}

/// When the file of our place was begun.
pub(crate) struct Birth {
    pub(crate) file: String,
    pub(crate) born: u32,
}

/// Follows the log.
pub(crate) struct Follower<'a> {
    /// The log.
    pub(crate) stream: LogStream,
    /// Makes batches.
    pub(crate) assembler: Assembler,
    /// What is sent and confirmed.
    pub(crate) feedback: Feedback,
    /// Makes the positions of the progress.
    pub(crate) places: Places,
    /// Follow no further than this place of the log.
    pub(crate) until: Option<Coordinates>,
    /// Knows the shapes of tables.
    pub(crate) relations: Relations<'a>,
    /// What old images carry.
    pub(crate) old_images: ReplicaIdentity,
    /// Where the log ends, and what is kept of it.
    pub(crate) observed: watch::Receiver<Observed>,
    /// What the log must be to be ours.
    pub(crate) birth: Option<Birth>,
    /// Our position in the log of another server, as long as this one has not told our place.
    pub(crate) entering: Option<Position>,
}

impl Follower<'_> {
    /// Follows until stopped or failed, or to the given place.
    pub(crate) async fn run(self, context: SourceContext) -> Result<Left, SourceError> {
        let SourceContext { out, confirmed, stop, status, .. } = context;
        let observed = self.observed.clone();
        let line = Line::new(self.feedback, confirmed, stop, status, observed);
        let watermark = Watermark::new(self.places, self.observed);
        let following = Loop {
            stream: self.stream,
            line,
            assembler: self.assembler,
            relations: self.relations,
            old_images: self.old_images,
            outbox: VecDeque::new(),
            watermark,
            out,
            until: self.until,
            birth: self.birth,
            entering: self.entering,
            covered_at: Instant::now(),
        };
        following.run().await
    }
}

struct Loop<'a> {
    stream: LogStream,
    line: Line,
    assembler: Assembler,
    relations: Relations<'a>,
    old_images: ReplicaIdentity,
    outbox: Outbox,
    watermark: Watermark,
    out: Sender,
    until: Option<Coordinates>,
    birth: Option<Birth>,
    entering: Option<Position>,
    covered_at: Instant,
}

impl Loop<'_> {
    /// Whether a stop was asked for must be known before the queue closes: the bridge answers a
    /// closed queue with a stop, and a broken connection would pass for an orderly end.
    async fn run(mut self) -> Result<Left, SourceError> {
        let ended = self.follow().await;
        let stopped = self.line.stopped();
        let reached = self.assembler.reached().clone();
        if self.entering.is_none() {
            let noted = self.relations.end(&reached.at).await;
            if let Err(error) = noted {
                tracing::warn!(%error, "the next start looks through more of the log");
            }
        }
        let Self { line, out, relations, .. } = self;
        let ended = match ended {
            Ok(Ended::Stopped) => {
                // The queue must close before the bridge can know that nothing more comes.
                drop(out);
                line.finish().await;
                Ended::Stopped
            }
            Err(error) if stopped && error.kind() == SourceErrorKind::Connection => {
                tracing::info!(%error, "the server left first");
                Ended::Stopped
            }
            ended => ended?,
        };
        Ok(Left { ended, reached, history: relations.into_history() })
    }

    async fn follow(&mut self) -> Result<Ended, SourceError> {
        if self.is_there() {
            return Ok(Ended::Reached);
        }
        while !self.line.stopped() {
            let pause = match self.decode().await {
                Ok(pause) => pause,
                Err(error) => {
                    // What came before the fault is whole and may go.
                    self.assembler.flush(&mut self.outbox);
                    self.deliver().await?;
                    return Err(error);
                }
            };
            if matches!(pause, Pause::Quiet | Pause::Reached) {
                // Waiting for more would only make what is there late.
                self.assembler.flush(&mut self.outbox);
            }
            let Self { watermark, assembler, outbox, entering, .. } = self;
            watermark.progress(assembler, entering.as_ref(), outbox);
            self.deliver().await?;
            self.cover().await?;
            match pause {
                Pause::Quiet => {
                    let Self { stream, line, .. } = self;
                    if let Some(filled) = line.wait(stream.fill()).await {
                        filled?;
                        line.feedback.heard();
                    }
                }
                Pause::Reached if !self.line.stopped() => return Ok(Ended::Reached),
                _ => {}
            }
        }
        Ok(Ended::Stopped)
    }

    /// Decodes what has been received until there is something to send.
    async fn decode(&mut self) -> Result<Pause, SourceError> {
        while self.outbox.is_empty() {
            let Self { stream, assembler, outbox, .. } = self;
            let Some(located) = stream.event()? else { return Ok(Pause::Quiet) };
            same_birth(self.birth.as_ref(), &located)?;
            if matches!(located.event, Event::Start(_) | Event::Query(_) | Event::Heartbeat) {
                self.entering = None;
            }
            let answered = match assembler.take(&located, outbox)? {
                Next::On => true,
                asked => {
                    let Self { line, relations, watermark, old_images, .. } = self;
                    let log_end = watermark.log_end();
                    let place = Coordinates::new(located.file, located.begins);
                    let answering = Box::pin(async {
                        let relations = &mut *relations;
                        answer(relations, asked, &place, log_end.as_ref(), *old_images).await
                    });
                    match line.attend(answering).await {
                        None => false,
                        Some(answer) => {
                            answer?.give(assembler, &located, *old_images, outbox)?;
                            true
                        }
                    }
                }
            };
            if !answered {
                return Ok(Pause::Stopped);
            }
            if self.is_there() {
                return Ok(Pause::Reached);
            }
        }
        Ok(Pause::Full)
    }

    /// Whether everything before the place to follow to has been read.
    fn is_there(&self) -> bool {
        self.entering.is_none()
            && self.assembler.between_transactions()
            && self
                .until
                .as_ref()
                .is_some_and(|until| until.order(&self.assembler.reached().at).is_le())
    }

    /// Sends what is in the outbox, waiting for room. After the stop the rest is dropped: it was
    /// not sent, so it comes again at the next start.
    async fn deliver(&mut self) -> Result<(), SourceError> {
        while let Some(event) = self.outbox.pop_front() {
            let position = position_of(&event);
            let sending = self.out.send(event);
            match self.line.attend(sending).await {
                Some(Ok(())) => {}
                Some(Err(error)) if !self.line.stopped() => return Err(closed(error)),
                Some(Err(_)) | None => return Ok(()),
            }
            if let Some((position, time)) = position {
                self.line.feedback.sent(&position, time);
            }
        }
        Ok(())
    }

    async fn cover(&mut self) -> Result<(), SourceError> {
        if self.entering.is_some() || self.covered_at.elapsed() < COVER_EVERY {
            return Ok(());
        }
        self.covered_at = Instant::now();
        self.relations.cover(&self.assembler.reached().at).await
    }
}

/// What the assembler wanted to know.
enum Answer {
    Shape(crate::assemble::Announcement, std::sync::Arc<crate::shape::TableShape>),
    Truncated(Vec<std::sync::Arc<erpbridge_connector::TableSchema>>),
    Nothing,
}

async fn answer(
    relations: &mut Relations<'_>,
    asked: Next,
    place: &Coordinates,
    log_end: Option<&Coordinates>,
    old_images: ReplicaIdentity,
) -> Result<Answer, SourceError> {
    Ok(match asked {
        Next::On => Answer::Nothing,
        Next::Shape(announcement) => {
            let shape = relations.shape(&announcement, place, log_end).await?;
            Answer::Shape(announcement, shape)
        }
        Next::Truncated(names) => {
            Answer::Truncated(relations.schemas(&names, place, old_images).await?)
        }
        Next::Changed(changed) => {
            relations.changed(&changed).await?;
            Answer::Nothing
        }
    })
}

impl Answer {
    fn give(
        self,
        assembler: &mut Assembler,
        located: &Located<'_>,
        old_images: ReplicaIdentity,
        outbox: &mut Outbox,
    ) -> Result<(), SourceError> {
        match self {
            Self::Shape(announcement, shape) => {
                assembler.announce(&announcement, &shape, old_images, outbox)
            }
            Self::Truncated(tables) => assembler.truncate(tables, located, outbox),
            Self::Nothing => Ok(()),
        }
    }
}

/// A log that was reset has files of the same names, begun at another time.
fn same_birth(birth: Option<&Birth>, located: &Located<'_>) -> Result<(), SourceError> {
    let (Some(Birth { file, born }), Event::Format { .. }) = (birth, &located.event) else {
        return Ok(());
    };
    if located.file != file || located.born == Some(*born) {
        return Ok(());
    }
    let message =
        format!("this is not the log of our position: its file `{file}` was begun at another time");
    Err(SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(OTHER_LOG_HINT))
}

/// Where the log stands once this event is durable, and when it did.
fn position_of(event: &SourceEvent) -> Option<(Position, Timestamp)> {
    match event {
        SourceEvent::Changes(batch) => {
            batch.transactions().last().map(|last| (last.resume.clone(), last.committed_at))
        }
        SourceEvent::Progress(progress) => Some((progress.position.clone(), progress.as_of)),
        SourceEvent::Truncated(_) | SourceEvent::SchemaChanged { .. } | SourceEvent::Seeded => None,
    }
}

fn closed(error: erpbridge_connector::Closed) -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "the bridge has taken the queue away")
        .with_cause(error)
}
