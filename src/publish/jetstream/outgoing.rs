//! From a stamped event to a NATS message.
//!
//! This runs once per event. Names are static, payloads share the batch's memory; what is left is
//! the client's header map, a hash table with one allocation per value.

use std::str::FromStr;

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use crate::canonical::header;
use crate::publish::stamp::Stamped;
use crate::publish::tail::CHANGE_OPEN;
use crate::publish::{PublishError, PublishErrorKind};

const POSITION: HeaderName = HeaderName::from_static(header::POSITION);
const EPOCH: HeaderName = HeaderName::from_static(header::EPOCH);
const LAST: HeaderName = HeaderName::from_static(header::TRANSACTION_LAST);
const OPEN: HeaderName = HeaderName::from_static(CHANGE_OPEN);

/// What all messages of a batch share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The writer's epoch.
    pub(super) epoch: HeaderValue,
    /// Whether messages carry the id by which the server recognises repeats.
    pub(super) with_ids: bool,
}

/// The headers of an event, as written and as stamped.
pub(super) fn headers(stamped: &Stamped<'_>, shared: &Shared) -> Result<HeaderMap, PublishError> {
    let mut headers = HeaderMap::new();
    for (name, value) in stamped.message.headers() {
        if name != header::MSG_ID || shared.with_ids {
            headers.insert(HeaderName::from_static(name), text(name, value)?);
        }
    }
    if let Some(position) = stamped.position {
        headers.insert(POSITION, text(header::POSITION, position.as_str())?);
    }
    headers.insert(EPOCH, shared.epoch.clone());
    if stamped.transaction_last {
        headers.insert(LAST, ONE);
    }
    if stamped.change_open {
        headers.insert(OPEN, ONE);
    }
    Ok(headers)
}

/// The value of a header that only says yes.
pub(super) const ONE: &str = "1";

fn text(name: &str, value: &str) -> Result<HeaderValue, PublishError> {
    HeaderValue::from_str(value).map_err(|_| {
        let message = format!("wrote the header \"{name}\": its value holds a line break");
        PublishError::new(PublishErrorKind::Setup, message)
    })
}
