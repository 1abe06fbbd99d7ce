//! Values and fields, bound.

use super::column::Binder;
use super::{Formula, fit, optional};
use crate::canonical::Form;
use crate::mapping::file::{
    Adjust, Children as WrittenChildren, Choice, Codec, Field, Instead, Operand, Part, Places,
    Shape, Take, TwoColumns,
};
use crate::mapping::kept::KeptTable;
use crate::mapping::stage::{Bound, Written};

use super::column::Cell;
use super::slots::Slot;
use crate::mapping::file::Pick;

/// Rows that point to a row, bound.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Children {
    /// Where they are remembered.
    pub table: KeptTable,
    /// By which index they are found.
    pub index: usize,
    /// What keys begin with there.
    pub prefix: Box<str>,
    /// How many cells a row has.
    pub count: usize,
    /// Which of them are carried.
    pub condition: Option<Formula>,
    /// What must be looked up to know.
    pub guards: Box<[usize]>,
    /// What identifies an item, if not its table's key.
    pub key: Option<Box<[Pick<Bound>]>>,
    /// The cell they are sorted by, and what must be looked up for it.
    pub sort: Option<(Cell, Box<[usize]>)>,
    /// What they are written as.
    pub fields: Box<[Field<Bound>]>,
    /// What they look up.
    pub slots: Box<[Slot]>,
}

impl Binder<'_> {
    /// A value.
    pub(super) fn part(&mut self, part: &Part<Written>) -> Option<Part<Bound>> {
        let (take, codec) = match &part.take {
            Take::Column(name) => {
                let cell = self.cell(name)?;
                let fitted = fit::codec(&part.codec, &cell);
                let fitted = fitted.map_err(|misfit| {
                    self.findings.error(&part.place, misfit.problem, misfit.mend);
                });
                let codec = self.codec(&fitted.ok()?)?;
                (Take::Column(cell), codec)
            }
            other => (self.take(other, &part.form, part)?, self.codec(&part.codec)?),
        };
        let adjust: Vec<_> = part.adjust.iter().map(|adjust| self.adjust(adjust)).collect();
        let default = match &part.default {
            None => None,
            Some(Instead::Constant(text)) => Some(Instead::Constant(text.clone())),
            Some(Instead::Column(column)) => Some(Instead::Column(self.cell(column)?)),
        };
        let (form, required, place) = (part.form.clone(), part.required, part.place.clone());
        let adjust = adjust.into_iter().collect::<Option<_>>()?;
        Some(Part { take, codec, adjust, default, form, required, place })
    }

    fn take(
        &mut self,
        take: &Take<Written>,
        form: &Form,
        part: &Part<Written>,
    ) -> Option<Take<Bound>> {
        Some(match take {
            Take::Column(column) => Take::Column(self.cell(column)?),
            Take::Constant(text) => Take::Constant(text.clone()),
            Take::Key(picks) => Take::Key(self.picks(picks)?),
            Take::Formula(formula) => {
                let bound = self.formula(formula)?;
                if !matches!(part.codec, Codec::Code(_)) {
                    self.check_literals(&bound, form, part);
                }
                Take::Formula(bound)
            }
            Take::First(choices) => {
                let choices: Vec<_> = choices.iter().map(|choice| self.choice(choice)).collect();
                Take::First(choices.into_iter().collect::<Option<_>>()?)
            }
            Take::TwoColumns(two) => {
                let (date, time) = (self.part(&two.date), self.cell(&two.time)?);
                let (format, zone) = (two.format, two.zone.as_ref().or(time.reading.zone.as_ref()));
                if zone.is_none() {
                    let mend = "write `zone:` here, or under `read`";
                    self.findings.error(&part.place, "whose clock is this?", mend);
                }
                let zone = Some(zone?.clone());
                Take::TwoColumns(Box::new(TwoColumns { date: date?, time, format, zone }))
            }
        })
    }

    fn choice(&mut self, choice: &Choice<Written>) -> Option<Choice<Bound>> {
        let condition = match &choice.condition {
            Some(condition) => Some(self.formula(condition)?),
            None => None,
        };
        Some(Choice { condition, value: choice.value.clone() })
    }

    /// An expression that can only give certain texts must give fitting ones.
    pub(super) fn check_literals(
        &mut self,
        formula: &super::Formula,
        form: &Form,
        part: &Part<Written>,
    ) {
        for text in formula.program.literals().unwrap_or_default() {
            if !form.admits(text) {
                let problem =
                    format!("the expression gives `{text}`, which is not {}", form.describe());
                self.findings.error(&part.place, problem, "write it as the event shall carry it");
            }
        }
    }

    fn codec(&mut self, codec: &Codec<Written>) -> Option<Codec<Bound>> {
        Some(match codec {
            Codec::Text => Codec::Text,
            Codec::Integer => Codec::Integer,
            Codec::Decimal => Codec::Decimal,
            Codec::Float(scale) => Codec::Float(*scale),
            Codec::Implied(Places::Fixed(places)) => Codec::Implied(Places::Fixed(*places)),
            Codec::Implied(Places::From(column, table)) => {
                Codec::Implied(Places::From(self.cell(column)?, table.clone()))
            }
            Codec::Date(format) => Codec::Date(*format),
            Codec::Instant(zone) => Codec::Instant(zone.clone()),
            Codec::Moment => Codec::Moment,
            Codec::Bool(codes) => Codec::Bool(codes.clone()),
            Codec::Code(table) => Codec::Code(std::sync::Arc::clone(table)),
            Codec::Duration(unit) => Codec::Duration(*unit),
        })
    }

    fn adjust(&mut self, adjust: &Adjust<Written>) -> Option<Adjust<Bound>> {
        Some(match adjust {
            Adjust::Absolute => Adjust::Absolute,
            Adjust::Negate => Adjust::Negate,
            Adjust::NegativeWhere(column, codes) => {
                Adjust::NegativeWhere(self.cell(column)?, codes.clone())
            }
            Adjust::Convert(one, other, scale) => {
                let other = match other {
                    Some(other) => Some(self.operand(other)?),
                    None => None,
                };
                Adjust::Convert(self.operand(one)?, other, *scale)
            }
            Adjust::StripZeros => Adjust::StripZeros,
            Adjust::Case(case) => Adjust::Case(*case),
            Adjust::Pseudonym => Adjust::Pseudonym,
        })
    }

    fn operand(&mut self, operand: &Operand<Written>) -> Option<Operand<Bound>> {
        Some(match operand {
            Operand::Constant(number) => Operand::Constant(number.clone()),
            Operand::Column(column) => Operand::Column(self.cell(column)?),
        })
    }

    /// A field.
    pub(super) fn field(&mut self, field: &Field<Written>) -> Option<Field<Bound>> {
        let shape = match &field.shape {
            Shape::One(part) => Shape::One(self.part(part)?),
            Shape::Quantity(value, unit) => {
                let (value, unit) = (self.part(value), self.part(unit));
                Shape::Quantity(value?, unit?)
            }
            Shape::Money(value, currency) => {
                let (value, currency) = (self.part(value), self.part(currency));
                Shape::Money(value?, currency?)
            }
            Shape::List(children) => Shape::List(Box::new(self.children(children)?)),
        };
        let Field { name, required, contracted, nullable, .. } = field;
        Some(Field {
            name: name.clone(),
            required: *required,
            contracted: *contracted,
            nullable: *nullable,
            shape,
        })
    }

    /// Several fields; all findings, not only the first.
    pub(super) fn fields(&mut self, fields: &[Field<Written>]) -> Option<Box<[Field<Bound>]>> {
        let fields: Vec<_> = fields.iter().map(|field| self.field(field)).collect();
        fields.into_iter().collect()
    }

    fn children(&mut self, children: &WrittenChildren) -> Option<Children> {
        let Some((table, schema, kept)) =
            self.world.target(self.mapping, &children.table, self.captures)
        else {
            let problem = format!("the database has no table for `{}` here", children.table);
            let mend = "look for it in the database and in its publication";
            self.findings.error(&children.place, problem, mend);
            return None;
        };
        let mut binder = self.of_kept(table, schema, kept);
        let condition = optional(children.condition.as_ref(), |formula| binder.formula(formula));
        let guards = binder.take_used();
        let fields = binder.fields(&children.fields);
        let key = children.key.as_ref().map(|key| binder.picks(key));
        binder.take_used();
        let sort =
            children.sort.as_ref().map(|sort| Some((binder.cell(sort)?, binder.take_used())));
        let slots = std::mem::take(&mut binder.slots).into();
        let prefix = self.prefix_of(table);
        Some(Children {
            slots,
            table: self.world.number(&self.mapping.name, &children.table)?,
            index: kept.indexes.iter().position(|name| *name == children.lookup)?,
            prefix,
            count: kept.columns.len(),
            condition: condition.ok()?,
            guards,
            key: match key {
                Some(key) => Some(key?),
                None => None,
            },
            sort: match sort {
                Some(sort) => Some(sort?),
                None => None,
            },
            fields: fields?,
        })
    }
}
