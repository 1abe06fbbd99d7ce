//! What is done to a value after it was decoded.

use erpbridge_connector::Value;

use super::failure::Failure;
use super::row::Row;
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::codec;
use crate::mapping::file::{Adjust, Operand};
use crate::mapping::stage::Bound;

impl Adjust<Bound> {
    /// The value as it shall be; null if what it needs is null.
    pub(super) fn of<'v>(&'v self, text: &'v str, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        let desk = row.is.desk;
        let adjusted = match self {
            Self::Absolute => desk.decoded(text, codec::absolute),
            Self::Negate => desk.decoded(text, codec::negate),
            Self::NegativeWhere(cell, codes) => {
                let Value::Text(code) = some(cell, row)? else { return Ok(Value::Null) };
                if !codes.iter().any(|known| **known == *code) {
                    return Ok(Value::Text(text));
                }
                desk.decoded(text, codec::negate)
            }
            Self::Convert(one, other, scale) => {
                let Value::Text(one) = one.number(row)? else { return Ok(Value::Null) };
                let other = match other {
                    Some(other) => Some(other.number(row)?),
                    None => None,
                };
                match other {
                    None => desk
                        .decoded(text, |text, scratch| codec::multiply(text, one, *scale, scratch)),
                    Some(Value::Text(other)) => {
                        let scale = scale.unwrap_or_default();
                        desk.decoded(text, |text, scratch| {
                            codec::divide(text, one, other, scale, scratch)
                        })
                    }
                    Some(_) => return Ok(Value::Null),
                }
            }
            Self::StripZeros => Some(codec::strip_zeros(text)),
            Self::Case(case) => Some(desk.keep(case.of(text))),
            Self::Pseudonym => match row.is.desk.pseudonym() {
                Some(pseudonym) => {
                    desk.decoded(text, |text, scratch| Some(pseudonym.of(text, scratch)))
                }
                None => None,
            },
        };
        adjusted.map(Value::Text).ok_or_else(|| self.failure())
    }

    fn failure(&self) -> Failure {
        let detail = match self {
            Self::Convert(..) => {
                "the value cannot be converted: a factor is no number, zero, or too long"
            }
            Self::Pseudonym => {
                "there is no key for pseudonyms: set `pseudonym_key_file` in the configuration"
            }
            _ => "the sign of the value cannot be changed: it is no number",
        };
        Failure::new(Reason::Decode, detail)
    }
}

impl Operand<Bound> {
    fn number<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        match self {
            Self::Constant(number) => Ok(Value::Text(number)),
            Self::Column(cell) => some(cell, row),
        }
    }
}

fn some<'v>(cell: &Cell, row: &Row<'v>) -> Result<Value<'v>, Failure> {
    match cell.read(&row.is) {
        Value::Absent => Err(Failure::absent(&cell.name)),
        value => Ok(value),
    }
}
