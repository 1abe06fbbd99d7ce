//! A record as JSON: the same text in the local store, in the key-value bucket and in an export.

use erpbridge_connector::{Position, Sequence, Timestamp};
use serde::{Deserialize, Serialize};

use super::OffsetRecord;

/// An offset as written: field names are a promise.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    source: String,
    epoch: u64,
    stream_sequence: u64,
    position: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    recorded_at_micros: i64,
}

impl From<&OffsetRecord> for Written {
    fn from(record: &OffsetRecord) -> Self {
        Self {
            source: record.source.clone(),
            epoch: record.epoch,
            stream_sequence: record.stream_sequence,
            position: record.position.to_string(),
            sequence: record.sequence.as_ref().map(ToString::to_string),
            recorded_at_micros: record.recorded_at.as_micros(),
        }
    }
}

impl From<Written> for OffsetRecord {
    fn from(written: Written) -> Self {
        Self {
            source: written.source,
            epoch: written.epoch,
            stream_sequence: written.stream_sequence,
            position: Position::new(written.position),
            sequence: written.sequence.map(Sequence::new),
            recorded_at: Timestamp::from_micros(written.recorded_at_micros),
        }
    }
}

impl OffsetRecord {
    /// The record as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Written::from(self)).expect("a struct of text and numbers is JSON")
    }

    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Written>(text).map(Self::from)
    }
}
