//! One value: taken from a row, decoded, adjusted, and looked at once more before it leaves.

use erpbridge_connector::Value;

use super::failure::{Failure, undecodable, unknown_code, unknown_truth};
use super::row::Row;
use crate::canonical::Precision;
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::codec::{self, DateFormat, LocalTimeError, LocalZone, TimeOfDay, Zone};
use crate::mapping::file::{
    BoolCodes, Choice, CodeTable, Codec, Coded, Instead, Part, Pick, Places, Take, TwoColumns,
};
use crate::mapping::stage::Bound;

impl Part<Bound> {
    /// The canonical text; absent and null as the row has them.
    pub(super) fn value<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        let taken = match self.take(row)? {
            Value::Null => self.instead(row)?,
            taken => taken,
        };
        let Value::Text(mut text) = taken else { return Ok(taken) };
        for adjust in &self.adjust {
            match adjust.of(text, row)? {
                Value::Text(adjusted) => text = adjusted,
                nothing => return Ok(nothing),
            }
        }
        if self.form.admits(text) {
            return Ok(Value::Text(text));
        }
        let detail = format!("{} does not give {}", self.origin(), self.form.describe());
        Err(Failure::new(Reason::Decode, detail))
    }

    /// The column's text, as the source writes it.
    pub(super) fn raw<'v>(&self, row: &Row<'v>) -> Option<&'v str> {
        match &self.take {
            Take::Column(cell) => cell.read(&row.is).text(),
            _ => None,
        }
    }

    /// How exactly a moment is known, as its text shows: a day, a second, or fractions of one; a
    /// minute, where its clock has no seconds.
    pub(super) fn precision(&self, text: &str, row: &Row<'_>) -> Precision {
        let clock = match &self.take {
            Take::TwoColumns(two) => two.precision(row),
            _ => None,
        };
        match text.len() {
            ..=10 => Precision::Day,
            _ if clock == Some(Precision::Minute) => Precision::Minute,
            _ if text.contains('.') => Precision::Micro,
            _ => Precision::Second,
        }
    }

    /// Where it comes from, for messages.
    pub(super) fn origin(&self) -> String {
        match &self.take {
            Take::Column(cell) => format!("column `{}`", cell.name),
            Take::Key(_) => "the key".to_owned(),
            Take::Constant(_) => "the constant".to_owned(),
            Take::Formula(_) => "the expression".to_owned(),
            Take::First(_) => "`first`".to_owned(),
            Take::TwoColumns(two) => format!("`moment` of column `{}`", two.time.name),
        }
    }

    fn take<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        match &self.take {
            Take::Column(cell) => match cell.read(&row.is) {
                Value::Text(text) => self.decode(cell, text, row),
                other => Ok(other),
            },
            Take::Constant(text) => Ok(Value::Text(text)),
            Take::Key(picks) => join(picks, row),
            Take::Formula(formula) => match (formula.text(row)?, &self.codec) {
                (None, _) => Ok(Value::Null),
                (Some(text), Codec::Code(table)) => coded(table, "the expression", text, row),
                (Some(text), _) => Ok(Value::Text(text)),
            },
            Take::First(choices) => first(choices, row),
            Take::TwoColumns(two) => two.moment(row),
        }
    }

    fn instead<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        match &self.default {
            None => Ok(Value::Null),
            Some(Instead::Constant(text)) => Ok(Value::Text(text)),
            Some(Instead::Column(cell)) => match cell.read(&row.is) {
                Value::Text(text) => self.decode(cell, text, row),
                other => Ok(other),
            },
        }
    }

    fn decode<'v>(
        &'v self,
        cell: &Cell,
        text: &'v str,
        row: &Row<'v>,
    ) -> Result<Value<'v>, Failure> {
        let desk = row.is.desk;
        let decoded = match &self.codec {
            Codec::Text => Some(text),
            Codec::Code(table) => return coded(table, &cell.name, text, row),
            Codec::Bool(None) => Some(text).filter(|text| matches!(*text, "true" | "false")),
            Codec::Bool(Some(codes)) => match truth(codes, text) {
                Some(truth) => Some(truth),
                None => return Err(unknown_truth(&cell.name, text)),
            },
            Codec::Integer => desk.decoded(text, codec::integer),
            Codec::Decimal if codec::is_canonical(text) => Some(text),
            Codec::Decimal => desk.decoded(text, codec::decimal),
            Codec::Float(scale) => {
                desk.decoded(text, |text, scratch| codec::float(text, *scale, scratch))
            }
            Codec::Implied(places) => {
                let Some(places) = places.count(row)? else { return Ok(Value::Null) };
                desk.decoded(text, |text, scratch| codec::implied(text, places, scratch))
            }
            Codec::Date(format) => {
                let format = format.unwrap_or(DateFormat::Iso);
                desk.decoded(text, |text, scratch| codec::date(text, format, scratch))
            }
            Codec::Instant(zone) => return instant(cell, text, zone.as_ref(), row),
            Codec::Duration(unit) => {
                desk.decoded(text, |text, scratch| codec::duration(text, *unit, scratch))
            }
            // Binding decides for one of the two.
            Codec::Moment => None,
        };
        decoded.map(Value::Text).ok_or_else(|| undecodable(cell, &self.codec))
    }
}

/// A local time, or one with a zone of its own, as an instant.
fn instant<'v>(
    cell: &Cell,
    text: &str,
    zone: Option<&LocalZone>,
    row: &Row<'v>,
) -> Result<Value<'v>, Failure> {
    let utc = LocalZone::from(Zone::UTC);
    let mut why = LocalTimeError::Form;
    let decoded = row.is.desk.decoded(text, |text, scratch| {
        codec::instant_in(text, zone.unwrap_or(&utc), scratch)
            .inspect_err(|error| why = *error)
            .ok()
    });
    let detail = || format!("the text of column `{}` {why}", cell.name);
    decoded.map(Value::Text).ok_or_else(|| Failure::new(Reason::Decode, detail()))
}

/// What a code table makes of a cell.
fn coded<'v>(
    table: &'v CodeTable,
    name: &str,
    text: &'v str,
    row: &Row<'v>,
) -> Result<Value<'v>, Failure> {
    match table.look_up(text, row.is.company) {
        Coded::Value(value) => Ok(Value::Text(value)),
        Coded::Null => Ok(Value::Null),
        Coded::Unknown => Err(unknown_code(name, text, table)),
    }
}

fn truth(codes: &BoolCodes, text: &str) -> Option<&'static str> {
    let holds = |list: &[Box<str>]| list.iter().any(|code| **code == *text);
    if holds(&codes.yes) {
        return Some("true");
    }
    holds(&codes.no).then_some("false")
}

fn first<'v>(choices: &'v [Choice<Bound>], row: &Row<'v>) -> Result<Value<'v>, Failure> {
    for choice in choices {
        let holds = choice.condition.as_ref().map_or(Ok(true), |formula| row.holds(formula))?;
        if holds {
            return Ok(choice.value.as_deref().map_or(Value::Null, Value::Text));
        }
    }
    let detail = "none of the cases of `first` holds, and there is no `else`";
    Err(Failure::new(Reason::Decode, detail))
}

impl Places<Bound> {
    /// How many; `None` if the row says nothing.
    fn count(&self, row: &Row<'_>) -> Result<Option<usize>, Failure> {
        let (cell, table) = match self {
            Self::Fixed(places) => return Ok(Some(*places)),
            Self::From(cell, table) => (cell, table),
        };
        let text = match cell.read(&row.is) {
            Value::Absent => return Err(Failure::absent(&cell.name)),
            Value::Null => return Ok(None),
            Value::Text(text) => text,
        };
        let text = match table {
            None => text,
            Some(table) => match coded(table, &cell.name, text, row)? {
                Value::Text(text) => text,
                Value::Null | Value::Absent => return Ok(None),
            },
        };
        let count = codec::places(text);
        let detail = || format!("column `{}` gives no number of decimal places", cell.name);
        count.map(Some).ok_or_else(|| Failure::new(Reason::Decode, detail()))
    }
}

impl TwoColumns<Bound> {
    fn moment<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        let day = match self.date.value(row)? {
            Value::Text(day) => day,
            other => return Ok(other),
        };
        let text = match self.time.read(&row.is) {
            Value::Text(text) => text,
            // Without a time of day the day is all that is known.
            Value::Null => return Ok(Value::Text(day)),
            Value::Absent => return Ok(Value::Absent),
        };
        let zone = self.zone.as_ref().ok_or_else(|| Failure::missing("the zone of the moment"))?;
        let mut why = LocalTimeError::Form;
        let moment = codec::time_of_day(text, self.format).and_then(|clock| {
            row.is.desk.decoded(day, |day, scratch| {
                let moment = codec::moment(day, clock, zone, scratch);
                moment.map(|(moment, _)| moment).inspect_err(|error| why = *error).ok()
            })
        });
        let detail = || {
            format!("the moment of {} and column `{}` {why}", self.date.origin(), self.time.name)
        };
        moment.map(Value::Text).ok_or_else(|| Failure::new(Reason::Decode, detail()))
    }

    /// How exactly its clock is read.
    fn precision(&self, row: &Row<'_>) -> Option<Precision> {
        let text = self.time.read(&row.is).text()?;
        codec::time_of_day(text, self.format).map(TimeOfDay::precision)
    }
}

impl Pick<Bound> {
    /// The text.
    pub(super) fn text<'v>(&'v self, row: &Row<'v>) -> Result<Value<'v>, Failure> {
        match self {
            Self::Column(cell) => Ok(cell.read(&row.is)),
            Self::Formula(formula) => Ok(formula.text(row)?.map_or(Value::Null, Value::Text)),
        }
    }

    /// What it is made of, for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Column(cell) => &cell.name,
            Self::Formula(_) => "expr",
        }
    }
}

/// The key of an entity from its parts: one part is the key itself, several are joined by `/`. A
/// `/` or `%` inside of a part is written `%2F` or `%25`, so that no two keys are the same.
pub(super) fn join<'v>(picks: &'v [Pick<Bound>], row: &Row<'v>) -> Result<Value<'v>, Failure> {
    if let [pick] = picks {
        return pick.text(row);
    }
    join_all(picks.iter().map(|pick| pick.text(row)), row)
}

/// The same of a table's own key.
pub(super) fn join_cells<'v>(cells: &[Cell], row: &Row<'v>) -> Value<'v> {
    if let [cell] = cells {
        return cell.read(&row.is);
    }
    let parts = cells.iter().map(|cell| Ok(cell.read(&row.is)));
    join_all(parts, row).unwrap_or(Value::Absent)
}

fn join_all<'v>(
    parts: impl Iterator<Item = Result<Value<'v>, Failure>>,
    row: &Row<'v>,
) -> Result<Value<'v>, Failure> {
    let mut key = bumpalo::collections::String::new_in(row.is.desk.texts());
    for (place, part) in parts.enumerate() {
        let part = match part? {
            Value::Text(part) => part,
            other => return Ok(other),
        };
        if place > 0 {
            key.push('/');
        }
        for character in part.chars() {
            match character {
                '/' => key.push_str("%2F"),
                '%' => key.push_str("%25"),
                plain => key.push(plain),
            }
        }
    }
    Ok(Value::Text(key.into_bump_str()))
}
