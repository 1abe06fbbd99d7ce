//! A moment kept in two columns: a day, and a time of day in one of the spellings ERPs use.

use super::codec::{CodeTables, Codec, local_zone};
use super::names::{ColumnName, word};
use super::part::Part;
use crate::canonical::{FieldKind, Form};
use crate::document::{Findings, Node};
use crate::mapping::codec::{LocalZone, TimeFormat};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// A day and a time of day.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct TwoColumns<S: Stage> {
    /// The day.
    pub date: Part<S>,
    /// The column with the time of day. Without a time, the moment is the day.
    pub time: S::Column,
    /// How it is written.
    pub format: TimeFormat,
    /// Whose clock it is; none if the reading rules say it.
    pub zone: Option<LocalZone>,
}

impl TwoColumns<Written> {
    /// Reads `{ date: <value>, time: { from: column, time: hhmm }, zone, overlap, gap }`.
    pub(super) fn parse(node: &Node, codes: &CodeTables, findings: &mut Findings) -> Option<Self> {
        let fields = node.fields(keys::MOMENT, findings)?;
        let date = fields.required("date", findings);
        let date =
            date.and_then(|node| Part::parse(&FieldKind::Date, Form::Any, node, codes, findings));
        let time = fields.required("time", findings);
        let time = time.and_then(|node| time_of_day(node, findings));
        let said = ["zone", "overlap", "gap"].iter().any(|key| fields.get(key).is_some());
        let zone = if said { Some(local_zone(&fields, findings)?) } else { None };
        let date = date.filter(|date| matches!(date.codec, Codec::Date(_)));
        let (time, format) = time?;
        Some(Self { date: date?, time, format, zone })
    }
}

fn time_of_day(node: &Node, findings: &mut Findings) -> Option<(ColumnName, TimeFormat)> {
    if node.text().is_some() {
        return Some((ColumnName::parse(node, findings)?, TimeFormat::Iso));
    }
    let fields = node.fields(keys::TIME, findings)?;
    let column = fields.required("from", findings);
    let column = column.and_then(|node| ColumnName::parse(node, findings));
    let format = match fields.get("time") {
        Some(node) => word(node, &TimeFormat::NAMES, findings)?,
        None => TimeFormat::Iso,
    };
    Some((column?, format))
}
