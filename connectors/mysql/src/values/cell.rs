//! From a stored cell to its text.

use super::charset::Charset;
use super::{address, compressed, json, number, temporal};
use crate::binlog::{ColumnMap, column};
use crate::shape::ColumnShape;

/// How the cells of a column become text.
#[derive(Debug)]
pub(super) enum Reader {
    Signed,
    Unsigned,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Year,
    Date,
    OldTime,
    Time,
    OldDatetime,
    Datetime,
    OldTimestamp,
    Timestamp,
    Text(Charset),
    CompressedText(Charset),
    /// Bytes; zeros cut off at the end are put back up to this length.
    Bytes(usize),
    CompressedBytes,
    Enum(Vec<String>),
    Set(Vec<String>),
    Bit,
    Json,
    Uuid,
    Inet4,
    Inet6,
}

/// A cell of a length its type does not have.
const LENGTH: &str = "a cell is not as long as its type";

impl Reader {
    /// For a column of this shape, announced like this; `None` if nobody can read it.
    pub(super) fn of(shape: &ColumnShape, map: &ColumnMap<'_>) -> Option<Self> {
        use column::{
            BIT, DATE, DATETIME, DATETIME2, DOUBLE, ENUM, FLOAT, INT24, JSON, LONG, LONGLONG,
            NEWDATE, NEWDECIMAL, SET, SHORT, TIME, TIME2, TIMESTAMP, TIMESTAMP2, TINY, YEAR,
        };
        let [precision, scale] = map.width;
        Some(match map.kind {
            TINY | SHORT | INT24 | LONG | LONGLONG => {
                if map.unsigned.unwrap_or_else(|| shape.unsigned()) {
                    Self::Unsigned
                } else {
                    Self::Signed
                }
            }
            FLOAT => Self::Float32,
            DOUBLE => Self::Float64,
            NEWDECIMAL => Self::Decimal { precision, scale },
            YEAR => Self::Year,
            DATE | NEWDATE => Self::Date,
            TIME => Self::OldTime,
            TIME2 => Self::Time,
            DATETIME => Self::OldDatetime,
            DATETIME2 => Self::Datetime,
            TIMESTAMP => Self::OldTimestamp,
            TIMESTAMP2 => Self::Timestamp,
            ENUM => Self::Enum(shape.labels()),
            SET => Self::Set(shape.labels()),
            BIT => Self::Bit,
            JSON => Self::Json,
            _ => return Self::of_bytes(shape, map),
        })
    }

    fn of_bytes(shape: &ColumnShape, map: &ColumnMap<'_>) -> Option<Self> {
        use column::{BLOB_COMPRESSED, VARCHAR_COMPRESSED};
        let compressed = matches!(map.kind, BLOB_COMPRESSED | VARCHAR_COMPRESSED);
        Some(match (shape.data_type.as_str(), shape.character_set.as_deref()) {
            ("uuid", _) => Self::Uuid,
            ("inet4", _) => Self::Inet4,
            ("inet6", _) => Self::Inet6,
            (_, Some(name)) if compressed => Self::CompressedText(Charset::of(name)?),
            (_, Some(name)) => Self::Text(Charset::of(name)?),
            (_, None) if compressed => Self::CompressedBytes,
            ("binary", None) => Self::Bytes(shape.octet_length?.try_into().ok()?),
            (_, None) => Self::Bytes(0),
        })
    }

    /// Appends the text of a cell.
    pub(super) fn push(&self, stored: &[u8], out: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Signed => number::push_signed(signed(stored), out),
            Self::Unsigned => number::push_unsigned(unsigned(stored), out),
            Self::Float32 => number::push_float32(f32::from_le_bytes(fixed(stored)?), out),
            Self::Float64 => number::push_float64(f64::from_le_bytes(fixed(stored)?), out),
            Self::Decimal { precision, scale } => {
                number::push_decimal(stored, *precision, *scale, out);
            }
            Self::Year => temporal::push_year(u8::from_le_bytes(fixed(stored)?), out),
            Self::Date => {
                let stored = u32::try_from(unsigned(stored)).map_err(|_| LENGTH)?;
                temporal::push_date(stored, out);
            }
            Self::OldTime => {
                let stored = i32::try_from(signed(stored)).map_err(|_| LENGTH)?;
                temporal::push_old_time(stored, out);
            }
            Self::Time => temporal::push_time(stored, out),
            Self::OldDatetime => temporal::push_old_datetime(unsigned(stored), out),
            Self::Datetime => temporal::push_datetime(stored, out),
            Self::OldTimestamp => {
                temporal::push_timestamp(u32::from_le_bytes(fixed(stored)?), 0, out);
            }
            Self::Timestamp => temporal::push_timestamp2(stored, out),
            Self::Bit => number::push_unsigned(temporal::big_endian(stored), out),
            Self::Enum(labels) => push_label(labels, unsigned(stored), out)?,
            Self::Set(labels) => push_labels(labels, unsigned(stored), out)?,
            _ => return self.push_bytes(stored, out),
        }
        Ok(())
    }

    fn push_bytes(&self, stored: &[u8], out: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Text(charset) => charset.push(stored, out),
            Self::CompressedText(charset) => charset.push(&compressed::inflate(stored)?, out),
            Self::CompressedBytes => {
                number::push_hex(&compressed::inflate(stored)?, out);
                Ok(())
            }
            Self::Json => json::push(stored, out),
            Self::Uuid => address::push_uuid(stored, out),
            Self::Inet4 => address::push_inet4(stored, out),
            Self::Inet6 => address::push_inet6(stored, out),
            Self::Bytes(length) => {
                number::push_hex(stored, out);
                for _ in stored.len()..*length {
                    out.push_str("00");
                }
                Ok(())
            }
            _ => Err("a cell of a type that is not made of bytes"),
        }
    }
}

fn fixed<const N: usize>(stored: &[u8]) -> Result<[u8; N], &'static str> {
    stored.try_into().map_err(|_| LENGTH)
}

/// The bytes as one number, the lowest first.
fn unsigned(stored: &[u8]) -> u64 {
    stored.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The same, where the highest bit is the sign, whatever the number of bytes.
fn signed(stored: &[u8]) -> i64 {
    let unused = u32::try_from(8_usize.saturating_sub(stored.len()) * 8).unwrap_or(0);
    if unused == 64 {
        return 0;
    }
    (unsigned(stored) << unused).cast_signed() >> unused
}

/// The label of an `ENUM`; 0 stands for a value that was none.
pub(super) fn push_label(
    labels: &[String],
    number: u64,
    out: &mut String,
) -> Result<(), &'static str> {
    let Some(place) = number.checked_sub(1) else { return Ok(()) };
    let label = usize::try_from(place).ok().and_then(|place| labels.get(place));
    out.push_str(label.ok_or("an ENUM has no label of this number")?);
    Ok(())
}

/// The labels of a `SET`, with commas between them.
pub(super) fn push_labels(
    labels: &[String],
    bits: u64,
    out: &mut String,
) -> Result<(), &'static str> {
    let known = labels.len();
    if known < 64 && bits >> known != 0 {
        return Err("a SET has no label of this number");
    }
    let mut first = true;
    for (place, label) in labels.iter().enumerate() {
        if bits & 1_u64.checked_shl(u32::try_from(place).unwrap_or(64)).unwrap_or(0) != 0 {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            out.push_str(label);
        }
    }
    Ok(())
}
