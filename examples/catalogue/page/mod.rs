//! A readable page per entity, made from its schema.

use std::fmt::Write as _;

use erpbridge::canonical::{Axis, EventDef, FieldDef, FieldKind, Form, catalog};
use serde_json::Value;

pub(crate) mod json;
pub(crate) mod sample;

/// The pages: the entity, and the text of `docs/events/<entity>.md`.
pub(crate) fn pages() -> Vec<(String, String)> {
    let entities = catalog().schema_files().map(|(file, text)| Entity::read(file, text));
    entities.map(|entity| (entity.name.clone(), entity.page())).collect()
}

/// The contract page with its table of entities as it must be.
pub(crate) fn with_index(page: &str) -> String {
    let (before, rest) = page.split_once(HEAD).expect("docs/events.md has the table of events");
    let (_, after) = rest.split_once("\n\n").expect("a line is left free after the table");
    format!("{before}{}\n{after}", index())
}

const HEAD: &str = "| entity | events | tells of |\n|---|---|---|\n";

fn index() -> String {
    let mut table = HEAD.to_owned();
    for entity in catalog().schema_files().map(|(file, text)| Entity::read(file, text)) {
        let events = entity.events.iter().map(|event| format!("`{}`", event.event));
        let (name, events) = (&entity.name, events.collect::<Vec<_>>().join(" "));
        let tells = &entity.description;
        writeln!(table, "| [`{name}`](events/{name}.md) | {events} | {tells} |").expect("memory");
    }
    table
}

/// A schema file and its events, in the order they are written there.
struct Entity {
    name: String,
    file: &'static str,
    text: &'static str,
    title: String,
    description: String,
    events: Vec<&'static EventDef>,
}

impl Entity {
    fn read(file: &'static str, text: &'static str) -> Self {
        let document: Value = serde_json::from_str(text).expect("a schema is JSON");
        let said = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let name = file.split(".v1.").next().unwrap_or(file).to_owned();
        let mut events: Vec<_> = catalog()
            .events()
            .filter(|event| format!("{}.{}", event.family, event.entity) == name)
            .collect();
        let (_, definitions) = text.split_once("\n  \"$defs\": {").unwrap_or(("", text));
        let place = |name: &str| definitions.find(&format!("\n    \"{name}\": {{"));
        events.sort_by_key(|event| place(&event.event));
        Self { name, file, text, title: said("title"), description: said("description"), events }
    }

    fn page(&self) -> String {
        let event = self.events[0];
        let mut page = format!("# {}: `{}`\n\n{}\n", self.title, self.name, self.description);
        let subject = format!("erp.<source>.<company>.<plant>.{}.<event>", self.name);
        let file = self.file;
        page += &format!(
            "\nSubjects: `{subject}`. Schema: [`{file}`](../../mappings/events/{file}). What all \
             events have in common is in [events.md](../events.md).\n"
        );
        page += "\n## Events\n\n| event | tells | with |\n|---|---|---|\n";
        for event in &self.events {
            let with = if event.needs_after { "`after`" } else { "`after` or `before`" };
            page += &format!("| `{}` | {} | {with} |\n", event.event, event.description);
        }
        event.axes.iter().for_each(|axis| page += &states(axis));
        page += &self.fields(event);
        page += &self.example();
        page
    }

    fn fields(&self, event: &EventDef) -> String {
        let mut part = "\n## Fields of `after` and `before`\n".to_owned();
        part += &table(&placed(&event.fields, self.text, "fields"));
        for field in &event.fields {
            if let FieldKind::List(fields) = &field.kind {
                let name = &field.name;
                part += &format!("\n### Each of `{name}`\n");
                let mut rows = placed(fields, self.text, name.trim_end_matches('s'));
                let key = FieldDef {
                    name: "key".to_owned(),
                    kind: FieldKind::Text,
                    form: Form::Any,
                    required: true,
                    nullable: false,
                    description: "Its own key.".to_owned(),
                };
                rows.insert(0, &key);
                part += &table(&rows);
            }
        }
        part
    }

    fn example(&self) -> String {
        let released = self.events.iter().find(|event| event.event == "released");
        let event = released.unwrap_or(&self.events[0]);
        let sample = sample::sample(event);
        let mut part = format!("\n## Example: `{}`\n\n```text\n{}\n", event.event, sample.subject);
        for (name, value) in &sample.headers {
            part += &format!("{name}: {value}\n");
        }
        part += &format!("```\n\n```json\n{}\n```\n", json::indented(&sample.payload));
        part
    }
}

fn states(axis: &Axis) -> String {
    let mut part = format!("\n## States: {}\n\n| state | then |\n|---|---|\n", axis.name);
    for (state, next) in axis.states.iter().zip(&axis.steps) {
        part += &format!("| `{state}` | {} |\n", ticked(next));
    }
    part
}

/// Fields in the order of a definition.
fn placed<'f>(fields: &'f [FieldDef], text: &str, definition: &str) -> Vec<&'f FieldDef> {
    let start = text.find(&format!("\n    \"{definition}\": {{")).unwrap_or_default();
    let text = text.get(start..).unwrap_or_default();
    let mut fields: Vec<&FieldDef> = fields.iter().collect();
    fields.sort_by_key(|field| text.find(&format!("\n        \"{}\": {{", field.name)));
    fields
}

fn table(fields: &[&FieldDef]) -> String {
    let mut table = "\n| field | type | | meaning |\n|---|---|---|---|\n".to_owned();
    for field in fields {
        let must = match (field.required, field.nullable) {
            (true, _) => "required",
            (false, true) => "or null",
            (false, false) => "",
        };
        let (name, kind) = (&field.name, kind(field));
        table += &format!("| `{name}` | {kind} | {must} | {} |\n", field.description);
    }
    table
}

fn kind(field: &FieldDef) -> String {
    let plain = match &field.kind {
        FieldKind::Text => match field.form {
            Form::Currency => "currency",
            Form::Unit => "unit",
            Form::Country => "country",
            Form::Duration => "duration",
            Form::Any | Form::NotNegative | Form::OneOf(_) => "text",
        },
        FieldKind::Integer => "whole number",
        FieldKind::Decimal => "decimal",
        FieldKind::Quantity => "quantity",
        FieldKind::Money => "money",
        FieldKind::Date => "date",
        FieldKind::Instant => "instant",
        FieldKind::DateOrInstant => "date or instant",
        FieldKind::Bool => "true or false",
        FieldKind::Reference => "`entity` and `key`",
        FieldKind::List(_) => "list, see below",
        FieldKind::Code(codes) => return ticked(codes),
    };
    plain.to_owned()
}

fn ticked(codes: &[String]) -> String {
    let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    codes.join(" ")
}
