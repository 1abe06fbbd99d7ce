//! How many bytes a cell takes: enough to walk over rows that nobody wants.

use crate::binlog::{Bytes, ColumnMap, Malformed, column};

use super::number::decimal_bytes;
use super::temporal::fraction_bytes;

/// How long the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// All the same.
    Fixed(usize),
    /// As a number of so many bytes before each of them says.
    Counted(usize),
}

impl Width {
    /// By the log's announcement; `None` for a type whose width it does not tell.
    pub(super) fn of(map: &ColumnMap<'_>) -> Option<Self> {
        use column::{
            BIT, BLOB, BLOB_COMPRESSED, DATE, DATETIME, DATETIME2, DOUBLE, ENUM, FLOAT, GEOMETRY,
            INT24, JSON, LONG, LONG_BLOB, LONGLONG, MEDIUM_BLOB, NEWDATE, NEWDECIMAL, SET, SHORT,
            STRING, TIME, TIME2, TIMESTAMP, TIMESTAMP2, TINY, TINY_BLOB, VAR_STRING, VARCHAR,
            VARCHAR_COMPRESSED, VECTOR, YEAR,
        };
        let [first, second] = map.width;
        let counted = |longest: usize| Self::Counted(if longest < 256 { 1 } else { 2 });
        Some(match map.kind {
            TINY | YEAR => Self::Fixed(1),
            SHORT => Self::Fixed(2),
            INT24 | DATE | NEWDATE | TIME => Self::Fixed(3),
            LONG | FLOAT | TIMESTAMP => Self::Fixed(4),
            LONGLONG | DOUBLE | DATETIME => Self::Fixed(8),
            TIME2 => Self::Fixed(3 + fraction_bytes(first)),
            TIMESTAMP2 => Self::Fixed(4 + fraction_bytes(first)),
            DATETIME2 => Self::Fixed(5 + fraction_bytes(first)),
            NEWDECIMAL => Self::Fixed(decimal_bytes(first, second)),
            ENUM | SET => Self::Fixed(map.length()),
            BIT => Self::Fixed(usize::from(second) + usize::from(first > 0)),
            VARCHAR | VAR_STRING | VARCHAR_COMPRESSED | STRING => counted(map.length()),
            BLOB | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | JSON | GEOMETRY | VECTOR
            | BLOB_COMPRESSED => Self::Counted(usize::from(first)),
            _ => return None,
        })
    }

    /// Takes the next cell.
    pub(super) fn take<'e>(self, bytes: &mut Bytes<'e>) -> Result<&'e [u8], Malformed> {
        let length = match self {
            Self::Fixed(length) => length,
            Self::Counted(1) => usize::from(bytes.u8()?),
            Self::Counted(2) => usize::from(bytes.u16()?),
            Self::Counted(count) => {
                usize::try_from(bytes.number(count)?).map_err(|_| Malformed::Short)?
            }
        };
        bytes.take(length)
    }
}
