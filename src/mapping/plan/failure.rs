//! What a change could not become, and why.

use erpbridge_connector::Value;
use serde_json::{Map, Value as Json, json};

use super::{RulePlan, View, operation_name};
use crate::canonical::{EventTemplate, REKEYED};
use crate::deadletter::{DeadLetter, Reason};
use crate::document::Place;
use crate::mapping::bind::Cell;
use crate::mapping::file::{CodeTable, Codec};
use crate::mapping::kept::RowsError;
use crate::mapping::net::{NetChange, NetImage};
use crate::mapping::stage::Bound;
use crate::mapping::waiting::Awaited;

/// Why a rule could not make its event. The sentence names columns, never values.
#[derive(Debug)]
pub(in crate::mapping) struct Failure {
    pub(super) reason: Reason,
    detail: String,
    unknown: Option<Box<UnknownCode>>,
}

/// A code that nobody knows. Only a person who tries the mapping sees it: it is a value.
#[derive(Debug)]
pub(super) struct UnknownCode {
    /// The code.
    pub(super) code: Box<str>,
    /// The code table that does not know it; none for `bool`.
    pub(super) table: Option<Place>,
}

/// Nothing more may be mapped.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The remembered rows cannot be read or written.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The ERP is no longer what the mapping knows, and the mapping says to stop then.
    #[error("{0}")]
    Drift(String),
}

/// What ends the making of an event: it cannot be made, or nothing can be made any more.
#[derive(Debug)]
pub(in crate::mapping) enum Trouble {
    /// The event becomes a dead letter.
    Letter(Failure),
    /// The remembered rows cannot be read.
    Rows(RowsError),
    /// It waits for a row.
    Wait(Awaited),
}

/// What ends the mapping of a change.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing more may be mapped.
    Plan(PlanError),
    /// The change waits for a row.
    Wait(Awaited),
}

impl<E: Into<PlanError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Plan(error.into())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Letter(failure)
    }
}

impl From<RowsError> for Trouble {
    fn from(error: RowsError) -> Self {
        Self::Rows(error)
    }
}

impl Failure {
    /// As a person reads it.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), unknown: None }
    }

    /// The code that is unknown, if that is the reason.
    pub(super) fn unknown(&self) -> Option<&UnknownCode> {
        self.unknown.as_deref()
    }

    /// The log did not carry a cell the rule cannot do without.
    pub(super) fn absent(column: &str) -> Self {
        let detail = format!("the log did not carry column `{column}` of this row");
        Self::new(Reason::AbsentValue, detail)
    }

    /// Something that must be there is not.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(Reason::MissingRequired, format!("{what} has no value"))
    }

    /// The dead letter of this failure.
    pub(super) fn letter(
        &self,
        template: &EventTemplate,
        view: &View,
        rule: Option<&RulePlan>,
        change: &NetChange<'_>,
    ) -> DeadLetter {
        let detail = match rule {
            Some(rule) => format!("rule `{}` on `{}`: {}", rule.id, view.table, self.detail),
            None => format!("filter of `{}`: {}", view.table, self.detail),
        };
        let rule = rule.map(|rule| rule.id.to_string());
        self.letter_of(template, &view.table, rule, detail, change)
    }

    /// The dead letter of a change that no rule was asked about.
    pub(super) fn of_table(
        &self,
        template: &EventTemplate,
        table: &str,
        change: &NetChange<'_>,
    ) -> DeadLetter {
        self.letter_of(template, table, None, self.detail.clone(), change)
    }

    fn letter_of(
        &self,
        template: &EventTemplate,
        table: &str,
        rule: Option<String>,
        detail: String,
        change: &NetChange<'_>,
    ) -> DeadLetter {
        let mut id = template.id(change.transaction, change.ordinal);
        if change.index >= REKEYED {
            // As in the ids of events: a changed key gives the old row's half and the new one's.
            id.push_str(":rekeyed");
        }
        DeadLetter {
            id,
            table: table.to_owned(),
            rule,
            reason: self.reason,
            detail,
            sequence: change.transaction.sequence.clone(),
            ordinal: change.ordinal,
            position: change.transaction.resume.clone(),
            row: raw_row(change),
        }
    }
}

/// A code its table does not know.
pub(super) fn unknown_code(column: &str, code: &str, table: &CodeTable) -> Failure {
    let (name, at) = (&table.name, &table.place);
    let detail = format!("column `{column}` holds a code that code table `{name}` does not know");
    let unknown = UnknownCode { code: code.into(), table: Some(at.clone()) };
    Failure { unknown: Some(Box::new(unknown)), ..Failure::new(Reason::UnknownCode, detail) }
}

/// A name of a table, or of its schema, that tells a company or plant the aliases do not know.
pub(super) fn unknown_name(name: &str, aliases: &CodeTable) -> Failure {
    let detail = format!("the table's name holds what the {} do not know", aliases.name);
    let unknown = UnknownCode { code: name.into(), table: Some(aliases.place.clone()) };
    Failure { unknown: Some(Box::new(unknown)), ..Failure::new(Reason::UnknownCode, detail) }
}

/// A text that is neither true nor false.
pub(super) fn unknown_truth(column: &str, code: &str) -> Failure {
    let detail = format!("column `{column}` holds a code that `bool` does not know");
    let unknown = UnknownCode { code: code.into(), table: None };
    Failure { unknown: Some(Box::new(unknown)), ..Failure::new(Reason::UnknownCode, detail) }
}

/// A text its codec does not read.
pub(super) fn undecodable(cell: &Cell, codec: &Codec<Bound>) -> Failure {
    let wanted = match codec {
        Codec::Integer => "a whole number",
        Codec::Decimal => "a decimal",
        Codec::Float(_) => "a number",
        Codec::Implied(_) => "a whole number with implied decimals",
        Codec::Date(_) => "a day in the format its column is said to have",
        Codec::Instant(_) => "an instant",
        Codec::Bool(_) => "a truth value",
        Codec::Duration(_) => "a number of whole units of time",
        Codec::Text | Codec::Code(_) | Codec::Moment => "a value",
    };
    let detail = format!("the text of column `{}` is not {wanted}", cell.name);
    Failure::new(Reason::Decode, detail)
}

/// The row as the log carried it: NULL is null, an absent cell is left out.
fn raw_row(change: &NetChange<'_>) -> Json {
    let image = |image: &Option<NetImage<'_>>| {
        let cells = image.as_ref().map(|image| raw_image(change, image));
        cells.map_or(Json::Null, Json::Object)
    };
    json!({
        "operation": operation_name(change.operation),
        "before": image(&change.before),
        "after": image(&change.after),
    })
}

fn raw_image(change: &NetChange<'_>, image: &NetImage<'_>) -> Map<String, Json> {
    let columns = change.table.columns.iter().enumerate();
    let cells = columns.filter_map(|(index, column)| {
        let value = match image.get(index) {
            Value::Absent => return None,
            Value::Null => Json::Null,
            Value::Text(text) => Json::from(text),
        };
        Some((column.name.clone(), value))
    });
    cells.collect()
}
