//! The order of values, and bytes that sort as the values do.
//!
//! Texts compare by their collation, bytes as if padded with zeros, and a `uniqueidentifier` from
//! its last group to its first, which is why nobody but the server should compare keys.

use std::cmp::Ordering;

use super::kind::Type;
use super::{Decimal, Value};

/// Where the bytes of a `uniqueidentifier` as printed are, by their weight in comparisons.
const GUID_ORDER: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0];

/// Compares two values that are not of two different worlds; `None` if either is NULL or they
/// cannot be compared.
pub(crate) fn compare(left: &Value, right: &Value, collation: Type) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Text(left), Value::Text(right)) => {
            let fold = |text: &str| collation.collation.folded(text);
            if left == right { Some(Ordering::Equal) } else { Some(fold(left).cmp(&fold(right))) }
        }
        (Value::Bytes(left), Value::Bytes(right)) => Some(bytes(left, right)),
        (Value::Guid(left), Value::Guid(right)) => Some(guid(left).cmp(&guid(right))),
        (Value::Date(left), Value::Date(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Moment(left), Value::Moment(right))
        | (Value::Offset(left, _), Value::Offset(right, _)) => Some(left.cmp(right)),
        _ => numbers(left, right),
    }
}

fn bytes(left: &[u8], right: &[u8]) -> Ordering {
    let length = std::cmp::max(left.len(), right.len());
    let padded = |side: &[u8]| {
        let zeros = std::iter::repeat(0);
        side.iter().copied().chain(zeros).take(length).collect::<Vec<u8>>()
    };
    if left.len() == right.len() { left.cmp(right) } else { padded(left).cmp(&padded(right)) }
}

fn guid(bytes: &[u8; 16]) -> [u8; 16] {
    GUID_ORDER.map(|place| bytes.get(place).copied().unwrap_or(0))
}

fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (exact(left), exact(right)) {
        let (left, right, _) = left.aligned(right)?;
        return Some(left.cmp(&right));
    }
    float(left)?.partial_cmp(&float(right)?)
}

/// The number, if it is an exact one.
pub(crate) fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Bit(bit) => Some(Decimal::whole((*bit).into())),
        Value::Int(number) => Some(Decimal::whole(*number)),
        Value::Decimal(number) => Some(*number),
        _ => None,
    }
}

/// The number as a float.
pub(crate) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Real(number) => Some((*number).into()),
        Value::Float(number) => Some(*number),
        other => exact(other).map(Decimal::to_f64),
    }
}

/// Appends bytes that sort as the value does among values of its type, NULL first. Values of one
/// column have one length or an end of their own, so a row's parts may be appended one by one.
pub(crate) fn append_key(key: &mut Vec<u8>, value: &Value, of: Type) {
    if *value == Value::Null {
        return key.push(0);
    }
    key.push(1);
    match value {
        Value::Null => {}
        Value::Bit(bit) => key.push((*bit).into()),
        Value::Int(number) => key.extend(ordered(i128::from(*number))),
        Value::Decimal(number) => key.extend(ordered(number.digits)),
        Value::Real(number) => key.extend(ordered_float((*number).into())),
        Value::Float(number) => key.extend(ordered_float(*number)),
        Value::Date(days) => key.extend(ordered((*days).into())),
        Value::Time(ticks) => key.extend(ticks.to_be_bytes()),
        Value::Moment(ticks) | Value::Offset(ticks, _) => key.extend(ordered((*ticks).into())),
        Value::Guid(bytes) => key.extend(guid(bytes)),
        Value::Text(text) => append_ended(key, of.collation.folded(text).as_bytes()),
        Value::Bytes(bytes) => {
            let trailing = bytes.iter().rev().take_while(|byte| **byte == 0).count();
            append_ended(key, bytes.get(..bytes.len() - trailing).unwrap_or_default());
        }
    }
}

/// Bytes with an end that sorts before everything that goes on.
fn append_ended(key: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 0]);
}

fn ordered(number: i128) -> [u8; 16] {
    (number.cast_unsigned() ^ (1 << 127)).to_be_bytes()
}

fn ordered_float(number: f64) -> [u8; 8] {
    let bits = number.to_bits();
    (if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits }).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn key(value: &Value, kind: Kind) -> Vec<u8> {
        let mut key = Vec::new();
        append_key(&mut key, value, kind.into());
        key
    }

    #[test]
    fn keys_sort_as_the_values_compare() {
        let texts = ["", "a", "A", "ab", "B", "a\u{0}", "Ä", "z "];
        let numbers = [i64::MIN, -1, 0, 1, 255, 256, i64::MAX];
        let bytes: [&[u8]; 5] = [&[], &[0], &[0, 1], &[1, 0], &[1, 0, 0, 2]];
        let sets = [
            (texts.map(Value::from).to_vec(), Kind::NVarChar(Some(9))),
            (numbers.map(Value::from).to_vec(), Kind::BigInt),
            (bytes.map(Value::from).to_vec(), Kind::VarBinary(Some(9))),
        ];
        for (values, kind) in sets {
            for left in &values {
                for right in &values {
                    let compared = compare(left, right, kind.into()).unwrap();
                    assert_eq!(
                        key(left, kind).cmp(&key(right, kind)),
                        compared,
                        "{left:?} {right:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_uniqueidentifier_is_compared_from_its_last_group() {
        let mut low = [0xff; 16];
        low[10] = 0;
        let high = [0; 16].map(|_: u8| 1);
        let compared = compare(&Value::Guid(low), &Value::Guid(high), Kind::Guid.into());
        assert_eq!(compared, Some(Ordering::Less));
    }
}
