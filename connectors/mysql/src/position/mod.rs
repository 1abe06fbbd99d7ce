//! Places in the binary log, and the position this connector stores downstream.
//!
//! A position is stored as text and comes back perhaps months later, perhaps against another
//! server. So it carries whose log it counts in, and by which transactions another server's log
//! can be entered at the same place:
//!
//! | text | meaning |
//! |---|---|
//! | `mysql-bin.000012:4711;server=8a94…;era=0;born=1700000000;gtid=8a94…:1-99` | everything before this place has been sent: the end of a transaction, or a place the server vouched for while idle |
//! | `snapshot:mysql-bin.000012:4711;…` | everything before this place has been sent, but the tables have not been read |
//! | `snapshot:mysql-bin.000012:4711;done=…;…` | the same, and of the tables only these have been read |
//! | `snapshot:none;server=…` | a snapshot is about to be made |
//!
//! `server` is `@@server_uuid`, or `@@server_id` where there is none (`MariaDB`, `MySQL` before
//! 5.6). `era` counts how often the position has moved to the log of another server. `born` is
//! when the file was begun: a log that was reset has files of the same name and another birth.
//! `gtid` names the transactions before the place. `xa` names the transactions that were prepared
//! before the place and not ended: their rows have not been sent and must be read again.

use std::fmt;
use std::str::FromStr;

use erpbridge_connector::{Position, Sequence, TablesDone};

use crate::gtid::{Gtid, GtidSet, Uuid};

/// The offset of the first event of a file.
pub const FIRST_OFFSET: u64 = 4;

/// A file of the log and an offset into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// The file's name without its folder.
    pub file: String,
    /// Where an event ends or the next begins. Beyond 4 GiB the events themselves tell only its
    /// lower 32 bits; this is the whole.
    pub offset: u64,
}

impl Coordinates {
    /// A place in a file.
    pub fn new(file: impl Into<String>, offset: u64) -> Self {
        Self { file: file.into(), offset }
    }

    /// The number at the end of the file's name; files are written in its order.
    pub fn file_number(&self) -> u64 {
        let digits = self.file.bytes().rev().take_while(u8::is_ascii_digit).count();
        let number = self.file.get(self.file.len() - digits..).and_then(|text| text.parse().ok());
        number.unwrap_or(u64::MAX)
    }

    /// The name of the file after this one; none if the name does not end with a number.
    pub fn successor(&self) -> Option<String> {
        let number = self.file_number().checked_add(1)?;
        let (base, digits) = self.file.rsplit_once('.')?;
        Some(format!("{base}.{number:0width$}", width = digits.len()))
    }

    /// Orders two places of one log.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.file_number(), self.offset).cmp(&(other.file_number(), other.offset))
    }

    /// The commit order of a transaction that begins here: 4 digits for the era, 8 for the file,
    /// 12 for the offset, so that comparing the text compares the places.
    pub fn sequence(&self, era: u16) -> Sequence {
        let file = std::cmp::min(self.file_number(), u64::from(u32::MAX));
        Sequence::new(format!("{era:04X}{file:08X}{:012X}", self.offset))
    }
}

/// Everything outside this set is written as `%` and two digits, so that a file's name can be
/// told from what stands around it.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.file.bytes() {
            if plain(byte) { write!(f, "{}", char::from(byte))? } else { write!(f, "%{byte:02X}")? }
        }
        write!(f, ":{}", self.offset)
    }
}

impl FromStr for Coordinates {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (file, offset) = text.rsplit_once(':').ok_or(NotAPosition)?;
        let file = unescaped(file)?;
        if file.is_empty() {
            return Err(NotAPosition);
        }
        Ok(Self { file, offset: digits(offset)? })
    }
}

fn unescaped(text: &str) -> Result<String, NotAPosition> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(2).ok_or(NotAPosition)?;
        let byte = u8::from_str_radix(escaped, 16).map_err(|_| NotAPosition)?;
        if plain(byte) || format!("{byte:02X}") != escaped {
            return Err(NotAPosition);
        }
        bytes.push(byte);
        bytes.extend(rest.as_bytes());
    }
    let plain = text.bytes().all(|byte| plain(byte) || byte == b'%');
    String::from_utf8(bytes).ok().filter(|_| plain).ok_or(NotAPosition)
}

/// Which server writes the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// `@@server_uuid`: made at the first start of a `MySQL` server, 5.6 or later.
    Uuid(Uuid),
    /// `@@server_id`: set by its administrator.
    Id(u32),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl FromStr for Server {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        if text.contains('-') { parse(text).map(Self::Uuid) } else { digits(text).map(Self::Id) }
    }
}

/// Whose log a position counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server.
    pub server: Server,
    /// Grows with each move to the log of another server, whose files are numbered anew: it keeps
    /// the order of transactions growing.
    pub era: u16,
}

/// A transaction that has been prepared and neither committed nor rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Where it begins.
    pub at: Coordinates,
    /// Its identifier, where the log has one.
    pub gtid: Option<Gtid>,
}

/// A place of the log, and all that is needed to enter a log there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where: the end of a transaction.
    pub at: Coordinates,
    /// When the file was begun, in seconds since 1970 by the server's clock, if that is known.
    pub born: Option<u32>,
    /// The transactions before the place, if the log names them.
    pub gtids: Option<GtidSet>,
    /// The transactions prepared before the place and not ended, in their order.
    pub prepared: Vec<Prepared>,
}

impl Reached {
    /// A place without anything beside it.
    pub const fn new(at: Coordinates) -> Self {
        Self { at, born: None, gtids: None, prepared: Vec::new() }
    }

    /// Where to read from in the same log: before the oldest prepared transaction.
    pub fn read_from(&self) -> &Coordinates {
        self.prepared.first().map_or(&self.at, |oldest| &oldest.at)
    }

    /// The transactions to tell another server as known, so that it sends all others: those before
    /// the place, without the prepared ones. `None` if the place has none (a log without identifiers
    /// looks like one without transactions), or if a prepared transaction cannot be named.
    pub fn read_after(&self) -> Option<GtidSet> {
        let mut gtids = self.gtids.clone().filter(|gtids| !gtids.is_empty())?;
        for prepared in &self.prepared {
            gtids.remove(prepared.gtid.as_ref()?);
        }
        Some(gtids)
    }
}

/// What a position says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Resume after this place, but the snapshot is not complete: only these tables have been
    /// read, as of this place or an earlier one. Without a place nothing has been done.
    Snapshot(Option<Reached>, Option<TablesDone>),
    /// Resume after this place.
    Streaming(Reached),
}

impl Place {
    /// The place in the log.
    pub const fn reached(&self) -> Option<&Reached> {
        match self {
            Self::Snapshot(reached, _) => reached.as_ref(),
            Self::Streaming(reached) => Some(reached),
        }
    }
}

/// A position as this connector reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// Where.
    pub place: Place,
    /// In whose log, if the position says so.
    pub identity: Option<Identity>,
}

impl LogPosition {
    /// Resume after this place of this log.
    pub const fn streaming(reached: Reached, identity: Identity) -> Self {
        Self { place: Place::Streaming(reached), identity: Some(identity) }
    }

    /// A snapshot is not complete: of its tables, only these have been read.
    pub fn snapshot(
        reached: Option<Reached>,
        done: Option<TablesDone>,
        identity: Identity,
    ) -> Self {
        let done = done.filter(|done| !done.is_empty());
        Self { place: Place::Snapshot(reached, done), identity: Some(identity) }
    }

    /// As the bridge carries it.
    pub fn to_position(&self) -> Position {
        Position::new(self.to_string())
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reached, done) = match &self.place {
            Place::Snapshot(reached, done) => {
                f.write_str("snapshot:")?;
                (reached.as_ref(), done.as_ref())
            }
            Place::Streaming(reached) => (Some(reached), None),
        };
        match reached {
            Some(reached) => reached.at.fmt(f)?,
            None => f.write_str("none")?,
        }
        if let Some(done) = done {
            write!(f, ";done={done}")?;
        }
        if let Some(Identity { server, era }) = self.identity {
            write!(f, ";server={server};era={era}")?;
        }
        reached.map_or(Ok(()), |reached| write_beside(f, reached))
    }
}

fn write_beside(f: &mut fmt::Formatter<'_>, reached: &Reached) -> fmt::Result {
    if let Some(born) = reached.born {
        write!(f, ";born={born}")?;
    }
    // An empty set names nothing; it reads back as none.
    if let Some(gtids) = reached.gtids.as_ref().filter(|gtids| !gtids.is_empty()) {
        write!(f, ";gtid={gtids}")?;
    }
    for Prepared { at, gtid } in &reached.prepared {
        write!(f, ";xa={at}")?;
        if let Some(gtid) = gtid {
            write!(f, "@{gtid}")?;
        }
    }
    Ok(())
}

/// Text that is not a position of this connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position such as mysql-bin.000012:4711;server=8a94…;era=0;gtid=8a94…:1-99")]
pub struct NotAPosition;

impl FromStr for LogPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut fields = Fields::of(text)?;
        let (snapshot, at) = match fields.place.strip_prefix("snapshot:") {
            Some(at) => (true, at),
            None => (false, fields.place),
        };
        let at = if snapshot && at == "none" { None } else { Some(parse(at)?) };
        let done = fields.optional("done").map(parse).transpose()?;
        let identity = fields.identity()?;
        let reached = at.map(|at| fields.reached(at)).transpose()?;
        let place = match reached {
            reached if snapshot => Place::Snapshot(reached, done),
            Some(reached) if done.is_none() => Place::Streaming(reached),
            _ => return Err(NotAPosition),
        };
        fields.end()?;
        Ok(Self { place, identity })
    }
}

/// The fields of a position, which stand in a fixed order.
struct Fields<'t> {
    place: &'t str,
    rest: std::iter::Peekable<std::vec::IntoIter<(&'t str, &'t str)>>,
}

impl<'t> Fields<'t> {
    fn of(text: &'t str) -> Result<Self, NotAPosition> {
        let mut parts = text.split(';');
        let place = parts.next().unwrap_or_default();
        let rest: Option<Vec<_>> = parts.map(|part| part.split_once('=')).collect();
        Ok(Self { place, rest: rest.ok_or(NotAPosition)?.into_iter().peekable() })
    }

    fn optional(&mut self, name: &str) -> Option<&'t str> {
        self.rest.next_if(|(found, _)| *found == name).map(|(_, value)| value)
    }

    fn identity(&mut self) -> Result<Option<Identity>, NotAPosition> {
        let Some(server) = self.optional("server") else { return Ok(None) };
        let era = self.optional("era").ok_or(NotAPosition)?;
        Ok(Some(Identity { server: parse(server)?, era: digits(era)? }))
    }

    fn reached(&mut self, at: Coordinates) -> Result<Reached, NotAPosition> {
        let born = self.optional("born").map(digits).transpose()?;
        let gtids = self.optional("gtid").map(parse).transpose()?;
        let mut prepared = Vec::new();
        while let Some(text) = self.optional("xa") {
            prepared.push(match text.split_once('@') {
                Some((at, gtid)) => Prepared { at: parse(at)?, gtid: Some(parse(gtid)?) },
                None => Prepared { at: parse(text)?, gtid: None },
            });
        }
        Ok(Reached { at, born, gtids, prepared })
    }

    fn end(mut self) -> Result<(), NotAPosition> {
        if self.rest.next().is_some() { Err(NotAPosition) } else { Ok(()) }
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, NotAPosition> {
    text.parse().map_err(|_| NotAPosition)
}

/// Plain digits: `parse` alone would also take a sign.
fn digits<T: FromStr>(text: &str) -> Result<T, NotAPosition> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { parse(text) } else { Err(NotAPosition) }
}

/// Makes positions in one log while it is followed: plain ones, or such of a snapshot that waits
/// to be finished.
#[derive(Clone, Debug)]
pub enum Places {
    /// Everything that was to be read has been read.
    Streaming(Identity),
    /// Of the tables only these have been read.
    Unfinished(Identity, Option<TablesDone>),
}

impl Places {
    /// The position to resume after this place.
    pub fn at(&self, reached: &Reached) -> Position {
        let reached = reached.clone();
        let position = match self {
            Self::Streaming(identity) => LogPosition::streaming(reached, *identity),
            Self::Unfinished(identity, done) => {
                LogPosition::snapshot(Some(reached), done.clone(), *identity)
            }
        };
        position.to_position()
    }

    /// Whose log it is.
    pub const fn identity(&self) -> Identity {
        match self {
            Self::Streaming(identity) | Self::Unfinished(identity, _) => *identity,
        }
    }
}

#[cfg(test)]
mod tests;
