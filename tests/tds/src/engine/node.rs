//! Bound expressions: names are places, and every node knows its type.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Context;
use super::arithmetic::{arithmetic, negative};
use super::run::Plan;
use crate::database::table::Cells;
use crate::problem::{Problem, Result};
use crate::sql::Operator;
use crate::value::Value;
use crate::value::cast::cast;
use crate::value::kind::Type;
use crate::value::order::compare;

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
