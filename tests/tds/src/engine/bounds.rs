//! Which part of a sorted table a condition can be true for.
//!
//! It only saves time: the condition is still asked for every row in that part. Keys are bytes, so
//! the first columns of a key with a value each are the beginning of all keys that have them.

use std::cmp::Ordering::{self, Equal, Greater, Less};

use super::Context;
use super::node::{Frame, Node, Test};
use super::scan::{Range, Scan};
use crate::value::Value;
use crate::value::cast::cast;
use crate::value::kind::Type;
use crate::value::order::{append_key, compare};

/// Which end is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    From,
    To,
}

/// The part of a table in which rows can fit.
pub(super) fn range(
    scan: &Scan,
    filter: Option<&Test>,
    context: &Context,
    frame: &Frame<'_>,
) -> Range {
    let Some(filter) = filter.filter(|_| !scan.clustered.is_empty()) else {
        return Range::default();
    };
    let asked = Asked { scan, context, frame };
    Range {
        from: asked.end(filter, &[], End::From),
        to: asked.end(filter, &[], End::To),
        backwards: false,
    }
}

struct Asked<'a> {
    scan: &'a Scan,
    context: &'a Context,
    frame: &'a Frame<'a>,
}

/// What a comparison says about a column.
#[derive(Clone)]
struct Said {
    column: usize,
    orders: &'static [Ordering],
    value: Value,
}

impl Asked<'_> {
    /// The key from which, or before which, all rows are; `None` if nothing is said. What is
    /// known already holds in every alternative.
    fn end(&self, test: &Test, known: &[Said], end: End) -> Option<Vec<u8>> {
        if let Test::Or(left, right) = test {
            let (left, right) = (self.end(left, known, end)?, self.end(right, known, end)?);
            return Some(if end == End::From {
                std::cmp::min(left, right)
            } else {
                std::cmp::max(left, right)
            });
        }
        let mut parts = Vec::new();
        conjuncts(test, &mut parts);
        let said = parts.iter().filter_map(|part| self.said(part));
        let said: Vec<Said> = said.chain(known.iter().cloned()).collect();
        let alternatives = parts.iter().filter(|part| matches!(part, Test::Or(..)));
        let ends = alternatives.filter_map(|part| self.end(part, &said, end));
        let ends = ends.chain(self.own(&said, end));
        if end == End::From { ends.max() } else { ends.min() }
    }

    /// Equal columns at the beginning of the key, then maybe one that is bounded.
    fn own(&self, said: &[Said], end: End) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        let mut strict = false;
        for &place in &self.scan.clustered {
            let of = self.scan.columns.get(place)?.1;
            let mut about = said.iter().filter(|said| said.column == place);
            if let Some(equal) = about.clone().find(|said| said.orders == [Equal]) {
                append_key(&mut key, &equal.value, of);
                continue;
            }
            let wanted = if end == End::From { Greater } else { Less };
            if let Some(bound) = about.find(|said| said.orders.contains(&wanted)) {
                append_key(&mut key, &bound.value, of);
                strict = !bound.orders.contains(&Equal);
            }
            break;
        }
        if key.is_empty() {
            return None;
        }
        // From after all keys that begin so, or up to before them.
        let beyond = (end == End::From) == strict;
        if beyond { successor(key) } else { Some(key) }
    }

    /// What a comparison of a column with something that does not change says.
    fn said(&self, test: &Test) -> Option<Said> {
        let Test::Compare(left, orders, right, _) = test else { return None };
        let (column, orders, node) = match (left.column(), right.column()) {
            (Some(column), None) => (column, *orders, right),
            (None, Some(column)) => (column, turned(orders), left),
            _ => return None,
        };
        // Inequality says nothing about where.
        let one_way = !(orders.contains(&Less) && orders.contains(&Greater));
        let of = self.scan.columns.get(column)?.1;
        let value = self.kept(node, of)?;
        one_way.then_some(Said { column, orders, value })
    }

    /// The value as the column would keep it, if nothing is lost by that.
    fn kept(&self, node: &Node, of: Type) -> Option<Value> {
        if !node.is_constant() {
            return None;
        }
        let value = node.value(self.context, self.frame).ok()?;
        let kept = cast(&value, node.of, of, 0).ok()?;
        (compare(&value, &kept, of) == Some(Equal)).then_some(kept)
    }
}

fn conjuncts<'t>(test: &'t Test, parts: &mut Vec<&'t Test>) {
    if let Test::And(left, right) = test {
        conjuncts(left, parts);
        conjuncts(right, parts);
    } else {
        parts.push(test);
    }
}

fn turned(orders: &[Ordering]) -> &'static [Ordering] {
    match orders {
        [Less] => &[Greater],
        [Greater] => &[Less],
        [Less, Equal] => &[Greater, Equal],
        [Greater, Equal] => &[Less, Equal],
        [Equal] => &[Equal],
        _ => &[Less, Greater],
    }
}

/// The first bytes after all that begin with these.
fn successor(mut key: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = key.pop() {
        if last < 0xff {
            key.push(last + 1);
            return Some(key);
        }
    }
    None
}
