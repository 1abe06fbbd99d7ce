//! One event of one rule, written into the batch.

use std::borrow::Cow;

use erpbridge_connector::Value;

use super::failure::Failure;
use super::fire::{Fired, unknown_code};
use super::row::Row;
use super::value::{join, undecodable};
use super::{RulePlan, View, Work};
use crate::canonical::subject::token;
use crate::canonical::{EventBatch, EventFacts, FieldWriter, Precision, write_event};
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::file::{Codec, Coded, Field, Part, Scope, Shape, Step};
use crate::mapping::net::NetImage;

impl RulePlan {
    /// Appends the rule's event. If it cannot be made, the batch is as it was.
    pub(super) fn write<'w>(
        &'w self,
        view: &'w View,
        row: &Row<'w>,
        fired: Fired<'w>,
        work: &mut Work<'w>,
        out: &mut EventBatch,
    ) -> Result<(), Failure> {
        let company = company(&view.company, row.image)?;
        let plant = match &view.plant {
            Some(plant) => scope_token(plant, row.image)?,
            None => None,
        };
        let key = self.key.as_ref().unwrap_or(&view.key);
        self.note_changed(view, row, work);
        self.note_codes(row, work);
        let Work { scratch, key: key_text, number, effective, changed, codes, index, .. } = work;
        let number = one(self.number.as_ref(), row, number)?;
        let effective = one(self.effective.as_ref(), row, effective)?;
        let facts = EventFacts {
            company: &company,
            plant: plant.as_deref(),
            entity_key: entity_key(key, row.image, key_text)?,
            number,
            aliases: &[],
            correlation: None,
            causation: None,
            replica: false,
            transaction: row.change.transaction,
            ordinal: row.change.ordinal,
            index: *index,
            operation: row.operation(),
            table: &view.table,
            changed,
            transition: fired.transition,
            codes,
            extensions: &[],
            effective: effective.map(|text| (text, precision(text))),
        };
        write_event(out, &self.template, &facts, |writer| {
            self.fields.iter().try_for_each(|field| field.write(row, scratch, writer))
        })
    }

    /// Names what differs: everything of a new row, nothing of one that is gone.
    fn note_changed<'w>(&'w self, view: &'w View, row: &Row<'w>, work: &mut Work<'w>) {
        work.changed.clear();
        if row.step == Step::Deleted {
            return;
        }
        let new = row.step != Step::Updated;
        let differs = |part: &Part<Cell>| new || part.cells().iter().any(|cell| row.differs(cell));
        if self.number.as_ref().is_some_and(differs) {
            work.changed.push("number");
        }
        if let Some(Scope::Column(cell, _)) = &view.plant
            && (new || row.differs(cell))
        {
            work.changed.push("plant");
        }
        let fields = self.fields.iter().filter(|field| match &field.shape {
            Shape::One(part) => differs(part),
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                differs(value) || differs(other)
            }
        });
        work.changed.extend(fields.map(|field| &*field.name));
    }

    fn note_codes<'w>(&'w self, row: &Row<'w>, work: &mut Work<'w>) {
        let read = |cell: &'w Cell| match cell.read(row.image) {
            Value::Absent => None,
            Value::Null => Some((&*cell.name, None)),
            Value::Text(text) => Some((&*cell.name, Some(text))),
        };
        work.codes.clear();
        work.codes.extend(self.codes.iter().filter_map(read));
    }
}

impl Field<Cell> {
    fn write(
        &self,
        row: &Row<'_>,
        scratch: &mut String,
        writer: &mut FieldWriter<'_>,
    ) -> Result<(), Failure> {
        match &self.shape {
            Shape::One(part) => {
                match self.checked(part.value(row.image, scratch)?, part, row)? {
                    Some(text) => write_one(&self.name, part, text, writer)?,
                    None => self.write_nothing(part, row, writer),
                }
                Ok(())
            }
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                let Some(text) = self.checked(value.value(row.image, scratch)?, value, row)? else {
                    self.write_nothing(value, row, writer);
                    return Ok(());
                };
                let mut own = String::new();
                let Value::Text(unit) = other.value(row.image, &mut own)? else {
                    return self.without_unit(other, row);
                };
                if let Shape::Quantity(..) = &self.shape {
                    writer.quantity(&self.name, text, unit, other.raw(row.image));
                } else {
                    writer.money(&self.name, text, unit);
                }
                Ok(())
            }
        }
    }

    /// The text, if there is one; an error if there must be one and is not.
    fn checked<'v>(
        &self,
        value: Value<'v>,
        part: &Part<Cell>,
        row: &Row<'_>,
    ) -> Result<Option<&'v str>, Failure> {
        let gone = row.step == Step::Deleted;
        let needed = self.required || (self.contracted && !gone);
        match value {
            Value::Text(text) if !(needed && text.is_empty()) => Ok(Some(text)),
            Value::Absent if self.required || !gone => Err(Failure::absent(part.column())),
            Value::Null | Value::Text(_) if needed => {
                Err(missing(&format!("field `{}` from column `{}`", self.name, part.column())))
            }
            Value::Absent | Value::Null | Value::Text(_) => Ok(None),
        }
    }

    /// Null where the source says there is none; nothing where it says nothing.
    fn write_nothing(&self, part: &Part<Cell>, row: &Row<'_>, writer: &mut FieldWriter<'_>) {
        let known = part.cells().iter().all(|cell| cell.read(row.image) != Value::Absent);
        if self.nullable && known {
            writer.null(&self.name);
        }
    }

    /// A number without its unit means nothing. What is known of a deleted row may be that little.
    fn without_unit(&self, unit: &Part<Cell>, row: &Row<'_>) -> Result<(), Failure> {
        if row.step == Step::Deleted && !self.required {
            return Ok(());
        }
        if unit.cells().iter().any(|cell| cell.read(row.image) == Value::Absent) {
            return Err(Failure::absent(unit.column()));
        }
        let column = unit.column();
        Err(missing(&format!("unit or currency of field `{}` from column `{column}`", self.name)))
    }
}

/// The number or the effective time.
fn one<'v>(
    part: Option<&'v Part<Cell>>,
    row: &Row<'v>,
    scratch: &'v mut String,
) -> Result<Option<&'v str>, Failure> {
    let Some(part) = part else { return Ok(None) };
    match part.value(row.image, scratch)? {
        Value::Text(text) => Ok(Some(text)),
        Value::Absent if part.required || row.step != Step::Deleted => {
            Err(Failure::absent(part.column()))
        }
        Value::Null if part.required => Err(missing(&format!("column `{}`", part.column()))),
        Value::Absent | Value::Null => Ok(None),
    }
}

fn write_one(
    name: &str,
    part: &Part<Cell>,
    text: &str,
    writer: &mut FieldWriter<'_>,
) -> Result<(), Failure> {
    match &part.codec {
        Codec::Text => writer.text(name, text),
        Codec::Code(_) => writer.code(name, text),
        Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => writer.decimal(name, text),
        Codec::Date(_) => writer.date(name, text),
        Codec::Instant(_) | Codec::Moment => writer.instant(name, text),
        Codec::Bool(_) => writer.boolean(name, text == "true"),
        Codec::Integer => match (text.parse(), part.cells().first()) {
            (Ok(number), _) => writer.integer(name, number),
            (Err(_), Some(cell)) => return Err(undecodable(cell, &part.codec)),
            (Err(_), None) => return Err(missing("a constant")),
        },
    }
    Ok(())
}

fn missing(what: &str) -> Failure {
    Failure::new(Reason::MissingRequired, format!("{what} has no value"))
}

fn company<'v>(scope: &'v Scope<Cell>, row: &NetImage<'v>) -> Result<Cow<'v, str>, Failure> {
    match (scope_token(scope, row)?, scope) {
        (Some(token), _) => Ok(token),
        (None, Scope::Column(cell, _)) => {
            Err(missing(&format!("the company in column `{}`", cell.name)))
        }
        (None, Scope::Constant(_)) => Err(missing("the company")),
    }
}

fn scope_token<'v>(
    scope: &'v Scope<Cell>,
    row: &NetImage<'v>,
) -> Result<Option<Cow<'v, str>>, Failure> {
    let (cell, aliases) = match scope {
        Scope::Constant(token) => return Ok(Some(Cow::Borrowed(token))),
        Scope::Column(cell, aliases) => (cell, aliases),
    };
    let raw = match cell.read(row) {
        Value::Absent => return Err(Failure::absent(&cell.name)),
        Value::Null => return Ok(None),
        Value::Text(raw) => raw,
    };
    match aliases.as_ref().map(|aliases| (aliases, aliases.look_up(raw))) {
        None => Ok(Some(token(raw))),
        Some((_, Coded::Value(value))) => Ok(Some(token(value))),
        Some((_, Coded::Null)) => Ok(None),
        Some((aliases, Coded::Unknown)) => Err(unknown_code(cell, &aliases.name)),
    }
}

fn entity_key<'v>(
    cells: &'v [Cell],
    row: &NetImage<'v>,
    scratch: &'v mut String,
) -> Result<&'v str, Failure> {
    let names = || cells.iter().map(|cell| &*cell.name).collect::<Vec<_>>().join("`, `");
    match join(cells, row, scratch) {
        Value::Text(key) if !key.is_empty() => Ok(key),
        Value::Absent => Err(Failure::absent(&names())),
        Value::Text(_) | Value::Null => Err(missing(&format!("the key in `{}`", names()))),
    }
}

/// How exactly a time is known, as its text shows: a day, a second, or fractions of one.
fn precision(text: &str) -> Precision {
    match text.len() {
        ..=10 => Precision::Day,
        _ if text.contains('.') => Precision::Micro,
        _ => Precision::Second,
    }
}
