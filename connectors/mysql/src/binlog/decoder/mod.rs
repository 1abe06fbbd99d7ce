//! From packets to events, each with its place in the log.
//!
//! **Where an event stands.** An event says where it ends, but not always: `MariaDB` 11 leaves it
//! out inside transactions, a compressed transaction's events have no place of their own, the
//! dump thread makes up events that stand in no file, and beyond 4 GiB the number starts anew. So
//! the place is kept here and only corrected by what events say. A transaction's first event says
//! it on every server, so every start and every end is exact.
//!
//! **Which file it is.** The first rotation of a connection is made up too, and `MariaDB` sends it
//! with four bytes of checksum behind the name, although it has not announced any. If a file was
//! asked for, its name is known; otherwise those four bytes are cut off.

use mysql_common::binlog::events::Event as TransportEvent;

use super::bytes::{self, Bytes};
use super::packet::{Checksum, Packet};
use super::rows::{self, Rows};
use super::{Event, Family, Header, Malformed, Query, TableMap, inflate, kind, query, start};
use crate::position::{Coordinates, FIRST_OFFSET};

/// Events that mean nothing to us, though they may not be passed over by who does not know them.
const NOTHING: [u8; 16] = [
    kind::START_V3,
    kind::STOP,
    kind::INTVAR,
    kind::APPEND_BLOCK,
    kind::DELETE_FILE,
    kind::RAND,
    kind::USER_VAR,
    kind::BEGIN_LOAD_QUERY,
    kind::IGNORABLE,
    kind::ROWS_QUERY,
    kind::TRANSACTION_CONTEXT,
    kind::VIEW_CHANGE,
    kind::ANNOTATE_ROWS,
    kind::BINLOG_CHECKPOINT,
    kind::HEARTBEAT_V2,
    kind::START_ENCRYPTION,
];

/// The farthest one event may lie behind another: what the server leaves out in between is never
/// more than one packet.
const FARTHEST: u64 = 2 << 30;

/// An event and its place.
#[derive(Debug)]
pub struct Located<'a> {
    /// The header.
    pub header: Header,
    /// The file it stands in; none as long as the server has not named one.
    pub file: &'a str,
    /// When that file was begun, in seconds since 1970 by the server's clock.
    pub born: Option<u32>,
    /// Where it begins.
    pub begins: u64,
    /// Where it ends.
    pub ends: u64,
    /// The event.
    pub event: Event<'a>,
}

/// Reads the events of one connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    family: Family,
    at: Coordinates,
    born: Option<u32>,
    checksum: Checksum,
    payload: Option<Payload>,
    inflated: Vec<u8>,
}

/// A compressed transaction whose events are coming.
#[derive(Clone, Copy, Debug)]
struct Payload {
    expected: u64,
    found: u64,
}

impl Decoder {
    /// Begins at a place; without one, in the file that the server names first.
    pub fn new(family: Family, at: Option<Coordinates>) -> Self {
        Self {
            family,
            at: at.unwrap_or_else(|| Coordinates::new("", FIRST_OFFSET)),
            born: None,
            checksum: Checksum::Unknown,
            payload: None,
            inflated: Vec::new(),
        }
    }

    /// Where the last event ended. Its file has no name until the server has told it.
    pub const fn at(&self) -> &Coordinates {
        &self.at
    }

    /// When the file was begun, in seconds since 1970 by the server's clock.
    pub const fn born(&self) -> Option<u32> {
        self.born
    }

    /// Checks an event that the transport has framed.
    pub fn packet<'e>(&self, event: &'e TransportEvent) -> Result<Packet<'e>, Malformed> {
        Packet::of(event, self.payload.is_some())
    }

    /// Checks an event as it stands in a file.
    pub fn packet_of_bytes<'e>(&self, bytes: &'e [u8]) -> Result<Packet<'e>, Malformed> {
        let checksum = if self.payload.is_some() { Checksum::None } else { self.checksum };
        Packet::from_bytes(bytes, checksum)
    }

    /// Reads an event.
    pub fn take<'d>(&'d mut self, packet: Packet<'d>) -> Result<Located<'d>, Malformed> {
        let Packet { header, body, checksum } = packet;
        let inside = self.payload.is_some();
        self.count_payload(&header)?;
        if header.kind == kind::FORMAT {
            self.checksum = checksum;
        }
        let mut begins = if inside { self.at.offset } else { self.advance(&header)? };
        self.pass_on(&header, body)?;
        if header.kind == kind::ROTATE {
            begins = self.at.offset;
        }
        let (file, ends) = (self.at.file.as_str(), self.at.offset);
        let event = event(&header, body, &self.inflated)?;
        Ok(Located { header, file, born: self.born, begins, ends, event })
    }

    /// Takes note of an event of a compressed transaction. The transport drops what it cannot
    /// inflate without a word, so the transaction must come in its whole length.
    fn count_payload(&mut self, header: &Header) -> Result<(), Malformed> {
        let Some(Payload { expected, found }) = self.payload else { return Ok(()) };
        let found = found + u64::from(header.size);
        let outside = matches!(
            header.kind,
            kind::TRANSACTION_PAYLOAD
                | kind::GTID
                | kind::GTID_TAGGED
                | kind::ANONYMOUS_GTID
                | kind::ROTATE
                | kind::FORMAT
                | kind::HEARTBEAT
        );
        if outside || found > expected {
            return Err(Malformed::Payload { expected, found });
        }
        self.payload = (found < expected).then_some(Payload { expected, found });
        Ok(())
    }

    /// Moves the place behind the event and returns where the event begins.
    fn advance(&mut self, header: &Header) -> Result<u64, Malformed> {
        let at = self.at.offset;
        // The event that says how a file is laid out comes again where reading begins inside it.
        let repeated = header.kind == kind::FORMAT && at > FIRST_OFFSET;
        let made_up = header.artificial() || header.kind == kind::ROTATE && header.timestamp == 0;
        if repeated || made_up {
            return Ok(at);
        }
        if header.log_pos == 0 {
            if !matches!(header.kind, kind::FORMAT | kind::HEARTBEAT) {
                self.at.offset = at.saturating_add(u64::from(header.size));
            }
            return Ok(at);
        }
        let end = widened(header.log_pos, at);
        if end.saturating_sub(at) > FARTHEST {
            return Err(Malformed::Place { end, at });
        }
        self.at.offset = end;
        if header.kind == kind::HEARTBEAT {
            return Ok(end);
        }
        Ok(std::cmp::max(at, end.saturating_sub(u64::from(header.size))))
    }

    /// Takes note of what an event says of those after it, and inflates what is compressed.
    fn pass_on(&mut self, header: &Header, body: &[u8]) -> Result<(), Malformed> {
        match header.kind {
            kind::FORMAT => self.born = Some(header.timestamp),
            kind::ROTATE => self.rotate(header, body)?,
            kind::TRANSACTION_PAYLOAD => self.begin_payload(body)?,
            kind::QUERY_COMPRESSED => {
                inflate::inflate(query::read(body)?.text, &mut self.inflated)?;
            }
            _ => {
                if let Some((change, extended, true)) = rows::sort(header.kind) {
                    let rows = Rows::read(body, change, extended)?.rows;
                    inflate::inflate(rows, &mut self.inflated)?;
                }
            }
        }
        Ok(())
    }

    fn rotate(&mut self, header: &Header, body: &[u8]) -> Result<(), Malformed> {
        let mut bytes = Bytes(body);
        let offset = bytes.u64()?;
        let first = self.at.file.is_empty();
        let made_up = header.artificial() || header.timestamp == 0;
        let file = match self.checksum {
            // Nothing has been read: the file is the one that was asked for.
            Checksum::Unknown if !first => self.at.file.clone(),
            Checksum::Unknown if self.family == Family::MariaDb => {
                let name = bytes.0.split_last_chunk::<4>().ok_or(Malformed::Short)?.0;
                bytes::name(name)?.to_owned()
            }
            _ => self.next_file(bytes.0)?,
        };
        if file != self.at.file {
            self.at = Coordinates::new(file, offset);
            self.born = None;
        } else if made_up && self.at.offset < offset {
            self.at.offset = offset;
        }
        Ok(())
    }

    /// The name of the file that follows. Where a server closed no file because it died, the name
    /// comes in an event that was made up, and may have garbage behind it.
    fn next_file(&self, name: &[u8]) -> Result<String, Malformed> {
        let known = |known: &str| name.starts_with(known.as_bytes()).then(|| known.to_owned());
        let file = known(&self.at.file).filter(|_| !self.at.file.is_empty());
        let next = || self.at.successor().and_then(|next| known(&next));
        match next().or(file) {
            Some(file) => Ok(file),
            None => Ok(bytes::name(name)?.to_owned()),
        }
    }

    fn begin_payload(&mut self, body: &[u8]) -> Result<(), Malformed> {
        const END: u64 = 0;
        const UNCOMPRESSED_SIZE: u64 = 3;
        let mut bytes = Bytes(body);
        let mut expected = None;
        loop {
            let field = bytes.packed()?;
            if field == END {
                break;
            }
            let value = bytes.packed_bytes()?;
            if field == UNCOMPRESSED_SIZE {
                expected = Some(Bytes(value).packed()?);
            }
        }
        let expected = expected.ok_or(Malformed::Compression)?;
        self.payload = (expected > 0).then_some(Payload { expected, found: 0 });
        Ok(())
    }
}

/// Reads an event; what it holds compressed has been inflated.
fn event<'d>(header: &Header, body: &'d [u8], inflated: &'d [u8]) -> Result<Event<'d>, Malformed> {
    if let Some((change, extended, compressed)) = rows::sort(header.kind) {
        let rows = Rows::read(body, change, extended)?;
        return Ok(Event::Rows(if compressed { Rows { rows: inflated, ..rows } } else { rows }));
    }
    Ok(match header.kind {
        kind::FORMAT => Event::Format { version: version(body)? },
        kind::ROTATE => Event::Rotate,
        kind::TRANSACTION_PAYLOAD => Event::Payload,
        kind::QUERY => Event::Query(query::read(body)?),
        kind::QUERY_COMPRESSED => Event::Query(Query { text: inflated, ..query::read(body)? }),
        kind::EXECUTE_LOAD_QUERY => Event::Query(query::read_load(body)?),
        kind::TABLE_MAP => Event::TableMap(TableMap::read(body)?),
        kind::XID => Event::Commit,
        kind::XA_PREPARE => {
            let (xid, one_phase) = start::xa_prepare(body)?;
            Event::XaPrepare { xid, one_phase }
        }
        kind::GTID | kind::ANONYMOUS_GTID => Event::Start(start::mysql(body, header.kind)?),
        kind::GTID_TAGGED => Event::Start(start::mysql_tagged(body)?),
        kind::MARIADB_GTID => Event::Start(start::mariadb(body, header.server_id)?),
        kind::PREVIOUS_GTIDS => Event::Before(start::previous(body)?),
        kind::MARIADB_GTID_LIST => Event::Before(start::list(body)?),
        kind::HEARTBEAT => Event::Heartbeat,
        kind::INCIDENT => Event::Incident,
        known if NOTHING.contains(&known) => Event::Other,
        _ if header.flags & Header::IGNORABLE != 0 => Event::Other,
        unknown => return Err(Malformed::Unknown(unknown)),
    })
}

fn version(body: &[u8]) -> Result<&str, Malformed> {
    let mut bytes = Bytes(body);
    let _layout = bytes.u16()?;
    let version = bytes.take(50)?;
    bytes::name(version.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// A place of which an event tells the lower half, not before `at`.
fn widened(log_pos: u32, at: u64) -> u64 {
    const HIGHER: u64 = !0xFFFF_FFFF;
    let end = (at & HIGHER) | u64::from(log_pos);
    if end < at { end.saturating_add(1 << 32) } else { end }
}

#[cfg(test)]
mod tests;
