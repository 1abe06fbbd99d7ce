//! What the stream holds, as far as the oracle looks at it.

use serde_json::Value;

use crate::stream::StoredMessage;
use crate::{Failure, Result};

/// One canonical event in the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its place in the stream.
    pub stream_sequence: u64,
    /// Its delivery id, `<source>:<commit order>:<ordinal>:<rule>`.
    pub id: String,
    /// `erpbridge.<family>.<entity>.<event>.v1`.
    pub event_type: String,
    /// The commit order in its id.
    pub commit: String,
    /// The ordinal in its id.
    pub ordinal: u64,
    /// Whether it was made from a snapshot.
    pub snapshot: bool,
    /// The transaction it says it comes from.
    pub transaction: String,
    /// The table it says it comes from, `schema.table`.
    pub table: String,
    /// The key of its entity.
    pub key: String,
    /// Its data.
    pub data: Value,
}

/// The canonical events among the messages, in order; messages without an event id (claims) are
/// passed over. Fails on an event whose id or data lacks what every event has.
pub fn stored_events(messages: &[StoredMessage]) -> Result<Vec<StoredEvent>> {
    messages.iter().filter(|message| message.header("ce-id").is_some()).map(event).collect()
}

fn event(message: &StoredMessage) -> Result<StoredEvent> {
    let data = message.json()?;
    read(message, &data).ok_or_else(|| {
        let id = message.header("ce-id").unwrap_or_default();
        Failure::new(format!(
            "message {} (\"{id}\") is no complete event: {data}",
            message.sequence
        ))
    })
}

fn read(message: &StoredMessage, data: &Value) -> Option<StoredEvent> {
    let id = message.header("ce-id")?;
    let text = |pointer: &str| data.pointer(pointer)?.as_str().map(str::to_owned);
    // A rule's name and a source's name hold no colon.
    let mut parts = id.split(':').skip(1);
    Some(StoredEvent {
        stream_sequence: message.sequence,
        id: id.to_owned(),
        event_type: message.header("ce-type")?.to_owned(),
        commit: parts.next()?.to_owned(),
        ordinal: parts.next()?.parse().ok()?,
        snapshot: message.header("ce-snapshot") == Some("true"),
        transaction: text("/source/transaction")?,
        table: text("/source/table")?,
        key: text("/entity/key")?,
        data: data.clone(),
    })
}
