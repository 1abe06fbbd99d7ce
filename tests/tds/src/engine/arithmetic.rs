//! Operators: what they give, and where values of two types meet.

use crate::problem::{Problem, Result};
use crate::sql::Operator;
use crate::value::kind::{Kind, Type};
use crate::value::order::{exact, float};
use crate::value::{Decimal, Value};

/// The value with its sign turned.
pub(super) fn negative(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Int(number) => Value::Int(-number),
        Value::Decimal(Decimal { digits, scale }) => {
            Value::Decimal(Decimal { digits: -digits, scale: *scale })
        }
        Value::Real(number) => Value::Real(-number),
        Value::Float(number) => Value::Float(-number),
        Value::Null => Value::Null,
        _ => return Err(Problem::raised(8117, "Operand data type is invalid for minus operator.")),
    })
}

fn overflow() -> Problem {
    Problem::raised(8115, "Arithmetic overflow error converting expression to data type bigint.")
}

/// What an operator makes of two values; NULL of NULL.
pub(super) fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Text(left), Value::Text(right)) if operator == Operator::Add => {
            Ok(Value::Text(format!("{left}{right}").into()))
        }
        (Value::Bytes(left), Value::Bytes(right)) if operator == Operator::Add => {
            Ok(Value::Bytes([left.as_ref(), right.as_ref()].concat().into()))
        }
        (Value::Int(left), Value::Int(right)) => whole(operator, *left, *right).map(Value::Int),
        (Value::Real(_) | Value::Float(_), _) | (_, Value::Real(_) | Value::Float(_)) => {
            let (left, right) = (float(left), float(right));
            floating(operator, left.unwrap_or(f64::NAN), right.unwrap_or(f64::NAN))
        }
        _ => match (exact(left), exact(right)) {
            (Some(left), Some(right)) => decimal(operator, left, right).map(Value::Decimal),
            _ => Err(Problem::unknown(format!("{operator:?} of these types"))),
        },
    }
}

fn whole(operator: Operator, left: i64, right: i64) -> Result<i64> {
    let zero = || Problem::raised(8134, "Divide by zero error encountered.");
    match operator {
        Operator::Add => left.checked_add(right).ok_or_else(overflow),
        Operator::Subtract => left.checked_sub(right).ok_or_else(overflow),
        Operator::Multiply => left.checked_mul(right).ok_or_else(overflow),
        Operator::Divide => left.checked_div(right).ok_or_else(zero),
        Operator::Modulo => left.checked_rem(right).ok_or_else(zero),
        Operator::BitAnd => Ok(left & right),
        Operator::BitOr => Ok(left | right),
        Operator::BitXor => Ok(left ^ right),
    }
}

fn floating(operator: Operator, left: f64, right: f64) -> Result<Value> {
    Ok(Value::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => {
            return Err(Problem::raised(8134, "Divide by zero error encountered."));
        }
        Operator::Divide => left / right,
        _ => return Err(Problem::unknown("this operator on floats")),
    }))
}

fn decimal(operator: Operator, left: Decimal, right: Decimal) -> Result<Decimal> {
    let aligned = left.aligned(right);
    let (a, b, scale) = aligned.ok_or_else(overflow)?;
    let made = |digits: Option<i128>, scale| {
        digits.map(|digits| Decimal { digits, scale }).ok_or_else(overflow)
    };
    match operator {
        Operator::Add => made(a.checked_add(b), scale),
        Operator::Subtract => made(a.checked_sub(b), scale),
        Operator::Multiply => made(left.digits.checked_mul(right.digits), left.scale + right.scale),
        Operator::Divide | Operator::Modulo if b == 0 => {
            Err(Problem::raised(8134, "Divide by zero error encountered."))
        }
        Operator::Divide => made(a.checked_mul(1_000_000).map(|wide| wide / b), 6),
        Operator::Modulo => made(Some(a % b), scale),
        _ => Err(Problem::unknown("bits of decimals")),
    }
}

/// The type of the result of an operator.
pub(crate) fn type_of(operator: Operator, left: Type, right: Type) -> Type {
    use Kind::{BigInt, Decimal, Float, Int, Money, NVarChar, Real, VarBinary};
    let kind = match (left.kind, right.kind) {
        (l, r) if l.is_text() || r.is_text() => NVarChar(Some(4000)),
        (l, r) if l.is_bytes() && r.is_bytes() => VarBinary(Some(8000)),
        (Float | Real, _) | (_, Float | Real) => Float,
        (Decimal(..) | Money | Kind::SmallMoney, _)
        | (_, Decimal(..) | Money | Kind::SmallMoney) => {
            let (_, _, l) = left.kind.sizes();
            let (_, _, r) = right.kind.sizes();
            Decimal(
                38,
                match operator {
                    Operator::Multiply => l + r,
                    Operator::Divide => 6,
                    _ => std::cmp::max(l, r),
                },
            )
        }
        (BigInt, _) | (_, BigInt) => BigInt,
        _ => Int,
    };
    Type { kind, collation: left.collation }
}

/// How values of two types meet: the type of higher precedence.
pub(crate) fn meeting(left: Type, right: Type) -> Type {
    let heavier = if precedence(right.kind) > precedence(left.kind) { right } else { left };
    let collation = if left.kind.is_text() { left.collation } else { right.collation };
    let kind = match (left.kind, right.kind) {
        // Two of one family meet at the longer.
        (a, b) if a.is_text() && b.is_text() => Kind::NVarChar(None),
        (a, b) if a.is_bytes() && b.is_bytes() => Kind::VarBinary(None),
        (Kind::Decimal(..), Kind::Decimal(..)) => {
            let ((_, _, l), (_, _, r)) = (left.kind.sizes(), right.kind.sizes());
            Kind::Decimal(38, std::cmp::max(l, r))
        }
        _ => heavier.kind,
    };
    Type { kind, collation }
}

/// <https://learn.microsoft.com/en-us/sql/t-sql/data-types/data-type-precedence-transact-sql>
fn precedence(kind: Kind) -> u8 {
    match kind {
        Kind::Clr(_) => 30,
        Kind::Variant => 29,
        Kind::Xml => 28,
        Kind::DateTimeOffset(_) => 27,
        Kind::DateTime2(_) => 26,
        Kind::DateTime => 25,
        Kind::SmallDateTime => 24,
        Kind::Date => 23,
        Kind::Time(_) => 22,
        Kind::Float => 21,
        Kind::Real => 20,
        Kind::Decimal(..) => 19,
        Kind::Money => 18,
        Kind::SmallMoney => 17,
        Kind::BigInt => 16,
        Kind::Int => 15,
        Kind::SmallInt => 14,
        Kind::TinyInt => 13,
        Kind::Bit => 12,
        Kind::NText => 11,
        Kind::Text => 10,
        Kind::Image => 9,
        Kind::RowVersion => 8,
        Kind::Guid => 7,
        Kind::NVarChar(_) => 6,
        Kind::NChar(_) => 5,
        Kind::VarChar(_) => 4,
        Kind::Char(_) => 3,
        Kind::VarBinary(_) => 2,
        Kind::Binary(_) => 1,
    }
}

/// Whether values of the two compare as they are.
pub(crate) fn same_world(left: Kind, right: Kind) -> bool {
    world(left) == world(right)
}

fn world(kind: Kind) -> u8 {
    match kind {
        Kind::Char(_)
        | Kind::VarChar(_)
        | Kind::NChar(_)
        | Kind::NVarChar(_)
        | Kind::Text
        | Kind::NText
        | Kind::Xml => 1,
        Kind::Binary(_) | Kind::VarBinary(_) | Kind::Image | Kind::RowVersion => 2,
        Kind::Guid => 3,
        Kind::Date => 4,
        Kind::Time(_) => 5,
        Kind::DateTime | Kind::SmallDateTime | Kind::DateTime2(_) => 6,
        Kind::DateTimeOffset(_) => 7,
        Kind::Clr(_) => 8,
        Kind::Variant => 9,
        _ => 0,
    }
}
