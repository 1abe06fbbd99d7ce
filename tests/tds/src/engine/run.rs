//! Plans: bound queries, and how they run.

use std::collections::BTreeMap;

use super::Context;
use super::aggregate::{Aggregate, Running};
use super::bounds;
use super::join::From;
use super::node::{Frame, Node, Test};
use crate::database::table::Cells;
use crate::problem::{Problem, Result};
use crate::value::Value;
use crate::value::kind::Type;
use crate::value::order::append_key;

/// A bound query.
pub(crate) struct Plan {
    /// Names and types of what it gives.
    pub(crate) columns: Vec<(String, Type)>,
    /// The SELECTs; true where duplicates of all before are taken out.
    pub(crate) arms: Vec<(Arm, bool)>,
    /// The order of a union, by output columns.
    pub(crate) order: Vec<(Node, bool)>,
}

/// A bound SELECT.
pub(crate) struct Arm {
    pub(crate) from: Option<From>,
    pub(crate) filter: Option<Test>,
    pub(crate) items: Vec<Node>,
    pub(crate) grouped: bool,
    pub(crate) group: Vec<Node>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) having: Option<Test>,
    pub(crate) distinct: bool,
    pub(crate) order: Vec<(Node, bool)>,
    pub(crate) offset: Option<Node>,
    /// TOP or FETCH.
    pub(crate) limit: Option<Node>,
}

/// What is called with each row; false is enough.
pub(crate) type Emit<'e> = &'e mut dyn FnMut(&[Value]) -> Result<bool>;
impl Plan {
    pub(crate) fn run(
        &self,
        context: &Context,
        up: Option<&Frame<'_>>,
        emit: Emit<'_>,
    ) -> Result<()> {
        if let [(arm, _)] = self.arms.as_slice() {
            return arm.run(context, up, emit);
        }
        let distinct = self.arms.iter().any(|(_, distinct)| *distinct);
        if !distinct && self.order.is_empty() {
            let mut more = true;
            for (arm, _) in &self.arms {
                if more {
                    arm.run(context, up, &mut |row| {
                        more = emit(row)?;
                        Ok(more)
                    })?;
                }
            }
            return Ok(());
        }
        self.sorted(context, up, distinct, emit)
    }

    fn sorted(
        &self,
        context: &Context,
        up: Option<&Frame<'_>>,
        distinct: bool,
        emit: Emit<'_>,
    ) -> Result<()> {
        let mut rows = Vec::new();
        for (arm, _) in &self.arms {
            arm.run(context, up, &mut |row| {
                let cells: Cells = row.into();
                let frame = Frame { cells: &[cells], aggregates: &[], up };
                rows.push((sort_key(&self.order, context, &frame)?, row.to_vec()));
                Ok(true)
            })?;
        }
        finish(rows, distinct, &self.columns, (0, usize::MAX), emit)
    }
}

/// Sorts, takes out duplicates and gives out a part.
fn finish(
    mut rows: Vec<(Vec<u8>, Vec<Value>)>,
    distinct: bool,
    columns: &[(String, Type)],
    (skip, take): (usize, usize),
    emit: Emit<'_>,
) -> Result<()> {
    rows.sort_by(|left, right| left.0.cmp(&right.0));
    let mut seen = std::collections::HashSet::new();
    let fresh = |row: &Vec<Value>| {
        let mut key = Vec::new();
        row.iter().zip(columns).for_each(|(value, (_, of))| append_key(&mut key, value, *of));
        seen.insert(key)
    };
    let mut fresh = fresh;
    let kept = rows.into_iter().map(|(_, row)| row).filter(|row| !distinct || fresh(row));
    for row in kept.skip(skip).take(take) {
        if !emit(&row)? {
            break;
        }
    }
    Ok(())
}

/// Bytes that sort as the order says.
fn sort_key(order: &[(Node, bool)], context: &Context, frame: &Frame<'_>) -> Result<Vec<u8>> {
    let mut key = Vec::new();
    for (node, descending) in order {
        let begin = key.len();
        append_key(&mut key, &node.value(context, frame)?, node.of);
        if *descending {
            key.iter_mut().skip(begin).for_each(|byte| *byte = !*byte);
        }
    }
    Ok(key)
}

impl Arm {
    fn run(&self, context: &Context, up: Option<&Frame<'_>>, emit: Emit<'_>) -> Result<()> {
        let around = Frame { cells: &[], aggregates: &[], up };
        let skip = number(self.offset.as_ref(), context, &around)?.unwrap_or(0);
        let take = number(self.limit.as_ref(), context, &around)?.unwrap_or(usize::MAX);
        if take == 0 {
            return Ok(());
        }
        let by_itself = match (&self.from, self.order.is_empty()) {
            // Without an order any will do, and nobody shall count on one: backwards.
            (_, true) => Some(true),
            (Some(From::Scan(scan)), false) => scan.comes_in(&self.order),
            _ => None,
        };
        match by_itself {
            Some(backwards) if !self.distinct && !self.grouped => {
                let mut count = 0_usize;
                self.each(context, up, backwards, &mut |frame| {
                    count += 1;
                    if count <= skip {
                        return Ok(true);
                    }
                    let row = self.items.iter().map(|item| item.value(context, frame));
                    let more = emit(&row.collect::<Result<Vec<_>>>()?)?;
                    Ok(more && count - skip < take)
                })
            }
            _ => {
                let rows = if self.grouped {
                    self.groups(context, up)?
                } else {
                    self.collected(context, up)?
                };
                let columns: Vec<_> =
                    self.items.iter().map(|item| (String::new(), item.of)).collect();
                finish(rows, self.distinct, &columns, (skip, take), emit)
            }
        }
    }

    /// Calls for each row that fits.
    fn each(
        &self,
        context: &Context,
        up: Option<&Frame<'_>>,
        backwards: bool,
        visit: &mut dyn FnMut(&Frame<'_>) -> Result<bool>,
    ) -> Result<()> {
        let around = Frame { cells: &[], aggregates: &[], up };
        let mut fitting = |cells: &[Cells]| {
            let frame = Frame { cells, aggregates: &[], up };
            let fits = match &self.filter {
                Some(test) => test.holds(context, &frame)? == Some(true),
                None => true,
            };
            if fits { visit(&frame) } else { Ok(true) }
        };
        match &self.from {
            None => fitting(&[]).map(|_| ()),
            Some(From::Scan(scan)) => {
                let mut range = bounds::range(scan, self.filter.as_ref(), context, &around);
                range.backwards = backwards;
                let mut each = |row| fitting(&[row]);
                scan.each(context, &around, &range, &mut each).map(|_| ())
            }
            Some(from) => from.each(context, &around, &mut fitting).map(|_| ()),
        }
    }

    fn collected(
        &self,
        context: &Context,
        up: Option<&Frame<'_>>,
    ) -> Result<Vec<(Vec<u8>, Vec<Value>)>> {
        let mut rows = Vec::new();
        self.each(context, up, false, &mut |frame| {
            let row = self.items.iter().map(|item| item.value(context, frame));
            let row = row.collect::<Result<Vec<_>>>()?;
            rows.push((sort_key(&self.order, context, frame)?, row));
            Ok(true)
        })?;
        Ok(rows)
    }

    fn groups(
        &self,
        context: &Context,
        up: Option<&Frame<'_>>,
    ) -> Result<Vec<(Vec<u8>, Vec<Value>)>> {
        let mut groups: BTreeMap<Vec<u8>, (Vec<Cells>, Vec<Running>)> = BTreeMap::new();
        let fresh = || self.aggregates.iter().map(|_| Running::default()).collect::<Vec<_>>();
        if self.group.is_empty() {
            groups.insert(Vec::new(), (Vec::new(), fresh()));
        }
        self.each(context, up, false, &mut |frame| {
            let order: Vec<_> = self.group.iter().map(|node| (node.clone(), false)).collect();
            let key = sort_key(&order, context, frame)?;
            let (_, running) = groups.entry(key).or_insert_with(|| (frame.cells.to_vec(), fresh()));
            for (aggregate, running) in self.aggregates.iter().zip(running) {
                aggregate.take(running, context, frame)?;
            }
            Ok(true)
        })?;
        let mut rows = Vec::new();
        for (cells, running) in groups.into_values() {
            let results = self.aggregates.iter().zip(running);
            let aggregates: Vec<Value> = results.map(|(a, running)| a.result(running)).collect();
            let frame = Frame { cells: &cells, aggregates: &aggregates, up };
            let wanted = match &self.having {
                Some(test) => test.holds(context, &frame)? == Some(true),
                None => true,
            };
            if wanted {
                let row = self.items.iter().map(|item| item.value(context, &frame));
                let row = row.collect::<Result<Vec<_>>>()?;
                rows.push((sort_key(&self.order, context, &frame)?, row));
            }
        }
        Ok(rows)
    }
}

/// A number of rows.
fn number(node: Option<&Node>, context: &Context, frame: &Frame<'_>) -> Result<Option<usize>> {
    let Some(node) = node else { return Ok(None) };
    match node.value(context, frame)? {
        Value::Int(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| Problem::raised(1014, "A TOP or FETCH clause contains an invalid value.")),
        _ => Err(Problem::raised(
            1060,
            "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.",
        )),
    }
}
