//! Tests of the language as a whole: text in, findings or values out.

mod decimals;
mod findings;
mod operators;
mod printed;
mod properties;
mod values;

use erpbridge_connector::{ColumnKind, Finding, Value};

use super::{EvalError, Expression, Inputs, Moment, Program, Reference, Type, type_of};
use crate::document::{Findings, Place};

/// A row of one table: what is there, what is NULL, and what the log did not carry.
pub(super) const ROW: [(&str, ColumnKind, Value<'static>); 22] = [
    ("name", ColumnKind::Text, Value::Text("Bolt M8, größe 2")),
    ("padded", ColumnKind::Text, Value::Text("  A1 \u{a0}")),
    ("code", ColumnKind::Text, Value::Text("000450")),
    ("origin", ColumnKind::Text, Value::Text("purchase.line,17")),
    ("empty", ColumnKind::Text, Value::Text("")),
    ("qty", ColumnKind::Decimal, Value::Text("12.50")),
    ("price", ColumnKind::Integer, Value::Text("3")),
    ("zero", ColumnKind::Decimal, Value::Text("0.00")),
    ("debt", ColumnKind::Float64, Value::Text("-2.5e-1")),
    ("nan", ColumnKind::Float64, Value::Text("NaN")),
    ("jde", ColumnKind::Integer, Value::Text("126325")),
    ("open", ColumnKind::Bool, Value::Text("true")),
    ("due", ColumnKind::Date, Value::Text("2026-11-21")),
    ("never", ColumnKind::Date, Value::Text("infinity")),
    ("at", ColumnKind::Instant, Value::Text("2026-11-21 23:30:00.120+00")),
    ("no_text", ColumnKind::Text, Value::Null),
    ("no_number", ColumnKind::Decimal, Value::Null),
    ("no_bool", ColumnKind::Bool, Value::Null),
    ("no_date", ColumnKind::Date, Value::Null),
    ("gone_text", ColumnKind::Text, Value::Absent),
    ("gone_number", ColumnKind::Integer, Value::Absent),
    ("gone_bool", ColumnKind::Bool, Value::Absent),
];

/// What differs in the row before the transaction; everything else was the same.
pub(super) const WAS: [(&str, Value<'static>); 5] = [
    ("qty", Value::Text("12.5")),
    ("price", Value::Text("4")),
    ("no_text", Value::Text("x")),
    ("nan", Value::Text("1")),
    ("code", Value::Absent),
];

/// Slots of the row as it is; those of the row as it was come after them.
pub(super) struct Row;

impl Inputs for Row {
    fn get(&self, slot: usize) -> Value<'_> {
        if let Some((_, _, value)) = ROW.get(slot) {
            return *value;
        }
        let (name, _, value) = ROW[slot - ROW.len()];
        WAS.iter().find(|(was, _)| *was == name).map_or(value, |(_, value)| *value)
    }
}

/// The columns of [`ROW`]; `order.number` stands for a lookup.
pub(super) fn resolve(reference: &Reference, findings: &mut Findings) -> Option<(usize, Type)> {
    let path = reference.path.join(".");
    let name = if path == "order.number" { "origin" } else { &path };
    let Some(slot) = ROW.iter().position(|(column, ..)| *column == name) else {
        findings.error(&reference.place, format!("no column `{path}`"), "name a column");
        return None;
    };
    let past = if reference.moment == Moment::Old { ROW.len() } else { 0 };
    Some((slot + past, type_of(ROW[slot].1)))
}

pub(super) fn start() -> Place {
    Place { file: "m.yaml".into(), line: 1, column: 1 }
}

/// The program of an expression, or everything found.
pub(super) fn program(text: &str, wanted: Type) -> Result<Program, Vec<Finding>> {
    let mut findings = Findings::new();
    let program = Expression::parse(text, &start(), &mut findings)
        .and_then(|expression| expression.check(wanted, &mut resolve, &mut findings));
    program.ok_or_else(|| findings.into_vec())
}

/// Its value for [`Row`].
pub(super) fn value(text: &str, wanted: Type) -> Result<Option<String>, EvalError> {
    let program = program(text, wanted).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    let mut scratch = String::new();
    program.text(&Row, &mut scratch).map(|text| text.map(str::to_owned))
}

/// Expressions of one type and the texts they give: `null` and `absent` mean those, `!` comes
/// before a part of the error.
pub(super) fn expect(wanted: Type, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let found = match value(text, wanted) {
            Ok(None) => "null".to_owned(),
            Ok(Some(value)) => value,
            Err(EvalError::Absent { .. }) => "absent".to_owned(),
            Err(EvalError::Failed { detail }) => match expected.strip_prefix('!') {
                Some(part) if detail.contains(part) => (*expected).to_owned(),
                _ => format!("!{detail}"),
            },
        };
        assert_eq!(found, *expected, "{text}");
    }
}
