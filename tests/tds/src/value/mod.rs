//! Values: what a cell, a parameter or an expression holds.

pub(crate) mod calendar;
pub(crate) mod cast;
pub(crate) mod collation;
mod decimal;
pub(crate) mod kind;
pub(crate) mod order;
mod shape;
pub(crate) mod text;

use std::sync::Arc;

/// An exact number: `digits` × 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// All digits, with the sign.
    pub digits: i128,
    /// How many of them stand behind the point.
    pub scale: u8,
}

/// One value. A test writes mostly numbers and texts: what is stored is what SQL Server would
/// make of it in that column, so `"12.50"` in a `money` column is a `money`, and
/// `"2024-01-31 23:59:59.998"` in a `datetime` column is rounded to .997.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// bit.
    Bit(bool),
    /// tinyint to bigint.
    Int(i64),
    /// decimal, numeric, money, smallmoney.
    Decimal(Decimal),
    /// real.
    Real(f32),
    /// float.
    Float(f64),
    /// Days since 0001-01-01.
    Date(i32),
    /// Units of 100 ns since midnight.
    Time(u64),
    /// datetime, smalldatetime, datetime2: units of 100 ns since 0001-01-01.
    Moment(i64),
    /// datetimeoffset: units of 100 ns since 0001-01-01 UTC, and the zone in minutes.
    Offset(i64, i16),
    /// uniqueidentifier, in the order in which it is printed.
    Guid([u8; 16]),
    /// Characters.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
}

/// Cells by column name; [`row!`](crate::row) writes one.
pub type Row = Vec<(String, Value)>;

/// Cells by column name: `row! { "DocEntry": 1, "Remarks": "Müller", "Closed": Value::Null }`.
/// Columns left out are NULL in an insert and unchanged in an update.
#[macro_export]
macro_rules! row {
    ($($name:literal : $value:expr),* $(,)?) => {
        vec![$((::std::string::String::from($name), $crate::Value::from($value))),*]
    };
}

macro_rules! from {
    ($($from:ty => $make:expr;)*) => {
        $(impl From<$from> for Value {
            fn from(from: $from) -> Self {
                let make: fn($from) -> Value = $make;
                make(from)
            }
        })*
    };
}

from! {
    bool => Value::Bit;
    u8 => |from| Value::Int(from.into());
    i16 => |from| Value::Int(from.into());
    i32 => |from| Value::Int(from.into());
    u32 => |from| Value::Int(from.into());
    i64 => Value::Int;
    f32 => Value::Real;
    f64 => Value::Float;
    Decimal => Value::Decimal;
    &str => |from| Value::Text(from.into());
    String => |from| Value::Text(from.into());
    Vec<u8> => |from| Value::Bytes(from.into());
    crate::Lsn => |from| Value::Bytes(from.as_bytes().into());
}

impl From<&[u8]> for Value {
    fn from(from: &[u8]) -> Self {
        Self::Bytes(from.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(from: Option<T>) -> Self {
        from.map_or(Self::Null, Into::into)
    }
}
