//! The events of the binary log, of `MySQL` and `MariaDB`. Pure: bytes in, events out, and every
//! event borrows from the bytes (or, where the log compressed it, from what they inflate to).
//!
//! An event is a header of 19 bytes, a body and perhaps a checksum. [`Decoder`] checks the sum,
//! knows at which place of the log each event stands, and reads the bodies that matter here. What
//! it does not know it passes over only if the log itself says that it may be ignored: an unknown
//! event may hold rows. Formats: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html>
//! and <https://mariadb.com/kb/en/replication-protocol/>.

mod bytes;
mod decoder;
mod inflate;
mod packet;
mod query;
mod rows;
mod start;
mod table_map;

pub(crate) use bytes::{Bytes, bit};
pub use decoder::{Decoder, Located};
pub use packet::Packet;
pub use query::Query;
pub use rows::{Change, Rows};
pub use start::{Standing, Start, Xid};
pub use table_map::{ColumnMap, TableMap, column};

use crate::gtid::GtidSet;

/// Who wrote the log. The two share most of the format and few of the additions to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Oracle's server and what is built from it.
    MySql,
    /// The `MariaDB` server.
    MariaDb,
}

/// Numbers of event types, as both servers' sources have them.
pub mod kind {
    #![expect(missing_docs, reason = "they are the server's own names")]
    pub const START_V3: u8 = 1;
    pub const QUERY: u8 = 2;
    pub const STOP: u8 = 3;
    pub const ROTATE: u8 = 4;
    pub const INTVAR: u8 = 5;
    pub const APPEND_BLOCK: u8 = 9;
    pub const DELETE_FILE: u8 = 11;
    pub const RAND: u8 = 13;
    pub const USER_VAR: u8 = 14;
    pub const FORMAT: u8 = 15;
    pub const XID: u8 = 16;
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    pub const TABLE_MAP: u8 = 19;
    pub const WRITE_ROWS_V1: u8 = 23;
    pub const UPDATE_ROWS_V1: u8 = 24;
    pub const DELETE_ROWS_V1: u8 = 25;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const IGNORABLE: u8 = 28;
    pub const ROWS_QUERY: u8 = 29;
    pub const WRITE_ROWS: u8 = 30;
    pub const UPDATE_ROWS: u8 = 31;
    pub const DELETE_ROWS: u8 = 32;
    pub const GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const TRANSACTION_CONTEXT: u8 = 36;
    pub const VIEW_CHANGE: u8 = 37;
    pub const XA_PREPARE: u8 = 38;
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    pub const HEARTBEAT_V2: u8 = 41;
    pub const GTID_TAGGED: u8 = 42;
    pub const ANNOTATE_ROWS: u8 = 160;
    pub const BINLOG_CHECKPOINT: u8 = 161;
    pub const MARIADB_GTID: u8 = 162;
    pub const MARIADB_GTID_LIST: u8 = 163;
    pub const START_ENCRYPTION: u8 = 164;
    pub const QUERY_COMPRESSED: u8 = 165;
    pub const WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    pub const UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    pub const DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    pub const WRITE_ROWS_COMPRESSED: u8 = 169;
    pub const UPDATE_ROWS_COMPRESSED: u8 = 170;
    pub const DELETE_ROWS_COMPRESSED: u8 = 171;
}

/// What every event begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Seconds since 1970 by the server's clock: when its statement began. Zero where the dump
    /// thread made the event up.
    pub timestamp: u32,
    /// Its type; see [`kind`].
    pub kind: u8,
    /// The server that wrote it first.
    pub server_id: u32,
    /// Its size with header and checksum.
    pub size: u32,
    /// The lower 32 bits of the place where it ends; zero where nobody filled it in.
    pub log_pos: u32,
    /// See the constants.
    pub flags: u16,
}

impl Header {
    /// How many bytes it takes.
    pub const LEN: usize = 19;
    /// The dump thread made the event up; it stands in no file.
    pub const ARTIFICIAL: u16 = 0x20;
    /// A reader that does not know the event may pass over it.
    pub const IGNORABLE: u16 = 0x80;

    /// Whether the event is none of the file.
    pub const fn artificial(&self) -> bool {
        self.flags & Self::ARTIFICIAL != 0
    }
}

/// Why bytes are not an event. It never holds a value of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The event ends in the middle.
    #[error("it ends in the middle")]
    Short,
    /// Bytes are left over.
    #[error("bytes are left over")]
    Long,
    /// The sum over its bytes is another.
    #[error("its checksum is {found:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// In the event.
        found: u32,
        /// Over its bytes.
        computed: u32,
    },
    /// A checksum of a kind that does not exist here.
    #[error("its checksum is of unknown kind {0}")]
    ChecksumKind(u8),
    /// An event nobody here knows, and which may not be ignored.
    #[error("its type {0} is unknown here and may not be passed over")]
    Unknown(u8),
    /// An event that this connector does not read.
    #[error("{0} cannot be read")]
    Unsupported(&'static str),
    /// A name that is not UTF-8.
    #[error("it holds a name that is not UTF-8")]
    Name,
    /// What was compressed does not inflate.
    #[error("its compressed part does not inflate")]
    Compression,
    /// A compressed transaction whose events do not fill it.
    #[error("a compressed transaction holds {expected} bytes of events, {found} came")]
    Payload {
        /// What the log says.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An event that cannot stand where it stands.
    #[error("it ends at {end}, and the one before ended at {at}")]
    Place {
        /// Where it ends.
        end: u64,
        /// Where the one before ended.
        at: u64,
    },
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A file begins, or reading begins inside it: how its events are laid out.
    Format {
        /// The server's version.
        version: &'a str,
    },
    /// The log goes on in the file that the event's place names.
    Rotate,
    /// A transaction, or a statement that is one by itself, begins and has this identifier.
    Start(Start),
    /// A statement as text: `BEGIN`, `COMMIT`, a change of a table's shape, or worse.
    Query(Query<'a>),
    /// The transaction is committed.
    Commit,
    /// The transaction is prepared; it will be committed or rolled back under its name later.
    XaPrepare {
        /// Its name.
        xid: Xid,
        /// It is committed in one phase, here and now.
        one_phase: bool,
    },
    /// What a table looks like in the rows that follow.
    TableMap(TableMap<'a>),
    /// Rows of one table.
    Rows(Rows<'a>),
    /// The transactions before the place.
    Before(GtidSet),
    /// A compressed transaction; its events follow.
    Payload,
    /// Nothing happened for a while.
    Heartbeat,
    /// The server knows that changes are missing from the log here.
    Incident,
    /// Nothing follows from it.
    Other,
}
