//! The copy of a source's offset beside its stream, in a key-value bucket.
//!
//! It holds what the stream cannot tell: a position beyond its last message. It is written before
//! such a position is confirmed to the database, so whoever starts next, on whatever machine,
//! does not ask the database for what it has already given up. Every write expects the revision
//! read or written before: a writer that was replaced cannot overwrite its successor's record.

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use super::connect::Link;
use super::read_back;
use super::refusal::expect;
use crate::publish::PublishError;
use crate::state::OffsetRecord;

/// Marks the deletion of a key.
const OPERATION: HeaderName = HeaderName::from_static("KV-Operation");

/// One key of the bucket.
#[derive(Debug)]
pub(super) struct OffsetCopy {
    stream: String,
    subject: String,
    revision: u64,
}

impl OffsetCopy {
    /// Reads the record of `source`, if there is one. What cannot be read counts as absent.
    pub(super) async fn load(
        link: &mut Link,
        bucket: &str,
        source: &str,
    ) -> Result<(Self, Option<OffsetRecord>), PublishError> {
        let (stream, subject) = (format!("KV_{bucket}"), format!("$KV.{bucket}.{source}"));
        let stored = read_back::last_on(link, &stream, &subject).await?;
        let revision = stored.as_ref().map_or(0, |stored| stored.sequence);
        let record = stored.filter(|stored| !stored.payload.is_empty()).and_then(|stored| {
            let read = OffsetRecord::from_json(&stored.payload);
            read.inspect_err(|error| tracing::warn!(subject, %error, "offset copy is unreadable"))
                .ok()
        });
        Ok((Self { stream, subject, revision }, record.filter(|record| record.source == source)))
    }

    /// Writes the record, if nobody wrote since.
    pub(super) async fn save(
        &mut self,
        link: &mut Link,
        record: &OffsetRecord,
    ) -> Result<(), PublishError> {
        self.put(link, HeaderMap::new(), record.to_json().into_bytes()).await
    }

    /// Takes the record away: the stream holds nothing it could be true of.
    pub(super) async fn clear(&mut self, link: &mut Link) -> Result<(), PublishError> {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, "DEL");
        self.put(link, headers, Vec::new()).await
    }

    async fn put(
        &mut self,
        link: &mut Link,
        mut headers: HeaderMap,
        payload: Vec<u8>,
    ) -> Result<(), PublishError> {
        headers.insert(expect::LAST_SUBJECT_SEQUENCE, HeaderValue::from(self.revision));
        let deadline = link.deadline();
        let answer = link.publish(&self.subject, headers, payload.into(), deadline).await?;
        let tried =
            || format!("cannot keep the offset in \"{}\" of \"{}\"", self.subject, self.stream);
        let ack = answer.map_err(|refusal| refusal.into_error(tried()))?;
        self.revision = ack.seq;
        Ok(())
    }
}
