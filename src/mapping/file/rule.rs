//! Rules: which change of a row makes which event.

use std::collections::HashMap;
use std::sync::Arc;

use super::codec::{CodeTables, code_table};
use super::codes::CodeTable;
use super::contract::{self, Form};
use super::field::{Field, Part, check_targets};
use super::filter::Filter;
use super::names::{ColumnName, check_name, one_of, word};
use crate::canonical::{EventDef, FieldKind, catalog};
use crate::document::{Content, Entry, Fields, Findings, Node, Place};
use crate::mapping::keys;

/// What became of a row, after its table's filter had its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Step {
    /// It is new, or moved into the filter.
    Inserted = 1,
    /// It changed.
    Updated = 2,
    /// It is gone, or moved out of the filter.
    Deleted = 4,
    /// A snapshot found it.
    Read = 8,
}

/// The steps a rule fires on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) struct When(u8);

impl When {
    fn with(self, step: Step) -> Self {
        Self(self.0 | step as u8)
    }

    /// Whether the rule fires on this step.
    pub(in crate::mapping) fn has(self, step: Step) -> bool {
        self.0 & step as u8 != 0
    }

    /// Whether it fires on any change in the log.
    pub(in crate::mapping) fn sees_log(self) -> bool {
        self.0 & !(Step::Read as u8) != 0
    }

    /// Whether it fires on any step but the row's end.
    pub(in crate::mapping) fn tells_state(self) -> bool {
        self.0 & !(Step::Deleted as u8) != 0
    }
}

/// A step from one state to another.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Transition<C> {
    /// The column that holds the state's code.
    pub column: C,
    /// What the codes mean.
    pub codes: Arc<CodeTable>,
    /// The axis the event carries it on, if the event has axes.
    pub axis: Option<Box<str>>,
    /// The states it starts from; any if empty, none at all included.
    pub from: Box<[Box<str>]>,
    /// The states it ends in; any if empty.
    pub to: Box<[Box<str>]>,
}

/// A rule.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Rule {
    /// Its id: part of every event's id.
    pub id: String,
    /// The event it makes.
    pub event: &'static EventDef,
    /// Alias of its table.
    pub on: String,
    /// The steps it fires on.
    pub when: When,
    /// The transition it waits for.
    pub transition: Option<Transition<ColumnName>>,
    /// Of an update: the columns of which at least one must have changed.
    pub changed: Vec<ColumnName>,
    /// Which rows it is about.
    pub filter: Filter<ColumnName>,
    /// The entity's key, if not the table's.
    pub key: Option<Vec<ColumnName>>,
    /// The number people use.
    pub number: Option<Part<ColumnName>>,
    /// When the business says it happened.
    pub effective: Option<Part<ColumnName>>,
    /// Columns whose raw codes the event carries.
    pub codes: Vec<ColumnName>,
    /// Its canonical fields.
    pub fields: Vec<Field<ColumnName>>,
    /// Where it was written.
    pub place: Place,
}

/// What all rules of a mapping can name.
pub(super) struct Shared<'n> {
    /// Code tables.
    pub(super) codes: CodeTables,
    /// Sets of fields.
    pub(super) fields: HashMap<&'n str, &'n Entry>,
}

impl Rule {
    pub(super) fn parse<'n>(
        node: &'n Node,
        shared: &Shared<'n>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let codes = &shared.codes;
        let fields = node.fields(keys::RULE, findings)?;
        let event = fields.required("emit", findings).and_then(|node| emit(node, findings));
        let on = fields.required("on", findings).and_then(|node| node.as_text(findings));
        let (event, on) = (event?, on?.to_owned());
        let transition =
            fields.get("transition").and_then(|node| transition(event, node, codes, findings));
        let when = when(&fields, findings);
        check_when(&fields, when, event, findings);
        let columns = |key: &str, findings: &mut Findings| {
            fields.get(key).map(|node| ColumnName::parse_list(node, findings))
        };
        let part = |key: &str, kind: &FieldKind, findings: &mut Findings| {
            let node = fields.get(key)?;
            Part::parse(kind, Form::Any, node, codes, findings)
        };
        let filter = fields.get("where").map(|node| Filter::parse(node, findings));
        let written = fields.get("fields").and_then(|node| field_set(node, shared, findings));
        let rule = Self {
            id: rule_id(&fields, event, &on, findings),
            event,
            on,
            when,
            transition,
            changed: columns("changed", findings).unwrap_or_default(),
            filter: filter.unwrap_or_default(),
            key: columns("key", findings),
            number: part("number", &FieldKind::Text, findings),
            effective: part("effective", &FieldKind::DateOrInstant, findings),
            codes: columns("codes", findings).unwrap_or_default(),
            fields: written.map_or(Vec::new(), |node| parse_fields(event, node, codes, findings)),
            place: node.place.clone(),
        };
        rule.check_required(written, findings);
        Some(rule)
    }

    /// The schema's required fields must come from somewhere.
    fn check_required(&self, written: Option<&Node>, findings: &mut Findings) {
        if !self.when.tells_state() {
            return;
        }
        let written = match written.map(|node| &node.content) {
            Some(Content::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        let missing = self
            .event
            .fields
            .iter()
            .filter(|def| def.required && !written.iter().any(|entry| entry.key == def.name));
        for def in missing {
            let problem = format!("`{}` needs the field `{}`", self.event.name, def.name);
            let mend = format!("map it under `fields`: {}", def.description);
            findings.error(&self.place, problem, mend);
        }
    }
}

fn emit(node: &Node, findings: &mut Findings) -> Option<&'static EventDef> {
    let name = node.as_text(findings)?;
    let event = catalog().event(name);
    if event.is_none() {
        let known: Vec<&str> = catalog().names().collect();
        findings.error(&node.place, format!("there is no event `{name}`"), one_of(&known, name));
    }
    event
}

/// The id is part of every event's id for ever: it does not depend on the rule's place.
fn rule_id(fields: &Fields<'_>, event: &EventDef, on: &str, findings: &mut Findings) -> String {
    let Some(node) = fields.get("rule") else {
        return format!("{}-{}-{on}", event.entity, event.event);
    };
    let id = node.as_text(findings).unwrap_or_default();
    check_name(id, &node.place, findings);
    id.to_owned()
}

const WHEN: [(&str, Step); 3] =
    [("inserted", Step::Inserted), ("updated", Step::Updated), ("deleted", Step::Deleted)];

fn when(fields: &Fields<'_>, findings: &mut Findings) -> When {
    let mut when = When::default();
    match fields.get("when") {
        None if fields.get("transition").is_some() => {
            when = when.with(Step::Inserted).with(Step::Updated);
        }
        None => {}
        Some(node) => {
            for word in node.as_list_or_one() {
                when = one_step(when, word, findings);
            }
        }
    }
    if fields.get("snapshot").and_then(|node| node.as_bool(findings)).unwrap_or(false) {
        when = when.with(Step::Read);
    }
    when
}

fn one_step(when: When, node: &Node, findings: &mut Findings) -> When {
    if matches!(node.text(), Some("read" | "snapshot")) {
        let mend = "write `snapshot: true` beside `when`";
        findings.error(&node.place, "rows found by a snapshot are not a change", mend);
        return when;
    }
    word(node, &WHEN, findings).map_or(when, |step| when.with(step))
}

/// What the keys that choose a change say must fit together.
fn check_when(fields: &Fields<'_>, when: When, event: &EventDef, findings: &mut Findings) {
    if when == When::default() {
        let mend = "add `when: [inserted, updated]`, `transition: …` or `snapshot: true`";
        findings.error(fields.place(), "the rule never fires", mend);
    }
    if let Some(transition) = fields.entry("transition") {
        if when.has(Step::Deleted) {
            let mend = "write a rule of its own for `when: deleted`";
            findings.error(&transition.place, "a row that is gone makes no transition", mend);
        }
        if when.has(Step::Read) {
            let mend = "write a rule without `transition` for the snapshot";
            findings.error(&transition.place, "a snapshot sees states, not transitions", mend);
        }
    }
    if let Some(changed) = fields.entry("changed")
        && !when.has(Step::Updated)
    {
        findings.error(&changed.place, "only an update changes columns", "add `when: updated`");
    }
    if when.has(Step::Deleted) && contract::needs_after(event) {
        let problem = format!("`{}` tells how things are, and a deleted row is not", event.name);
        findings.error(fields.place(), problem, "take `deleted` out of `when`");
    }
}

fn transition(
    event: &EventDef,
    node: &Node,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Option<Transition<ColumnName>> {
    let fields = node.fields(keys::TRANSITION, findings)?;
    let column = fields.required("column", findings).map(|node| ColumnName::parse(node, findings));
    let table = fields.required("codes", findings);
    let table = table.and_then(|node| code_table(node, codes, findings));
    let axis = axis(event, &fields, findings);
    let table = table?;
    if let Some(axis) = axis.as_deref().and_then(|name| event.axis(name)) {
        let used = fields.entry("codes").map_or(fields.place(), |entry| &entry.place);
        check_targets(&table, &Form::one_of(&axis.states), used, findings);
    }
    let from = states(&fields, "from", &table, findings);
    let to = states(&fields, "to", &table, findings);
    if from.is_empty() && to.is_empty() {
        findings.error(fields.place(), "the transition names no state", "add `to: [<states>]`");
    }
    Some(Transition { column: column??, codes: table, axis, from, to })
}

/// The axis said, or the only one there is.
fn axis(event: &EventDef, fields: &Fields<'_>, findings: &mut Findings) -> Option<Box<str>> {
    let known: Vec<&str> = event.axes.iter().map(|axis| axis.name.as_str()).collect();
    match (fields.get("axis"), known.as_slice()) {
        (None, []) => None,
        (None, [only]) => Some((*only).into()),
        (None, known) => {
            let mend = format!("add `axis:` with one of {}", known.join(", "));
            findings.error(fields.place(), "on which axis is the transition?", mend);
            None
        }
        (Some(node), known) => {
            let name = node.as_text(findings)?;
            if !known.contains(&name) {
                let problem = format!("`{}` has no axis `{name}`", event.name);
                findings.error(&node.place, problem, one_of(known, name));
                return None;
            }
            Some(name.into())
        }
    }
}

/// States are canonical: the values of the code table, not the source's codes.
fn states(
    fields: &Fields<'_>,
    key: &str,
    table: &CodeTable,
    findings: &mut Findings,
) -> Box<[Box<str>]> {
    let mut known: Vec<&str> = table.targets().map(|(value, _)| value).collect();
    known.sort_unstable();
    known.dedup();
    let nodes = fields.get(key).map_or(&[][..], Node::as_list_or_one);
    let read = nodes.iter().filter_map(|node| {
        let state = node.as_text(findings)?;
        if !known.contains(&state) && !table.passes() {
            let problem = format!("code table `{}` never gives `{state}`", table.name);
            findings.error(&node.place, problem, one_of(&known, state));
        }
        Some(state.into())
    });
    read.collect()
}

/// The fields as they are written here, or the set of that name.
fn field_set<'n>(node: &'n Node, shared: &Shared<'n>, findings: &mut Findings) -> Option<&'n Node> {
    let Some(name) = node.text() else { return Some(node) };
    let set = shared.fields.get(name).map(|entry| &entry.value);
    if set.is_none() {
        let known: Vec<&str> = shared.fields.keys().copied().collect();
        let problem = format!("there is no set of fields `{name}`");
        findings.error(&node.place, problem, one_of(&known, name));
    }
    set
}

fn parse_fields(
    event: &EventDef,
    node: &Node,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Vec<Field<ColumnName>> {
    let known: Vec<&str> = event.fields.iter().map(|def| def.name.as_str()).collect();
    let Some(fields) = node.fields(&known, findings) else { return Vec::new() };
    let known = fields.entries().iter().filter_map(|entry| {
        let def = event.field(&entry.key)?;
        Field::parse(event, def, &entry.value, codes, findings)
    });
    known.collect()
}
