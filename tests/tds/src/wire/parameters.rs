//! Parameters: types and values as a client sends them.

use std::io::{Error, Result};

use super::reader::{Reader, utf16};
use super::types::{
    BINARY, BIT, CHAR, DATE, DATETIME, DATETIME2, DECIMAL, FLOAT, GUID, INT, MAX, MONEY, NCHAR,
    NULL, NUMERIC, NVARCHAR, OFFSET, TIME, VARBINARY, VARCHAR, XML,
};
use crate::value::calendar::{DAYS_TO_1900, SECOND, join, round_datetime};
use crate::value::cast::swapped;
use crate::value::collation::Collation;
use crate::value::kind::{Kind, Type};
use crate::value::{Decimal, Value};

/// Reads a parameter's type and value.
pub(super) fn parameter_value(reader: &mut Reader<'_>) -> Result<(Type, Value)> {
    let id = reader.u8()?;
    let (kind, value) = match id {
        NULL => (Kind::Int, Value::Null),
        0x30 => (Kind::TinyInt, Value::Int(reader.u8()?.into())),
        0x32 => (Kind::Bit, Value::Bit(reader.u8()? != 0)),
        0x34 => (Kind::SmallInt, Value::Int(i16::from_le_bytes(reader.array()?).into())),
        0x38 => (Kind::Int, Value::Int(i32::from_le_bytes(reader.array()?).into())),
        0x7f => (Kind::BigInt, Value::Int(i64::from_le_bytes(reader.array()?))),
        0x3b => (Kind::Real, Value::Real(f32::from_le_bytes(reader.array()?))),
        0x3e => (Kind::Float, Value::Float(f64::from_le_bytes(reader.array()?))),
        INT | BIT | FLOAT | MONEY | DATETIME | GUID => {
            reader.u8()?;
            let length = usize::from(reader.u8()?);
            short_value(id, reader.take(length)?)?
        }
        DATE => {
            let length = usize::from(reader.u8()?);
            let bytes = reader.take(length)?;
            (Kind::Date, if bytes.is_empty() { Value::Null } else { Value::Date(read_day(bytes)?) })
        }
        TIME | DATETIME2 | OFFSET => {
            let scale = reader.u8()?;
            let length = usize::from(reader.u8()?);
            temporal(id, scale, reader.take(length)?)?
        }
        DECIMAL | NUMERIC => {
            reader.u8()?;
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            let length = usize::from(reader.u8()?);
            let kind = Kind::Decimal(precision, scale);
            (kind, read_decimal(reader.take(length)?, scale))
        }
        NVARCHAR | NCHAR | VARCHAR | CHAR | VARBINARY | BINARY => return long_value(reader, id),
        XML => {
            reader.u8()?;
            let bytes = pieces(reader)?;
            (Kind::Xml, bytes.map_or(Value::Null, |bytes| utf16(&bytes).into()))
        }
        _ => return Err(Error::other(format!("a parameter of the type 0x{id:02x}"))),
    };
    Ok((kind.into(), value))
}

fn short_value(id: u8, bytes: &[u8]) -> Result<(Kind, Value)> {
    let mut reader = Reader::new(bytes);
    Ok(match (id, bytes.len()) {
        (GUID, 16) => (Kind::Guid, Value::Guid(swapped(reader.array()?))),
        (BIT, 1) => (Kind::Bit, Value::Bit(reader.u8()? != 0)),
        (INT, 1) => (Kind::TinyInt, Value::Int(reader.u8()?.into())),
        (INT, 2) => (Kind::SmallInt, Value::Int(i16::from_le_bytes(reader.array()?).into())),
        (INT, 4) => (Kind::Int, Value::Int(i32::from_le_bytes(reader.array()?).into())),
        (INT, 8) => (Kind::BigInt, Value::Int(i64::from_le_bytes(reader.array()?))),
        (FLOAT, 4) => (Kind::Real, Value::Real(f32::from_le_bytes(reader.array()?))),
        (FLOAT, 8) => (Kind::Float, Value::Float(f64::from_le_bytes(reader.array()?))),
        (DATETIME, 8) => {
            let days = i32::from_le_bytes(reader.array()?) + DAYS_TO_1900;
            let ticks = i64::from(reader.u32()?) * SECOND / 300;
            let moment = join(days, ticks);
            (Kind::DateTime, Value::Moment(round_datetime(moment)))
        }
        (_, 0) => (Kind::Int, Value::Null),
        (id, length) => {
            return Err(Error::other(format!("a parameter 0x{id:02x} of {length} bytes")));
        }
    })
}

fn read_day(bytes: &[u8]) -> Result<i32> {
    let mut wide = [0; 4];
    wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    i32::try_from(u32::from_le_bytes(wide)).map_err(Error::other)
}

fn temporal(id: u8, scale: u8, bytes: &[u8]) -> Result<(Kind, Value)> {
    let kind = match id {
        TIME => Kind::Time(scale),
        DATETIME2 => Kind::DateTime2(scale),
        _ => Kind::DateTimeOffset(scale),
    };
    if bytes.is_empty() {
        return Ok((kind, Value::Null));
    }
    let behind = match id {
        TIME => 0,
        DATETIME2 => 3,
        _ => 5,
    };
    let mut reader = Reader::new(bytes);
    let mut wide = [0; 8];
    let clock = reader.take(bytes.len().saturating_sub(behind))?;
    wide.iter_mut().zip(clock).for_each(|(to, from)| *to = *from);
    let unit = 10_i64.pow(7_u32.saturating_sub(scale.into()));
    let ticks = i64::from_le_bytes(wide).saturating_mul(unit);
    let value = match id {
        TIME => Value::Time(ticks.cast_unsigned()),
        DATETIME2 => Value::Moment(join(read_day(reader.take(3)?)?, ticks)),
        _ => {
            let moment = join(read_day(reader.take(3)?)?, ticks);
            Value::Offset(moment, i16::from_le_bytes(reader.array()?))
        }
    };
    Ok((kind, value))
}

fn read_decimal(bytes: &[u8], scale: u8) -> Value {
    let Some((sign, digits)) = bytes.split_first() else { return Value::Null };
    let mut wide = [0; 16];
    wide.iter_mut().zip(digits).for_each(|(to, from)| *to = *from);
    let digits = i128::from_le_bytes(wide);
    Value::Decimal(Decimal { digits: if *sign == 0 { -digits } else { digits }, scale })
}

/// Characters and bytes: with a collation where they are characters, in pieces where they are
/// long.
fn long_value(reader: &mut Reader<'_>, id: u8) -> Result<(Type, Value)> {
    let limit = reader.u16()?;
    let wide = matches!(id, NVARCHAR | NCHAR);
    let binary = matches!(id, VARBINARY | BINARY);
    if !binary {
        reader.take(5)?;
    }
    let bytes = if limit == MAX {
        pieces(reader)?
    } else {
        match reader.u16()? {
            MAX => None,
            length => Some(reader.take(length.into())?.to_vec()),
        }
    };
    let length = (limit != MAX).then_some(if wide { limit / 2 } else { limit });
    let kind = match (wide, binary) {
        (true, _) => Kind::NVarChar(length),
        (_, true) => Kind::VarBinary(length),
        _ => Kind::VarChar(length),
    };
    let value = match bytes {
        None => Value::Null,
        Some(bytes) if wide => utf16(&bytes).into(),
        Some(bytes) if binary => bytes.into(),
        Some(bytes) => Collation::DEFAULT.decode(&bytes).into(),
    };
    Ok((kind.into(), value))
}

fn pieces(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>> {
    if reader.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        match usize::try_from(reader.u32()?).map_err(Error::other)? {
            0 => return Ok(Some(bytes)),
            length => bytes.extend_from_slice(reader.take(length)?),
        }
    }
}
