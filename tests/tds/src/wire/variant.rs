//! `sql_variant`: a value that brings its type along.

use super::types::{DECIMAL, GUID, NVARCHAR, VARBINARY, decimal, put_collation, units};
use crate::problem::{Problem, Result};
use crate::value::Value;
use crate::value::cast::swapped;
use crate::value::collation::Collation;

/// The types of fixed length have numbers of their own in here.
const BIT: u8 = 0x32;
const INT: u8 = 0x38;
const BIGINT: u8 = 0x7f;
const REAL: u8 = 0x3b;
const FLOAT: u8 = 0x3e;

/// Appends a value: its length, type, what the type says, and the value itself.
pub(super) fn put(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    let (id, properties, bytes): (u8, Vec<u8>, Vec<u8>) = match value {
        Value::Bit(bit) => (BIT, Vec::new(), vec![(*bit).into()]),
        Value::Int(number) => match i32::try_from(*number) {
            Ok(number) => (INT, Vec::new(), number.to_le_bytes().into()),
            Err(_) => (BIGINT, Vec::new(), number.to_le_bytes().into()),
        },
        Value::Real(number) => (REAL, Vec::new(), number.to_le_bytes().into()),
        Value::Float(number) => (FLOAT, Vec::new(), number.to_le_bytes().into()),
        Value::Decimal(number) => (DECIMAL, vec![38, number.scale], decimal(38, *number)),
        Value::Guid(bytes) => (GUID, Vec::new(), swapped(*bytes).into()),
        Value::Text(text) => {
            let mut properties = Vec::new();
            put_collation(&mut properties, Collation::DEFAULT);
            properties.extend(8000_u16.to_le_bytes());
            (NVARCHAR, properties, units(text))
        }
        Value::Bytes(bytes) => (VARBINARY, 8000_u16.to_le_bytes().into(), bytes.to_vec()),
        _ => return Err(Problem::unknown("a date or time in a sql_variant as it is: cast it")),
    };
    let length = u32::try_from(2 + properties.len() + bytes.len()).unwrap_or(0);
    out.extend(length.to_le_bytes());
    out.extend([id, u8::try_from(properties.len()).unwrap_or(0)]);
    out.extend(properties);
    out.extend(bytes);
    Ok(())
}
