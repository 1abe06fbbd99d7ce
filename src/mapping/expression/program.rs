//! A checked expression: what runs per row.

use std::borrow::Cow;

use regex::Regex;

use super::datum::Datum;
use super::evaluate::Stop;
use super::functions::Function;
use super::tree::Operator;
use super::{EvalError, Inputs, Type};
use crate::mapping::codec::DateFormat;

/// An expression whose types fit and whose columns are known.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(super) node: Node,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests ask for it"))]
    pub(super) result: Type,
}

/// A step of a program. The types of its operands are what it needs: the checker built it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Constant(Datum<'static>),
    Cell(Cell),
    /// A column as it is and as it was.
    Changed(Box<[Cell; 2]>),
    Not(Box<Node>),
    Minus(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Equal(Box<[Node; 2]>),
    Unequal(Box<[Node; 2]>),
    /// One of `<`, `<=`, `>`, `>=`.
    Order(Operator, Box<[Node; 2]>),
    /// A value and the values it may be.
    OneOf(Box<Node>, Box<[Node]>),
    /// A text and a list that is computed.
    Among(Box<[Node; 2]>),
    /// `+`, `-`, `*`, `/`, `%` of numbers.
    Arithmetic(Operator, Box<[Node; 2]>),
    Choice(Box<[Node; 3]>),
    List(Box<[Node]>),
    Element(Box<[Node; 2]>),
    Matches(Box<Node>, Box<Regex>),
    /// `date(text, "format")`
    DateIn(Box<Node>, DateFormat),
    Call(Function, &'static str, Box<[Node]>),
    /// Where a finding was noted, or a column is not known yet. No program has it.
    Unknown,
}

/// A cell of the row.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) slot: usize,
    pub(super) kind: Type,
    /// How the expression names it, for messages.
    pub(super) name: Box<str>,
}

impl Program {
    /// The canonical text of the result; `None` is null. Decimals are without exponent, dates
    /// `YYYY-MM-DD`, instants RFC 3339 in UTC, bools `true` and `false`. What is already in the
    /// row or the mapping is borrowed, `scratch` takes the rest.
    pub(crate) fn text<'v>(
        &'v self,
        inputs: &'v dyn Inputs,
        scratch: &'v mut String,
    ) -> Result<Option<&'v str>, EvalError> {
        let result = match self.node.evaluate(inputs) {
            Ok(datum) => datum.into_text(),
            Err(Stop::Null) => return Ok(None),
            Err(Stop::Error(error)) => return Err(error),
        };
        Ok(Some(match result {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => {
                *scratch = text;
                scratch
            }
        }))
    }

    /// Whether a condition holds; null does not.
    pub(crate) fn truth(&self, inputs: &dyn Inputs) -> Result<bool, EvalError> {
        match self.node.truth(inputs) {
            Ok(holds) => Ok(holds),
            Err(Stop::Null) => Ok(false),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// What the result is.
    #[cfg(test)]
    pub(super) fn result(&self) -> Type {
        self.result
    }

    /// All texts it can give, if it can only give literals: through `? :` and `coalesce`. Null is
    /// none of them.
    pub(crate) fn literals(&self) -> Option<Vec<&str>> {
        let mut texts = Vec::new();
        self.node.literals(&mut texts)?;
        Some(texts)
    }
}

impl Node {
    fn literals<'v>(&'v self, texts: &mut Vec<&'v str>) -> Option<()> {
        match self {
            Self::Null => Some(()),
            Self::Constant(Datum::Text(text)) => {
                if !texts.contains(&&**text) {
                    texts.push(text);
                }
                Some(())
            }
            Self::Choice(parts) => {
                let [_, then, otherwise] = &**parts;
                then.literals(texts)?;
                otherwise.literals(texts)
            }
            Self::Call(Function::Coalesce, _, values) => {
                values.iter().try_for_each(|value| value.literals(texts))
            }
            _ => None,
        }
    }

    /// Whether it is known without a row.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Self::Null | Self::Constant(_) => true,
            Self::List(values) => values.iter().all(Self::is_constant),
            _ => false,
        }
    }
}
