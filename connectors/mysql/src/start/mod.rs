//! Where to begin: the stored position against what the server says.
//!
//! The server checks little. A file of our name may be another one, begun after the log was reset;
//! an offset beyond the end is refused only by some versions; and a server that was restored from
//! a backup gives out a log that looks like ours and lacks what we have sent already. So every case
//! in which the two do not fit is found here, before the log is asked for, or with its first event
//! (see [`Birth`](crate::follow::Birth)).
//!
//! **Another server** is followed only if both name transactions by GTID, it has all that we know,
//! and it still has the log of all that we do not. Its files are numbered anew, so the
//! [`era`](Identity::era) moves on, and with it the order of transactions stays a growing one.

mod refusal;

use erpbridge_connector::{ReplicaIdentity, SourceError, TablesDone};

use crate::binlog::Family;
use crate::catalog::{self, LogEnd};
use crate::gtid::GtidSet;
use crate::position::{Coordinates, Identity, LogPosition, Place, Reached};
use crate::relations::enterable;
use crate::retention::{self, LogFile};
use crate::session::Session;
use crate::stream::Entry;
use crate::{assemble, position};

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) family: Family,
    /// Which server it is.
    pub(crate) id: position::Server,
    /// Where its log ends, and which transactions are before that.
    pub(crate) log: LogEnd,
    /// The files of its log, oldest first.
    pub(crate) files: Vec<LogFile>,
    /// Whether it can be asked for the log by transactions.
    pub(crate) by_gtid: bool,
    /// The transactions of which it has no log any more (`MySQL`).
    pub(crate) purged: Option<GtidSet>,
    /// The transactions before the stored place, as this server has them there (`MariaDB`).
    pub(crate) there: Option<GtidSet>,
    /// What old images carry.
    pub(crate) old_images: ReplicaIdentity,
}

/// How to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing has been done: snapshot if configured.
    Fresh,
    /// An earlier start did not finish its snapshot: follow the log to now, then read the rest.
    Finish(Route, Option<TablesDone>),
    /// Follow the log.
    Resume(Route),
}

/// How the log is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Everything before this has been sent.
    pub(crate) reached: Reached,
    /// Where to read.
    pub(crate) entry: Entry,
    /// What of that is known.
    pub(crate) known: assemble::Known,
    /// Whose log it is.
    pub(crate) identity: Identity,
}

impl Route {
    /// After a place of this very log.
    pub(crate) fn along(reached: Reached, identity: Identity) -> Self {
        let entry = enterable(reached.read_from());
        let known = if entry == reached.at {
            assemble::Known::Nothing
        } else {
            assemble::Known::Before(reached.at.clone())
        };
        Self { reached, entry: Entry::At(entry), known, identity }
    }
}

const SETTINGS: &[&str] =
    &["server_uuid", "server_id", "gtid_mode", "gtid_purged", "gtid_binlog_pos"];

/// Asks the server about itself, and about the stored place.
pub(crate) async fn read_server(
    session: &mut Session,
    resume: Option<&LogPosition>,
) -> Result<Server, SourceError> {
    let settings = catalog::variables(session, SETTINGS).await?;
    let setting = |name: &str| settings.get(name).map(String::as_str).filter(|v| !v.is_empty());
    let set = |name: &str| setting(name).and_then(|text| text.replace('\n', "").parse().ok());
    let family = session.family();
    let id = setting("server_uuid")
        .or_else(|| setting("server_id"))
        .and_then(|id| id.parse().ok())
        .ok_or_else(refusal::nameless)?;
    let mut log = catalog::log_end(session).await?;
    if family == Family::MariaDb {
        log.gtids = set("gtid_binlog_pos");
    }
    Ok(Server {
        family,
        id,
        by_gtid: family == Family::MariaDb || setting("gtid_mode") == Some("ON"),
        purged: set("gtid_purged"),
        files: retention::files(session).await?,
        there: there(session, &log, resume).await?,
        log,
        old_images: catalog::identity(session).await?,
    })
}

/// Which transactions this server has before the stored place. A place it does not have is found
/// out elsewhere.
async fn there(
    session: &mut Session,
    log: &LogEnd,
    resume: Option<&LogPosition>,
) -> Result<Option<GtidSet>, SourceError> {
    let reached = resume.and_then(|position| position.place.reached());
    let Some(reached) = reached.filter(|reached| reached.gtids.is_some()) else { return Ok(None) };
    if session.family() != Family::MariaDb || reached.at.order(&log.at).is_gt() {
        return Ok(None);
    }
    catalog::gtids_before(session, &reached.at).await
}

/// Decides how to begin.
pub(crate) fn decide(resume: Option<LogPosition>, server: &Server) -> Result<Start, SourceError> {
    let Some(LogPosition { place, identity }) = resume else { return Ok(Start::Fresh) };
    let (reached, unfinished) = match place {
        Place::Snapshot(None, _) => return Ok(Start::Fresh),
        Place::Snapshot(Some(reached), done) => (reached, Some(done)),
        Place::Streaming(reached) => (reached, None),
    };
    let identity = identity.unwrap_or(Identity { server: server.id, era: 0 });
    let route = if identity.server == server.id {
        same_log(&reached, server)?;
        Route::along(reached, identity)
    } else {
        elsewhere(reached, identity, server)?
    };
    Ok(match unfinished {
        Some(done) => Start::Finish(route, done),
        None => Start::Resume(route),
    })
}

/// The place must lie in what is left of the log, and the log must be the one it lies in.
fn same_log(reached: &Reached, server: &Server) -> Result<(), SourceError> {
    let from = reached.read_from();
    within(from, server)?;
    within(&reached.at, server)?;
    if let (Some(ours), Some(theirs)) = (&reached.gtids, &server.there)
        && ours != theirs
    {
        return Err(refusal::other_transactions(&reached.at, ours, theirs));
    }
    if server.family == Family::MySql
        && let (Some(ours), Some(theirs)) = (&reached.gtids, &server.log.gtids)
        && !theirs.covers(ours)
    {
        return Err(refusal::restored(ours, theirs));
    }
    Ok(())
}

fn within(place: &Coordinates, server: &Server) -> Result<(), SourceError> {
    let end = &server.log.at;
    if let Some(file) = server.files.iter().find(|file| file.name == place.file) {
        let size = if file.name == end.file { end.offset } else { file.bytes };
        return if place.offset <= size { Ok(()) } else { Err(refusal::beyond(place, end)) };
    }
    let base = |file: &str| file.rsplit_once('.').map_or("", |(base, _)| base).to_owned();
    if base(&place.file) != base(&end.file) {
        return Err(refusal::renamed(place, end));
    }
    if place.order(end).is_gt() {
        return Err(refusal::beyond(place, end));
    }
    let oldest = server.files.first().map_or("none", |file| &file.name);
    Err(refusal::purged(place, oldest))
}

/// The way into another server's log: by the transactions that are known.
fn elsewhere(reached: Reached, was: Identity, server: &Server) -> Result<Route, SourceError> {
    let Some(ours) = reached.read_after().filter(|_| server.by_gtid) else {
        return Err(refusal::other_server(was, server.id, reached.gtids.is_some()));
    };
    let all = reached.gtids.clone().unwrap_or_else(|| ours.clone());
    match &server.log.gtids {
        Some(theirs) if theirs.covers(&all) => {}
        theirs => return Err(refusal::behind(was, server.id, &all, theirs.as_ref())),
    }
    if let Some(purged) = server.purged.as_ref().filter(|purged| !ours.covers(purged)) {
        return Err(refusal::purged_there(purged));
    }
    let era = was.era.checked_add(1).ok_or_else(refusal::too_often)?;
    tracing::warn!(from = %was.server, to = %server.id, "another server has taken over");
    Ok(Route {
        reached,
        entry: Entry::Without(ours),
        known: assemble::Known::These(all),
        identity: Identity { server: server.id, era },
    })
}

#[cfg(test)]
mod tests;
