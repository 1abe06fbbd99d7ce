//! Characters and bytes: converted, cut and filled to the length of their type.

use super::Value;
use super::cast::{overflow, refused, swapped};
use super::kind::{Kind, Type};
use super::text::{text, unhex};
use crate::problem::{Problem, Result};

/// The value as characters of a type.
pub(super) fn to_text(
    value: &Value,
    from_kind: Kind,
    from: Type,
    to: Type,
    style: i32,
) -> Result<Value> {
    let written = match value {
        Value::Bytes(bytes) if style == 0 => match to.kind {
            Kind::NVarChar(_) | Kind::NChar(_) | Kind::NText => {
                let units: Vec<u16> = bytes.chunks(2).map(unit).collect();
                Some(String::from_utf16_lossy(&units))
            }
            _ => Some(to.collation.decode(bytes)),
        },
        _ => text(value, from_kind, style),
    };
    let Some(written) = written else {
        let name = to.kind.name();
        return Err(Problem::raised(
            281,
            format!(
                "{style} is not a valid style number when converting from {} to a character string ({name}).",
                from.kind.name()
            ),
        ));
    };
    Ok(Value::Text(shaped(&written, from_kind, to)?.into()))
}

fn unit(pair: &[u8]) -> u16 {
    match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        [low, ..] => u16::from(*low),
        [] => 0,
    }
}

/// Cut to length, filled with blanks, and with only the characters the code page has.
fn shaped(text: &str, from: Kind, to: Type) -> Result<String> {
    let text = if to.kind.has_code_page() {
        to.collation.decode(&to.collation.encode(text))
    } else {
        text.to_owned()
    };
    let (Kind::Char(n) | Kind::NChar(n) | Kind::VarChar(Some(n)) | Kind::NVarChar(Some(n))) =
        to.kind
    else {
        return Ok(text);
    };
    let width = |character: char| {
        if to.kind.has_code_page() {
            to.collation.encode(character.encode_utf8(&mut [0; 4])).len()
        } else {
            character.len_utf16()
        }
    };
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        if used + width(character) > usize::from(n) {
            if from.is_text() || from.is_bytes() {
                break;
            }
            // A number cut short would be another number.
            return Err(overflow(to.kind.name()));
        }
        used += width(character);
        kept.push(character);
    }
    if matches!(to.kind, Kind::Char(_) | Kind::NChar(_)) {
        kept.extend(std::iter::repeat_n(' ', usize::from(n) - used));
    }
    Ok(kept)
}

/// The value as bytes of a type.
pub(super) fn to_bytes(
    value: &Value,
    from: Type,
    from_kind: Kind,
    to: Kind,
    style: i32,
) -> Result<Value> {
    let bytes = match value {
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Text(text) if style == 1 || style == 2 => {
            let digits = if style == 1 { text.strip_prefix("0x") } else { Some(text.as_ref()) };
            digits.and_then(unhex).ok_or_else(|| refused(value, to.name()))?
        }
        Value::Text(text) if from_kind.has_code_page() => from.collation.encode(text),
        Value::Text(text) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Value::Guid(bytes) => swapped(*bytes).to_vec(),
        Value::Bit(bit) => vec![u8::from(*bit)],
        Value::Int(number) => {
            let bytes = number.to_be_bytes();
            let width = match from_kind {
                Kind::TinyInt => 1,
                Kind::SmallInt => 2,
                Kind::BigInt => 8,
                _ => 4,
            };
            bytes.get(8 - width..).unwrap_or_default().to_vec()
        }
        _ => return Err(Problem::unknown(format!("CAST of {from_kind} AS {to}"))),
    };
    let number = matches!(value, Value::Int(_) | Value::Bit(_));
    Ok(Value::Bytes(sized(bytes, to, number).into()))
}

/// Cut and filled to length: bytes at their end, numbers at their beginning.
fn sized(mut bytes: Vec<u8>, to: Kind, number: bool) -> Vec<u8> {
    let (limit, fixed) = match to {
        Kind::Binary(n) => (usize::from(n), true),
        Kind::RowVersion => (8, true),
        Kind::VarBinary(Some(n)) => (usize::from(n), false),
        _ => return bytes,
    };
    if bytes.len() > limit {
        bytes = if number { bytes.split_off(bytes.len() - limit) } else { bytes };
        bytes.truncate(limit);
    } else if fixed && number {
        bytes.splice(0..0, std::iter::repeat_n(0, limit - bytes.len()));
    } else if fixed {
        bytes.resize(limit, 0);
    }
    bytes
}
