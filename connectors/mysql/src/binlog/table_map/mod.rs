//! How the log announces a table before its rows: types by number, hardly ever names.

use super::Malformed;
use super::bytes::{Bytes, bit};

mod metadata;

/// Column types by the protocol's numbers.
pub mod column {
    #![expect(missing_docs, reason = "they are the server's own names")]
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const NEWDATE: u8 = 14;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    pub const BLOB_COMPRESSED: u8 = 140;
    pub const VARCHAR_COMPRESSED: u8 = 141;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const TINY_BLOB: u8 = 249;
    pub const MEDIUM_BLOB: u8 = 250;
    pub const LONG_BLOB: u8 = 251;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
    pub const GEOMETRY: u8 = 255;
}

/// A table as the log announces it. The announcement holds for the rows events after it that name
/// its number, up to the end of their statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMap<'a> {
    /// A number the server gives the table each time it opens it.
    pub table_id: u64,
    /// The database.
    pub schema: &'a str,
    /// The table.
    pub table: &'a str,
    /// Everything else, unread. Two announcements of one table whose layouts are the same bytes
    /// announce the same columns.
    pub layout: &'a [u8],
}

impl<'a> TableMap<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(body);
        let table_id = bytes.number(6)?;
        let _flags = bytes.u16()?;
        let (schema, table) = (bytes.terminated_name()?, bytes.terminated_name()?);
        Ok(Self { table_id, schema, table, layout: bytes.rest() })
    }

    /// Its columns, in order.
    pub fn columns(&self) -> Result<Vec<ColumnMap<'a>>, Malformed> {
        let mut bytes = Bytes(self.layout);
        let count = bytes.packed_length()?;
        let types = bytes.take(count)?;
        let mut widths = Bytes(bytes.packed_bytes()?);
        let nulls = bytes.take(count.div_ceil(8))?;
        let mut columns = Vec::with_capacity(count);
        for (place, kind) in types.iter().enumerate() {
            columns.push(ColumnMap::read(*kind, &mut widths, bit(nulls, place))?);
        }
        metadata::read(bytes, &mut columns)?;
        Ok(columns)
    }

    /// A number for the types, widths and null flags of its columns: the part of the layout that
    /// every server writes, whatever `binlog_row_metadata` says.
    pub fn fingerprint(&self) -> Result<u64, Malformed> {
        let mut bytes = Bytes(self.layout);
        let count = bytes.packed_length()?;
        bytes.take(count)?;
        bytes.packed_bytes()?;
        bytes.take(count.div_ceil(8))?;
        let read = self.layout.len() - bytes.0.len();
        // FNV-1a, because it is the same in every version of this program.
        let bytes = self.layout.iter().take(read);
        Ok(bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
        }))
    }
}

/// A column as the log announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMap<'a> {
    /// Its type; `ENUM`, `SET` and `CHAR` by what they are and not by the number they share.
    pub kind: u8,
    /// What belongs to the type: a greatest length in bytes, precision and scale, a number of
    /// bytes. Two bytes, the first one in the log first.
    pub width: [u8; 2],
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its name, under `binlog_row_metadata=FULL`.
    pub name: Option<&'a str>,
    /// Whether its numbers are unsigned, if the log says so.
    pub unsigned: Option<bool>,
    /// The number of its collation, if the log says so.
    pub collation: Option<u64>,
    /// Its labels, under `binlog_row_metadata=FULL`, in its character set.
    pub labels: Option<Vec<&'a [u8]>>,
    /// Its place in the primary key, from 1, under `binlog_row_metadata=FULL`.
    pub key: Option<u16>,
}

impl ColumnMap<'_> {
    fn read(kind: u8, widths: &mut Bytes<'_>, nullable: bool) -> Result<Self, Malformed> {
        let mut width = match width_bytes(kind)? {
            0 => [0, 0],
            1 => [widths.u8()?, 0],
            _ => widths.array()?,
        };
        let mut real = kind;
        if kind == column::STRING {
            // Two bits of the length hide in the type, which otherwise has them set.
            let [shared, length] = width;
            real = shared | 0x30;
            width = [length, ((shared & 0x30) ^ 0x30) >> 4];
        }
        Ok(Self {
            kind: real,
            width,
            nullable,
            name: None,
            unsigned: None,
            collation: None,
            labels: None,
            key: None,
        })
    }

    /// The two bytes as one number.
    pub fn length(&self) -> usize {
        usize::from(u16::from_le_bytes(self.width))
    }

    fn numeric(&self) -> bool {
        use column::{DOUBLE, FLOAT, INT24, LONG, LONGLONG, NEWDECIMAL, SHORT, TINY, YEAR};
        matches!(
            self.kind,
            TINY | SHORT | INT24 | LONG | LONGLONG | NEWDECIMAL | FLOAT | DOUBLE | YEAR
        )
    }

    fn textual(&self) -> bool {
        use column::{
            BLOB, BLOB_COMPRESSED, LONG_BLOB, MEDIUM_BLOB, STRING, TINY_BLOB, VAR_STRING, VARCHAR,
            VARCHAR_COMPRESSED,
        };
        matches!(
            self.kind,
            STRING
                | VAR_STRING
                | VARCHAR
                | TINY_BLOB
                | BLOB
                | MEDIUM_BLOB
                | LONG_BLOB
                | BLOB_COMPRESSED
                | VARCHAR_COMPRESSED
        )
    }
}

/// How many bytes describe a type beyond its number.
fn width_bytes(kind: u8) -> Result<usize, Malformed> {
    use column::{
        BIT, BLOB, BLOB_COMPRESSED, DATE, DATETIME, DATETIME2, DECIMAL, DOUBLE, ENUM, FLOAT,
        GEOMETRY, INT24, JSON, LONG, LONG_BLOB, LONGLONG, MEDIUM_BLOB, NEWDATE, NEWDECIMAL, NULL,
        SET, SHORT, STRING, TIME, TIME2, TIMESTAMP, TIMESTAMP2, TINY, TINY_BLOB, VAR_STRING,
        VARCHAR, VARCHAR_COMPRESSED, VECTOR, YEAR,
    };
    Ok(match kind {
        DECIMAL | TINY | SHORT | LONG | NULL | TIMESTAMP | LONGLONG | INT24 | DATE | TIME
        | DATETIME | YEAR | NEWDATE => 0,
        FLOAT | DOUBLE | TIMESTAMP2 | DATETIME2 | TIME2 | JSON | TINY_BLOB | MEDIUM_BLOB
        | LONG_BLOB | BLOB | GEOMETRY | VECTOR | BLOB_COMPRESSED => 1,
        VARCHAR | BIT | NEWDECIMAL | ENUM | SET | VAR_STRING | STRING | VARCHAR_COMPRESSED => 2,
        _ => return Err(Malformed::Unsupported("a column of a type that is unknown here")),
    })
}
