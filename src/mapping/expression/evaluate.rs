//! Running a program over a row.
//!
//! Null is not a value here but a way to stop: `?` carries it out of every operator and function,
//! and the few places that know what to do with it catch it. A step borrows from the row and the
//! program; only a text that must be made costs an allocation.

use std::borrow::Cow;
use std::cmp::Ordering;

use erpbridge_connector::Value;

use super::arguments::Arguments;
use super::datum::{Datum, Texts};
use super::decimal::{Decimal, MAX_DIGITS};
use super::instant::{Instant, day};
use super::program::{Cell, Node};
use super::tree::Operator;
use super::{EvalError, Inputs, Type};
use crate::mapping::codec::{self, DateFormat};

/// Why a computation ended without a value.
#[derive(Debug)]
pub(super) enum Stop {
    /// The value is null.
    Null,
    /// There is no telling.
    Error(EvalError),
}

pub(super) type Outcome<T> = Result<T, Stop>;

impl Stop {
    pub(super) fn failed(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Error(EvalError::failed(what, why))
    }
}

/// Turns the stop that null is back into a value.
pub(super) fn known<T>(outcome: Outcome<T>) -> Result<Option<T>, Stop> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Stop::Null) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Cell {
    fn read<'v>(&self, inputs: &'v dyn Inputs) -> Outcome<&'v str> {
        match inputs.get(self.slot) {
            Value::Text(text) => Ok(text),
            Value::Null => Err(Stop::Null),
            Value::Absent => Err(Stop::Error(EvalError::Absent { slot: self.slot })),
        }
    }

    /// The cell's text as what it is.
    fn decode<'v>(&self, text: &'v str) -> Outcome<Datum<'v>> {
        let datum = match self.kind {
            Type::Text => Some(Datum::Text(Cow::Borrowed(text))),
            Type::Number => Decimal::parse(text).map(Datum::Number),
            Type::Bool => match text {
                "true" => Some(Datum::Bool(true)),
                "false" => Some(Datum::Bool(false)),
                _ => None,
            },
            Type::Date => day(text).map(Datum::Date),
            Type::Instant => Instant::parse(text).map(Datum::Instant),
            Type::Texts => None,
        };
        datum.ok_or_else(|| self.unreadable())
    }

    #[cold]
    fn unreadable(&self) -> Stop {
        let wanted = match self.kind {
            Type::Number => format!("a number of at most {MAX_DIGITS} digits"),
            Type::Date => "a day of the years 1 to 9999".to_owned(),
            other => format!("one {other}"),
        };
        Stop::failed(&self.name, format_args!("what it holds is not {wanted}"))
    }

    fn evaluate<'v>(&self, inputs: &'v dyn Inputs) -> Outcome<Datum<'v>> {
        self.decode(self.read(inputs)?)
    }
}

impl Node {
    pub(super) fn evaluate<'v>(&'v self, inputs: &'v dyn Inputs) -> Outcome<Datum<'v>> {
        match self {
            Self::Null => Err(Stop::Null),
            Self::Constant(datum) => Ok(datum.lend()),
            Self::Cell(cell) => cell.evaluate(inputs),
            Self::Choice(parts) => choice(parts, inputs)?.evaluate(inputs),
            Self::Minus(operand) => Ok(Datum::Number(operand.number(inputs)?.negate())),
            Self::Arithmetic(operator, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (left.number(inputs)?, right.number(inputs)?);
                arithmetic(*operator, left, right).map(Datum::Number)
            }
            Self::List(values) => list(values, inputs),
            Self::Element(parts) => element(parts, inputs),
            Self::DateIn(text, format) => read_day(&text.text(inputs)?, *format),
            Self::Call(function, name, nodes) => Arguments { name, nodes, inputs }.call(*function),
            Self::Changed(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Equal(_)
            | Self::Unequal(_)
            | Self::Order(..)
            | Self::OneOf(..)
            | Self::Among(_)
            | Self::Matches(..) => self.truth(inputs).map(Datum::Bool),
            Self::Unknown => Err(Stop::failed("expression", "it was not checked")),
        }
    }

    /// The value of a condition.
    pub(super) fn truth(&self, inputs: &dyn Inputs) -> Outcome<bool> {
        match self {
            Self::Not(operand) => operand.truth(inputs).map(|holds| !holds),
            Self::And(operands) => decided_by(false, operands, inputs),
            Self::Or(operands) => decided_by(true, operands, inputs),
            Self::Equal(operands) => equal(operands, inputs),
            Self::Unequal(operands) => equal(operands, inputs).map(|same| !same),
            Self::Order(operator, operands) => order(*operator, operands, inputs),
            Self::OneOf(value, list) => one_of(value, list, inputs),
            Self::Among(operands) => among(operands, inputs),
            Self::Matches(text, pattern) => Ok(pattern.is_match(&text.text(inputs)?)),
            Self::Changed(cells) => changed(cells, inputs),
            other => match other.evaluate(inputs)? {
                Datum::Bool(holds) => Ok(holds),
                _ => Err(misfit(Type::Bool)),
            },
        }
    }

    pub(super) fn text<'v>(&'v self, inputs: &'v dyn Inputs) -> Outcome<Cow<'v, str>> {
        match self.evaluate(inputs)? {
            Datum::Text(text) => Ok(text),
            _ => Err(misfit(Type::Text)),
        }
    }

    pub(super) fn number(&self, inputs: &dyn Inputs) -> Outcome<Decimal> {
        match self.evaluate(inputs)? {
            Datum::Number(number) => Ok(number),
            _ => Err(misfit(Type::Number)),
        }
    }
}

/// What the checker rules out.
#[cold]
pub(super) fn misfit(wanted: Type) -> Stop {
    Stop::failed("expression", format_args!("a value is not a {wanted}"))
}

/// `&&` and `||` by Kleene: one side decides alone if it is `decisive`; otherwise what is not known
/// of either side is not known of both.
fn decided_by(decisive: bool, operands: &[Node; 2], inputs: &dyn Inputs) -> Outcome<bool> {
    let [left, right] = operands;
    let first = left.truth(inputs);
    match first {
        Ok(holds) if holds == decisive => return first,
        Err(Stop::Error(EvalError::Failed { .. })) => return first,
        _ => {}
    }
    let second = right.truth(inputs);
    let second_counts = match (&first, &second) {
        (Ok(_), _) | (Err(Stop::Null), Err(Stop::Error(_))) => true,
        (_, Ok(holds)) => *holds == decisive,
        _ => false,
    };
    if second_counts { second } else { first }
}

/// Null is a value: it equals itself and nothing else.
fn equal(operands: &[Node; 2], inputs: &dyn Inputs) -> Outcome<bool> {
    let [left, right] = operands;
    let left = known(left.evaluate(inputs))?;
    let right = known(right.evaluate(inputs))?;
    Ok(same(left.as_ref(), right.as_ref()))
}

fn same(left: Option<&Datum<'_>>, right: Option<&Datum<'_>>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.compare(right) == Some(Ordering::Equal),
        (None, None) => true,
        _ => false,
    }
}

fn order(operator: Operator, operands: &[Node; 2], inputs: &dyn Inputs) -> Outcome<bool> {
    let [left, right] = operands;
    let (left, right) = (left.evaluate(inputs)?, right.evaluate(inputs)?);
    let order = left.compare(&right).ok_or_else(|| misfit(Type::Number))?;
    Ok(match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `x in [a, b]` is `x == a || x == b`.
fn one_of(value: &Node, list: &[Node], inputs: &dyn Inputs) -> Outcome<bool> {
    let value = known(value.evaluate(inputs))?;
    let mut unsure = None;
    for other in list {
        match known(other.evaluate(inputs)) {
            Ok(other) if same(value.as_ref(), other.as_ref()) => return Ok(true),
            Ok(_) => {}
            Err(stop @ Stop::Error(EvalError::Absent { .. })) => unsure = unsure.or(Some(stop)),
            Err(stop) => return Err(stop),
        }
    }
    unsure.map_or(Ok(false), Err)
}

/// No text of a list is null.
fn among(operands: &[Node; 2], inputs: &dyn Inputs) -> Outcome<bool> {
    let [value, list] = operands;
    let value = known(value.text(inputs))?;
    match list.evaluate(inputs)? {
        Datum::Texts(list) => Ok(value.is_some_and(|value| list.holds(&value))),
        _ => Err(misfit(Type::Texts)),
    }
}

/// Whether two cells of a column differ as values: `1.0` and `1.00` do not. Texts that cannot be
/// read as what the column is still differ from others.
fn changed(cells: &[Cell; 2], inputs: &dyn Inputs) -> Outcome<bool> {
    let [new, old] = cells;
    let (is, was) = (known(new.read(inputs))?, known(old.read(inputs))?);
    let (Some(is), Some(was)) = (is, was) else { return Ok(is != was) };
    if is == was {
        return Ok(false);
    }
    let (Ok(is), Ok(was)) = (new.decode(is), old.decode(was)) else { return Ok(true) };
    Ok(!same(Some(&is), Some(&was)))
}

fn choice<'v>(parts: &'v [Node; 3], inputs: &dyn Inputs) -> Outcome<&'v Node> {
    let [condition, then, otherwise] = parts;
    let holds = known(condition.truth(inputs))?.unwrap_or(false);
    Ok(if holds { then } else { otherwise })
}

fn arithmetic(operator: Operator, left: Decimal, right: Decimal) -> Outcome<Decimal> {
    let sign = operator.sign();
    let zero = right == Decimal::from(0);
    let result = match operator {
        Operator::Add => left.add(right),
        Operator::Subtract => left.add(right.negate()),
        Operator::Multiply => left.multiply(right),
        _ if zero => return Err(Stop::failed(sign, "division by zero")),
        Operator::Divide => left.divide(right),
        _ => left.remainder(right),
    };
    result.ok_or_else(|| too_large(sign))
}

pub(super) fn too_large(what: &str) -> Stop {
    Stop::failed(what, format_args!("the result does not fit {MAX_DIGITS} digits"))
}

fn list<'v>(values: &'v [Node], inputs: &'v dyn Inputs) -> Outcome<Datum<'v>> {
    let texts: Outcome<Vec<_>> = values.iter().map(|value| value.text(inputs)).collect();
    Ok(Datum::Texts(Texts::List(texts?)))
}

/// Beyond the end there is nothing, which is null.
fn element<'v>(parts: &'v [Node; 2], inputs: &'v dyn Inputs) -> Outcome<Datum<'v>> {
    let [list, place] = parts;
    let Datum::Texts(list) = list.evaluate(inputs)? else { return Err(misfit(Type::Texts)) };
    let place = place.number(inputs)?.to_whole().and_then(|place| usize::try_from(place).ok());
    let place =
        place.ok_or_else(|| Stop::failed("[]", "the place is not a whole number from 0"))?;
    list.nth(place).map(Datum::Text).ok_or(Stop::Null)
}

/// A day in the spelling of a column.
pub(super) fn read_day(text: &str, format: DateFormat) -> Outcome<Datum<'static>> {
    let mut scratch = String::new();
    let day = codec::date(text, format, &mut scratch).and_then(day);
    let wrong = || Stop::failed("date", "the text is not a day in the format it is said to have");
    day.map(Datum::Date).ok_or_else(wrong)
}
