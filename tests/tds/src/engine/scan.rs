//! Where rows come from: views made for the moment, tables and change tables read in steps.

use std::ops::Bound;
use std::sync::Arc;

use super::Context;
use super::node::{Frame, Node};
use super::run::Plan;
use crate::catalog;
use crate::database::table::{Cells, Key};
use crate::problem::Result;
use crate::sql::Hints;
use crate::value::Value;
use crate::value::kind::Type;

/// How many rows are taken under one lock of the state.
const STEP: usize = 1024;

/// A function that gives rows.
pub(crate) type TableFunction = fn(&Context, &str, &[Value]) -> Result<Vec<Cells>>;

/// Where the rows of a scan come from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(Arc<Vec<Cells>>),
    Table(i32, Hints),
    Changes(String),
    /// The commits by their places.
    Commits,
    Plan(Arc<Plan>),
    Function(TableFunction, String, Vec<Node>),
    Values(Vec<Vec<Node>>),
}

/// One source of rows with its shape.
#[derive(Clone)]
pub(crate) struct Scan {
    pub(crate) source: Source,
    pub(crate) columns: Arc<[(String, Type)]>,
    /// The columns by which the rows are sorted, in that order.
    pub(crate) clustered: Vec<usize>,
}

/// From where to where, in bytes of keys, and in which direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Range {
    pub(crate) from: Option<Vec<u8>>,
    /// Not this any more.
    pub(crate) to: Option<Vec<u8>>,
    pub(crate) backwards: bool,
}

/// What is called with each row; false is enough.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(Cells) -> Result<bool>;

impl Scan {
    /// Calls for each row until it is enough; says whether there may be more wanted.
    pub(crate) fn each(
        &self,
        context: &Context,
        frame: &Frame<'_>,
        range: &Range,
        visit: Visit<'_>,
    ) -> Result<bool> {
        match &self.source {
            Source::Fixed(rows) if range.backwards => all(rows.iter().rev().cloned(), visit),
            Source::Fixed(rows) => all(rows.iter().cloned(), visit),
            Source::Table(..) | Source::Changes(_) | Source::Commits => {
                self.in_steps(context, range, visit)
            }
            Source::Plan(plan) => {
                let mut more = true;
                plan.run(context, Some(frame), &mut |row| {
                    more = visit(row.into())?;
                    Ok(more)
                })?;
                Ok(more)
            }
            Source::Function(function, name, arguments) => {
                let values = arguments.iter().map(|node| node.value(context, frame));
                let values = values.collect::<Result<Vec<_>>>()?;
                all(function(context, name, &values)?.into_iter(), visit)
            }
            Source::Values(rows) => {
                for row in rows {
                    let cells = row.iter().map(|node| node.value(context, frame));
                    if !visit(cells.collect::<Result<Vec<_>>>()?.into())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    fn in_steps(&self, context: &Context, range: &Range, visit: Visit<'_>) -> Result<bool> {
        if let Source::Table(id, hints) = self.source {
            context.read_lock(id, hints)?;
        }
        let mut range = range.clone();
        loop {
            context.check_cancelled()?;
            let step = self.step(context, &range);
            let full = step.len() == STEP;
            let last = step.last().map(|(key, _)| key.clone());
            if !all(step.into_iter().map(|(_, cells)| cells), visit)? {
                return Ok(false);
            }
            match last {
                Some(last) if full && range.backwards => range.to = Some(last.into()),
                Some(last) if full => {
                    let mut after = Vec::from(last);
                    after.push(0);
                    range.from = Some(after);
                }
                _ => return Ok(true),
            }
        }
    }

    fn step(&self, context: &Context, range: &Range) -> Vec<(Key, Cells)> {
        let from = range.from.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        if let (Some(from), Some(to)) = (&range.from, &range.to)
            && from >= to
        {
            return Vec::new();
        }
        let (commits, written) = context.as_of;
        let how = (STEP, range.backwards);
        let state = context.state();
        match &self.source {
            Source::Table(id, _) => {
                state.data.by_id(*id).map(|table| table.scan(commits, (from, to), how))
            }
            Source::Changes(name) => {
                let instance = state.data.cdc.as_ref().and_then(|cdc| cdc.instance(name));
                instance.map(|instance| instance.scan(written, (from, to), how))
            }
            Source::Commits => state
                .data
                .cdc
                .as_ref()
                .map(|cdc| catalog::commits(&state, cdc, written, (from, to), how)),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Whether its rows come in this order by themselves; `true` inside means backwards.
    pub(crate) fn comes_in(&self, order: &[(Node, bool)]) -> Option<bool> {
        let backwards = order.first()?.1;
        let fits = order.len() <= self.clustered.len()
            && order.iter().zip(&self.clustered).all(|((node, descending), place)| {
                *descending == backwards && node.column() == Some(*place)
            });
        fits.then_some(backwards)
    }
}

fn all(rows: impl Iterator<Item = Cells>, visit: Visit<'_>) -> Result<bool> {
    for row in rows {
        if !visit(row)? {
            return Ok(false);
        }
    }
    Ok(true)
}
