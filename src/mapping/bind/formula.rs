//! Expressions as they run: a checked program and the cells it looks at.

use erpbridge_connector::Value;

use super::column::{Binder, Cell};
use crate::document::Findings;
use crate::mapping::codec;
use crate::mapping::expression::{Inputs, Moment, Program, Type, type_of};
use crate::mapping::file;
use crate::mapping::plan::Sight;

/// An expression, bound.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Formula {
    /// What it computes.
    pub program: Program,
    /// What it looks at, by slot.
    pub inputs: Box<[(Moment, Cell)]>,
}

/// What an expression sees: the row as it is, and as it was.
pub(in crate::mapping) struct Seen<'v, 'f> {
    /// Its cells.
    pub inputs: &'f [(Moment, Cell)],
    /// The row as it is.
    pub is: Sight<'v>,
    /// The row as it was, if it was there.
    pub was: Option<Sight<'v>>,
}

impl Inputs for Seen<'_, '_> {
    fn get(&self, slot: usize) -> Value<'_> {
        let Some((moment, cell)) = self.inputs.get(slot) else { return Value::Absent };
        let sight = match (moment, &self.was) {
            (Moment::New, _) => &self.is,
            (Moment::Old, Some(was)) => was,
            // A row that was not there had no values.
            (Moment::Old, None) => return Value::Null,
        };
        match (cell.read(sight), cell.reading.date) {
            (Value::Text(text), Some(format)) => {
                let day =
                    sight.desk.decoded(text, |text, scratch| codec::date(text, format, scratch));
                day.map_or(Value::Absent, Value::Text)
            }
            (value, _) => value,
        }
    }
}

impl Binder<'_> {
    /// An expression.
    pub(super) fn formula(&mut self, formula: &file::Formula) -> Option<Formula> {
        self.formula_from("", formula)
    }

    /// The same where its columns are those of a row looked up.
    pub(super) fn formula_from(&mut self, head: &str, formula: &file::Formula) -> Option<Formula> {
        let before = std::mem::take(self.findings);
        let mut bound = self.checked(head, formula, formula.wanted);
        if let (None, Some(or)) = (&bound, formula.or) {
            let first = std::mem::take(self.findings);
            bound = self.checked(head, formula, or);
            if bound.is_none() {
                *self.findings = first;
            }
        }
        let own = std::mem::replace(self.findings, before);
        self.findings.extend(own.into_vec());
        bound
    }

    fn checked(&mut self, head: &str, formula: &file::Formula, wanted: Type) -> Option<Formula> {
        let mut inputs = Vec::new();
        let mut findings = Findings::new();
        let program = formula.expression.check(
            wanted,
            &mut |reference, _| {
                let name = format!("{head}{}", reference.path.join("."));
                let place = reference.place.clone();
                let own = !name.contains('.') && self.table.sum(&name).is_none();
                if reference.moment == Moment::Old && !own {
                    let mend = "keep the value in the row's own table, or compare the new one";
                    let problem =
                        "only the row itself has old values, not what it looks up or sums";
                    self.findings.error(&place, problem, mend);
                    return None;
                }
                let cell = self.cell(&file::ColumnName { name, place })?;
                let of = if cell.reading.date.is_some() { Type::Date } else { type_of(cell.kind) };
                inputs.push((reference.moment, cell));
                Some((inputs.len() - 1, of))
            },
            &mut findings,
        );
        self.findings.extend(findings.into_vec());
        Some(Formula { program: program?, inputs: inputs.into() })
    }
}
