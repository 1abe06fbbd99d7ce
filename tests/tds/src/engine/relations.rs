//! Binding FROM: names become sources, and joins learn what is equal.

use std::sync::Arc;

use super::bind::{Binder, Shape};
use super::join::{From, Joined};
use super::node::{Node, Test};
use super::scan::{Scan, Source};
use crate::catalog;
use crate::problem::{Problem, Result};
use crate::sql::{Condition, Expression, Join, Query, Relation};

impl Binder<'_> {
    /// Binds a relation, and adds its sources to the query at hand.
    pub(super) fn relation(&mut self, relation: &Relation) -> Result<From> {
        match relation {
            Relation::Table { name, alias, hints } => {
                if let [one] = name.0.as_slice()
                    && let Some(place) =
                        self.with.iter().rposition(|(with, _)| with.eq_ignore_ascii_case(one))
                {
                    let called = alias.clone().unwrap_or_else(|| one.clone());
                    let query = self.with.get(place).map(|(_, query)| query.clone());
                    let query = query.expect("it was just found");
                    return self.derived(&query, called, &[]);
                }
                let scan = catalog::relation(self.context, name, *hints)?;
                let called = alias.clone().map_or_else(|| name.0.clone(), |alias| vec![alias]);
                Ok(self.source(called, scan))
            }
            Relation::Function { name, arguments, alias } => {
                let nodes = arguments.iter().map(|one| self.expression(one));
                let nodes = nodes.collect::<Result<Vec<_>>>()?;
                let scan = catalog::function(self.context, name, nodes)?;
                let called = alias.clone().map_or_else(|| name.0.clone(), |alias| vec![alias]);
                Ok(self.source(called, scan))
            }
            Relation::Derived { query, alias, columns } => {
                self.derived(query, alias.clone(), columns)
            }
            Relation::Values { rows, alias, columns } => self.values(rows, alias, columns),
            Relation::Joined { left, right, how, on } => {
                self.joined(left, right, *how, on.as_ref())
            }
        }
    }

    /// Adds a source to the query at hand.
    fn source(&mut self, called: Vec<String>, scan: Scan) -> From {
        let partial = matches!(scan.source, Source::Fixed(_));
        let shape = Shape { called, columns: Arc::clone(&scan.columns), partial };
        self.scopes.last_mut().expect("a query has a scope").push(shape);
        From::Scan(scan)
    }

    fn derived(&mut self, query: &Query, alias: String, renamed: &[String]) -> Result<From> {
        let plan = self.query(query)?;
        let mut columns = plan.columns.clone();
        for (column, name) in columns.iter_mut().zip(renamed) {
            column.0.clone_from(name);
        }
        if let Some(place) = columns.iter().position(|(name, _)| name.is_empty()) {
            return Err(Problem::raised(
                8155,
                format!("No column name was specified for column {} of '{alias}'.", place + 1),
            ));
        }
        let source = Source::Plan(Arc::new(plan));
        let scan = Scan { source, columns: columns.into(), clustered: Vec::new() };
        Ok(self.source(vec![alias], scan))
    }

    fn values(
        &mut self,
        rows: &[Vec<Expression>],
        alias: &str,
        columns: &[String],
    ) -> Result<From> {
        let mut bound = Vec::new();
        for row in rows {
            let row = row.iter().map(|one| self.expression(one));
            bound.push(row.collect::<Result<Vec<_>>>()?);
        }
        let first = bound.first().map_or(&[][..], Vec::as_slice);
        let named = columns.iter().cloned().zip(first.iter().map(|node| node.of)).collect();
        let scan = Scan { source: Source::Values(bound), columns: named, clustered: Vec::new() };
        Ok(self.source(vec![alias.to_owned()], scan))
    }

    fn joined(
        &mut self,
        left: &Relation,
        right: &Relation,
        how: Join,
        on: Option<&Condition>,
    ) -> Result<From> {
        let left = self.relation(left)?;
        let right = self.relation(right)?;
        let on = on.map(|on| self.condition(on)).transpose()?;
        let widths = (left.width(), right.width());
        let first = self.scopes.last().map_or(0, Vec::len) - widths.1;
        let mut equal = Vec::new();
        if let Some(on) = &on {
            equal_sides(on, first, &mut equal);
        }
        Ok(From::Joined(Box::new(Joined { left, right, how, on, equal, widths })))
    }
}

/// What a join's condition says is equal: something of the left side, something of the right.
fn equal_sides(on: &Test, first_right: usize, found: &mut Vec<(Node, Node)>) {
    match on {
        Test::And(left, right) => {
            equal_sides(left, first_right, found);
            equal_sides(right, first_right, found);
        }
        Test::Compare(left, [std::cmp::Ordering::Equal], right, of) => {
            let side = |node: &Node| {
                let (mut lefts, mut rights) = (0, 0);
                node.sources(&mut |source| {
                    if source < first_right { lefts += 1 } else { rights += 1 }
                });
                (lefts > 0, rights > 0)
            };
            // The same bytes for equal values only where the types are the same.
            let exact = left.of.kind == right.of.kind;
            let typed = |node: &Node| Node { of: *of, ..node.clone() };
            match (side(left), side(right)) {
                ((true, false), (false, true)) if exact => found.push((typed(left), typed(right))),
                ((false, true), (true, false)) if exact => found.push((typed(right), typed(left))),
                _ => {}
            }
        }
        _ => {}
    }
}
