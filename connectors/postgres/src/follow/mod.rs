//! The loop: read, decode, hand over; and meanwhile keep the server content.
//!
//! One task does all of it, so there is no order to get wrong between two. Whatever it waits for
//! (the next bytes, room in the queue, the catalogue) it waits for beside the clock, the
//! confirmations and the stop, so a blocked bridge never makes the server believe that we are
//! gone, and the queue's bound becomes the TCP window's.
//!
//! It may be told to follow only to a place. What was committed before that place has then been
//! sent, nothing that was committed later, and the bridge need not have confirmed any of it.

use std::collections::VecDeque;

use erpbridge_connector::{
    Position, Sender, SourceContext, SourceError, SourceErrorKind, SourceEvent,
};
use tokio::sync::watch;

use crate::assemble::{Assembler, Outbox};
use crate::feedback::Feedback;
use crate::observer::{Observer, Probe};
use crate::pgoutput::{self, Message};
use crate::position::{Lsn, Places};
use crate::stream::{Connection, Event};

mod line;
mod watermark;

use line::Line;
use watermark::Watermark;

/// Why decoding paused.
enum Pause {
    /// Events wait to be sent.
    Full,
    /// A wanted table is announced; the catalogue must be asked. The message is kept.
    Announced(Vec<u8>),
    /// Nothing more is buffered.
    Quiet,
    /// Everything before the place to follow to has been read.
    Reached,
}

/// Why following ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped.
    Stopped,
    /// Everything that was committed before the place to follow to has been sent.
    Reached,
}

/// Follows the stream of one connection.
pub struct Follower<'a> {
    /// The stream, already started.
    pub connection: Connection,
    /// Makes batches.
    pub assembler: Assembler,
    /// What is told and heard.
    pub feedback: Feedback,
    /// Makes the positions of the progress.
    pub places: Places,
    /// Follow no further than this place of the log.
    pub until: Option<Lsn>,
    /// Answers what announcements leave out.
    pub observer: &'a Observer<'a>,
    /// Where the log ended, and when.
    pub probes: watch::Receiver<Option<Probe>>,
}

impl Follower<'_> {
    /// Follows until stopped or failed, or to the given place.
    pub async fn run(self, context: SourceContext) -> Result<Ended, SourceError> {
        let SourceContext { out, confirmed, stop, status, .. } = context;
        let line = Line::new(self.connection, self.feedback, confirmed, stop, status);
        let watermark = Watermark::new(self.places, self.probes);
        let (assembler, observer, until) = (self.assembler, self.observer, self.until);
        let outbox = VecDeque::new();
        Loop { line, assembler, observer, outbox, watermark, out, until }.run().await
    }
}

struct Loop<'a> {
    line: Line,
    assembler: Assembler,
    observer: &'a Observer<'a>,
    outbox: Outbox,
    watermark: Watermark,
    out: Sender,
    until: Option<Lsn>,
}

impl Loop<'_> {
    /// Whether a stop was asked for must be known before the queue closes: the bridge answers a
    /// closed queue with a stop, and a broken connection would pass for an orderly end.
    async fn run(mut self) -> Result<Ended, SourceError> {
        let ended = self.follow().await;
        let stopped = self.line.stopped();
        let ended = match ended {
            Ok(Ended::Reached) => return self.line.leave().await.map(|()| Ended::Reached),
            Ok(Ended::Stopped) => {
                // The queue must close before the bridge can know that nothing more comes.
                let Self { line, out, .. } = self;
                drop(out);
                line.finish().await
            }
            Err(error) => Err(error),
        };
        match ended {
            Err(error) if stopped => unless_gone(error),
            ended => ended.map(|()| Ended::Stopped),
        }
    }

    async fn follow(&mut self) -> Result<Ended, SourceError> {
        while !self.line.stopped() {
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
            if matches!(pause, Pause::Quiet | Pause::Reached) {
                // Waiting for more would only make what is there late.
                self.assembler.flush(&mut self.outbox);
            }
            self.line.log_end = std::cmp::max(self.line.log_end, self.watermark.log_end());
            self.watermark.progress(&self.assembler, &mut self.outbox);
            self.deliver().await?;
            match pause {
                Pause::Quiet => self.line.wait().await?,
                Pause::Reached if !self.line.stopped() => return Ok(Ended::Reached),
                _ => {}
            }
        }
        Ok(Ended::Stopped)
    }

    /// Decodes what is buffered until there is something to send.
    fn decode(&mut self) -> Result<Pause, SourceError> {
        let Self { line, assembler, outbox, until, .. } = self;
        let Line { connection, feedback, log_end, .. } = line;
        let until = until.unwrap_or(Lsn::END);
        while outbox.is_empty() {
            match connection.event()? {
                None => return Ok(Pause::Quiet),
                Some(Event::Other) => {}
                Some(Event::KeepAlive { wal_end, sent_at, reply_wanted }) => {
                    feedback.heard_time(sent_at, reply_wanted);
                    *log_end = std::cmp::max(*log_end, wal_end);
                    assembler.vouched(std::cmp::min(wal_end, until));
                    if wal_end >= until && assembler.between_transactions() {
                        return Ok(Pause::Reached);
                    }
                }
                Some(Event::Data { sent_at, message: bytes }) => {
                    feedback.heard_time(sent_at, false);
                    match decode(bytes)? {
                        Message::Relation(relation) if assembler.wants(&relation) => {
                            return Ok(Pause::Announced(bytes.to_vec()));
                        }
                        Message::Relation(relation) => assembler.announce(&relation, None, outbox),
                        // Transactions come in the order of their commits.
                        Message::Begin { final_lsn, .. } if final_lsn >= until => {
                            return Ok(Pause::Reached);
                        }
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
                Some(Ok(())) => {}
                Some(Err(error)) if !self.line.stopped() => return Err(closed(error)),
                Some(Err(_)) | None => return Ok(()),
            }
            if let Some(position) = position {
                self.line.feedback.sent(&position);
            }
        }
        Ok(())
    }
}

/// After a stop a server may leave before us. It misses our last confirmation then, and sends those
/// changes once more.
pub(crate) fn unless_gone(error: SourceError) -> Result<Ended, SourceError> {
    if error.kind() != SourceErrorKind::Connection {
        return Err(error);
    }
    tracing::info!(%error, "the server left first");
    Ok(Ended::Stopped)
}

/// Where the log stands once this event is durable.
fn position_of(event: &SourceEvent) -> Option<Position> {
    match event {
        SourceEvent::Changes(batch) => batch.transactions().last().map(|last| last.resume.clone()),
        SourceEvent::Progress(progress) => Some(progress.position.clone()),
        SourceEvent::Truncated(_) | SourceEvent::SchemaChanged { .. } | SourceEvent::Seeded => None,
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

#[cfg(test)]
mod tests;
