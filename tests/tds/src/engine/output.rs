//! What queries give out: unions of one shape, their order, and what may stand beside aggregates.

use super::calls;
use super::node::{Node, What};
use super::run::Arm;
use crate::problem::{Problem, Result};
use crate::sql::{Expression, Item, Name, Order, Select};
use crate::value::Value;
use crate::value::kind::Type;

/// Gives all SELECTs of a union the same types.
pub(super) fn unify(arms: &mut [(Arm, bool)], names: Vec<String>) -> Vec<(String, Type)> {
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
pub(super) fn output_order(
    order: &[Order],
    columns: &[(String, Type)],
) -> Result<Vec<(Node, bool)>> {
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
pub(super) fn check_grouped(select: &Select) -> Result<()> {
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
