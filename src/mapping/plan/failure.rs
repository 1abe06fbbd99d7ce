//! What a change could not become, and why.

use erpbridge_connector::Value;
use serde_json::{Map, Value as Json, json};

use super::{RulePlan, View, operation_name};
use crate::canonical::{EventTemplate, REKEYED};
use crate::deadletter::{DeadLetter, Reason};
use crate::mapping::net::{NetChange, NetImage};

/// Why a rule could not make its event. The sentence names columns, never values.
#[derive(Debug)]
pub(super) struct Failure {
    reason: Reason,
    detail: String,
}

impl Failure {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The log did not carry a cell the rule cannot do without.
    pub(super) fn absent(column: &str) -> Self {
        let detail = format!("the log did not carry column `{column}` of this row");
        Self::new(Reason::AbsentValue, detail)
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
        let mut id = template.id(change.transaction, change.ordinal);
        if change.index >= REKEYED {
            // As in the ids of events: a changed key gives the old row's half and the new one's.
            id.push_str(":rekeyed");
        }
        DeadLetter {
            id,
            table: view.table.to_string(),
            rule: rule.map(|rule| rule.id.to_string()),
            reason: self.reason,
            detail,
            sequence: change.transaction.sequence.clone(),
            ordinal: change.ordinal,
            position: change.transaction.resume.clone(),
            row: raw_row(change),
        }
    }
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
