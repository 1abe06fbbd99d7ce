//! The log as it comes from the server: I/O only, up to events and their places.
//!
//! `mysql_async` frames the packets and the events. It reads in a task of its own (`reader`), for
//! three reasons: a truncated packet makes the framing panic, which must not take the source with
//! it; a server that freezes says nothing for ever, and silence is watched there without being
//! mistaken for a bridge that does not read; and framing keeps one core busy while another
//! decodes.
//!
//! What the connection is told before it asks for the log:
//!
//! | variable | why |
//! |---|---|
//! | `@mariadb_slave_capability = 4` | without it the server rewrites its own events, and gives up at the first XA transaction |
//! | `@master_heartbeat_period` | an idle log is told from a dead server |
//! | `@slave_uuid` | always the same for a source, so that the server drops a connection of ours that it has not missed yet |
//! | `net_write_timeout` | while the queue to the bridge is full nobody reads, and the server is to wait |

mod reader;

use erpbridge_connector::{SourceError, SourceErrorKind};
use mysql_async::binlog::events::Event as TransportEvent;
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Sid};
use sha2::{Digest, Sha256};

use crate::binlog::{Decoder, Family, Located, Malformed};
use crate::config::MysqlConfig;
use crate::gtid::{GtidSet, IntervalSet, Uuid};
use crate::position::{Coordinates, FIRST_OFFSET};
use crate::session::{connect, server_error};
use reader::Reader;

/// Between two signs of life of an idle server.
pub(crate) const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(2);

/// What a row may weigh beside its cells.
const OVERHEAD: usize = 64 << 10;

/// Where the log is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// At this place.
    At(Coordinates),
    /// Wherever what is not among these transactions begins.
    Without(GtidSet),
}

/// What the log is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To follow it.
    Follow,
    /// To look at what there is, up to its end, beside the connection that follows.
    Look,
}

/// Why nothing more is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is more.
    More,
    /// The log has been read to its end; only for [`Purpose::Look`].
    Ended,
}

/// The log, from some place on.
pub struct LogStream {
    reader: Reader,
    ready: std::vec::IntoIter<TransportEvent>,
    current: Option<TransportEvent>,
    decoder: Decoder,
    /// The file being read, for messages.
    file: String,
    largest_event: usize,
}

impl LogStream {
    /// Connects and asks for the log.
    pub async fn open(
        config: &MysqlConfig,
        entry: &Entry,
        purpose: Purpose,
    ) -> Result<Self, SourceError> {
        let opening =
            tokio::time::timeout(config.connect_timeout, Box::pin(open(config, entry, purpose)));
        let (stream, family) = opening.await.unwrap_or_else(|_| {
            let message = "the server does not answer the request for its log";
            Err(SourceError::new(SourceErrorKind::Connection, message))
        })?;
        let at = match entry {
            Entry::At(at) => Some(at.clone()),
            Entry::Without(_) => None,
        };
        Ok(Self {
            reader: Reader::start(stream, purpose),
            ready: Vec::new().into_iter(),
            current: None,
            decoder: Decoder::new(family, at),
            file: String::new(),
            // An update carries the row twice.
            largest_event: config.max_row_bytes.saturating_mul(2).saturating_add(OVERHEAD),
        })
    }

    /// Where the last event ended.
    pub const fn at(&self) -> &Coordinates {
        self.decoder.at()
    }

    /// Waits for more events. Cancel-safe: what has been received is kept.
    pub async fn fill(&mut self) -> Result<Filled, SourceError> {
        match self.reader.next().await? {
            Some(events) => {
                self.ready = events.into_iter();
                Ok(Filled::More)
            }
            None => Ok(Filled::Ended),
        }
    }

    /// The next event that has been received; none if more must be waited for.
    pub fn event(&mut self) -> Result<Option<Located<'_>>, SourceError> {
        self.current = self.ready.next();
        let Self { current: Some(event), decoder, file, largest_event, .. } = self else {
            return Ok(None);
        };
        if *file != decoder.at().file {
            file.clone_from(&decoder.at().file);
        }
        let (offset, kind) = (decoder.at().offset, event.header().event_type_raw());
        let bytes = event.data().len();
        if bytes > *largest_event {
            return Err(too_large(&Coordinates::new(file.clone(), offset), bytes));
        }
        let located = decoder.packet(event).and_then(|packet| decoder.take(packet));
        located
            .map(Some)
            .map_err(|error| unreadable(&Coordinates::new(file.clone(), offset), kind, error))
    }
}

async fn open(
    config: &MysqlConfig,
    entry: &Entry,
    purpose: Purpose,
) -> Result<(BinlogStream, Family), SourceError> {
    let session = connect(config).await?;
    let family = session.family();
    let mut conn = session.into_conn();
    introduce(config, entry, purpose, &mut conn).await?;
    let number = match purpose {
        Purpose::Follow => config.server_id,
        Purpose::Look => config.second_server_id(),
    };
    let request = BinlogStreamRequest::new(number);
    let request = if purpose == Purpose::Look { request.with_non_blocking() } else { request };
    let request = match entry {
        Entry::At(at) => request.with_filename(at.file.as_bytes()).with_pos(at.offset),
        Entry::Without(GtidSet::MySql(set)) => {
            request.with_gtid().with_gtid_set(sids(set)?).with_pos(FIRST_OFFSET)
        }
        // It has been told by a variable.
        Entry::Without(GtidSet::MariaDb(_)) => request.with_pos(FIRST_OFFSET),
    };
    let stream = conn.get_binlog_stream(request).await;
    Ok((stream.map_err(|error| refused(config, error))?, family))
}

/// Who may log in and not follow the log is told that access is denied, as if the password were
/// wrong.
fn refused(config: &MysqlConfig, error: mysql_async::Error) -> SourceError {
    const ACCESS_DENIED: u16 = 1045;
    match &error {
        mysql_async::Error::Server(told) if told.code == ACCESS_DENIED => {
            let message = format!("`{}` may not follow the log: {}", config.user, told.message);
            SourceError::new(SourceErrorKind::Privilege, message)
                .with_hint(format!("run: GRANT REPLICATION SLAVE ON *.* TO '{}'@'…'", config.user))
        }
        _ => server_error(error, "ask for the log"),
    }
}

/// Tells the server who asks and how; variables it does not know do no harm.
async fn introduce(
    config: &MysqlConfig,
    entry: &Entry,
    purpose: Purpose,
    conn: &mut Conn,
) -> Result<(), SourceError> {
    let (uuid, nanos) = (reader_uuid(config, purpose), HEARTBEAT.as_nanos());
    let place = match entry {
        Entry::Without(gtids @ GtidSet::MariaDb(_)) => {
            format!(", @slave_connect_state = '{gtids}'")
        }
        Entry::Without(GtidSet::MySql(_)) | Entry::At(_) => String::new(),
    };
    let variables = format!(
        "SET SESSION net_write_timeout = 31536000, @mariadb_slave_capability = 4, \
         @slave_uuid = '{uuid}', @replica_uuid = '{uuid}', \
         @master_heartbeat_period = {nanos}, @source_heartbeat_period = {nanos}{place}"
    );
    let told = conn.query_drop(variables).await;
    told.map_err(|error| server_error(error, "prepare the connection for the log"))
}

/// The source's own identifier as a reader of the log; it depends on nothing but its number.
fn reader_uuid(config: &MysqlConfig, purpose: Purpose) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(b"erpbridge reader ");
    hasher.update(config.server_id.to_be_bytes());
    hasher.update([u8::from(purpose == Purpose::Look)]);
    let digest = hasher.finalize();
    let mut uuid = [0; 16];
    uuid.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Uuid(uuid)
}

/// The set as the protocol has it. The transport reads it from text.
fn sids(set: &IntervalSet) -> Result<Vec<Sid<'static>>, SourceError> {
    let sid =
        |(origin, intervals): (&crate::gtid::Origin, &mut dyn Iterator<Item = (u64, u64)>)| {
            let intervals = intervals.map(|(first, last)| format!(":{first}-{last}"));
            let text = format!("{origin}{}", intervals.collect::<String>());
            text.parse::<Sid<'_>>().map_err(|error| {
                let message = format!("the server cannot be asked for what is not in {text}");
                SourceError::new(SourceErrorKind::Setup, message).with_cause(error)
            })
        };
    set.intervals().map(|(origin, mut intervals)| sid((origin, &mut intervals))).collect()
}

fn unreadable(at: &Coordinates, kind: u8, error: Malformed) -> SourceError {
    let message = format!("the event of type {kind} after {at} cannot be read");
    let told = SourceError::new(SourceErrorKind::Decode, message);
    let hint = match &error {
        Malformed::Checksum { .. } => Some(
            "the log is damaged on the server's disk or on the way: look at it with mysqlbinlog \
             --verify-binlog-checksum; if it is, take a new snapshot",
        ),
        Malformed::Unknown(_) | Malformed::Unsupported(_) => Some(
            "this server writes what this version of the bridge does not know: report it, with the \
             server's version",
        ),
        _ => None,
    };
    let told = told.with_cause(error);
    if let Some(hint) = hint { told.with_hint(hint) } else { told }
}

fn too_large(at: &Coordinates, bytes: usize) -> SourceError {
    let message = format!("the event after {at} has {bytes} bytes: a row larger than allowed");
    SourceError::new(SourceErrorKind::TooLarge, message).with_hint("raise max_row_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_transactions_is_asked_for_with_its_tags() {
        let text = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7-7,\
                    3e11fa47-71ca-11e1-9e33-c80aa9429562:erp:2-3";
        let GtidSet::MySql(set) = text.parse().unwrap() else { panic!("not MySQL's") };
        let sids = sids(&set).unwrap();
        let tags: Vec<_> = sids.iter().map(|sid| sid.tag().map(ToString::to_string)).collect();
        assert_eq!(tags, [None, Some("erp".to_owned())]);
        assert_eq!(sids[0].intervals().len(), 2);
    }

    #[test]
    fn a_source_is_always_the_same_reader_and_its_second_connection_another() {
        let config = MysqlConfig::from_url("north", "mysql://u@h").unwrap();
        let uuid = reader_uuid(&config, Purpose::Follow);
        assert_eq!(uuid, reader_uuid(&config.clone(), Purpose::Follow));
        assert_ne!(uuid, reader_uuid(&config, Purpose::Look));
    }
}
