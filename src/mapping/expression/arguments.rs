//! Calling a function with what a row gives it.

use std::borrow::Cow;
use std::cmp::Ordering;

use time::{Date, Duration};

use super::datum::{Datum, Texts};
use super::decimal::{Decimal, Rounding};
use super::evaluate::{Outcome, Stop, known, misfit, read_day, too_large};
use super::functions::Function;
use super::instant::Instant;
use super::json;
use super::program::Node;
use super::text::{self, Joined};
use super::{Inputs, MAX_TEXT, Type};
use crate::mapping::codec::DateFormat;

/// What a function is given: computed when it asks, so that null stops it.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'v> {
    /// The function's name, for messages.
    pub(super) name: &'static str,
    pub(super) nodes: &'v [Node],
    pub(super) inputs: &'v dyn Inputs,
}

/// Why a text may not be empty.
pub(super) const EMPTY: &str = "a text that must have characters is empty";

/// Why a number is no size.
pub(super) const NO_COUNT: &str = "a size or place is not a whole number from 0 to 1048576";

/// A size or a place: nothing an expression makes is larger than a text may be.
pub(super) fn count(number: Decimal) -> Option<usize> {
    let count = number.to_whole().and_then(|whole| usize::try_from(whole).ok())?;
    Some(count).filter(|count| *count <= MAX_TEXT)
}

impl<'v> Arguments<'v> {
    pub(super) fn call(self, function: Function) -> Outcome<Datum<'v>> {
        match function {
            Function::Substr
            | Function::Concat
            | Function::Split
            | Function::Replace
            | Function::Lpad
            | Function::Rpad
            | Function::Trim
            | Function::Upper
            | Function::Lower
            | Function::Ltrim0
            | Function::Text
            | Function::Key => self.make_text(function),
            Function::StartsWith => Ok(Datum::Bool(self.text(0)?.starts_with(&*self.text(1)?))),
            Function::EndsWith => Ok(Datum::Bool(self.text(0)?.ends_with(&*self.text(1)?))),
            Function::Contains => Ok(Datum::Bool(self.text(0)?.contains(&*self.text(1)?))),
            Function::Json => self.json().map(Datum::Text),
            Function::Coalesce => self.first_known(),
            Function::Min => self.extreme(Ordering::Less),
            Function::Max => self.extreme(Ordering::Greater),
            Function::Size
            | Function::Number
            | Function::Round
            | Function::Abs
            | Function::Floor
            | Function::Ceil
            | Function::DaysBetween => self.make_number(function).map(Datum::Number),
            Function::Date => self.date_of(),
            Function::Instant => {
                let instant = Instant::parse(&self.text(0)?).map(Datum::Instant);
                instant.ok_or_else(|| self.fails("the text is not an instant with its zone"))
            }
            Function::JdeDate => self.jde_date(),
            Function::AddDays => self.add_days().map(Datum::Date),
            // The checker makes a step of its own of it, with the pattern ready.
            Function::Matches => Err(self.fails("it has no pattern")),
        }
    }

    fn make_text(self, function: Function) -> Outcome<Datum<'v>> {
        let made = match function {
            Function::Trim => Ok(text::part(self.text(0)?, str::trim)),
            Function::Upper => text::upper(self.text(0)?),
            Function::Lower => text::lower(self.text(0)?),
            Function::Ltrim0 => Ok(text::part(self.text(0)?, text::without_zeros)),
            Function::Substr => return self.substr().map(Datum::Text),
            Function::Split => return self.split(),
            Function::Replace => {
                let (whole, from) = (self.text(0)?, self.filled(1)?);
                text::replace(whole, &from, &self.text(2)?)
            }
            Function::Concat => return self.concat().map(Datum::Text),
            Function::Lpad | Function::Rpad => {
                let (whole, size) = (self.text(0)?, self.count(1)?);
                let fill = if self.has(2) { self.filled(2)? } else { Cow::Borrowed(" ") };
                text::pad(whole, size, &fill, function == Function::Lpad)
            }
            Function::Key => return self.key().map(Datum::Text),
            _ => Ok(self.value(0)?.into_text()),
        };
        made.map(Datum::Text).map_err(|why| self.fails(why))
    }

    fn make_number(self, function: Function) -> Outcome<Decimal> {
        let rounded = match function {
            Function::Abs => return self.number(0).map(Decimal::abs),
            Function::Size => return self.size(),
            Function::DaysBetween => {
                let (from, to) = (self.date(0)?, self.date(1)?);
                return Ok(Decimal::from((to - from).whole_days()));
            }
            Function::Number => {
                let number = Decimal::parse(&self.text(0)?);
                return number.ok_or_else(|| self.fails("the text is not a number"));
            }
            Function::Floor => self.number(0)?.round(0, Rounding::Floor),
            Function::Ceil => self.number(0)?.round(0, Rounding::Ceiling),
            _ => {
                let number = self.number(0)?;
                let places = if self.has(1) { self.count(1)? } else { 0 };
                // More places than a number can have leave it as it is.
                number.round(u32::try_from(places).unwrap_or(u32::MAX), Rounding::HalfUp)
            }
        };
        rounded.ok_or_else(|| too_large(self.name))
    }

    fn substr(self) -> Outcome<Cow<'v, str>> {
        let (whole, start) = (self.text(0)?, self.count(1)?);
        let length = if self.has(2) { Some(self.count(2)?) } else { None };
        Ok(text::part(whole, |whole| text::slice(whole, start, length)))
    }

    fn split(self) -> Outcome<Datum<'v>> {
        let (text, separator) = (self.text(0)?, self.filled(1)?);
        Ok(Datum::Texts(Texts::Split { text, separator }))
    }

    fn json(self) -> Outcome<Cow<'v, str>> {
        let path = self.text(1)?;
        let found = match self.text(0)? {
            Cow::Borrowed(text) => json::at(text, &path),
            Cow::Owned(text) => json::at(&text, &path)
                .map(|found| found.map(|found| Cow::Owned(found.into_owned()))),
        };
        found.map_err(|why| self.fails(why))?.ok_or(Stop::Null)
    }

    fn concat(self) -> Outcome<Cow<'v, str>> {
        let mut joined = Joined::default();
        for place in 0..self.nodes.len() {
            joined.push(&self.text(place)?).map_err(|why| self.fails(why))?;
        }
        Ok(joined.done())
    }

    /// One value is the key itself; several are joined as the keys of mappings are.
    fn key(self) -> Outcome<Cow<'v, str>> {
        if self.nodes.len() == 1 {
            return Ok(self.value(0)?.into_text());
        }
        let mut joined = Joined::default();
        for place in 0..self.nodes.len() {
            let part = self.value(place)?.into_text();
            let slash = if place > 0 { "/" } else { "" };
            let pushed = joined.push(slash).and_then(|()| joined.push_part(&part));
            pushed.map_err(|why| self.fails(why))?;
        }
        Ok(joined.done())
    }

    fn size(self) -> Outcome<Decimal> {
        let size = match self.value(0)? {
            Datum::Text(text) => text.chars().count(),
            Datum::Texts(list) => list.len(),
            _ => return Err(misfit(Type::Text)),
        };
        Ok(Decimal::from(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn first_known(self) -> Outcome<Datum<'v>> {
        for node in self.nodes {
            if let Some(value) = known(node.evaluate(self.inputs))? {
                return Ok(value);
            }
        }
        Err(Stop::Null)
    }

    /// The value that stands `wanted` to all others; of equal ones the first.
    fn extreme(self, wanted: Ordering) -> Outcome<Datum<'v>> {
        let mut found = self.value(0)?;
        for place in 1..self.nodes.len() {
            let next = self.value(place)?;
            if next.compare(&found) == Some(wanted) {
                found = next;
            }
        }
        Ok(found)
    }

    fn date_of(self) -> Outcome<Datum<'v>> {
        match self.value(0)? {
            Datum::Text(text) => read_day(&text, DateFormat::Iso),
            Datum::Instant(instant) => Ok(Datum::Date(instant.day())),
            _ => Err(misfit(Type::Instant)),
        }
    }

    /// The zero of JD Edwards is no day.
    fn jde_date(self) -> Outcome<Datum<'v>> {
        let text = match self.value(0)? {
            Datum::Number(number) => Datum::Number(number.shortest()).into_text(),
            other => other.into_text(),
        };
        if text == "0" {
            return Err(Stop::Null);
        }
        read_day(&text, DateFormat::CenturyDay)
            .map_err(|_| self.fails("the value is not a day as CYYDDD"))
    }

    fn add_days(self) -> Outcome<Date> {
        let (date, days) = (self.date(0)?, self.number(1)?);
        let days = days.to_whole().ok_or_else(|| self.fails("the days are not a whole number"))?;
        // Beyond this no day of the calendar is left.
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let moved = date.checked_add(Duration::days(i64::from(days)));
        let moved = moved.filter(|date| (1..=9999).contains(&date.year()));
        moved.ok_or_else(|| self.fails("the day is not in the years 1 to 9999"))
    }

    fn fails(self, why: &'static str) -> Stop {
        Stop::failed(self.name, why)
    }

    fn has(self, place: usize) -> bool {
        self.nodes.len() > place
    }

    fn value(self, place: usize) -> Outcome<Datum<'v>> {
        let node = self.nodes.get(place).ok_or_else(|| self.fails("a value is missing"))?;
        node.evaluate(self.inputs)
    }

    fn text(self, place: usize) -> Outcome<Cow<'v, str>> {
        match self.value(place)? {
            Datum::Text(text) => Ok(text),
            _ => Err(misfit(Type::Text)),
        }
    }

    fn filled(self, place: usize) -> Outcome<Cow<'v, str>> {
        let text = self.text(place)?;
        if text.is_empty() { Err(self.fails(EMPTY)) } else { Ok(text) }
    }

    fn number(self, place: usize) -> Outcome<Decimal> {
        match self.value(place)? {
            Datum::Number(number) => Ok(number),
            _ => Err(misfit(Type::Number)),
        }
    }

    fn count(self, place: usize) -> Outcome<usize> {
        count(self.number(place)?).ok_or_else(|| self.fails(NO_COUNT))
    }

    fn date(self, place: usize) -> Outcome<Date> {
        match self.value(place)? {
            Datum::Date(date) => Ok(date),
            _ => Err(misfit(Type::Date)),
        }
    }
}
