//! The messages of the `pgoutput` plugin, protocol version 1, text format. Pure: bytes in,
//! messages out, and every message borrows from the bytes.
//!
//! Version 1 sends a transaction only when it is committed, as a whole and in commit order, which
//! is exactly what the contract wants; the later versions send transactions in progress, which a
//! client would have to hold back itself. Format:
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

use erpbridge_connector::Timestamp;

use crate::position::Lsn;

/// From the server's epoch, 2000-01-01, to the Unix epoch.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A moment as the server sends it: microseconds since 2000-01-01 UTC.
pub fn timestamp(server_micros: i64) -> Timestamp {
    Timestamp::from_micros(server_micros.saturating_add(EPOCH_MICROS))
}

/// A moment as the server wants it.
pub fn server_micros(timestamp: Timestamp) -> i64 {
    timestamp.as_micros().saturating_sub(EPOCH_MICROS)
}

/// Why bytes are not a message. It never holds a value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The message ends in the middle.
    #[error("it ends in the middle")]
    Short,
    /// Bytes are left over.
    #[error("bytes are left over")]
    Long,
    /// Not a message of protocol version 1.
    #[error("its type {0:?} is none of protocol version 1")]
    Message(char),
    /// A row image of a kind that does not exist here.
    #[error("it holds a row image of unknown kind {0:?}")]
    Image(char),
    /// A cell that is neither null, unchanged nor text; `b` is binary, which we never ask for.
    #[error("it holds a cell of unknown kind {0:?}")]
    Cell(char),
    /// A name that is not UTF-8.
    #[error("it holds a name that is not UTF-8")]
    Name,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A transaction follows. It is committed already, so its commit is known.
    Begin {
        /// Where its commit record starts: the order of transactions.
        final_lsn: Lsn,
        /// When it was committed.
        committed_at: Timestamp,
        /// Its number, for people.
        xid: u32,
    },
    /// The transaction is complete.
    Commit {
        /// Where its commit record ends: resume here.
        end_lsn: Lsn,
    },
    /// The transaction came from elsewhere. Nothing follows from that here.
    Origin,
    /// What a table looks like from here on.
    Relation(Relation<'a>),
    /// A type that is not built in. It does not say what the type rests on, so the catalogue is
    /// asked instead.
    Type,
    /// A row was inserted.
    Insert {
        /// The table.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row was updated.
    Update {
        /// The table.
        relation: u32,
        /// The row before, if its key changed or the table's identity is full.
        old: Option<Old<'a>>,
        /// The row after.
        new: Tuple<'a>,
    },
    /// A row was deleted.
    Delete {
        /// The table.
        relation: u32,
        /// What is known of the row.
        old: Old<'a>,
    },
    /// Tables were emptied.
    Truncate {
        /// The tables.
        relations: Vec<u32>,
    },
    /// A message that somebody wrote into the log.
    Logical,
}

/// A table's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its object id.
    pub oid: u32,
    /// Its schema.
    pub schema: &'a str,
    /// Its name.
    pub table: &'a str,
    /// `relreplident`: `d`efault, `n`othing, `f`ull or `i`ndex.
    pub identity: u8,
    /// The columns that tuples carry.
    pub columns: Vec<RelationColumn<'a>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    /// Whether old images carry it. Under a full identity every column has the flag.
    pub key: bool,
    /// Its name.
    pub name: &'a str,
    /// The object id of its type.
    pub type_oid: u32,
    /// The modifier of its type: length, precision.
    pub type_modifier: i32,
}

/// An old image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old<'a> {
    /// Only the key columns hold values. The others are sent as if they were null.
    Key(Tuple<'a>),
    /// Every column.
    Full(Tuple<'a>),
}

impl<'a> Old<'a> {
    /// The image itself.
    pub fn tuple(self) -> Tuple<'a> {
        match self {
            Self::Key(tuple) | Self::Full(tuple) => tuple,
        }
    }
}

/// A row image that has been walked over once and is known to be well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple<'a> {
    columns: usize,
    cells: &'a [u8],
}

impl<'a> Tuple<'a> {
    /// How many cells it has.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// How many bytes of the message it takes.
    pub fn bytes(self) -> usize {
        self.cells.len()
    }

    /// Its cells in column order.
    pub fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        let mut reader = Reader(self.cells);
        // Decoding walked over the same bytes: none of these reads fails.
        (0..self.columns).map_while(move |_| reader.cell().ok())
    }
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// A large value that the update did not touch, and the log therefore does not hold.
    Unchanged,
    /// The text of the value.
    Text(&'a [u8]),
}

/// Reads one message.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut reader = Reader(bytes);
    let message = match reader.u8()? {
        b'B' => reader.begin()?,
        b'C' => reader.commit()?,
        b'O' => reader.origin()?,
        b'R' => reader.relation()?,
        b'Y' => reader.type_name()?,
        b'I' => reader.insert()?,
        b'U' => reader.update()?,
        b'D' => reader.delete()?,
        b'T' => reader.truncate()?,
        b'M' => reader.logical()?,
        tag => return Err(Malformed::Message(char::from(tag))),
    };
    if reader.0.is_empty() { Ok(message) } else { Err(Malformed::Long) }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn begin(&mut self) -> Result<Message<'a>, Malformed> {
        let final_lsn = self.lsn()?;
        let committed_at = timestamp(self.i64()?);
        Ok(Message::Begin { final_lsn, committed_at, xid: self.u32()? })
    }

    fn commit(&mut self) -> Result<Message<'a>, Malformed> {
        let _flags = self.u8()?;
        let _commit_lsn = self.lsn()?;
        let end_lsn = self.lsn()?;
        let _committed_at = self.i64()?;
        Ok(Message::Commit { end_lsn })
    }

    fn origin(&mut self) -> Result<Message<'a>, Malformed> {
        let _commit_lsn = self.lsn()?;
        self.name()?;
        Ok(Message::Origin)
    }

    fn relation(&mut self) -> Result<Message<'a>, Malformed> {
        let oid = self.u32()?;
        // The catalogue schema is sent as an empty name.
        let schema = match self.name()? {
            "" => "pg_catalog",
            schema => schema,
        };
        let table = self.name()?;
        let identity = self.u8()?;
        let columns = (0..self.u16()?).map(|_| self.column()).collect::<Result<_, _>>()?;
        Ok(Message::Relation(Relation { oid, schema, table, identity, columns }))
    }

    fn column(&mut self) -> Result<RelationColumn<'a>, Malformed> {
        Ok(RelationColumn {
            key: self.u8()? & 1 == 1,
            name: self.name()?,
            type_oid: self.u32()?,
            type_modifier: self.i32()?,
        })
    }

    fn type_name(&mut self) -> Result<Message<'a>, Malformed> {
        let _oid = self.u32()?;
        self.name()?;
        self.name()?;
        Ok(Message::Type)
    }

    fn insert(&mut self) -> Result<Message<'a>, Malformed> {
        let relation = self.u32()?;
        match self.u8()? {
            b'N' => Ok(Message::Insert { relation, new: self.tuple()? }),
            kind => Err(Malformed::Image(char::from(kind))),
        }
    }

    fn update(&mut self) -> Result<Message<'a>, Malformed> {
        let relation = self.u32()?;
        let (old, kind) = match self.u8()? {
            kind @ (b'K' | b'O') => (Some(self.old(kind)?), self.u8()?),
            kind => (None, kind),
        };
        match kind {
            b'N' => Ok(Message::Update { relation, old, new: self.tuple()? }),
            kind => Err(Malformed::Image(char::from(kind))),
        }
    }

    fn delete(&mut self) -> Result<Message<'a>, Malformed> {
        let relation = self.u32()?;
        let kind = self.u8()?;
        Ok(Message::Delete { relation, old: self.old(kind)? })
    }

    fn old(&mut self, kind: u8) -> Result<Old<'a>, Malformed> {
        match kind {
            b'K' => Ok(Old::Key(self.tuple()?)),
            b'O' => Ok(Old::Full(self.tuple()?)),
            kind => Err(Malformed::Image(char::from(kind))),
        }
    }

    fn truncate(&mut self) -> Result<Message<'a>, Malformed> {
        let count = self.u32()?;
        let _options = self.u8()?;
        // Collected one by one: a count that lies runs out of bytes before it takes memory.
        let relations = (0..count).map(|_| self.u32()).collect::<Result<_, _>>()?;
        Ok(Message::Truncate { relations })
    }

    fn logical(&mut self) -> Result<Message<'a>, Malformed> {
        let _flags = self.u8()?;
        let _lsn = self.lsn()?;
        self.name()?;
        let content = self.u32()?;
        self.take(content)?;
        Ok(Message::Logical)
    }

    fn tuple(&mut self) -> Result<Tuple<'a>, Malformed> {
        let columns = usize::from(self.u16()?);
        let start = self.0;
        for _ in 0..columns {
            self.cell()?;
        }
        let walked = start.len() - self.0.len();
        let cells = start.get(..walked).ok_or(Malformed::Short)?;
        Ok(Tuple { columns, cells })
    }

    fn cell(&mut self) -> Result<Cell<'a>, Malformed> {
        match self.u8()? {
            b'n' => Ok(Cell::Null),
            b'u' => Ok(Cell::Unchanged),
            b't' => {
                let length = self.u32()?;
                Ok(Cell::Text(self.take(length)?))
            }
            kind => Err(Malformed::Cell(char::from(kind))),
        }
    }

    fn name(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed::Short)?;
        let (name, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).ok_or(Malformed::Short)?;
        std::str::from_utf8(name).map_err(|_| Malformed::Name)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed::Short)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn lsn(&mut self) -> Result<Lsn, Malformed> {
        Ok(Lsn::new(u64::from_be_bytes(self.array()?)))
    }
}

#[cfg(test)]
mod tests;
