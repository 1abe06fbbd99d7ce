//! Claiming a stream: from here on nobody else's message fits.
//!
//! A claim is one message on the control subject that expects the last sequence just read. If it
//! is stored, nothing came in between, so what was read is the truth, and every message another
//! writer has in flight expects a number that is now wrong. The expectation makes it safe, the
//! epoch makes it fair: a writer that finds a higher epoch than its own has been replaced and
//! steps down instead of claiming back.
//!
//! Epochs are taken from the clock (milliseconds) and never go back below one that is known. So
//! none is used twice, even if the stream lost the claims it was once used in: that lets a record
//! from before a shortening be told by its epoch.

use std::cmp;
use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use erpbridge_connector::{Position, Sequence};
use tokio::time::{Instant, sleep};

use super::connect::Link;
use super::memory::Memory;
use super::read_back::{self, End};
use super::refusal::{Refusal, expect};
use super::stream;
use crate::clock;
use crate::publish::{OrderKey, PublishError, PublishErrorKind, Standing, Tail};
use crate::state::{self, OffsetRecord, Resume};

/// How long to try against a writer that goes on writing. Measured: 15 to 458 tries.
const CLAIM_DEADLINE: Duration = Duration::from_secs(15);
/// The longest pause between two tries, in milliseconds.
const PAUSE_MILLIS: u64 = 8;

/// The stream, what is known beside it, and who we are.
pub(super) struct Claim<'c> {
    /// Name of the stream.
    pub(super) stream: &'c str,
    /// Name of the source.
    pub(super) source: &'c str,
    /// What this machine and the bucket remember.
    pub(super) records: Vec<OffsetRecord>,
    /// The epochs tried so far.
    pub(super) memory: &'c Memory,
}

/// A claim that is stored.
#[derive(Debug)]
pub(super) struct Claimed {
    /// For the caller.
    pub(super) standing: Standing,
    /// The newest event's key, if the stream ends inside its row change.
    pub(super) inside: Option<Box<str>>,
    /// The newest transaction that is complete in the stream, if that is known.
    pub(super) complete: Option<Sequence>,
}

impl Claim<'_> {
    /// Reads the stream's end and claims it, as often as another writer comes in between.
    pub(super) async fn make(self, link: &mut Link) -> Result<Claimed, PublishError> {
        let give_up = Instant::now() + CLAIM_DEADLINE;
        loop {
            let end = read_back::end(link, self.stream, self.source).await?;
            self.step_down_if_replaced(&end)?;
            let resume = state::choose(&end.for_choice(), &self.records);
            let epoch = self.next_epoch(&end);
            self.memory.tries(epoch);
            match self.send(link, &end, &resume, epoch).await? {
                Ok(stream_sequence) => return Ok(claimed(end, resume, epoch, stream_sequence)),
                Err(refusal) if Instant::now() >= give_up => {
                    return Err(refusal.into_error(self.what()));
                }
                Err(Refusal::Api(error)) if error.is_wrong_sequence() => pause().await,
                Err(refusal) => return Err(refusal.into_error(self.what())),
            }
        }
    }

    fn what(&self) -> String {
        format!("cannot claim the stream \"{}\"", self.stream)
    }

    fn step_down_if_replaced(&self, end: &End) -> Result<(), PublishError> {
        let found = end.tail.as_ref().map_or(0, |tail| tail.epoch);
        match self.memory.tried() {
            Some(own) if found > own => Err(PublishError::new(
                PublishErrorKind::Fenced,
                format!(
                    "another erpbridge took over the stream \"{}\" (epoch {found}, ours {own})",
                    self.stream
                ),
            )
            .with_hint("run one erpbridge per source; stop the one that is not wanted")),
            _ => Ok(()),
        }
    }

    fn next_epoch(&self, end: &End) -> u64 {
        let recorded = self.records.iter().map(|record| record.epoch);
        let known =
            recorded.chain(end.tail.as_ref().map(|tail| tail.epoch)).chain(self.memory.tried());
        let now = u64::try_from(clock::now().as_micros() / 1000).unwrap_or(0);
        known.fold(now, |epoch, known| cmp::max(epoch, known.saturating_add(1)))
    }

    /// Sends the claim. It repeats what the tail told, with the chosen position.
    async fn send(
        &self,
        link: &mut Link,
        end: &End,
        resume: &Resume,
        epoch: u64,
    ) -> Result<Result<u64, Refusal>, PublishError> {
        let tail = end.tail.clone().unwrap_or_default();
        let headers = headers(&tail, epoch, resume.position.as_ref(), end.last_sequence);
        let subject = stream::control_subject(self.source);
        let deadline = link.deadline();
        let ack = link.publish(&subject, headers, Bytes::new(), deadline).await?;
        Ok(ack.map(|ack| ack.seq))
    }
}

fn headers(tail: &Tail, epoch: u64, position: Option<&Position>, expected: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in tail.repeated(epoch, position) {
        // Read from a header or checked when it was recorded: it has no line break.
        let value = value.replace(['\r', '\n'], " ");
        headers.insert(HeaderName::from_static(name), value.as_str());
    }
    headers.insert(expect::LAST_SEQUENCE, HeaderValue::from(expected));
    headers
}

async fn pause() {
    sleep(Duration::from_millis(rand::random_range(0..=PAUSE_MILLIS))).await;
}

fn claimed(end: End, resume: Resume, epoch: u64, stream_sequence: u64) -> Claimed {
    let tail = end.tail.unwrap_or_default();
    let published = tail.published();
    let ended = published.as_ref().filter(|_| tail.transaction_last);
    let complete = ended.map(|key| key.sequence.clone()).or(resume.complete);
    // Where a record tells of a transaction that is complete, nothing of it need come again.
    let recorded = complete.clone().map(|sequence| OrderKey { sequence, ordinal: u64::MAX });
    Claimed {
        inside: tail.inside(),
        complete,
        standing: Standing {
            resume_after: resume.position,
            published: published.or(recorded),
            epoch,
            stream_sequence,
            shortened_from: resume.shortened_from,
        },
    }
}
