//! `CAST` and `CONVERT`: a value of one type as a value of another.

use super::calendar::{self, join, split};
use super::kind::{Clr, Kind, Type};
use super::order::{exact, float};
use super::shape::{to_bytes, to_text};
use super::text::{read_exact, read_float, read_guid};
use super::{Decimal, Value};
use crate::problem::{Problem, Result};

/// The value as one of the type `to`, by the rules of an explicit conversion in this style.
pub(crate) fn cast(value: &Value, from: Type, to: Type, style: i32) -> Result<Value> {
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let from_kind = if from.kind == Kind::Variant { natural(value) } else { from.kind };
    match to.kind {
        Kind::Bit => bit(value),
        Kind::TinyInt => int(value, 0, 255, "tinyint"),
        Kind::SmallInt => int(value, i16::MIN.into(), i16::MAX.into(), "smallint"),
        Kind::Int => int(value, i32::MIN.into(), i32::MAX.into(), "int"),
        Kind::BigInt => int(value, i64::MIN, i64::MAX, "bigint"),
        Kind::Real => real(value),
        Kind::Float => to_float(value).map(Value::Float),
        Kind::Decimal(precision, scale) => decimal(value, precision, scale, false),
        Kind::Money => decimal(value, 19, 4, true),
        Kind::SmallMoney => decimal(value, 10, 4, true),
        Kind::Date => moment(value).map(|(days, _, _)| Value::Date(days)),
        Kind::Time(scale) => time(value, scale),
        Kind::DateTime | Kind::SmallDateTime | Kind::DateTime2(_) => {
            to_moment(value, from_kind, to.kind)
        }
        Kind::DateTimeOffset(scale) => offset(value, scale),
        Kind::Guid => guid(value),
        Kind::Char(_)
        | Kind::VarChar(_)
        | Kind::NChar(_)
        | Kind::NVarChar(_)
        | Kind::Text
        | Kind::NText
        | Kind::Xml
        | Kind::Clr(_) => to_text(value, from_kind, from, to, style),
        Kind::Binary(_) | Kind::VarBinary(_) | Kind::Image | Kind::RowVersion => {
            to_bytes(value, from, from_kind, to.kind, style)
        }
        Kind::Variant => Ok(value.clone()),
    }
}

/// The type a value in a `sql_variant` has.
fn natural(value: &Value) -> Kind {
    match value {
        Value::Null | Value::Text(_) => Kind::NVarChar(Some(4000)),
        Value::Bit(_) => Kind::Bit,
        Value::Int(number) => i32::try_from(*number).map_or(Kind::BigInt, |_| Kind::Int),
        Value::Decimal(number) => Kind::Decimal(38, number.scale),
        Value::Real(_) => Kind::Real,
        Value::Float(_) => Kind::Float,
        Value::Date(_) => Kind::Date,
        Value::Time(_) => Kind::Time(7),
        Value::Moment(_) => Kind::DateTime2(7),
        Value::Offset(..) => Kind::DateTimeOffset(7),
        Value::Guid(_) => Kind::Guid,
        Value::Bytes(_) => Kind::VarBinary(Some(8000)),
    }
}

pub(super) fn refused(value: &Value, to: &str) -> Problem {
    match value {
        Value::Text(text) => Problem::raised(
            245,
            format!(
                "Conversion failed when converting the nvarchar value '{text}' to data type {to}."
            ),
        ),
        _ => Problem::raised(529, format!("Explicit conversion to data type {to} is not allowed.")),
    }
}

pub(super) fn overflow(to: &str) -> Problem {
    Problem::raised(
        8115,
        format!("Arithmetic overflow error converting expression to data type {to}."),
    )
}

fn bit(value: &Value) -> Result<Value> {
    match value {
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bit(true)),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bit(false)),
        Value::Bytes(bytes) => Ok(Value::Bit(bytes.iter().any(|byte| *byte != 0))),
        _ => Ok(Value::Bit(to_float(value)? != 0.0)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked against the limits before")]
fn int(value: &Value, low: i64, high: i64, name: &str) -> Result<Value> {
    let number = match value {
        Value::Real(_) | Value::Float(_) => {
            let number = float(value).unwrap_or(f64::NAN).trunc();
            if number.is_nan() || number.abs() >= 9.3e18 {
                return Err(overflow(name));
            }
            i128::from(number as i64)
        }
        Value::Decimal(number) => number.digits / 10_i128.pow(number.scale.into()),
        Value::Text(text) => {
            let trimmed = text.trim();
            let read = if trimmed.is_empty() { Ok(0) } else { trimmed.parse() };
            read.map_err(|_| refused(value, name))?
        }
        Value::Bytes(bytes) => {
            let mut wide = [0; 8];
            let last = bytes.iter().rev().zip(wide.iter_mut().rev());
            last.for_each(|(from, to)| *to = *from);
            i64::from_be_bytes(wide).into()
        }
        other => exact(other).ok_or_else(|| refused(value, name))?.digits,
    };
    let number = i64::try_from(number).map_err(|_| overflow(name))?;
    if (low..=high).contains(&number) { Ok(Value::Int(number)) } else { Err(overflow(name)) }
}

fn to_float(value: &Value) -> Result<f64> {
    match value {
        Value::Text(text) => read_float(text).ok_or_else(|| refused(value, "float")),
        other => float(other).ok_or_else(|| refused(value, "float")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is what is asked for")]
fn real(value: &Value) -> Result<Value> {
    match value {
        // Not by way of the wider float: rounding twice is not rounding once.
        Value::Text(text) => {
            text.trim().parse().map(Value::Real).map_err(|_| refused(value, "real"))
        }
        _ => Ok(Value::Real(to_float(value)? as f32)),
    }
}

fn decimal(value: &Value, precision: u8, scale: u8, money: bool) -> Result<Value> {
    let name = if money { "money" } else { "numeric" };
    let number = match value {
        Value::Text(text) => read_exact(text, money),
        Value::Real(_) | Value::Float(_) => {
            let number = float(value).unwrap_or(f64::NAN);
            Decimal::read(&format!("{number:.*}", usize::from(scale)))
        }
        other => exact(other),
    };
    let number = number.ok_or_else(|| match value {
        Value::Text(_) => {
            Problem::raised(8114, format!("Error converting data type nvarchar to {name}."))
        }
        _ => refused(value, name),
    })?;
    let number = number.rescaled(scale).filter(|number| number.fits(precision));
    number.map(Value::Decimal).ok_or_else(|| overflow(name))
}

/// Days, units of 100 ns of the day, and the zone in minutes, on the clock on the wall.
fn moment(value: &Value) -> Result<(i32, i64, i16)> {
    match value {
        Value::Date(days) => Ok((*days, 0, 0)),
        Value::Time(ticks) => Ok((calendar::DAYS_TO_1900, i64::try_from(*ticks).unwrap_or(0), 0)),
        Value::Moment(moment) => {
            let (days, ticks) = split(*moment);
            Ok((days, ticks, 0))
        }
        Value::Offset(moment, minutes) => {
            let (days, ticks) = split(*moment + i64::from(*minutes) * 60 * calendar::SECOND);
            Ok((days, ticks, *minutes))
        }
        Value::Text(text) => {
            let read = calendar::read(text).ok_or_else(|| {
                let message = "Conversion failed when converting date and/or time from character \
                               string.";
                Problem::raised(241, message)
            })?;
            Ok((read.days, read.ticks, read.zone.unwrap_or(0)))
        }
        _ => Err(refused(value, "datetime2")),
    }
}

fn time(value: &Value, scale: u8) -> Result<Value> {
    let (_, ticks, _) = moment(value)?;
    // Rounding up at the end of the day begins the same day again.
    let rounded = calendar::round(ticks, scale) % calendar::DAY;
    Ok(Value::Time(rounded.cast_unsigned()))
}

fn to_moment(value: &Value, from: Kind, to: Kind) -> Result<Value> {
    let (days, mut ticks, _) = moment(value)?;
    if from == Kind::DateTime && matches!(to, Kind::DateTime2(_)) {
        // What lies behind .997 is 299/300; since 2016 a finer type gets all of it.
        ticks = (calendar::three_hundredths(ticks) * 100_000 + 1) / 3;
    }
    Ok(Value::Moment(match to {
        Kind::DateTime2(scale) => calendar::round(join(days, ticks), scale),
        Kind::SmallDateTime => {
            let minute = 60 * calendar::SECOND;
            (join(days, ticks) + minute / 2).div_euclid(minute) * minute
        }
        _ => calendar::round_datetime(join(days, ticks)),
    }))
}

fn offset(value: &Value, scale: u8) -> Result<Value> {
    let (days, ticks, minutes) = moment(value)?;
    let utc = join(days, ticks) - i64::from(minutes) * 60 * calendar::SECOND;
    Ok(Value::Offset(calendar::round(utc, scale), minutes))
}

fn guid(value: &Value) -> Result<Value> {
    let bytes = match value {
        Value::Guid(bytes) => Some(*bytes),
        Value::Text(text) => read_guid(text),
        Value::Bytes(bytes) => <[u8; 16]>::try_from(bytes.as_ref()).ok().map(swapped),
        _ => None,
    };
    let message = "Conversion failed when converting from a character string to uniqueidentifier.";
    bytes.map(Value::Guid).ok_or_else(|| Problem::raised(8169, message))
}

/// Between the order printed and the order stored: the first three groups are turned round.
pub(crate) fn swapped(bytes: [u8; 16]) -> [u8; 16] {
    const TURNED: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    TURNED.map(|place| bytes.get(place).copied().unwrap_or(0))
}

/// The value as its column keeps it: an implicit conversion that does not cut.
pub(crate) fn stored(value: &Value, to: Type) -> Result<Value> {
    match (to.kind, value) {
        (Kind::Variant, _) | (_, Value::Null) => Ok(value.clone()),
        // Bytes given to characters are what some program wrote, right or wrong.
        (kind, Value::Bytes(bytes)) if kind.has_code_page() => {
            Ok(Value::Text(to.collation.decode(bytes).into()))
        }
        (Kind::Clr(Clr::Geography | Clr::Geometry | Clr::HierarchyId), Value::Text(_)) => {
            Ok(value.clone())
        }
        _ => {
            let from = Type::from(natural(value));
            let kept = cast(value, from, to, i32::from(to.kind.is_bytes()))?;
            if is_cut(value, &kept) {
                let message = "String or binary data would be truncated.";
                return Err(Problem::raised(8152, message));
            }
            Ok(kept)
        }
    }
}

fn is_cut(given: &Value, kept: &Value) -> bool {
    match (given, kept) {
        (Value::Text(given), Value::Text(kept)) => {
            given.trim_end_matches(' ').chars().count() > kept.chars().count()
        }
        (Value::Bytes(given), Value::Bytes(kept)) => given.len() > kept.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast_text(text: &str, to: Kind) -> Value {
        cast(&Value::from(text), Kind::NVarChar(None).into(), to.into(), 0).unwrap()
    }

    fn back(value: &Value, from: Kind, style: i32) -> String {
        let to = Kind::NVarChar(None).into();
        match cast(value, from.into(), to, style).unwrap() {
            Value::Text(text) => text.as_ref().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn money_as_text_shows_two_digits_and_as_decimal_four() {
        let money = cast_text("922337203685477.5807", Kind::Money);
        assert_eq!(back(&money, Kind::Money, 0), "922337203685477.58");
        assert_eq!(back(&money, Kind::Money, 2), "922337203685477.5807");
        let decimal = cast(&money, Kind::Money.into(), Kind::Decimal(19, 4).into(), 0).unwrap();
        assert_eq!(back(&decimal, Kind::Decimal(19, 4), 0), "922337203685477.5807");
    }

    #[test]
    fn a_datetime_is_rounded_and_shows_its_thirds_to_a_finer_type() {
        let datetime = cast_text("2024-01-31 23:59:59.998", Kind::DateTime);
        assert_eq!(back(&datetime, Kind::DateTime, 121), "2024-01-31 23:59:59.997");
        let to = |scale| {
            let to = Kind::DateTime2(scale);
            back(&cast(&datetime, Kind::DateTime.into(), to.into(), 0).unwrap(), to, 121)
        };
        assert_eq!(to(3), "2024-01-31 23:59:59.997");
        assert_eq!(to(7), "2024-01-31 23:59:59.9966667");
    }

    #[test]
    fn char_is_filled_with_blanks_and_a_code_page_asks_what_it_cannot_hold() {
        assert_eq!(cast_text("ab", Kind::Char(4)), "ab  ".into());
        assert_eq!(cast_text("ж", Kind::VarChar(Some(4))), "?".into());
        let cut = stored(&"abcde".into(), Kind::NVarChar(Some(4)).into());
        assert!(matches!(cut, Err(Problem::Raised(raised)) if raised.number == 8152));
    }

    #[test]
    fn bytes_and_hexadecimal_text_are_converted_by_style() {
        let bytes = Value::from(vec![0, 0xab]);
        assert_eq!(back(&bytes, Kind::VarBinary(None), 1), "0x00AB");
        let to = Kind::VarBinary(None).into();
        let read = cast(&"0x00ab".into(), Kind::NVarChar(None).into(), to, 1).unwrap();
        assert_eq!(read, bytes);
    }
}
