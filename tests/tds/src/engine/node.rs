//! Bound expressions: names are places, and every node knows its type.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Context;
use super::run::Plan;
use crate::database::table::Cells;
use crate::problem::{Problem, Result};
use crate::sql::Operator;
use crate::value::cast::cast;
use crate::value::kind::{Kind, Type};
use crate::value::order::{compare, exact, float};
use crate::value::{Decimal, Value};

/// A function: its arguments' values and types to a value.
pub(crate) type Function = fn(&Context, &[Value], &[Type]) -> Result<Value>;

/// An expression that can be evaluated.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) of: Type,
    pub(crate) what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    Constant(Value),
    /// So many queries up, which source, which column.
    Cell {
        up: usize,
        source: usize,
        column: usize,
    },
    Negative(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// To the type of the node, with a style; true gives NULL where it fails.
    Cast(Box<Node>, i32, bool),
    Call(Function, Vec<Node>),
    Case(Vec<(Test, Node)>, Option<Box<Node>>),
    Scalar(Arc<Plan>),
    /// The value worked out for a group.
    Aggregate(usize),
}

/// A condition that can be evaluated; `None` is unknown.
#[derive(Clone)]
pub(crate) enum Test {
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    /// The type's collation decides.
    Compare(Node, &'static [Ordering], Node, Type),
    Like(Node, Node, Option<char>),
    IsNull(Node),
    In(Node, Vec<Node>),
    Exists(Arc<Plan>),
    InPlan(Node, Arc<Plan>),
}

/// The row at hand, and those of the queries around.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'f> {
    pub(crate) cells: &'f [Cells],
    pub(crate) aggregates: &'f [Value],
    pub(crate) up: Option<&'f Frame<'f>>,
}

impl Frame<'_> {
    /// No row at all.
    pub(crate) const EMPTY: Frame<'static> = Frame { cells: &[], aggregates: &[], up: None };

    fn cell(&self, up: usize, source: usize, column: usize) -> Value {
        match (up, self.up) {
            (0, _) => self.cells.get(source).and_then(|cells| cells.get(column)).cloned(),
            (_, Some(outer)) => return outer.cell(up - 1, source, column),
            (_, None) => None,
        }
        .unwrap_or(Value::Null)
    }
}

impl Node {
    pub(crate) fn constant(value: Value, of: impl Into<Type>) -> Self {
        Self { of: of.into(), what: What::Constant(value) }
    }

    /// The same as another type, where it is not one yet.
    pub(crate) fn into_type(self, of: Type) -> Self {
        if self.of.kind == of.kind {
            return self;
        }
        Self { of, what: What::Cast(Box::new(self), 0, false) }
    }

    pub(crate) fn value(&self, context: &Context, frame: &Frame<'_>) -> Result<Value> {
        match &self.what {
            What::Constant(value) => Ok(value.clone()),
            What::Cell { up, source, column } => Ok(frame.cell(*up, *source, *column)),
            What::Negative(node) => negative(&node.value(context, frame)?),
            What::Binary(operator, left, right) => {
                let left = left.value(context, frame)?;
                arithmetic(*operator, &left, &right.value(context, frame)?)
            }
            What::Cast(node, style, tries) => {
                let value = node.value(context, frame)?;
                match cast(&value, node.of, self.of, *style) {
                    Err(Problem::Raised(_)) if *tries => Ok(Value::Null),
                    done => done,
                }
            }
            What::Call(function, arguments) => {
                let values = arguments.iter().map(|argument| argument.value(context, frame));
                let values = values.collect::<Result<Vec<_>>>()?;
                let types: Vec<Type> = arguments.iter().map(|argument| argument.of).collect();
                function(context, &values, &types)
            }
            What::Case(whens, otherwise) => {
                for (test, node) in whens {
                    if test.holds(context, frame)? == Some(true) {
                        return node.value(context, frame);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |node| node.value(context, frame))
            }
            What::Scalar(plan) => scalar(plan, context, frame),
            What::Aggregate(place) => {
                Ok(frame.aggregates.get(*place).cloned().unwrap_or(Value::Null))
            }
        }
    }

    /// Whether it is the same for every row of its query.
    pub(crate) fn is_constant(&self) -> bool {
        match &self.what {
            What::Constant(_) => true,
            What::Cell { up, .. } => *up > 0,
            What::Negative(node) | What::Cast(node, ..) => node.is_constant(),
            What::Binary(_, left, right) => left.is_constant() && right.is_constant(),
            What::Call(_, arguments) => arguments.iter().all(Self::is_constant),
            What::Case(..) | What::Scalar(_) | What::Aggregate(_) => false,
        }
    }

    /// The column of the query's only source that it is, if it is one.
    pub(crate) fn column(&self) -> Option<usize> {
        match self.what {
            What::Cell { up: 0, source: 0, column } => Some(column),
            _ => None,
        }
    }

    /// Calls for every source of its own query it looks at.
    pub(crate) fn sources(&self, see: &mut impl FnMut(usize)) {
        match &self.what {
            What::Cell { up: 0, source, .. } => see(*source),
            What::Constant(_) | What::Cell { .. } | What::Aggregate(_) => {}
            What::Negative(node) | What::Cast(node, ..) => node.sources(see),
            What::Binary(_, left, right) => {
                left.sources(see);
                right.sources(see);
            }
            What::Call(_, arguments) => arguments.iter().for_each(|one| one.sources(see)),
            // What these look at is not followed: everything.
            What::Case(..) | What::Scalar(_) => (0..64).for_each(see),
        }
    }
}

fn scalar(plan: &Arc<Plan>, context: &Context, frame: &Frame<'_>) -> Result<Value> {
    let mut found = None;
    plan.run(context, Some(frame), &mut |row| {
        if found.is_some() {
            let message = "Subquery returned more than 1 value. This is not permitted when the \
                           subquery follows =, !=, <, <= , >, >= or when the subquery is used as \
                           an expression.";
            return Err(Problem::raised(512, message));
        }
        found = row.first().cloned();
        Ok(true)
    })?;
    Ok(found.unwrap_or(Value::Null))
}

impl Test {
    pub(crate) fn holds(&self, context: &Context, frame: &Frame<'_>) -> Result<Option<bool>> {
        match self {
            Self::And(left, right) => match left.holds(context, frame)? {
                Some(false) => Ok(Some(false)),
                left => Ok(match (left, right.holds(context, frame)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), right) => right,
                    _ => None,
                }),
            },
            Self::Or(left, right) => match left.holds(context, frame)? {
                Some(true) => Ok(Some(true)),
                left => Ok(match (left, right.holds(context, frame)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), right) => right,
                    _ => None,
                }),
            },
            Self::Not(inner) => Ok(inner.holds(context, frame)?.map(|holds| !holds)),
            Self::Compare(left, orders, right, of) => {
                let (left, right) = (left.value(context, frame)?, right.value(context, frame)?);
                Ok(compare(&left, &right, *of).map(|order| orders.contains(&order)))
            }
            Self::Like(text, pattern, escape) => {
                let collation = text.of.collation;
                match (text.value(context, frame)?, pattern.value(context, frame)?) {
                    (Value::Text(text), Value::Text(pattern)) => {
                        let (text, pattern) = (collation.folded(&text), collation.folded(&pattern));
                        let text: Vec<char> = text.chars().collect();
                        let pattern: Vec<char> = pattern.chars().collect();
                        Ok(Some(like(&text, &pattern, *escape)))
                    }
                    _ => Ok(None),
                }
            }
            Self::IsNull(node) => Ok(Some(node.value(context, frame)? == Value::Null)),
            Self::In(node, list) => {
                let value = node.value(context, frame)?;
                let values = list.iter().map(|one| one.value(context, frame));
                Ok(is_among(&value, values.collect::<Result<Vec<_>>>()?.iter(), node.of))
            }
            Self::Exists(plan) => {
                let mut found = false;
                plan.run(context, Some(frame), &mut |_| {
                    found = true;
                    Ok(false)
                })?;
                Ok(Some(found))
            }
            Self::InPlan(node, plan) => {
                let value = node.value(context, frame)?;
                let mut values = Vec::new();
                plan.run(context, Some(frame), &mut |row| {
                    values.extend(row.first().cloned());
                    Ok(true)
                })?;
                Ok(is_among(&value, values.iter(), node.of))
            }
        }
    }
}

fn is_among<'v>(value: &Value, among: impl Iterator<Item = &'v Value>, of: Type) -> Option<bool> {
    let mut unknown = *value == Value::Null;
    for one in among {
        match compare(value, one, of) {
            Some(Ordering::Equal) => return Some(true),
            None => unknown = true,
            Some(_) => {}
        }
    }
    if unknown { None } else { Some(false) }
}

/// `%`, `_` and sets in brackets.
fn like(text: &[char], pattern: &[char], escape: Option<char>) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return text.is_empty() };
    if Some(first) == escape && !rest.is_empty() {
        return matches!((text.split_first(), rest.split_first()), (Some((a, text)), Some((b, rest))) if a == b && like(text, rest, escape));
    }
    match first {
        '%' => (0..=text.len()).any(|from| like(text.get(from..).unwrap_or(&[]), rest, escape)),
        '_' => text.split_first().is_some_and(|(_, text)| like(text, rest, escape)),
        '[' => {
            let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
            let (set, after) = (rest.get(..end).unwrap_or(&[]), rest.get(end + 1..).unwrap_or(&[]));
            text.split_first().is_some_and(|(c, text)| in_set(*c, set) && like(text, after, escape))
        }
        literal => {
            text.split_first().is_some_and(|(c, text)| *c == literal && like(text, rest, escape))
        }
    }
}

fn in_set(character: char, set: &[char]) -> bool {
    match set {
        ['^', rest @ ..] => !in_set(character, rest),
        [low, '-', high, rest @ ..] => {
            (*low..=*high).contains(&character) || in_set(character, rest)
        }
        [one, rest @ ..] => *one == character || in_set(character, rest),
        [] => false,
    }
}

fn negative(value: &Value) -> Result<Value> {
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

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
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
