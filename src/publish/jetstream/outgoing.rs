//! From a stamped event to the headers of a NATS message.
//!
//! This runs once per event, and an event has some fifteen headers. The client's header map is a
//! hash table with two allocations per header; filling it took more than half of all the time
//! spent on a message. So the lines are written into one text, and the map holds a single entry:
//! the first header, whose value goes on with the lines of all others. On the wire it is the same
//! block of `Name: value` lines. The client checks values for line breaks when they are converted
//! from text, not when they are deserialised, and that is the way taken here; each value is
//! checked before it is written.

use std::fmt::{Display, Write as _};

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StringDeserializer};

use crate::canonical::header;
use crate::publish::stamp::Stamped;
use crate::publish::tail::CHANGE_OPEN;
use crate::publish::{PublishError, PublishErrorKind};

const EPOCH: HeaderName = HeaderName::from_static(header::EPOCH);

/// Room for the headers of an ordinary event; more is taken as needed.
const ORDINARY_BYTES: usize = 1024;

/// What all messages of a batch share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// The writer's epoch.
    pub(super) epoch: u64,
    /// Whether messages carry the id by which the server recognises repeats.
    pub(super) with_ids: bool,
}

/// Header lines, the first of which is the epoch's.
#[derive(Debug)]
pub(super) struct Lines(String);

impl Lines {
    /// The headers of an event, as written and as stamped.
    pub(super) fn of(stamped: &Stamped<'_>, shared: Shared) -> Result<Self, PublishError> {
        let mut lines = Self(String::with_capacity(ORDINARY_BYTES));
        write!(lines.0, "{}", shared.epoch).expect("writing to a string");
        for (name, value) in stamped.message.headers() {
            if name != header::MSG_ID || shared.with_ids {
                lines.text(name, value)?;
            }
        }
        if let Some(position) = stamped.position {
            lines.text(header::POSITION, position.as_str())?;
        }
        if stamped.transaction_last {
            lines.add(header::TRANSACTION_LAST, 1);
        }
        if stamped.change_open {
            lines.add(CHANGE_OPEN, 1);
        }
        Ok(lines)
    }

    /// Adds a header whose value has no line break by its type or making.
    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        write!(self.0, "\r\n{name}: {value}").expect("writing to a string");
    }

    fn text(&mut self, name: &str, value: &str) -> Result<(), PublishError> {
        if value.bytes().any(|byte| matches!(byte, b'\r' | b'\n')) {
            let message = format!("cannot write the header \"{name}\": its value has a line break");
            return Err(PublishError::new(PublishErrorKind::Setup, message));
        }
        for part in ["\r\n", name, ": ", value] {
            self.0.push_str(part);
        }
        Ok(())
    }

    /// The map the client wants.
    pub(super) fn into_map(self) -> Result<HeaderMap, PublishError> {
        let text: StringDeserializer<ValueError> = self.0.into_deserializer();
        let value = HeaderValue::deserialize(text).map_err(|error| {
            let message = "cannot hand the headers to the NATS client";
            PublishError::new(PublishErrorKind::Setup, message).with_cause(error)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(EPOCH, value);
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::EventBatch;

    fn lines(value: &str) -> Result<Lines, PublishError> {
        let mut batch = EventBatch::new();
        batch.event(0).header(header::ID, value).header(header::MSG_ID, value);
        let batch = batch.freeze();
        let message = batch.messages().next().unwrap();
        let stamped =
            Stamped { message, position: None, transaction_last: true, change_open: false };
        Lines::of(&stamped, Shared { epoch: 7, with_ids: false })
    }

    #[test]
    fn the_map_holds_every_line() {
        let mut lines = lines("erp1:0A:1:r").unwrap();
        lines.add("Nats-Batch-Sequence", 3);
        let map = lines.into_map().unwrap();
        let value = map.get(header::EPOCH).unwrap().as_str();
        assert_eq!(value, "7\r\nce-id: erp1:0A:1:r\r\nErp-Tx-Last: 1\r\nNats-Batch-Sequence: 3");
    }

    #[test]
    fn a_line_break_in_a_value_is_refused() {
        assert_eq!(lines("x\r\nErp-Epoch: 9").unwrap_err().kind, PublishErrorKind::Setup);
    }
}
