//! Calls: which function a name is, and what type it gives.

use super::Context;
use super::aggregate::{Aggregate, Function as Aggregating};
use super::arithmetic::meeting;
use super::bind::Binder;
use super::node::{Function, Node, What};
use super::{functions, metadata};
use crate::problem::{Problem, Result};
use crate::sql::{Condition, Expression, Name, Operator};
use crate::value::Value;
use crate::value::kind::{Kind, Type};

/// What type a function gives.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    Kind(Kind),
    /// That of its first argument.
    First,
}

/// A function: its name, how many arguments it takes, what it gives, and its code.
pub(super) type Entry = (&'static str, (usize, usize), Gives, Function);

/// Calls a function or an aggregate.
pub(super) fn call(
    binder: &mut Binder<'_>,
    name: &Name,
    arguments: &[Expression],
    star: bool,
    distinct: bool,
) -> Result<Node> {
    let (last, owner) = name.0.split_last().expect("a name has parts");
    let last = last.to_lowercase();
    if owner.is_empty()
        && let Some(function) = aggregating(&last)
    {
        return aggregate(binder, (&last, function), arguments.first(), star, distinct);
    }
    if last == "coalesce" || last == "isnull" || last == "iif" || last == "nullif" {
        return choice(binder, &last, arguments);
    }
    if matches!(last.as_str(), "concat" | "iif") {
        binder.since(11, &last)?;
    }
    let nodes = arguments.iter().map(|one| binder.expression(one));
    let nodes = nodes.collect::<Result<Vec<_>>>()?;
    let in_sys = owner.last().is_some_and(|part| part.eq_ignore_ascii_case("sys"));
    if !owner.is_empty() && !in_sys {
        return Err(Problem::unknown(format!("the function {}", name.0.join("."))));
    }
    let entries = functions::ENTRIES.iter().chain(metadata::ENTRIES);
    let found = entries.filter(|(one, ..)| one.starts_with("fn_") == in_sys);
    let (_, (low, high), gives, function) = *found
        .clone()
        .find(|(one, ..)| *one == last)
        .ok_or_else(|| Problem::unknown(format!("the function {}", name.0.join("."))))?;
    if !(low..=high).contains(&nodes.len()) {
        return Err(Problem::raised(
            174,
            format!("The {last} function requires {low} argument(s)."),
        ));
    }
    let of = match gives {
        Gives::Kind(kind) => kind.into(),
        Gives::First => nodes.first().map_or(Kind::Int.into(), |node| node.of),
    };
    Ok(Node { of, what: What::Call(function, nodes) })
}

fn aggregating(name: &str) -> Option<Aggregating> {
    Some(match name {
        "count" | "count_big" => Aggregating::Count,
        "min" => Aggregating::Min,
        "max" => Aggregating::Max,
        "sum" => Aggregating::Sum,
        _ => return None,
    })
}

fn aggregate(
    binder: &mut Binder<'_>,
    (name, function): (&str, Aggregating),
    argument: Option<&Expression>,
    star: bool,
    distinct: bool,
) -> Result<Node> {
    let Some(mut collected) = binder.aggregates.take() else {
        return Err(Problem::raised(
            147,
            "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING clause or a select list, and the column being aggregated is an outer reference.",
        ));
    };
    let of = argument.map(|one| binder.expression(one)).transpose()?;
    if of.is_none() && !star {
        return Err(Problem::raised(174, format!("The {name} function requires 1 argument(s).")));
    }
    let given = of.as_ref().map_or(Kind::Int.into(), |node| node.of);
    let result = match (function, name, given.kind) {
        (Aggregating::Count, "count_big", _) => Kind::BigInt.into(),
        (_, _, Kind::Bit) => {
            return Err(Problem::raised(
                8117,
                format!("Operand data type bit is invalid for {name} operator."),
            ));
        }
        (Aggregating::Count, ..) | (Aggregating::Sum, _, Kind::TinyInt | Kind::SmallInt) => {
            Kind::Int.into()
        }
        (Aggregating::Sum, _, Kind::Decimal(_, scale)) => Kind::Decimal(38, scale).into(),
        _ => given,
    };
    collected.push(Aggregate { function, of, distinct });
    let place = collected.len() - 1;
    binder.aggregates = Some(collected);
    Ok(Node { of: result, what: What::Aggregate(place) })
}

/// Functions that are cases: COALESCE, ISNULL, IIF and NULLIF.
fn choice(binder: &mut Binder<'_>, name: &str, arguments: &[Expression]) -> Result<Node> {
    let not_null = |one: &Expression| Condition::Not(Box::new(Condition::IsNull(one.clone())));
    let case = |whens, otherwise: Expression| Expression::Case {
        whens,
        otherwise: Some(Box::new(otherwise)),
    };
    match (name, arguments) {
        ("isnull", [value, other]) => {
            let node =
                binder.expression(&case(vec![(not_null(value), value.clone())], other.clone()))?;
            // Unlike COALESCE it gives the type of its first argument.
            let first = binder.expression(value)?.of;
            Ok(node.into_type(first))
        }
        ("nullif", [value, other]) => {
            let null = Expression::Literal(Value::Null, Kind::Int.into());
            let equal =
                Condition::Compare(value.clone(), &[std::cmp::Ordering::Equal], other.clone());
            binder.expression(&case(vec![(equal, null)], value.clone()))
        }
        ("coalesce", [values @ .., last]) if !values.is_empty() => {
            let whens = values.iter().map(|one| (not_null(one), one.clone())).collect();
            binder.expression(&case(whens, last.clone()))
        }
        ("iif", _) => Err(Problem::unknown("IIF: write CASE")),
        _ => Err(Problem::unknown(format!("{name} of these arguments"))),
    }
}

/// Where values of several types meet; a bare NULL has no say.
pub(super) fn common(nodes: &[&Node]) -> Type {
    let typed = nodes.iter().filter(|node| !matches!(node.what, What::Constant(Value::Null)));
    let mut types = typed.map(|node| node.of);
    let Some(first) = types.next() else {
        return nodes.first().map_or(Kind::Int.into(), |node| node.of);
    };
    types.fold(first, |met, of| if met.kind == of.kind { met } else { meeting(met, of) })
}

/// Both sides of an operator, brought to one world where it wants one.
pub(super) fn operands(operator: Operator, left: Node, right: Node, of: Type) -> (Node, Node) {
    let number_and_text = left.of.kind.is_text() != right.of.kind.is_text();
    if operator == Operator::Add && of.kind.is_text() && number_and_text {
        // A text that is added to a number is read as one.
        return if left.of.kind.is_text() {
            let to = right.of;
            (left.into_type(to), right)
        } else {
            let to = left.of;
            (left, right.into_type(to))
        };
    }
    (left, right)
}

/// Methods of CLR types: only how they are written.
pub(super) fn method(node: Node, name: &str) -> Result<Node> {
    match (node.of.kind, name) {
        (Kind::Clr(_), "ToString" | "STAsText") => Ok(node.into_type(Kind::NVarChar(None).into())),
        (kind, _) => Err(Problem::raised(258, format!("Cannot call methods on {kind}."))),
    }
}

/// A column outside of aggregates that is not grouped by, if there is one.
pub(super) fn loose_column(expression: &Expression, group: &[Expression]) -> Option<Name> {
    if group.contains(expression) {
        return None;
    }
    let loose = |one: &Expression| loose_column(one, group);
    match expression {
        Expression::Column(name) => {
            let last = name.0.last()?;
            let grouped = group.iter().any(|one| {
                matches!(one, Expression::Column(Name(parts))
                if parts.last().is_some_and(|part| part.eq_ignore_ascii_case(last)))
            });
            (!grouped).then(|| name.clone())
        }
        Expression::Negative(one)
        | Expression::Cast { value: one, .. }
        | Expression::Method(one, _)
        | Expression::Collate(one, _) => loose(one),
        Expression::Binary(_, left, right) => loose(left).or_else(|| loose(right)),
        Expression::Call { name, arguments, .. } => {
            let aggregate =
                matches!(name.0.as_slice(), [one] if aggregating(&one.to_lowercase()).is_some());
            if aggregate { None } else { arguments.iter().find_map(loose) }
        }
        _ => None,
    }
}

/// `@@name`
pub(super) fn global(context: &Context, name: &str) -> Result<Node> {
    let int = |number: i64| Node::constant(Value::Int(number), Kind::Int);
    let text = |text: String| Node::constant(text.into(), Kind::NVarChar(Some(300)));
    let session = &context.session;
    Ok(match name {
        "spid" => Node::constant(Value::Int(session.id.into()), Kind::SmallInt),
        "trancount" => int(session.depth.into()),
        "rowcount" => int(i64::try_from(session.rows).unwrap_or(i64::MAX)),
        "lock_timeout" => int(session.lock_timeout),
        "error" => int(0),
        "servername" => text(context.facts.name.clone()),
        "servicename" => text("MSSQLSERVER".to_owned()),
        "version" => text(metadata::version_text(&context.facts)),
        "microsoftversion" => int(i64::from(metadata::major(&context.facts)) << 24),
        _ => return Err(Problem::unknown(format!("@@{name}"))),
    })
}
