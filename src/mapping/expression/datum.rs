//! A value while it is computed. There is no null among them: null ends a computation (see
//! `evaluate`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

use time::Date;

use super::decimal::Decimal;
use super::instant::{Instant, write_day};

/// A value; texts are borrowed from the row or the program as long as they stay what they are.
#[derive(Clone, Debug)]
pub(super) enum Datum<'v> {
    Text(Cow<'v, str>),
    Number(Decimal),
    Bool(bool),
    Date(Date),
    Instant(Instant),
    Texts(Texts<'v>),
}

/// Several texts. Those of a split are not cut before one of them is asked for.
#[derive(Clone, Debug)]
pub(super) enum Texts<'v> {
    Split { text: Cow<'v, str>, separator: Cow<'v, str> },
    List(Vec<Cow<'v, str>>),
}

impl<'v> Datum<'v> {
    /// The same value, independent of the row.
    pub(super) fn into_owned(self) -> Datum<'static> {
        let own = |text: Cow<'v, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Text(text) => Datum::Text(own(text)),
            Self::Number(number) => Datum::Number(number),
            Self::Bool(bool) => Datum::Bool(bool),
            Self::Date(date) => Datum::Date(date),
            Self::Instant(instant) => Datum::Instant(instant),
            Self::Texts(Texts::Split { text, separator }) => {
                Datum::Texts(Texts::Split { text: own(text), separator: own(separator) })
            }
            Self::Texts(Texts::List(list)) => {
                Datum::Texts(Texts::List(list.into_iter().map(own).collect()))
            }
        }
    }

    /// The same value, its texts borrowed from this one.
    pub(super) fn lend(&self) -> Datum<'_> {
        match self {
            Self::Text(text) => Datum::Text(Cow::Borrowed(text)),
            Self::Number(number) => Datum::Number(*number),
            Self::Bool(bool) => Datum::Bool(*bool),
            Self::Date(date) => Datum::Date(*date),
            Self::Instant(instant) => Datum::Instant(*instant),
            Self::Texts(Texts::Split { text, separator }) => Datum::Texts(Texts::Split {
                text: Cow::Borrowed(text),
                separator: Cow::Borrowed(separator),
            }),
            Self::Texts(Texts::List(list)) => {
                let list = list.iter().map(|text| Cow::Borrowed(&**text));
                Datum::Texts(Texts::List(list.collect()))
            }
        }
    }

    /// How two values of one type stand to each other: texts by their characters' numbers.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Instant(a), Self::Instant(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Its canonical text; the texts of a list with commas between them.
    pub(super) fn into_text(self) -> Cow<'v, str> {
        let mut out = String::new();
        // Writing into a String does not fail.
        let written = match self {
            Self::Text(text) => return text,
            Self::Bool(true) => return Cow::Borrowed("true"),
            Self::Bool(false) => return Cow::Borrowed("false"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Date(date) => write_day(date, &mut out),
            Self::Instant(instant) => write!(out, "{instant}"),
            Self::Texts(Texts::Split { text, separator }) => {
                out = text.replace(&*separator, ",");
                Ok(())
            }
            Self::Texts(Texts::List(list)) => {
                out = list.join(",");
                Ok(())
            }
        };
        debug_assert!(written.is_ok(), "a String takes every text");
        Cow::Owned(out)
    }
}

impl<'v> Texts<'v> {
    /// The text at a place, counted from 0.
    pub(super) fn nth(self, place: usize) -> Option<Cow<'v, str>> {
        match self {
            Self::Split { text: Cow::Borrowed(text), separator } => {
                cut(text, &separator, place).map(Cow::Borrowed)
            }
            Self::Split { text: Cow::Owned(text), separator } => {
                cut(&text, &separator, place).map(|part| Cow::Owned(part.to_owned()))
            }
            Self::List(list) => list.into_iter().nth(place),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Split { text, separator } => text.split(&**separator).count(),
            Self::List(list) => list.len(),
        }
    }

    pub(super) fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::Split { text, separator } => text.split(&**separator).any(|part| part == wanted),
            Self::List(list) => list.iter().any(|text| text == wanted),
        }
    }
}

/// The part at a place. Almost every separator is one character, which is found far quicker.
fn cut<'t>(text: &'t str, separator: &str, place: usize) -> Option<&'t str> {
    let mut characters = separator.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => text.split(only).nth(place),
        _ => text.split(separator).nth(place),
    }
}
