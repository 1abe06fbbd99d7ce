//! Why a log cannot be entered at the stored position, and what to do.

use erpbridge_connector::{SourceError, SourceErrorKind};

use crate::gtid::GtidSet;
use crate::position::{Coordinates, Identity, Server};
use crate::sqlstate::{LOST_HINT, OTHER_LOG_HINT};

fn other_log(message: String) -> SourceError {
    SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(OTHER_LOG_HINT)
}

pub(super) fn nameless() -> SourceError {
    SourceError::new(SourceErrorKind::Decode, "the server does not say which server it is")
}

/// Files before the oldest one are gone.
pub(super) fn purged(place: &Coordinates, oldest: &str) -> SourceError {
    let message = format!(
        "the log after our position {place} is gone: the oldest file the server has is `{oldest}`"
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(LOST_HINT)
}

pub(super) fn purged_there(purged: &GtidSet) -> SourceError {
    let message = format!(
        "the server that has taken over has no log any more of transactions that we have not \
         seen: it has removed that of {purged}"
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(LOST_HINT)
}

pub(super) fn beyond(place: &Coordinates, end: &Coordinates) -> SourceError {
    other_log(format!(
        "our position {place} lies beyond the end of the server's log, {end}: the log was reset or \
         its end was lost in a crash, or the server was restored"
    ))
}

pub(super) fn renamed(place: &Coordinates, end: &Coordinates) -> SourceError {
    other_log(format!(
        "our position {place} is in a log of another name than the server's, which ends at {end}: \
         it was set up anew or log_bin was changed"
    ))
}

pub(super) fn other_transactions(
    place: &Coordinates,
    ours: &GtidSet,
    theirs: &GtidSet,
) -> SourceError {
    other_log(format!(
        "this is not the log of our position: before {place} it has {theirs}, ours had {ours}"
    ))
}

pub(super) fn restored(ours: &GtidSet, theirs: &GtidSet) -> SourceError {
    other_log(format!(
        "the server has lost transactions that we have seen: it has {theirs}, we have {ours}"
    ))
}

pub(super) fn other_server(was: Identity, is: Server, named: bool) -> SourceError {
    let why = if named {
        "it does not name transactions by GTID"
    } else {
        "our position names no transactions by GTID"
    };
    other_log(format!(
        "this is not the server of our position: it is {is}, ours was {}; and {why}, so its log \
         cannot be entered",
        was.server
    ))
}

pub(super) fn behind(
    was: Identity,
    is: Server,
    ours: &GtidSet,
    theirs: Option<&GtidSet>,
) -> SourceError {
    let theirs = theirs.map_or_else(|| "none".to_owned(), ToString::to_string);
    other_log(format!(
        "this is not the server of our position: it is {is}, ours was {}; and it lacks \
         transactions that we have seen: it has {theirs}, we have {ours}",
        was.server
    ))
}

pub(super) fn too_often() -> SourceError {
    let message = "this source has moved from server to server too often to keep its order";
    SourceError::new(SourceErrorKind::IdentityChanged, message)
        .with_hint("remove the stored offsets of this source to begin anew with a snapshot")
}
