//! One event of one rule, written into the batch.

use std::borrow::Cow;

use erpbridge_connector::Value;
use smallvec::SmallVec;

use super::failure::{Failure, Trouble, undecodable, unknown_code, unknown_name};
use super::fire::Fired;
use super::row::Row;
use super::sight::Sight;
use super::value::{join, join_cells};
use super::{Pass, RulePlan, View, Work};
use crate::canonical::subject::token;
use crate::canonical::{EventFacts, FieldWriter, write_event};
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::file::{Codec, Coded, Field, Part, Pick, Scope, Shape, Step};
use crate::mapping::memory::Memory;
use crate::mapping::stage::Bound;

/// Names of fields that changed; an event with more of them allocates.
type Names<'w> = SmallVec<[&'w str; 32]>;
/// Raw texts by name.
type Texts<'w> = SmallVec<[(&'w str, Option<&'w str>); 8]>;

impl RulePlan {
    /// Appends the rule's event. If it cannot be made, the batch is as it was.
    pub(super) fn write<'w>(
        &'w self,
        view: &'w View,
        pass: &Pass<'_>,
        row: &Row<'w>,
        fired: Fired<'w>,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Trouble> {
        let company = row.is.company.ok_or_else(|| Failure::missing("the company"))?;
        let own = self.plant.as_ref().or(view.plant.as_ref());
        let plant = scopes(view, own, company, &row.is, work.memory)?;
        let key = entity_key(self.key.as_deref(), &view.key, row)?;
        let entity = self.event.entity.as_str();
        let descent =
            if self.linked { view.descent(entity, key, work.memory, row.is.desk)? } else { None };
        let number = one(self.number.as_ref(), row)?;
        let effective = one(self.effective.as_ref(), row)?;
        let precise = |text| self.effective.as_ref().map(|part| (text, part.precision(text, row)));
        let aliases: SmallVec<[&str; 4]> =
            self.aliases.iter().filter_map(|cell| cell.read(&row.is).text()).collect();
        let facts = EventFacts {
            company,
            plant,
            entity_key: key,
            number,
            aliases: &aliases,
            transaction: pass.change.transaction,
            ordinal: pass.change.ordinal,
            late: pass.change.late,
            index: work.index,
            operation: row.operation(),
            table: &view.table,
            changed: &self.changed(view, row),
            transition: fired.transition,
            codes: &texts(self.codes.iter().map(|cell| (&*cell.name, cell)), row),
            extensions: &texts(self.extensions.iter().map(|(name, cell)| (&**name, cell)), row),
            effective: effective.and_then(precise),
            correlation: descent.map(|(root, _)| root),
            causation: descent.map(|(_, parent)| parent),
            replica: self.replica,
        };
        let memory = &mut *work.memory;
        // Children point to the row, whatever its event is keyed by.
        let key = match &self.key {
            Some(_) => join_cells(&view.key, row).text().unwrap_or_default(),
            None => key,
        };
        write_event(work.out, &self.template, &facts, |writer| {
            if let Some(since) = fired.since {
                writer.instant("opened_at", since);
            }
            self.fields.iter().try_for_each(|field| field.write(key, row, memory, writer))
        })
    }

    /// Names what differs: everything of a new row, nothing of one that is gone.
    fn changed<'w>(&'w self, view: &'w View, row: &Row<'w>) -> Names<'w> {
        let mut changed = Names::new();
        if row.is_gone() {
            return changed;
        }
        let new = row.step != Step::Updated;
        let differs = |part: &Part<Bound>| new || part.any_cell(|cell| row.differs(cell));
        if self.number.as_ref().is_some_and(differs) {
            changed.push("number");
        }
        if let Some(Scope::Column(cell, _)) = self.plant.as_ref().or(view.plant.as_ref())
            && (new || row.differs(cell))
        {
            changed.push("plant");
        }
        let fields = self.fields.iter().filter(|field| match &field.shape {
            Shape::One(part) => differs(part),
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                differs(value) || differs(other)
            }
            Shape::List(_) => new,
        });
        changed.extend(fields.map(|field| &*field.name));
        changed
    }
}

/// The raw texts of some cells; what the log did not carry is left out.
fn texts<'w>(cells: impl Iterator<Item = (&'w str, &'w Cell)>, row: &Row<'w>) -> Texts<'w> {
    let read = |(name, cell): (&'w str, &'w Cell)| match cell.read(&row.is) {
        Value::Absent => None,
        Value::Null => Some((name, None)),
        Value::Text(text) => Some((name, Some(text))),
    };
    cells.filter_map(read).collect()
}

impl Field<Bound> {
    pub(super) fn write(
        &self,
        key: &str,
        row: &Row<'_>,
        memory: &mut Memory<'_>,
        writer: &mut FieldWriter<'_>,
    ) -> Result<(), Trouble> {
        match &self.shape {
            Shape::One(part) => {
                if let Some(text) = self.checked(part.value(row)?, part, row)? {
                    Ok(self.write_one(part, text, writer)?)
                } else {
                    self.write_nothing(part, row, writer);
                    Ok(())
                }
            }
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                Ok(self.write_two(value, other, row, writer)?)
            }
            // What pointed to a row that is gone went before it, or with it.
            Shape::List(_) if row.is_gone() => Ok(()),
            Shape::List(children) => children.write(&self.name, key, row, memory, writer),
        }
    }

    fn write_two(
        &self,
        value: &Part<Bound>,
        other: &Part<Bound>,
        row: &Row<'_>,
        writer: &mut FieldWriter<'_>,
    ) -> Result<(), Failure> {
        let Some(text) = self.checked(value.value(row)?, value, row)? else {
            self.write_nothing(value, row, writer);
            return Ok(());
        };
        let Value::Text(unit) = other.value(row)? else {
            return self.without_unit(other, row);
        };
        if let Shape::Quantity(..) = &self.shape {
            writer.quantity(&self.name, text, unit, other.raw(row));
        } else {
            writer.money(&self.name, text, unit);
        }
        Ok(())
    }

    /// The text, if there is one; an error if there must be one and is not.
    fn checked<'v>(
        &self,
        value: Value<'v>,
        part: &Part<Bound>,
        row: &Row<'_>,
    ) -> Result<Option<&'v str>, Failure> {
        let gone = row.is_gone();
        let needed = self.required || (self.contracted && !gone);
        match value {
            Value::Text(text) if !(needed && text.is_empty()) => Ok(Some(text)),
            Value::Absent if self.required || !gone => Err(part.absent()),
            Value::Null | Value::Text(_) if needed => {
                Err(Failure::missing(&format!("field `{}` from {}", self.name, part.origin())))
            }
            Value::Absent | Value::Null | Value::Text(_) => Ok(None),
        }
    }

    /// Null where the source says there is none; nothing where it says nothing.
    fn write_nothing(&self, part: &Part<Bound>, row: &Row<'_>, writer: &mut FieldWriter<'_>) {
        if self.nullable && !part.any_cell(|cell| cell.read(&row.is) == Value::Absent) {
            writer.null(&self.name);
        }
    }

    /// A number without its unit means nothing. What is known of a deleted row may be that little.
    fn without_unit(&self, unit: &Part<Bound>, row: &Row<'_>) -> Result<(), Failure> {
        if row.is_gone() && !self.required {
            return Ok(());
        }
        if unit.any_cell(|cell| cell.read(&row.is) == Value::Absent) {
            return Err(unit.absent());
        }
        let what = format!("unit or currency of field `{}` from {}", self.name, unit.origin());
        Err(Failure::missing(&what))
    }

    fn write_one(
        &self,
        part: &Part<Bound>,
        text: &str,
        writer: &mut FieldWriter<'_>,
    ) -> Result<(), Failure> {
        let name = &*self.name;
        match &part.codec {
            Codec::Text | Codec::Duration(_) => writer.text(name, text),
            Codec::Code(_) => writer.code(name, text),
            Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => writer.decimal(name, text),
            Codec::Date(_) => writer.date(name, text),
            Codec::Instant(_) | Codec::Moment => writer.instant(name, text),
            Codec::Bool(_) => writer.boolean(name, text == "true"),
            Codec::Integer => match text.parse() {
                Ok(number) => writer.integer(name, number),
                Err(_) => return Err(part.too_large()),
            },
        }
        Ok(())
    }
}

impl Part<Bound> {
    /// The log did not carry what it is made of.
    fn absent(&self) -> Failure {
        let mut name = None;
        self.each_cell(&mut |cell| {
            name.get_or_insert_with(|| cell.name.clone());
        });
        Failure::absent(name.as_deref().unwrap_or_default())
    }

    fn too_large(&self) -> Failure {
        match &self.take {
            crate::mapping::file::Take::Column(cell) => undecodable(cell, &self.codec),
            _ => Failure::missing(&self.origin()),
        }
    }
}

/// The number or the effective time.
pub(super) fn one<'v>(
    part: Option<&'v Part<Bound>>,
    row: &Row<'v>,
) -> Result<Option<&'v str>, Failure> {
    let Some(part) = part else { return Ok(None) };
    match part.value(row)? {
        Value::Text(text) => Ok(Some(text)),
        Value::Absent if part.required || !row.is_gone() => Err(part.absent()),
        Value::Null if part.required => Err(Failure::missing(&part.origin())),
        Value::Absent | Value::Null => Ok(None),
    }
}

/// Whose row it is.
pub(super) fn company<'v>(scope: &'v Scope<Bound>, sight: &Sight<'v>) -> Result<&'v str, Failure> {
    match (scope_token(scope, sight)?, scope) {
        (Some(token), _) => Ok(token),
        (None, Scope::Column(cell, _)) => {
            Err(Failure::missing(&format!("the company in column `{}`", cell.name)))
        }
        (None, Scope::Constant(_) | Scope::Table(..)) => Err(Failure::missing("the company")),
    }
}

impl View {
    /// Whether its rows say which company or plant has which subject token.
    pub(super) fn claims(&self) -> bool {
        let rules = self.rules.iter().filter_map(|rule| rule.plant.as_ref());
        let mut scopes = std::iter::once(&self.company).chain(&self.plant).chain(rules);
        scopes.any(|scope| unaliased(scope).is_some())
    }
}

/// The column that tells a scope, if its values have the tokens they make themselves. Aliases that
/// let nothing pass are checked when they are read.
fn unaliased(scope: &Scope<Bound>) -> Option<&Cell> {
    match scope {
        Scope::Column(_, Some(aliases)) if !aliases.passes() => None,
        Scope::Column(cell, _) => Some(cell),
        Scope::Constant(_) | Scope::Table(..) => None,
    }
}

/// The plant, once company and plant are known to be alone under their tokens.
pub(super) fn scopes<'v>(
    view: &View,
    plant: Option<&'v Scope<Bound>>,
    company: &str,
    sight: &Sight<'v>,
    memory: &mut Memory<'_>,
) -> Result<Option<&'v str>, Trouble> {
    claim(&view.company, company, sight, memory)?;
    let Some(scope) = plant else { return Ok(None) };
    let token = scope_token(scope, sight)?;
    if let Some(token) = token {
        claim(scope, token, sight, memory)?;
    }
    Ok(token)
}

/// Two values under one token could not be told apart by anybody downstream.
fn claim(
    scope: &Scope<Bound>,
    token: &str,
    sight: &Sight<'_>,
    memory: &mut Memory<'_>,
) -> Result<(), Trouble> {
    let Some(cell) = unaliased(scope) else { return Ok(()) };
    let Value::Text(value) = cell.read(sight) else { return Ok(()) };
    // Blanks at the ends are not part of a token, nor of what it stands for.
    let value = value.trim();
    if sight.desk.has_claimed(&cell.name, value) {
        return Ok(());
    }
    if !memory.claim(&cell.name, token, value)? {
        let detail = format!(
            "column `{}` holds a value whose subject token another value has: give both an alias",
            cell.name
        );
        return Err(Failure::new(Reason::Collision, detail).into());
    }
    sight.desk.note_claim(&cell.name, value);
    Ok(())
}

pub(super) fn scope_token<'v>(
    scope: &'v Scope<Bound>,
    sight: &Sight<'v>,
) -> Result<Option<&'v str>, Failure> {
    let (cell, aliases) = match scope {
        Scope::Constant(token) => return Ok(Some(token)),
        Scope::Column(cell, aliases) => (cell, aliases),
        // The table's name, as binding found that the aliases do not know it.
        Scope::Table(Some(raw), Some(aliases)) => return Err(unknown_name(raw, aliases)),
        Scope::Table(..) => return Ok(None),
    };
    let raw = match cell.read(sight) {
        Value::Absent => return Err(Failure::absent(&cell.name)),
        Value::Null => return Ok(None),
        Value::Text(raw) => raw,
    };
    let told: Option<Cow<'_, str>> =
        match aliases.as_ref().map(|table| (table, table.look_up(raw, None))) {
            None => Some(token(raw)),
            Some((_, Coded::Value(value))) => Some(token(value)),
            Some((_, Coded::Null)) => None,
            Some((aliases, Coded::Unknown)) => return Err(unknown_code(&cell.name, raw, aliases)),
        };
    Ok(told.map(|told| sight.desk.keep(told)))
}

/// The entity's key: the rule's own, or the table's.
pub(super) fn entity_key<'v>(
    own: Option<&'v [Pick<Bound>]>,
    table: &'v [Cell],
    row: &Row<'v>,
) -> Result<&'v str, Failure> {
    let key = match own {
        Some(picks) => join(picks, row)?,
        None => join_cells(table, row),
    };
    let names = || match own {
        Some(picks) => picks.iter().map(Pick::name).collect::<Vec<_>>().join("`, `"),
        None => table.iter().map(|cell| &*cell.name).collect::<Vec<_>>().join("`, `"),
    };
    match key {
        Value::Text(key) if !key.is_empty() => Ok(key),
        Value::Absent => Err(Failure::absent(&names())),
        Value::Text(_) | Value::Null => Err(Failure::missing(&format!("the key in `{}`", names()))),
    }
}
