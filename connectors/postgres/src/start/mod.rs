//! Where to begin: the stored position against what the server says.
//!
//! The server takes any position. One that is older than what the slot has confirmed is skipped
//! over without a word; one beyond the end of the log is waited for, for ever, and confirming it
//! even moves the slot into the future. So every case in which the two do not fit is found here,
//! before the stream starts, on the very connection that will stream.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind, TablesDone, Timestamp};

use crate::Lsn;
use crate::config::PostgresConfig;
use crate::position::{Identity, LogPosition, Place};
use crate::sql::{identifier, literal};
use crate::stream::{Connection, Row};

/// The first version whose `pgoutput` knows the option `messages`.
const OLDEST_VERSION: u32 = 14;

/// What the server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Whose log this is.
    pub identity: Identity,
    /// Where the log ends.
    pub log_end: Lsn,
    /// When that was asked, by the server's clock.
    pub asked_at: Timestamp,
    /// How long it waits for a sign of life; `None` for ever.
    pub patience: Option<Duration>,
}

/// What the server says of the slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// What it has been told to forget.
    pub confirmed: Lsn,
    /// The server process that reads from it now.
    pub reader: Option<String>,
    /// Why it can no longer be read, if so.
    pub lost: Option<String>,
    /// The plugin and the database, if they are not ours.
    pub foreign: Option<String>,
}

/// How to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Make the slot; snapshot if configured.
    Fresh,
    /// An earlier start got no further than to making its slot: remove what it left, begin afresh.
    Again,
    /// An earlier start did not finish its snapshot: follow the log to now, then read the rest.
    Finish {
        /// Everything before this has been sent.
        after: Lsn,
        /// What the slot has confirmed already.
        confirmed: Lsn,
        /// The tables that have been read.
        done: Option<TablesDone>,
    },
    /// Stream from the slot.
    Resume {
        /// After this.
        after: Lsn,
        /// What the slot has confirmed already.
        confirmed: Lsn,
    },
}

/// Reads what the server says of itself.
pub async fn read_server(connection: &mut Connection) -> Result<Server, SourceError> {
    let system = connection.identify_system().await?;
    let rows = connection.query(SERVER, "ask the server about itself").await?;
    let mut cells = rows.into_iter().flatten().flatten();
    let version: u32 = parse(cells.next())?;
    if version / 10_000 < OLDEST_VERSION {
        return Err(too_old(version));
    }
    let patience = Duration::from_millis(parse(cells.next())?);
    let identity =
        Identity { system: system.id, timeline: system.timeline, database: parse(cells.next())? };
    Ok(Server {
        identity,
        patience: (!patience.is_zero()).then_some(patience),
        asked_at: Timestamp::from_micros(parse(cells.next())?),
        log_end: parse(cells.next())?,
    })
}

/// A standby may have received more than it has replayed.
const SERVER: &str = "
    SELECT pg_catalog.current_setting('server_version_num'),
           (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'),
           (SELECT oid FROM pg_catalog.pg_database
             WHERE datname = pg_catalog.current_database()),
           (extract(epoch FROM pg_catalog.now()) * 1000000)::bigint,
           CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN greatest(pg_catalog.pg_last_wal_receive_lsn(),
                              pg_catalog.pg_last_wal_replay_lsn())
                ELSE pg_catalog.pg_current_wal_lsn() END";

/// Reads what the server says of the slot; `None` if there is none of that name.
pub async fn read_slot(
    connection: &mut Connection,
    slot: &str,
) -> Result<Option<Slot>, SourceError> {
    let sql = format!("{SLOT}{}", literal(slot));
    let rows = connection.query(&sql, &format!("look at the replication slot `{slot}`")).await?;
    rows.into_iter().next().map(read_slot_row).transpose()
}

/// Newer columns are read through JSON, so that one statement serves every version.
const SLOT: &str = "
    SELECT s.confirmed_flush_lsn, s.active_pid,
           CASE WHEN j->>'invalidation_reason' IS NOT NULL THEN j->>'invalidation_reason'
                WHEN j->>'conflicting' = 'true' THEN 'it conflicts with recovery'
                WHEN s.wal_status = 'lost' THEN 'wal_removed' END,
           CASE WHEN s.plugin IS DISTINCT FROM 'pgoutput'
                  OR s.database IS DISTINCT FROM pg_catalog.current_database()
                THEN pg_catalog.format('plugin %s, database %s', s.plugin, s.database) END
    FROM pg_catalog.pg_replication_slots s
    CROSS JOIN LATERAL pg_catalog.to_jsonb(s) j
    WHERE s.slot_name = ";

fn read_slot_row(row: Row) -> Result<Slot, SourceError> {
    let mut cells = row.into_iter();
    let confirmed = match cells.next().flatten() {
        Some(lsn) => parse(Some(lsn))?,
        None => Lsn::ZERO,
    };
    let mut cell = || cells.next().flatten();
    Ok(Slot { confirmed, reader: cell(), lost: cell(), foreign: cell() })
}

/// The publication must be there before the slot: the slot reads the log with the catalogue as it
/// was at each moment, and would fail at the first row for ever.
pub async fn require_publication(
    connection: &mut Connection,
    config: &PostgresConfig,
) -> Result<(), SourceError> {
    let name = &config.publication;
    let sql = format!("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = {}", literal(name));
    let rows = connection.query(&sql, &format!("look for the publication `{name}`")).await?;
    if !rows.is_empty() {
        return Ok(());
    }
    let message = format!("publication `{name}` does not exist in database `{}`", config.database);
    Err(SourceError::new(SourceErrorKind::Setup, message).with_hint(format!(
        "run: CREATE PUBLICATION {} FOR TABLE …; and if the slot `{slot}` is there already and \
         nothing has been read from it, drop it as well, because it was made before the \
         publication: SELECT pg_drop_replication_slot({})",
        identifier(name),
        literal(&config.slot),
        slot = config.slot,
    )))
}

/// Where the server left our timeline, if its history knows it.
pub async fn read_switch(
    connection: &mut Connection,
    server: &Server,
    resume: Option<&LogPosition>,
) -> Result<Option<Lsn>, SourceError> {
    let Some(stored) = resume.and_then(|position| position.identity) else { return Ok(None) };
    let current = server.identity.timeline;
    if stored.timeline == current || current < 2 {
        return Ok(None);
    }
    let history = connection.timeline_history(current).await?;
    Ok(switch_point(&history, stored.timeline))
}

/// A line of the history is `timeline TAB place of the switch TAB reason`.
fn switch_point(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let of = fields.next()?.parse::<u32>().ok()?;
        if of == timeline { fields.next()?.parse().ok() } else { None }
    })
}

/// Decides how to begin.
pub fn decide(
    config: &PostgresConfig,
    resume: Option<LogPosition>,
    server: &Server,
    switch: Option<Lsn>,
    slot: Option<&Slot>,
) -> Result<Start, SourceError> {
    if let Some(slot) = slot {
        usable(config, slot)?;
    }
    if let Some(position) = &resume {
        same_log(position, &server.identity, switch)?;
    }
    let Some(place) = resume.map(|position| position.place) else {
        return if slot.is_none() { Ok(Start::Fresh) } else { Err(slot_of_somebody(config)) };
    };
    let after = place.lsn();
    if after == Lsn::ZERO && matches!(place, Place::Snapshot(..)) {
        return Ok(Start::Again);
    }
    let slot = slot.ok_or_else(|| slot_gone(config, after))?;
    if slot.lost.is_some() {
        return Err(lost(config, slot, Some(after)));
    }
    between(config, after, slot, server)?;
    let confirmed = slot.confirmed;
    Ok(match place {
        Place::Streaming(_) => Start::Resume { after, confirmed },
        Place::Snapshot(_, done) => Start::Finish { after, confirmed, done },
    })
}

/// The position must lie between what the slot has forgotten and where the log ends.
fn between(
    config: &PostgresConfig,
    after: Lsn,
    slot: &Slot,
    server: &Server,
) -> Result<(), SourceError> {
    if after < slot.confirmed {
        return Err(gap(config, after, slot.confirmed));
    }
    if after > server.log_end {
        return Err(beyond(after, server.log_end));
    }
    Ok(())
}

fn usable(config: &PostgresConfig, slot: &Slot) -> Result<(), SourceError> {
    let name = &config.slot;
    if let Some(foreign) = &slot.foreign {
        let message = format!("replication slot `{name}` is not ours: {foreign}");
        return Err(SourceError::new(SourceErrorKind::Setup, message)
            .with_hint("configure a slot name that nobody else uses"));
    }
    if let Some(reader) = &slot.reader {
        let message = format!("replication slot `{name}` is being read by process {reader}");
        return Err(SourceError::new(SourceErrorKind::Busy, message).with_hint(format!(
            "look in pg_stat_activity who process {reader} is: a second bridge, or a connection \
             of ours that the server has not yet given up"
        )));
    }
    Ok(())
}

fn same_log(
    position: &LogPosition,
    server: &Identity,
    switch: Option<Lsn>,
) -> Result<(), SourceError> {
    let Some(stored) = position.identity else { return Ok(()) };
    let (what, was, is) = if stored.system != server.system {
        ("system identifier", stored.system, server.system)
    } else if stored.database != server.database {
        ("database oid", u64::from(stored.database), u64::from(server.database))
    } else if stored.timeline == server.timeline || before_switch(position, switch) {
        return Ok(());
    } else {
        ("timeline", u64::from(stored.timeline), u64::from(server.timeline))
    };
    let message =
        format!("this is not the database of our position: its {what} is {is}, ours was {was}");
    Err(SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(
        "connect to the database the position comes from; if it was replaced, restored or failed \
         over for good, drop our slot there, remove the stored offsets of this source and start \
         with a new snapshot",
    ))
}

/// Whether the server's history shares everything up to our position with us.
fn before_switch(position: &LogPosition, switch: Option<Lsn>) -> bool {
    switch.is_some_and(|switch| position.place.lsn() <= switch)
}

fn begin_anew(config: &PostgresConfig) -> String {
    format!(
        "to begin anew with a snapshot, remove the stored offsets of this source and run: SELECT \
         pg_drop_replication_slot({})",
        literal(&config.slot)
    )
}

fn slot_of_somebody(config: &PostgresConfig) -> SourceError {
    let message = format!(
        "replication slot `{}` exists, but no position is stored for this source",
        config.slot
    );
    SourceError::new(SourceErrorKind::Setup, message).with_hint(format!(
        "if the offsets were lost, import them; if the slot belongs to somebody else, configure \
         another name; if it is left over, run: SELECT pg_drop_replication_slot({})",
        literal(&config.slot)
    ))
}

fn slot_gone(config: &PostgresConfig, after: Lsn) -> SourceError {
    let message = format!(
        "replication slot `{}` does not exist, but a position ({after}) is stored",
        config.slot
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(
        "changes since that position cannot be read any more: remove the stored offsets of this \
         source to begin anew with a snapshot",
    )
}

/// The slot can no longer be read.
pub fn lost(config: &PostgresConfig, slot: &Slot, after: Option<Lsn>) -> SourceError {
    let why = slot.lost.as_deref().unwrap_or("unknown");
    let place = after.map(|after| format!(" after {after}")).unwrap_or_default();
    let message = format!(
        "the server has given up replication slot `{}` ({why}): the log{place} is gone",
        config.slot
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(format!(
        "{}; and raise max_slot_wal_keep_size, so that a longer pause is survived",
        begin_anew(config)
    ))
}

fn gap(config: &PostgresConfig, after: Lsn, confirmed: Lsn) -> SourceError {
    let message = format!(
        "our position {after} is older than {confirmed}, which slot `{}` has confirmed: the \
         server would skip what lies between",
        config.slot
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(format!(
        "if newer offsets of this source exist, import them; {}",
        begin_anew(config)
    ))
}

fn beyond(after: Lsn, log_end: Lsn) -> SourceError {
    let message =
        format!("our position {after} lies beyond the end of the server's log, {log_end}");
    SourceError::new(SourceErrorKind::IdentityChanged, message).with_hint(
        "this is another server, or one restored from a backup older than our position: connect \
         to the right one, or drop the slot, remove the stored offsets and begin anew with a \
         snapshot",
    )
}

fn too_old(version: u32) -> SourceError {
    let message =
        format!("the server is PostgreSQL {}; {OLDEST_VERSION} is needed", version / 10_000);
    SourceError::new(SourceErrorKind::Setup, message).with_hint("upgrade the server")
}

fn parse<T: std::str::FromStr>(text: Option<String>) -> Result<T, SourceError> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        SourceError::new(SourceErrorKind::Decode, "the server's answer about itself makes no sense")
    })
}

#[cfg(test)]
mod tests;
