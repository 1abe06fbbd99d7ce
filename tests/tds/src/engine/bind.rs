//! Binding: names become places, functions become code, and everything gets its type.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::aggregate::Aggregate;
use super::arithmetic::{meeting, same_world, type_of};
use super::calls;
use super::node::{Node, Test, What};
use super::output::{check_grouped, output_order, unify};
use super::run::{Arm, Plan};
use crate::problem::{Problem, Result};
use crate::sql::{Condition, Expression, Item, Name, Order, Query, Select, SubqueryKind};
use crate::value::Value;
use crate::value::kind::{Kind, Type};

/// Variables and parameters, by name with the sign, in lower case.
pub(crate) type Variables = HashMap<String, (Type, Value)>;

/// Binds the queries of one statement.
pub(crate) struct Binder<'b> {
    pub(crate) context: &'b Context,
    pub(crate) variables: &'b Variables,
    pub(super) with: Vec<(String, Query)>,
    /// The sources of the queries around, the innermost last.
    pub(super) scopes: Vec<Vec<Shape>>,
    /// The aggregates of the query at hand, where they are allowed.
    pub(crate) aggregates: Option<Vec<Aggregate>>,
}

/// What a source is called, and its columns.
#[derive(Clone)]
pub(super) struct Shape {
    /// The alias, or the parts of the table's name.
    pub(super) called: Vec<String>,
    pub(super) columns: Arc<[(String, Type)]>,
    /// Whether SQL Server may know more columns of it than this server.
    pub(super) partial: bool,
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

    /// Refuses what an older server would not know.
    pub(super) fn since(&self, version: u8, what: &str) -> Result<()> {
        if super::major(&self.context.facts) >= version {
            return Ok(());
        }
        Err(Problem::raised(102, format!("Incorrect syntax near '{what}'.")))
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
                if query.offset.is_some() {
                    self.since(11, "OFFSET")?;
                }
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
                if *tries {
                    self.since(11, "TRY_CAST")?;
                }
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
