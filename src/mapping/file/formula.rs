//! Expressions as they are written, and the places where an expression may stand for a column.

use super::names::ColumnName;
use crate::document::{Content, Findings, Node, Place};
use crate::mapping::expression::{Expression, Moment, Type};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// An expression of a file.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Formula {
    /// What it says.
    pub expression: Expression,
    /// What it must give.
    pub wanted: Type,
    /// What else it may give.
    pub or: Option<Type>,
    /// Where it was written.
    pub place: Place,
}

impl Formula {
    /// Reads an expression that must give `wanted`.
    pub(super) fn parse(node: &Node, wanted: Type, findings: &mut Findings) -> Option<Self> {
        let expression = Expression::of(node, findings)?;
        expression.check_alone(wanted, findings);
        Some(Self { expression, wanted, or: None, place: node.place.clone() })
    }

    /// Reads an expression that must give a day or an instant.
    pub(super) fn moment(node: &Node, findings: &mut Findings) -> Option<Self> {
        let expression = Expression::of(node, findings)?;
        let (mut instant, mut day) = (Findings::new(), Findings::new());
        expression.check_alone(Type::Instant, &mut instant);
        expression.check_alone(Type::Date, &mut day);
        if instant.has_errors() && day.has_errors() {
            findings.extend(instant.into_vec());
        }
        let (wanted, or) = (Type::Instant, Some(Type::Date));
        Some(Self { expression, wanted, or, place: node.place.clone() })
    }

    /// Reads a condition.
    pub(super) fn condition(node: &Node, findings: &mut Findings) -> Option<Self> {
        Self::parse(node, Type::Bool, findings)
    }

    /// Reads a condition on a row at one moment.
    pub(super) fn still(node: &Node, findings: &mut Findings) -> Option<Self> {
        let condition = Self::condition(node, findings)?;
        condition.refuse_old(findings);
        Some(condition)
    }

    /// What sees a row at one moment cannot compare it with another.
    pub(super) fn refuse_old(&self, findings: &mut Findings) {
        let mut references = self.expression.references();
        if let Some(old) = references.find(|reference| reference.moment == Moment::Old) {
            let problem =
                "a row is seen at one moment here: nothing is `old`, and nothing `changed`";
            findings.error(&old.place, problem, "compare with what was in the `if` of a rule");
        }
    }

    /// The columns it looks at.
    pub(in crate::mapping) fn columns(&self) -> impl Iterator<Item = ColumnName> {
        self.expression.references().map(|reference| ColumnName {
            name: reference.path.join("."),
            place: reference.place.clone(),
        })
    }
}

/// A text: that of a column, or one an expression makes.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Pick<S: Stage> {
    /// A column.
    Column(S::Column),
    /// An expression.
    Formula(S::Formula),
}

impl Pick<Written> {
    /// `column` or `{ expr: "…" }`.
    pub(super) fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        if !matches!(node.content, Content::Map(_)) {
            return ColumnName::parse(node, findings).map(Self::Column);
        }
        let fields = node.fields(keys::EXPRESSION, findings)?;
        let node = fields.required("expr", findings)?;
        Formula::parse(node, Type::Text, findings).map(Self::Formula)
    }

    /// A list of them, or one. An empty list is a finding.
    pub(super) fn parse_list(node: &Node, findings: &mut Findings) -> Box<[Self]> {
        let values = node.as_list_or_one();
        if values.is_empty() {
            findings.error(&node.place, "no column is named", "name at least one column");
        }
        values.iter().filter_map(|value| Self::parse(value, findings)).collect()
    }
}
