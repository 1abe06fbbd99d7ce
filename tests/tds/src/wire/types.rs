//! Types and values as bytes.

use super::variant;
use crate::problem::Problem;
use crate::value::calendar::{DAYS_TO_1900, SECOND, split, three_hundredths};
use crate::value::cast::swapped;
use crate::value::collation::Collation;
use crate::value::kind::{Clr, Kind, Type};
use crate::value::{Decimal, Value};

pub(super) const NULL: u8 = 0x1f;
pub(super) const GUID: u8 = 0x24;
pub(super) const INT: u8 = 0x26;
pub(super) const DATE: u8 = 0x28;
pub(super) const TIME: u8 = 0x29;
pub(super) const DATETIME2: u8 = 0x2a;
pub(super) const OFFSET: u8 = 0x2b;
pub(super) const IMAGE: u8 = 0x22;
pub(super) const TEXT: u8 = 0x23;
pub(super) const NTEXT: u8 = 0x63;
pub(super) const VARIANT: u8 = 0x62;
pub(super) const BIT: u8 = 0x68;
pub(super) const DECIMAL: u8 = 0x6a;
pub(super) const NUMERIC: u8 = 0x6c;
pub(super) const FLOAT: u8 = 0x6d;
pub(super) const MONEY: u8 = 0x6e;
pub(super) const DATETIME: u8 = 0x6f;
pub(super) const VARBINARY: u8 = 0xa5;
pub(super) const VARCHAR: u8 = 0xa7;
pub(super) const BINARY: u8 = 0xad;
pub(super) const CHAR: u8 = 0xaf;
pub(super) const NVARCHAR: u8 = 0xe7;
pub(super) const NCHAR: u8 = 0xef;
pub(super) const XML: u8 = 0xf1;

/// The length that stands for `max`.
pub(super) const MAX: u16 = 0xffff;
/// The longest piece of a long value.
const CHUNK: usize = 8_000;

/// Appends a type as COLMETADATA has it; text types take the table's name behind.
pub(super) fn put_type(out: &mut Vec<u8>, of: Type) -> std::result::Result<(), Problem> {
    let collated = |out: &mut Vec<u8>, id: u8, length: u16| {
        out.push(id);
        out.extend(length.to_le_bytes());
        put_collation(out, of.collation);
    };
    match of.kind {
        Kind::Bit => out.extend([BIT, 1]),
        Kind::TinyInt => out.extend([INT, 1]),
        Kind::SmallInt => out.extend([INT, 2]),
        Kind::Int => out.extend([INT, 4]),
        Kind::BigInt => out.extend([INT, 8]),
        Kind::Real => out.extend([FLOAT, 4]),
        Kind::Float => out.extend([FLOAT, 8]),
        Kind::Decimal(precision, scale) => {
            out.extend([DECIMAL, Kind::decimal_bytes(precision), precision, scale]);
        }
        Kind::Money => out.extend([MONEY, 8]),
        Kind::SmallMoney => out.extend([MONEY, 4]),
        Kind::Date => out.push(DATE),
        Kind::Time(scale) => out.extend([TIME, scale]),
        Kind::DateTime => out.extend([DATETIME, 8]),
        Kind::SmallDateTime => out.extend([DATETIME, 4]),
        Kind::DateTime2(scale) => out.extend([DATETIME2, scale]),
        Kind::DateTimeOffset(scale) => out.extend([OFFSET, scale]),
        Kind::Guid => out.extend([GUID, 16]),
        Kind::Char(length) => collated(out, CHAR, length),
        Kind::VarChar(length) => collated(out, VARCHAR, length.unwrap_or(MAX)),
        Kind::NChar(length) => collated(out, NCHAR, length * 2),
        Kind::NVarChar(length) => collated(out, NVARCHAR, length.map_or(MAX, |n| n * 2)),
        Kind::Binary(length) => put_sized(out, BINARY, length),
        Kind::RowVersion => put_sized(out, BINARY, 8),
        Kind::VarBinary(length) => put_sized(out, VARBINARY, length.unwrap_or(MAX)),
        Kind::Text => put_large(out, TEXT, Some(of.collation)),
        Kind::NText => put_large(out, NTEXT, Some(of.collation)),
        Kind::Image => put_large(out, IMAGE, None),
        Kind::Xml => out.extend([XML, 0]),
        Kind::Variant => {
            out.push(VARIANT);
            out.extend(8009_u32.to_le_bytes());
        }
        Kind::Clr(Clr::Geography | Clr::Geometry | Clr::HierarchyId) => {
            return Err(Problem::unknown(format!("{} as it is: use .ToString()", of.kind)));
        }
    }
    Ok(())
}

pub(super) fn put_collation(out: &mut Vec<u8>, collation: Collation) {
    let (info, sort_id) = collation.wire();
    out.extend(info.to_le_bytes());
    out.push(sort_id);
}

fn put_sized(out: &mut Vec<u8>, id: u8, length: u16) {
    out.push(id);
    out.extend(length.to_le_bytes());
}

fn put_large(out: &mut Vec<u8>, id: u8, collation: Option<Collation>) {
    out.push(id);
    out.extend(0x7fff_ffff_u32.to_le_bytes());
    if let Some(collation) = collation {
        put_collation(out, collation);
    }
    // The table's name: one part.
    out.push(1);
    out.extend(1_u16.to_le_bytes());
    out.extend([b't', 0]);
}

/// Appends a value of a row.
pub(super) fn put_value(
    out: &mut Vec<u8>,
    value: &Value,
    of: Type,
) -> std::result::Result<(), Problem> {
    match (of.kind, value) {
        (kind, Value::Null) => put_null(out, kind),
        (Kind::Char(_) | Kind::VarChar(_), Value::Text(text)) => {
            put_bytes(out, &of.collation.encode(text), of.kind == Kind::VarChar(None));
        }
        (Kind::NChar(_) | Kind::NVarChar(_), Value::Text(text)) => {
            put_bytes(out, &units(text), of.kind == Kind::NVarChar(None));
        }
        (Kind::Xml, Value::Text(text)) => put_bytes(out, &units(text), true),
        (Kind::Text, Value::Text(text)) => put_pointed(out, &of.collation.encode(text)),
        (Kind::NText, Value::Text(text)) => put_pointed(out, &units(text)),
        (Kind::Image, Value::Bytes(bytes)) => put_pointed(out, bytes),
        (Kind::Binary(_) | Kind::VarBinary(_) | Kind::RowVersion, Value::Bytes(bytes)) => {
            put_bytes(out, bytes, of.kind == Kind::VarBinary(None));
        }
        (Kind::Variant, value) => variant::put(out, value)?,
        (kind, value) => {
            let bytes = fixed(kind, value)
                .ok_or_else(|| Problem::unknown(format!("{value:?} sent as {kind}")))?;
            out.push(u8::try_from(bytes.len()).unwrap_or(0));
            out.extend(bytes);
        }
    }
    Ok(())
}

fn put_null(out: &mut Vec<u8>, kind: Kind) {
    match kind {
        Kind::Xml | Kind::VarChar(None) | Kind::NVarChar(None) | Kind::VarBinary(None) => {
            out.extend(u64::MAX.to_le_bytes());
        }
        Kind::Char(_)
        | Kind::VarChar(_)
        | Kind::NChar(_)
        | Kind::NVarChar(_)
        | Kind::Binary(_)
        | Kind::VarBinary(_)
        | Kind::RowVersion => out.extend(MAX.to_le_bytes()),
        Kind::Variant => out.extend(0_u32.to_le_bytes()),
        _ => out.push(0),
    }
}

/// UTF-16, little-endian.
pub(super) fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// With a short length before, or in pieces with an end.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], long: bool) {
    if !long {
        out.extend(u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
        return out.extend(bytes);
    }
    out.extend(u64::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    for chunk in bytes.chunks(CHUNK) {
        out.extend(u32::try_from(chunk.len()).unwrap_or(0).to_le_bytes());
        out.extend(chunk);
    }
    out.extend(0_u32.to_le_bytes());
}

/// Behind a text pointer and a time stamp.
fn put_pointed(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(16);
    out.extend([0x64; 16]);
    out.extend([0; 8]);
    out.extend(u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    out.extend(bytes);
}

/// The bytes of a value of a type that is not text.
fn fixed(kind: Kind, value: &Value) -> Option<Vec<u8>> {
    Some(match (kind, value) {
        (Kind::Bit, Value::Bit(bit)) => vec![(*bit).into()],
        (Kind::Bit, Value::Int(number)) => vec![u8::from(*number != 0)],
        (_, Value::Bit(bit)) => fixed(kind, &Value::Int((*bit).into()))?,
        (Kind::TinyInt, Value::Int(number)) => vec![u8::try_from(*number).ok()?],
        (Kind::SmallInt, Value::Int(number)) => i16::try_from(*number).ok()?.to_le_bytes().into(),
        (Kind::Int, Value::Int(number)) => i32::try_from(*number).ok()?.to_le_bytes().into(),
        (Kind::BigInt, Value::Int(number)) => number.to_le_bytes().into(),
        (Kind::Real, Value::Real(number)) => number.to_le_bytes().into(),
        (Kind::Float, Value::Float(number)) => number.to_le_bytes().into(),
        (Kind::Float, Value::Real(number)) => f64::from(*number).to_le_bytes().into(),
        (Kind::Decimal(precision, scale), Value::Decimal(number)) => {
            decimal(precision, number.rescaled(scale)?)
        }
        (Kind::Decimal(..), Value::Int(number)) => {
            fixed(kind, &Value::Decimal(Decimal::whole(*number)))?
        }
        (Kind::Money, Value::Decimal(number)) => {
            let whole = i64::try_from(number.rescaled(4)?.digits).ok()?.to_le_bytes();
            let (low, high) = whole.split_at(4);
            [high, low].concat()
        }
        (Kind::SmallMoney, Value::Decimal(number)) => {
            i32::try_from(number.rescaled(4)?.digits).ok()?.to_le_bytes().into()
        }
        (Kind::Date, Value::Date(days)) => day(*days)?,
        (Kind::Time(scale), Value::Time(ticks)) => clock(i64::try_from(*ticks).ok()?, scale)?,
        (Kind::DateTime, Value::Moment(moment)) => {
            let (days, ticks) = split(*moment);
            let thirds = i32::try_from(three_hundredths(ticks)).ok()?;
            [(days - DAYS_TO_1900).to_le_bytes(), thirds.to_le_bytes()].concat()
        }
        (Kind::SmallDateTime, Value::Moment(moment)) => {
            let (days, ticks) = split(*moment);
            let days = u16::try_from(days - DAYS_TO_1900).ok()?;
            let minutes = u16::try_from(ticks / SECOND / 60).ok()?;
            [days.to_le_bytes(), minutes.to_le_bytes()].concat()
        }
        (Kind::DateTime2(scale), Value::Moment(moment)) => {
            let (days, ticks) = split(*moment);
            [clock(ticks, scale)?, day(days)?].concat()
        }
        (Kind::DateTimeOffset(scale), Value::Offset(moment, minutes)) => {
            let (days, ticks) = split(*moment);
            let zone = minutes.to_le_bytes().to_vec();
            [clock(ticks, scale)?, day(days)?, zone].concat()
        }
        (Kind::Guid, Value::Guid(bytes)) => swapped(*bytes).into(),
        _ => return None,
    })
}

/// The sign, then the digits as a number of 4, 8, 12 or 16 bytes.
pub(super) fn decimal(precision: u8, number: Decimal) -> Vec<u8> {
    let width = usize::from(Kind::decimal_bytes(precision)) - 1;
    let digits = number.digits.unsigned_abs().to_le_bytes();
    let mut bytes = vec![u8::from(number.digits >= 0)];
    bytes.extend(digits.iter().take(width));
    bytes
}

fn day(days: i32) -> Option<Vec<u8>> {
    Some(u32::try_from(days).ok()?.to_le_bytes().into_iter().take(3).collect())
}

fn clock(ticks: i64, scale: u8) -> Option<Vec<u8>> {
    let width = match scale {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    };
    let unit = 10_i64.pow(7 - u32::from(scale));
    Some(u64::try_from(ticks / unit).ok()?.to_le_bytes().into_iter().take(width).collect())
}
