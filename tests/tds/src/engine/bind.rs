//! Binding: names become places, functions become code, and everything gets its type.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::aggregate::Aggregate;
use super::calls;
use super::node::{Node, Test, What, meeting, same_world, type_of};
use super::run::{Arm, From, Joined, Plan};
use super::scan::{Scan, Source};
use crate::catalog;
use crate::problem::{Problem, Result};
use crate::sql::{
    Condition, Expression, Item, Join, Name, Order, Query, Relation, Select, SubqueryKind,
};
use crate::value::Value;
use crate::value::kind::{Kind, Type};

/// Variables and parameters, by name with the sign, in lower case.
pub(crate) type Variables = HashMap<String, (Type, Value)>;

/// Binds the queries of one statement.
pub(crate) struct Binder<'b> {
    pub(crate) context: &'b Context,
    pub(crate) variables: &'b Variables,
    with: Vec<(String, Query)>,
    /// The sources of the queries around, the innermost last.
    scopes: Vec<Vec<Shape>>,
    /// The aggregates of the query at hand, where they are allowed.
    pub(crate) aggregates: Option<Vec<Aggregate>>,
}

/// What a source is called, and its columns.
#[derive(Clone)]
struct Shape {
    /// The alias, or the parts of the table's name.
    called: Vec<String>,
    columns: Arc<[(String, Type)]>,
    /// Whether SQL Server may know more columns of it than this server.
    partial: bool,
}

impl<'b> Binder<'b> {
    pub(crate) fn new(context: &'b Context, variables: &'b Variables) -> Self {
        let scopes = Vec::new();
        Self { context, variables, with: Vec::new(), scopes, aggregates: None }
    }

    pub(crate) fn query(&mut self, query: &Query) -> Result<Plan> {
        let before = self.with.len();
        self.with.extend(query.with.iter().cloned());
        let plan = self.union(query);
        self.with.truncate(before);
        plan
    }

    fn union(&mut self, query: &Query) -> Result<Plan> {
        let outer = self.aggregates.take();
        let alone = query.selects.len() == 1;
        let mut arms = Vec::new();
        let mut names = Vec::new();
        for (select, distinct) in &query.selects {
            let order = if alone { query.order.as_slice() } else { &[] };
            let (mut arm, arm_names) = self.select(select, order)?;
            if alone {
                self.scopes.push(Vec::new());
                arm.offset = query.offset.as_ref().map(|one| self.expression(one)).transpose()?;
                if let Some(fetch) = &query.fetch {
                    arm.limit = Some(self.expression(fetch)?);
                }
                self.scopes.pop();
            }
            if names.is_empty() {
                names = arm_names;
            } else if names.len() != arm_names.len() {
                return Err(Problem::raised(
                    205,
                    "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
                ));
            }
            arms.push((arm, *distinct));
        }
        let columns = unify(&mut arms, names);
        let order = if alone { Vec::new() } else { output_order(&query.order, &columns)? };
        self.aggregates = outer;
        Ok(Plan { columns, arms, order })
    }

    fn select(&mut self, select: &Select, order: &[Order]) -> Result<(Arm, Vec<String>)> {
        self.scopes.push(Vec::new());
        let bound = self.select_in_scope(select, order);
        self.scopes.pop();
        bound
    }

    fn select_in_scope(&mut self, select: &Select, order: &[Order]) -> Result<(Arm, Vec<String>)> {
        let from = select.from.as_ref().map(|from| self.relation(from)).transpose()?;
        let filter = select.filter.as_ref().map(|filter| self.condition(filter)).transpose()?;
        let group = select.group.iter().map(|one| self.expression(one));
        let group = group.collect::<Result<Vec<_>>>()?;
        self.aggregates = Some(Vec::new());
        let (items, names) = self.items(&select.items)?;
        let having = select.having.as_ref().map(|having| self.condition(having)).transpose()?;
        let order = order.iter().map(|one| self.order(one, &items, &names));
        let order = order.collect::<Result<Vec<_>>>()?;
        let aggregates = self.aggregates.take().unwrap_or_default();
        let limit = select.top.as_ref().map(|top| self.expression(top)).transpose()?;
        let grouped = !group.is_empty() || !aggregates.is_empty();
        if grouped {
            check_grouped(select)?;
        }
        let distinct = select.distinct;
        let arm = Arm {
            from,
            filter,
            items,
            grouped,
            group,
            aggregates,
            having,
            distinct,
            order,
            offset: None,
            limit: limit.map(|top| top.into_type(Kind::BigInt.into())),
        };
        Ok((arm, names))
    }

    fn items(&mut self, items: &[Item]) -> Result<(Vec<Node>, Vec<String>)> {
        let (mut nodes, mut names) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::All(of) => {
                    for (node, name) in self.all_of(of.as_deref())? {
                        nodes.push(node);
                        names.push(name);
                    }
                }
                Item::Value(expression, alias) => {
                    let own = match expression {
                        Expression::Column(Name(parts)) => parts.last().cloned(),
                        _ => None,
                    };
                    nodes.push(self.expression(expression)?);
                    names.push(alias.clone().or(own).unwrap_or_default());
                }
                Item::Assign(_, expression) => {
                    nodes.push(self.expression(expression)?);
                    names.push(String::new());
                }
            }
        }
        Ok((nodes, names))
    }

    fn all_of(&self, of: Option<&str>) -> Result<Vec<(Node, String)>> {
        let scope = self.scopes.last().map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        for (source, shape) in scope.iter().enumerate() {
            let last = shape.called.last().map_or("", String::as_str);
            if of.is_none_or(|of| of.eq_ignore_ascii_case(last)) {
                for (column, (name, of)) in shape.columns.iter().enumerate() {
                    let what = What::Cell { up: 0, source, column };
                    found.push((Node { of: *of, what }, name.clone()));
                }
            }
        }
        if found.is_empty() {
            return Err(Problem::raised(
                107,
                "The column prefix does not match with a table name or alias name used in the query.",
            ));
        }
        Ok(found)
    }

    /// By a name of the select list, a number in it, or anything else.
    fn order(&mut self, order: &Order, items: &[Node], names: &[String]) -> Result<(Node, bool)> {
        let listed = match &order.by {
            Expression::Column(Name(parts)) if parts.len() == 1 => {
                names.iter().position(|name| parts.iter().any(|p| p.eq_ignore_ascii_case(name)))
            }
            Expression::Literal(Value::Int(number), _) => usize::try_from(number - 1).ok(),
            _ => None,
        };
        let node = match listed.and_then(|place| items.get(place)) {
            Some(node) => node.clone(),
            None => self.expression(&order.by)?,
        };
        if node.of.kind.is_legacy_large() {
            return Err(Problem::raised(
                306,
                "The text, ntext, and image data types cannot be compared or sorted, except when using IS NULL or LIKE operator.",
            ));
        }
        Ok((node, order.descending))
    }

    fn relation(&mut self, relation: &Relation) -> Result<From> {
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
        let equal = on.as_ref().and_then(|on| equal_sides(on, first));
        Ok(From::Joined(Box::new(Joined { left, right, how, on, equal, widths })))
    }

    pub(crate) fn condition(&mut self, condition: &Condition) -> Result<Test> {
        let two = |binder: &mut Self, left, right| -> Result<_> {
            Ok((Box::new(binder.condition(left)?), Box::new(binder.condition(right)?)))
        };
        Ok(match condition {
            Condition::And(left, right) => {
                let (left, right) = two(self, left, right)?;
                Test::And(left, right)
            }
            Condition::Or(left, right) => {
                let (left, right) = two(self, left, right)?;
                Test::Or(left, right)
            }
            Condition::Not(inner) => Test::Not(Box::new(self.condition(inner)?)),
            Condition::Compare(left, orders, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                let (left, right, of) = comparable(left, right)?;
                Test::Compare(left, orders, right, of)
            }
            Condition::Like { text, pattern, escape } => {
                let long = |node: Node| node.into_type(Kind::NVarChar(None).into());
                let (text, pattern) = (self.expression(text)?, self.expression(pattern)?);
                Test::Like(long(text), long(pattern), *escape)
            }
            Condition::IsNull(inner) => Test::IsNull(self.expression(inner)?),
            Condition::In(inner, list) => {
                let inner = self.expression(inner)?;
                let mut nodes = Vec::new();
                for one in list {
                    let one = self.expression(one)?;
                    let of = inner.of;
                    nodes.push(if same_world(one.of.kind, of.kind) {
                        one
                    } else {
                        one.into_type(of)
                    });
                }
                Test::In(inner, nodes)
            }
            Condition::Subquery(SubqueryKind::Exists, query) => {
                Test::Exists(Arc::new(self.query(query)?))
            }
            Condition::Subquery(SubqueryKind::In(inner), query) => {
                Test::InPlan(self.expression(inner)?, Arc::new(self.query(query)?))
            }
        })
    }

    pub(crate) fn expression(&mut self, expression: &Expression) -> Result<Node> {
        match expression {
            Expression::Literal(value, of) => Ok(Node::constant(value.clone(), *of)),
            Expression::Variable(name) => {
                let (of, value) = self.variables.get(name).ok_or_else(|| {
                    Problem::raised(137, format!("Must declare the scalar variable \"{name}\"."))
                })?;
                Ok(Node::constant(value.clone(), *of))
            }
            Expression::Global(name) => calls::global(self.context, name),
            Expression::Column(name) => self.column(name),
            Expression::Negative(inner) => {
                let inner = self.expression(inner)?;
                Ok(Node { of: inner.of, what: What::Negative(Box::new(inner)) })
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                let of = type_of(*operator, left.of, right.of);
                let (left, right) = calls::operands(*operator, left, right, of);
                Ok(Node { of, what: What::Binary(*operator, Box::new(left), Box::new(right)) })
            }
            Expression::Cast { value, to, style, tries } => {
                let inner = self.expression(value)?;
                let collation =
                    if inner.of.kind.is_text() { inner.of.collation } else { to.collation };
                let of = Type { kind: to.kind, collation };
                Ok(Node { of, what: What::Cast(Box::new(inner), *style, *tries) })
            }
            Expression::Collate(inner, to) => {
                let mut inner = self.expression(inner)?;
                inner.of.collation = to.collation;
                Ok(inner)
            }
            Expression::Call { name, arguments, star, distinct } => {
                calls::call(self, name, arguments, *star, *distinct)
            }
            Expression::Method(inner, method) => calls::method(self.expression(inner)?, method),
            Expression::Case { whens, otherwise } => self.case(whens, otherwise.as_deref()),
            Expression::Scalar(query) => {
                let plan = self.query(query)?;
                let of = plan.columns.first().map_or(Kind::Int.into(), |(_, of)| *of);
                Ok(Node { of, what: What::Scalar(Arc::new(plan)) })
            }
        }
    }

    fn case(
        &mut self,
        whens: &[(Condition, Expression)],
        otherwise: Option<&Expression>,
    ) -> Result<Node> {
        let mut bound = Vec::new();
        for (condition, expression) in whens {
            bound.push((self.condition(condition)?, self.expression(expression)?));
        }
        let otherwise = otherwise.map(|one| self.expression(one)).transpose()?;
        let nodes: Vec<&Node> = bound.iter().map(|(_, node)| node).chain(&otherwise).collect();
        let of = calls::common(&nodes);
        let bound = bound.into_iter().map(|(test, node)| (test, node.into_type(of))).collect();
        let otherwise = otherwise.map(|node| Box::new(node.into_type(of)));
        Ok(Node { of, what: What::Case(bound, otherwise) })
    }

    fn column(&self, name: &Name) -> Result<Node> {
        let (last, owner) = name.0.split_last().expect("a name has parts");
        for (up, scope) in self.scopes.iter().rev().enumerate() {
            let mut found = Vec::new();
            for (source, shape) in scope.iter().enumerate() {
                if !called(shape, owner) {
                    continue;
                }
                let place =
                    shape.columns.iter().position(|(one, _)| one.eq_ignore_ascii_case(last));
                if let Some((column, (_, of))) =
                    place.and_then(|p| Some((p, shape.columns.get(p)?)))
                {
                    found.push(Node { of: *of, what: What::Cell { up, source, column } });
                }
            }
            match found.len() {
                0 => {}
                1 => return Ok(found.remove(0)),
                _ => return Err(Problem::raised(209, format!("Ambiguous column name '{last}'."))),
            }
        }
        if self.scopes.iter().flatten().any(|shape| shape.partial && called(shape, owner)) {
            return Err(Problem::unknown(format!("the column {last} of a system view")));
        }
        if owner.is_empty() {
            return Err(Problem::raised(207, format!("Invalid column name '{last}'.")));
        }
        Err(Problem::raised(
            4104,
            format!("The multi-part identifier \"{}\" could not be bound.", name.0.join(".")),
        ))
    }
}

/// Whether a prefix of a column means this source: its alias, or the end of its table's name.
fn called(shape: &Shape, owner: &[String]) -> bool {
    owner.len() <= shape.called.len()
        && owner.iter().rev().zip(shape.called.iter().rev()).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Gives both sides of a comparison one world.
fn comparable(left: Node, right: Node) -> Result<(Node, Node, Type)> {
    let of = meeting(left.of, right.of);
    if left.of.kind.is_legacy_large() || right.of.kind.is_legacy_large() || of.kind == Kind::Xml {
        return Err(Problem::raised(
            402,
            "The data types are incompatible in the equal to operator.",
        ));
    }
    if same_world(left.of.kind, right.of.kind) {
        return Ok((left, right, of));
    }
    let meet = |node: Node| {
        if same_world(node.of.kind, of.kind) { node } else { node.into_type(of) }
    };
    Ok((meet(left), meet(right), of))
}

/// What a join's condition says is equal: something of the left side, something of the right.
fn equal_sides(on: &Test, first_right: usize) -> Option<(Node, Node)> {
    match on {
        Test::And(left, right) => {
            equal_sides(left, first_right).or_else(|| equal_sides(right, first_right))
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
                ((true, false), (false, true)) if exact => Some((typed(left), typed(right))),
                ((false, true), (true, false)) if exact => Some((typed(right), typed(left))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Gives all SELECTs of a union the same types.
fn unify(arms: &mut [(Arm, bool)], names: Vec<String>) -> Vec<(String, Type)> {
    let mut columns = Vec::new();
    for (place, name) in names.into_iter().enumerate() {
        let nodes: Vec<&Node> = arms.iter().filter_map(|(arm, _)| arm.items.get(place)).collect();
        let of = calls::common(&nodes);
        for item in arms.iter_mut().filter_map(|(arm, _)| arm.items.get_mut(place)) {
            *item = item.clone().into_type(of);
        }
        columns.push((name, of));
    }
    columns
}

/// A union is sorted by its columns, by name or number.
fn output_order(order: &[Order], columns: &[(String, Type)]) -> Result<Vec<(Node, bool)>> {
    let one = |order: &Order| {
        let column = match &order.by {
            Expression::Column(Name(parts)) => columns
                .iter()
                .position(|(name, _)| parts.last().is_some_and(|p| p.eq_ignore_ascii_case(name))),
            Expression::Literal(Value::Int(number), _) => usize::try_from(number - 1).ok(),
            _ => None,
        };
        let found = column.and_then(|column| Some((column, columns.get(column)?)));
        let (column, (_, of)) = found.ok_or_else(|| {
            Problem::raised(104, "ORDER BY items must appear in the select list if the statement contains a UNION, INTERSECT or EXCEPT operator.")
        })?;
        Ok((Node { of: *of, what: What::Cell { up: 0, source: 0, column } }, order.descending))
    };
    order.iter().map(one).collect()
}

/// In a grouped query, what is not grouped by may be only inside aggregates.
fn check_grouped(select: &Select) -> Result<()> {
    for item in &select.items {
        if let Item::Value(expression, _) = item
            && let Some(Name(parts)) = calls::loose_column(expression, &select.group)
        {
            let name = parts.join(".");
            return Err(Problem::raised(
                8120,
                format!(
                    "Column '{name}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause."
                ),
            ));
        }
    }
    Ok(())
}
