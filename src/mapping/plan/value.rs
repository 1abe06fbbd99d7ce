//! One value: taken from a row, decoded, and looked at once more before it leaves.

use erpbridge_connector::Value;

use super::failure::Failure;
use super::fire::unknown_code;
use crate::deadletter::Reason;
use crate::mapping::bind::Cell;
use crate::mapping::codec::{self, DateFormat, Zone};
use crate::mapping::file::{BoolCodes, Codec, Coded, Part, Take};
use crate::mapping::net::NetImage;

impl Part<Cell> {
    /// The canonical text; absent and null as the row has them.
    pub(super) fn value<'v>(
        &'v self,
        row: &NetImage<'v>,
        scratch: &'v mut String,
    ) -> Result<Value<'v>, Failure> {
        let (cell, text) = match &self.take {
            Take::Constant(text) => return Ok(Value::Text(text)),
            Take::Key(cells) => return Ok(join(cells, row, scratch)),
            Take::Column(cell) => match cell.read(row) {
                Value::Text(text) => (cell, text),
                other => return Ok(other),
            },
        };
        let Some(text) = self.decode(cell, text, scratch)? else { return Ok(Value::Null) };
        if self.form.admits(text) {
            return Ok(Value::Text(text));
        }
        let detail = format!("column `{}` does not give {}", cell.name, self.form.describe());
        Err(Failure::new(Reason::Decode, detail))
    }

    /// The column's text, as the source writes it.
    pub(super) fn raw<'v>(&self, row: &NetImage<'v>) -> Option<&'v str> {
        match &self.take {
            Take::Column(cell) => cell.read(row).text(),
            Take::Key(_) | Take::Constant(_) => None,
        }
    }

    /// The columns it is made of.
    pub(super) fn cells(&self) -> &[Cell] {
        match &self.take {
            Take::Column(cell) => std::slice::from_ref(cell),
            Take::Key(cells) => cells,
            Take::Constant(_) => &[],
        }
    }

    /// The first of its columns, for messages.
    pub(super) fn column(&self) -> &str {
        self.cells().first().map_or("", |cell| &cell.name)
    }

    fn decode<'v>(
        &'v self,
        cell: &Cell,
        text: &'v str,
        scratch: &'v mut String,
    ) -> Result<Option<&'v str>, Failure> {
        let decoded = match &self.codec {
            Codec::Text => Some(text),
            Codec::Code(table) => match table.look_up(text) {
                Coded::Value(value) => Some(value),
                Coded::Null => return Ok(None),
                Coded::Unknown => return Err(unknown_code(cell, &table.name)),
            },
            Codec::Bool(None) => Some(text).filter(|text| matches!(*text, "true" | "false")),
            Codec::Bool(Some(codes)) => match truth(codes, text) {
                Some(truth) => Some(truth),
                None => return Err(unknown_code(cell, "bool")),
            },
            Codec::Integer => codec::integer(text, scratch),
            Codec::Decimal => codec::decimal(text, scratch),
            Codec::Float(scale) => codec::float(text, *scale, scratch),
            Codec::Implied(places) => codec::implied(text, *places, scratch),
            Codec::Date(format) => codec::date(text, format.unwrap_or(DateFormat::Iso), scratch),
            Codec::Instant(zone) => codec::instant(text, zone.unwrap_or(Zone::UTC), scratch),
            // Binding decides for one of the two.
            Codec::Moment => None,
        };
        let undecodable = || undecodable(cell, &self.codec);
        decoded.map(Some).ok_or_else(undecodable)
    }
}

fn truth(codes: &BoolCodes, text: &str) -> Option<&'static str> {
    let holds = |list: &[Box<str>]| list.iter().any(|code| **code == *text);
    if holds(&codes.yes) {
        return Some("true");
    }
    holds(&codes.no).then_some("false")
}

/// A text its codec does not read.
pub(super) fn undecodable(cell: &Cell, codec: &Codec) -> Failure {
    let wanted = match codec {
        Codec::Integer => "a whole number",
        Codec::Decimal => "a decimal",
        Codec::Float(_) => "a number",
        Codec::Implied(_) => "a whole number with implied decimals",
        Codec::Date(_) => "a day in the format its column is said to have",
        Codec::Instant(_) => "an instant",
        Codec::Bool(_) => "a truth value",
        Codec::Text | Codec::Code(_) | Codec::Moment => "a value",
    };
    let detail = format!("the text of column `{}` is not {wanted}", cell.name);
    Failure::new(Reason::Decode, detail)
}

/// The key of an entity from its columns: one column is the key itself, several are joined by
/// `/`. A `/` or `%` inside of a part is written `%2F` or `%25`, so that no two keys are the same.
pub(super) fn join<'v>(cells: &[Cell], row: &NetImage<'v>, scratch: &'v mut String) -> Value<'v> {
    if let [cell] = cells {
        return cell.read(row);
    }
    scratch.clear();
    for (place, cell) in cells.iter().enumerate() {
        let part = match cell.read(row) {
            Value::Text(part) => part,
            other => return other,
        };
        if place > 0 {
            scratch.push('/');
        }
        for character in part.chars() {
            match character {
                '/' => scratch.push_str("%2F"),
                '%' => scratch.push_str("%25"),
                plain => scratch.push(plain),
            }
        }
    }
    Value::Text(scratch)
}
