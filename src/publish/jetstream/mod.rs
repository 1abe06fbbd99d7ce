//! The publisher for NATS JetStream: the only code that knows NATS.
//!
//! ```text
//! connect → streams fit? → copy of the offset → read the end → claim → batch, batch, batch …
//!    ↑                                                                        │ any error
//!    └────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! There is one recovery path, and it is the start. Whatever goes wrong, whether a batch was
//! stored is not guessed: the session is thrown away, and the next claim reads it from the stream.
//!
//! Why no event is lost, doubled or out of order:
//!
//! - Every message or batch expects the stream's last sequence, and at most one is in flight. So
//!   it is stored directly behind the one before, or not at all, for ever: no window in time, no
//!   memory of the server is relied on.
//! - The claim expects it too. Once it is stored, nothing that was in flight before can be.
//! - The stream's last message names the position; `publish::stamp` says why it is safe.
//!
//! `Nats-Expected-Last-Msg-Id` is never sent: since 2.14 a single failing check of it can stop a
//! replicated stream for good.

mod batch;
mod check;
mod claim;
mod config;
mod connect;
mod dead_letters;
mod memory;
mod offsets;
mod outgoing;
mod read_back;
mod refusal;
mod stop_and_wait;
mod stream;

use std::cmp;

use erpbridge_connector::{Position, Sequence};
use tokio::time::Instant;

use self::claim::{Claim, Claimed};
use self::connect::Link;
use self::offsets::OffsetCopy;
use self::outgoing::Shared;
use self::refusal::{ApiError, PubAck, Refusal, code};
use self::stream::{Fit, Wanted};
use super::stamp::{self, Plan, Verdict};
use super::{PublishError, PublishErrorKind, Published, Publisher, Standing};
use crate::canonical::{FrozenBatch, Message};
use crate::clock;
use crate::state::{self, OffsetRecord};

pub use check::check;
pub use config::{Credentials, NatsConfig, StreamConfig, Tls};
pub use memory::Memory;

/// The most messages a server takes in one batch.
pub const MAX_BATCH: usize = 1000;

/// Publishes the events of one source to its stream.
#[derive(Debug)]
pub struct JetStreamPublisher {
    config: NatsConfig,
    source: String,
    memory: Memory,
    session: Option<Session>,
}

/// A claimed stream.
#[derive(Debug)]
struct Session {
    link: Link,
    copy: OffsetCopy,
    shared: Shared,
    /// Whether the stream takes batches.
    atomic: bool,
    /// The largest message the server and the stream accept.
    max_message: usize,
    /// The stream's last sequence.
    last: u64,
    /// The position the stream stands at.
    position: Option<Position>,
    /// The newest event's key, if the stream ends inside its row change.
    inside: Option<Box<str>>,
    /// Batches sent under this claim.
    batches: u64,
    /// Set when the server took a message for a repeat of one it does not hold any more.
    mistaken_for_repeat: bool,
}

/// Where a source would go on by what NATS holds of it. Claims nothing.
pub async fn stored_position(
    config: &NatsConfig,
    source: &str,
) -> Result<Option<Position>, PublishError> {
    let mut link = Link::open(config, source).await?;
    let stream = config.stream_name(source);
    let end = read_back::end(&mut link, &stream, source).await?;
    let (_, kept) = OffsetCopy::load(&mut link, &config.bucket, source).await?;
    Ok(state::choose(&end.for_choice(), &kept).position)
}

impl JetStreamPublisher {
    /// The first publisher for `source`. It connects when it claims.
    pub fn new(config: NatsConfig, source: &str) -> Result<Self, PublishError> {
        Self::with_memory(config, source, Memory::default())
    }

    /// A publisher that knows what those before it learned.
    pub fn with_memory(
        config: NatsConfig,
        source: &str,
        memory: Memory,
    ) -> Result<Self, PublishError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if source.is_empty() || !source.bytes().all(valid) {
            return Err(PublishError::new(
                PublishErrorKind::Setup,
                format!("the source name \"{source}\" cannot be a subject token"),
            )
            .with_hint("name the source with letters, digits, `-` and `_` only"));
        }
        let source = source.to_owned();
        Ok(Self { config, source, memory, session: None })
    }

    async fn open(&mut self, local: Option<OffsetRecord>) -> Result<Standing, PublishError> {
        let mut link = Link::open(&self.config, &self.source).await?;
        let fit = self.ensure_streams(&mut link).await?;
        let (mut copy, kept) =
            OffsetCopy::load(&mut link, &self.config.bucket, &self.source).await?;
        let stream = self.config.stream_name(&self.source);
        let claim = Claim {
            stream: &stream,
            source: &self.source,
            records: local.into_iter().chain(kept.clone()).collect(),
            memory: &self.memory,
        };
        let Claimed { standing, inside, complete } = claim.make(&mut link).await?;
        match self.record(&standing, complete) {
            Some(record) => copy.save(&mut link, &record).await?,
            None if kept.is_some() => copy.clear(&mut link).await?,
            None => {}
        }
        let max_payload = link.server().max_payload;
        self.session = Some(Session {
            link,
            copy,
            shared: Shared { epoch: standing.epoch, with_ids: true },
            atomic: fit.atomic,
            max_message: fit.max_message.map_or(max_payload, |own| cmp::min(own, max_payload)),
            last: standing.stream_sequence,
            position: standing.resume_after.clone(),
            inside,
            batches: 0,
            mistaken_for_repeat: false,
        });
        tracing::info!(stream, epoch = standing.epoch, atomic = fit.atomic, "stream claimed");
        Ok(standing)
    }

    async fn ensure_streams(&self, link: &mut Link) -> Result<Fit, PublishError> {
        let (config, source) = (&self.config, &self.source);
        stream::ensure(link, &Wanted::dead_letters(config, source)).await?;
        stream::ensure(link, &Wanted::bucket(config)).await?;
        stream::ensure(link, &Wanted::events(config, source)).await
    }

    /// The record that replaces the one from before the claim. None may outlive it: an old one
    /// could be taken for a new one after the stream was shortened and has grown again.
    fn record(&self, standing: &Standing, complete: Option<Sequence>) -> Option<OffsetRecord> {
        Some(OffsetRecord {
            source: self.source.clone(),
            epoch: standing.epoch,
            stream_sequence: standing.stream_sequence,
            position: standing.resume_after.clone()?,
            sequence: complete,
            recorded_at: clock::now(),
        })
    }

    /// Takes the session for one call. It is put back if the call succeeds; a call that fails or
    /// is dropped half way leaves none, and the next one asks for a claim.
    fn take_session(&mut self) -> Result<Session, PublishError> {
        self.session.take().ok_or_else(|| {
            let message =
                format!("cannot publish for \"{}\": the stream is not claimed", self.source);
            PublishError::new(PublishErrorKind::Conflict, message)
        })
    }
}

impl Publisher for JetStreamPublisher {
    async fn claim(&mut self, local: Option<OffsetRecord>) -> Result<Standing, PublishError> {
        self.session = None;
        Box::pin(self.open(local)).await
    }

    async fn publish(&mut self, batch: &FrozenBatch) -> Result<Published, PublishError> {
        let mut session = self.take_session()?;
        session.shared.with_ids = self.memory.with_ids();
        let published = session.publish(&self.source, batch).await;
        if session.mistaken_for_repeat {
            self.memory.rest_ids(Instant::now() + self.config.stream.duplicate_window);
        }
        let published = published?;
        self.session = Some(session);
        Ok(published)
    }

    async fn keep(&mut self, record: &OffsetRecord) -> Result<(), PublishError> {
        let mut session = self.take_session()?;
        session.copy.save(&mut session.link, record).await?;
        self.session = Some(session);
        Ok(())
    }
}

impl Session {
    async fn publish(
        &mut self,
        source: &str,
        batch: &FrozenBatch,
    ) -> Result<Published, PublishError> {
        if batch.len() > MAX_BATCH {
            let message = format!(
                "cannot store {} events in one batch: {MAX_BATCH} is the most",
                batch.len()
            );
            return Err(PublishError::new(PublishErrorKind::Setup, message));
        }
        stamp::require_settled(batch)?;
        let before = self.position.clone();
        let room = self.max_message.saturating_sub(stamp::stamp_bytes(batch));
        let plan = stamp::plan(batch, before.as_ref(), |message| self.judge(message, room));
        self.store_dead_letters(source, batch, &plan).await?;
        if !plan.messages.is_empty() {
            self.last = self.store_events(&plan).await?;
            self.inside = None;
        }
        self.position = plan.resume.cloned();
        Ok(Published { stream_sequence: self.last, too_large: plan.too_large.len() })
    }

    fn judge(&self, message: &Message<'_>, room: usize) -> Verdict {
        // Full keys sort as bytes in source order.
        let stored = self.inside.as_deref().is_some_and(|end| stamp::sequence(message) <= end);
        if stored {
            Verdict::Stored
        } else if stamp::weight(message) > room {
            Verdict::TooLarge
        } else {
            Verdict::Send
        }
    }

    async fn store_dead_letters(
        &mut self,
        source: &str,
        batch: &FrozenBatch,
        plan: &Plan<'_>,
    ) -> Result<(), PublishError> {
        for letter in &batch.dead_letters {
            dead_letters::store(&mut self.link, source, letter, self.max_message).await?;
        }
        for (message, settled) in &plan.too_large {
            let letter = dead_letters::too_large(message, settled, self.max_message)?;
            dead_letters::store(&mut self.link, source, &letter, self.max_message).await?;
        }
        Ok(())
    }

    /// Stores the events and returns the stream's new last sequence.
    async fn store_events(&mut self, plan: &Plan<'_>) -> Result<u64, PublishError> {
        let (link, shared, messages) = (&mut self.link, self.shared, &plan.messages);
        let answer = if self.atomic {
            self.batches += 1;
            let id = format!("{}-{}", link.name(), self.batches);
            batch::publish(link, messages, shared, self.last, &id).await?
        } else {
            stop_and_wait::publish(link, messages, shared, self.last).await?
        };
        self.mistaken_for_repeat = is_repeat(&answer);
        let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
        let ack =
            answer.map_err(|refusal| refusal.into_error(format!("cannot store {count} events")))?;
        stored_behind(&ack, self.last, count)
    }
}

fn is_repeat(answer: &Result<PubAck, Refusal>) -> bool {
    match answer {
        Ok(ack) => ack.duplicate,
        Err(Refusal::Api(ApiError { err_code, .. })) => *err_code == code::BATCH_DUPLICATE,
        Err(_) => false,
    }
}

/// The answer must say what was expected: `count` messages directly behind `last`.
fn stored_behind(ack: &PubAck, last: u64, count: u64) -> Result<u64, PublishError> {
    if ack.duplicate {
        let message = format!("cannot store {count} events: the server takes them for repeats");
        return Err(PublishError::new(PublishErrorKind::Conflict, message));
    }
    let whole = ack.count.is_none_or(|stored| stored == count);
    if whole && ack.seq == last.saturating_add(count) {
        return Ok(ack.seq);
    }
    Err(PublishError::new(
        PublishErrorKind::Contradiction,
        format!("stored {count} events behind {last}, but the server answered {}", ack.seq),
    )
    .with_hint("check that the stream is neither mirrored nor written by other tools"))
}
