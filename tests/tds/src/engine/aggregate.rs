//! Aggregates over groups.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::Context;
use super::node::{Frame, Node};
use crate::problem::{Problem, Result};
use crate::value::order::{append_key, compare, exact, float};
use crate::value::{Decimal, Value};

/// What is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    Min,
    Max,
    Sum,
}

/// An aggregate of a query.
#[derive(Clone)]
pub(crate) struct Aggregate {
    pub(crate) function: Function,
    /// What it is of; none for `COUNT(*)`.
    pub(crate) of: Option<Node>,
    pub(crate) distinct: bool,
}

/// An aggregate at work.
#[derive(Default)]
pub(crate) struct Running {
    count: i64,
    value: Option<Value>,
    seen: HashSet<Vec<u8>>,
}

impl Aggregate {
    pub(crate) fn take(
        &self,
        running: &mut Running,
        context: &Context,
        frame: &Frame<'_>,
    ) -> Result<()> {
        let Some(node) = &self.of else {
            running.count += 1;
            return Ok(());
        };
        let value = node.value(context, frame)?;
        if value == Value::Null {
            return Ok(());
        }
        if self.distinct {
            let mut key = Vec::new();
            append_key(&mut key, &value, node.of);
            if !running.seen.insert(key) {
                return Ok(());
            }
        }
        running.count += 1;
        running.value = Some(match (self.function, running.value.take()) {
            (Function::Count, _) => Value::Null,
            (_, None) => value,
            (Function::Sum, Some(sum)) => add(&sum, &value)?,
            (function, Some(best)) => {
                let wanted =
                    if function == Function::Min { Ordering::Less } else { Ordering::Greater };
                if compare(&value, &best, node.of) == Some(wanted) { value } else { best }
            }
        });
        Ok(())
    }

    pub(crate) fn result(&self, running: Running) -> Value {
        match self.function {
            Function::Count => Value::Int(running.count),
            _ => running.value.unwrap_or(Value::Null),
        }
    }
}

fn add(left: &Value, right: &Value) -> Result<Value> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        return Ok(Value::Int(left.saturating_add(*right)));
    }
    if let (Some(left), Some(right)) = (exact(left), exact(right))
        && let Some((left, right, scale)) = left.aligned(right)
    {
        return Ok(Value::Decimal(Decimal { digits: left + right, scale }));
    }
    let sum = float(left).zip(float(right)).map(|(left, right)| Value::Float(left + right));
    sum.ok_or_else(|| Problem::unknown("SUM of this type"))
}
