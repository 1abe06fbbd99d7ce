//! FROM: sources of rows, alone and put together.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::node::{Frame, Node, Test};
use super::scan::{Range, Scan};
use crate::database::table::Cells;
use crate::problem::Result;
use crate::sql::Join;
use crate::value::Value;
use crate::value::order::append_key;

/// A bound FROM.
pub(crate) enum From {
    Scan(Scan),
    Joined(Box<Joined>),
}

/// Two bound relations put together.
pub(crate) struct Joined {
    pub(crate) left: From,
    pub(crate) right: From,
    pub(crate) how: Join,
    pub(crate) on: Option<Test>,
    /// What is equal on both sides, where the condition says so.
    pub(crate) equal: Vec<(Node, Node)>,
    /// How many sources each side has.
    pub(crate) widths: (usize, usize),
}

/// What is called with a row of each source; false is enough.
type VisitRow<'v> = &'v mut dyn FnMut(&[Cells]) -> Result<bool>;

impl From {
    /// How many sources it has.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Scan(_) => 1,
            Self::Joined(joined) => joined.widths.0 + joined.widths.1,
        }
    }

    /// Calls for each row, a row of each source, until it is enough.
    pub(super) fn each(
        &self,
        context: &Context,
        around: &Frame<'_>,
        visit: VisitRow<'_>,
    ) -> Result<bool> {
        match self {
            Self::Scan(scan) => {
                scan.each(context, around, &Range::default(), &mut |row| visit(&[row]))
            }
            Self::Joined(joined) => joined.each(context, around, visit),
        }
    }

    fn collected(&self, context: &Context, around: &Frame<'_>) -> Result<Vec<Vec<Cells>>> {
        let mut rows = Vec::new();
        self.each(context, around, &mut |row| {
            rows.push(row.to_vec());
            Ok(true)
        })?;
        Ok(rows)
    }
}

impl Joined {
    fn each(&self, context: &Context, around: &Frame<'_>, visit: VisitRow<'_>) -> Result<bool> {
        if matches!(self.how, Join::Apply | Join::OuterApply) {
            return self.applied(context, around, visit);
        }
        let right = self.right.collected(context, around)?;
        let found = self.index(&right, context, around)?;
        let mut matched = vec![false; right.len()];
        let more = self.left.each(context, around, &mut |left| {
            let candidates = match &found {
                Some(found) => {
                    let frame = Frame { cells: left, aggregates: &[], up: around.up };
                    let nodes = self.equal.iter().map(|(node, _)| node);
                    let key = key_of(nodes, context, &frame)?;
                    key.and_then(|key| found.get(&key)).cloned().unwrap_or_default()
                }
                None => (0..right.len()).collect(),
            };
            let mut any = false;
            for place in candidates {
                let Some(other) = right.get(place) else { continue };
                let row = [left, other.as_slice()].concat();
                let frame = Frame { cells: &row, aggregates: &[], up: around.up };
                let fits = match &self.on {
                    Some(test) => test.holds(context, &frame)? == Some(true),
                    None => true,
                };
                if fits {
                    any = true;
                    matched.iter_mut().skip(place).take(1).for_each(|one| *one = true);
                    if !visit(&row)? {
                        return Ok(false);
                    }
                }
            }
            if !any && matches!(self.how, Join::Left | Join::Full) {
                return visit(&[left, nothing(self.widths.1).as_slice()].concat());
            }
            Ok(true)
        })?;
        if !more || !matches!(self.how, Join::Right | Join::Full) {
            return Ok(more);
        }
        for (other, _) in right.iter().zip(&matched).filter(|(_, matched)| !**matched) {
            if !visit(&[nothing(self.widths.0).as_slice(), other.as_slice()].concat())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows of the right side by what has to be equal.
    fn index(
        &self,
        right: &[Vec<Cells>],
        context: &Context,
        around: &Frame<'_>,
    ) -> Result<Option<HashMap<Vec<u8>, Vec<usize>>>> {
        if self.equal.is_empty() {
            return Ok(None);
        }
        let mut found: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (place, row) in right.iter().enumerate() {
            let cells = [nothing(self.widths.0).as_slice(), row.as_slice()].concat();
            let frame = Frame { cells: &cells, aggregates: &[], up: around.up };
            let nodes = self.equal.iter().map(|(_, node)| node);
            if let Some(key) = key_of(nodes, context, &frame)? {
                found.entry(key).or_default().push(place);
            }
        }
        Ok(Some(found))
    }

    fn applied(&self, context: &Context, around: &Frame<'_>, visit: VisitRow<'_>) -> Result<bool> {
        self.left.each(context, around, &mut |left| {
            let frame = Frame { cells: left, aggregates: &[], up: around.up };
            let mut any = false;
            let more = self.right.each(context, &frame, &mut |right| {
                any = true;
                visit(&[left, right].concat())
            })?;
            if more && !any && self.how == Join::OuterApply {
                return visit(&[left, nothing(self.widths.1).as_slice()].concat());
            }
            Ok(more)
        })
    }
}

/// Sources without a row: every cell of them is NULL.
fn nothing(width: usize) -> Vec<Cells> {
    vec![Arc::from(Vec::new()); width]
}

/// NULL is equal to nothing.
fn key_of<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    context: &Context,
    frame: &Frame<'_>,
) -> Result<Option<Vec<u8>>> {
    let mut key = Vec::new();
    for node in nodes {
        let value = node.value(context, frame)?;
        if value == Value::Null {
            return Ok(None);
        }
        append_key(&mut key, &value, node.of);
    }
    Ok(Some(key))
}
