//! Rules: which change of a row makes which event.

use std::collections::HashMap;

use super::codec::CodeTables;
use super::field::{Field, parse_fields};
use super::filter::Filter;
use super::formula::{Formula, Pick};
use super::names::{ColumnName, check_name, one_of};
use super::part::Part;
use super::scope::Scope;
use super::transition::Transition;
use super::when::{When, check_when, when};
use crate::canonical::{EventDef, FieldKind, Form, catalog};
use crate::document::{Content, Entry, Fields, Findings, Node, Place, similar};
use crate::mapping::keys;
use crate::mapping::stage::Written;

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
    pub transition: Option<Transition<Written>>,
    /// What must have become true.
    pub became: Option<Formula>,
    /// Of an update: the columns of which at least one must have changed.
    pub changed: Vec<ColumnName>,
    /// Which rows it is about.
    pub filter: Filter<Written>,
    /// The entity's key, if not the table's.
    pub key: Option<Box<[Pick<Written>]>>,
    /// Its own plant, over the table's.
    pub plant: Option<Scope<Written>>,
    /// The number people use.
    pub number: Option<Part<Written>>,
    /// Other numbers it is known by.
    pub aliases: Vec<ColumnName>,
    /// When the business says it happened.
    pub effective: Option<Part<Written>>,
    /// Columns whose raw codes the event carries.
    pub codes: Vec<ColumnName>,
    /// Columns of the site that may leave the bridge, by the name they leave with.
    pub extensions: Vec<(Box<str>, ColumnName)>,
    /// Its canonical fields.
    pub fields: Vec<Field<Written>>,
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
        let fields = node.fields(keys::RULE, findings)?;
        let event = fields.required("emit", findings).and_then(|node| emit(node, findings));
        let on = fields.required("on", findings).and_then(|node| node.as_text(findings));
        let (event, on) = (event?, on?);
        let when = when(&fields, findings);
        check_when(&fields, when, event, findings);
        let id = rule_id(&fields, event, on, findings);
        let mut rule = Self::body(&fields, (id, event, on, when), shared, findings);
        rule.transition = fields
            .get("transition")
            .and_then(|node| Transition::parse(event, node, &shared.codes, findings));
        rule.became = fields.get("became").and_then(|node| Formula::condition(node, findings));
        rule.changed = columns(&fields, "changed", findings);
        rule.check_changed(findings);
        Some(rule)
    }

    /// What rules of every kind say alike.
    pub(super) fn body<'n>(
        fields: &Fields<'n>,
        (id, event, on, when): (String, &'static EventDef, &str, When),
        shared: &Shared<'n>,
        findings: &mut Findings,
    ) -> Self {
        let codes = &shared.codes;
        let part = |key: &str, kind: &FieldKind, findings: &mut Findings| {
            Part::parse(kind, Form::Any, fields.get(key)?, codes, findings)
        };
        let written = fields.get("fields").and_then(|node| field_set(node, shared, findings));
        let rule = Self {
            id,
            event,
            on: on.to_owned(),
            when,
            transition: None,
            became: None,
            changed: Vec::new(),
            filter: Filter::parse(fields, findings),
            key: fields.get("key").map(|node| Pick::parse_list(node, findings)),
            plant: fields.get("plant").and_then(|node| Scope::parse("plant", node, findings)),
            number: part("number", &FieldKind::Text, findings),
            aliases: columns(fields, "aliases", findings),
            effective: part("effective", &FieldKind::DateOrInstant, findings),
            codes: columns(fields, "codes", findings),
            extensions: extensions(fields, findings),
            fields: written
                .map_or(Vec::new(), |node| parse_fields(&event.fields, node, codes, findings)),
            place: fields.place().clone(),
        };
        rule.check_required(written, findings);
        rule
    }

    /// What is looked up is the same before and after.
    fn check_changed(&self, findings: &mut Findings) {
        for column in self.changed.iter().filter(|column| column.name.contains('.')) {
            let problem =
                format!("`{}` is looked up, and only the row itself changes", column.name);
            let mend = "name columns of the table, such as the one that leads there";
            findings.error(&column.place, problem, mend);
        }
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
        findings.error(&node.place, format!("there is no event `{name}`"), meant(name));
    }
    event
}

/// The event that may be meant; if the entity is one there is, the events that it has. Entities are
/// long, so that two events of one always look alike: only their last words are compared.
fn meant(name: &str) -> String {
    let (entity, word) = name.rsplit_once('.').unwrap_or((name, ""));
    let same = |event: &&EventDef| {
        event.name.strip_prefix(entity).is_some_and(|event| event.starts_with('.'))
    };
    let own: Vec<&EventDef> = catalog().events().filter(same).collect();
    if own.is_empty() {
        let known: Vec<&str> = catalog().names().collect();
        return one_of(&known, name);
    }
    if let Some(meant) = similar(word, own.iter().map(|event| event.event.as_str())) {
        return format!("did you mean `{entity}.{meant}`?");
    }
    let own: Vec<&str> = own.iter().map(|event| event.name.as_str()).collect();
    format!("write one of: {}", own.join(", "))
}

/// The id is part of every event's id for ever: it does not depend on the rule's place.
fn rule_id(fields: &Fields<'_>, event: &EventDef, on: &str, findings: &mut Findings) -> String {
    named(fields, findings).unwrap_or_else(|| format!("{}-{}-{on}", event.entity, event.event))
}

/// The id a rule gives itself.
pub(super) fn named(fields: &Fields<'_>, findings: &mut Findings) -> Option<String> {
    let node = fields.get("rule")?;
    let id = node.as_text(findings).unwrap_or_default();
    check_name(id, &node.place, findings);
    Some(id.to_owned())
}

fn columns(fields: &Fields<'_>, key: &str, findings: &mut Findings) -> Vec<ColumnName> {
    fields.get(key).map(|node| ColumnName::parse_list(node, findings)).unwrap_or_default()
}

/// Reads `[ column, { name: path } ]`.
fn extensions(fields: &Fields<'_>, findings: &mut Findings) -> Vec<(Box<str>, ColumnName)> {
    let mut extensions: Vec<(Box<str>, ColumnName)> = Vec::new();
    let nodes = fields.get("extensions").map_or(&[][..], Node::as_list_or_one);
    for node in nodes {
        if !matches!(node.content, Content::Map(_)) {
            extensions.extend(ColumnName::parse(node, findings).map(|column| {
                let name = column.name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_");
                (name.into(), column)
            }));
            continue;
        }
        for entry in node.as_map(findings).unwrap_or_default() {
            let column = ColumnName::parse(&entry.value, findings);
            extensions.extend(column.map(|column| (entry.key.as_str().into(), column)));
        }
    }
    for (name, column) in &extensions {
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        let plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        let named = |(known, _): &&(Box<str>, ColumnName)| known == name;
        if extensions.iter().filter(named).count() > 1 {
            let mend = "give one of them a name of its own: `{ u_color: <column> }`";
            findings.error(&column.place, format!("two extensions are called `{name}`"), mend);
        }
        if !starts || !plain {
            let mend = "name it yourself: `{ u_color: <column> }`, of a-z, 0-9 and `_`";
            findings.error(&column.place, format!("`{name}` is no name of an extension"), mend);
        }
    }
    extensions
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
