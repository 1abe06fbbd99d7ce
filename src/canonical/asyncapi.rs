//! The catalogue as an `AsyncAPI` 3.0 document, for tools that generate code and pages from one.
//!
//! The document stands alone. The schemas are put into its components with their definitions, each
//! under a name of its own; what all of them define alike is there once. `AsyncAPI` reads schemas
//! as JSON Schema draft 7, where a reference admits nothing beside it, so a reference with
//! siblings becomes an `allOf`.

use serde_json::{Map, Value, json};

use super::batch::header;
use super::catalog::{EventDef, catalog};
use super::schema::{self, Schema, TRANSITIONS};

const COMPONENTS: &str = "#/components/schemas/";

/// The document.
pub fn asyncapi() -> Value {
    let events: Vec<&EventDef> = catalog().events().collect();
    let by_name = |part: fn(&EventDef) -> Value| -> Map<String, Value> {
        events.iter().map(|event| (event.name.clone(), part(event))).collect()
    };
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:erpbridge",
        "info": {
            "title": "erpbridge",
            "version": "1.0.0",
            "description": "Canonical events of ERP databases in NATS JetStream. The contract beyond their \
                            form (order, duplicates, snapshots, deletes) is in docs/events.md.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": by_name(channel),
        "operations": by_name(operation),
        "components": {
            "messages": by_name(message),
            "messageTraits": { "cloudevent": { "headers": headers() } },
            "parameters": parameters(),
            "schemas": schemas(),
        },
    })
}

fn channel(event: &EventDef) -> Value {
    let parameters = ["source", "company", "plant"].map(|name| {
        (name.to_owned(), json!({ "$ref": format!("#/components/parameters/{name}") }))
    });
    json!({
        "address": format!("erp.{{source}}.{{company}}.{{plant}}.{}", event.name),
        "description": event.description,
        "parameters": parameters.into_iter().collect::<Map<_, _>>(),
        "messages": {
            event.event.clone(): { "$ref": format!("#/components/messages/{}", event.name) },
        },
    })
}

fn operation(event: &EventDef) -> Value {
    let channel = format!("#/channels/{}", event.name);
    json!({
        "action": "send",
        "channel": { "$ref": channel },
        "messages": [{ "$ref": format!("{channel}/messages/{}", event.event) }],
    })
}

fn message(event: &EventDef) -> Value {
    json!({
        "name": event.type_name,
        "title": event.name,
        "summary": event.description,
        "contentType": "application/json",
        "correlationId": { "location": "$message.header#/ce-correlationid" },
        "headers": {
            "type": "object",
            "properties": {
                header::TYPE: { "const": event.type_name },
                header::DATASCHEMA: { "const": event.dataschema },
            },
        },
        "payload": { "$ref": format!("{COMPONENTS}{}", event.name) },
        "traits": [{ "$ref": "#/components/messageTraits/cloudevent" }],
    })
}

fn parameters() -> Value {
    json!({
        "source": { "description": "The ERP database, as named in the bridge's configuration." },
        "company": { "description": "Whose it is: a token of the mapping." },
        "plant": { "description": "Where it is: a token of the mapping, _ if not known." },
    })
}

/// The headers every event has, and those only some have. Headers are text.
fn headers() -> Value {
    let always = [
        (header::SPECVERSION, "CloudEvents version: 1.0."),
        (header::ID, "Delivery id."),
        (header::SOURCE, "/erp/<source>/<company>."),
        (header::TYPE, "Which event it is."),
        (header::SUBJECT, "<entity>/<key>: what it is about."),
        (header::TIME, "When the ERP committed, RFC 3339 in UTC."),
        (header::DATASCHEMA, "Id of the JSON Schema of the data."),
        (header::DATACONTENTTYPE, "application/json."),
        (header::SEQUENCE, "Order key: compare it as bytes, within a source."),
        (header::IDEMPOTENCY_KEY, "Key of the fact: equal when the same fact is published again."),
        (header::CORRELATION_ID, "<entity>/<key> of the oldest ancestor known."),
        (header::MAPPING_VERSION, "Which mapping made it."),
        (header::MSG_ID, "The same text as ce-id."),
    ];
    let sometimes = [
        (header::CAUSATION_ID, "<entity>/<key> of the direct ancestor."),
        (header::SNAPSHOT, "true if a snapshot found the row."),
        (header::EFFECTIVE_TIME, "When the business says it happened: a day, or RFC 3339 in UTC."),
        (header::EFFECTIVE_PRECISION, "How exact that is: day, minute, second or micro."),
        (header::POSITION, "Where the source resumes after it."),
        (header::EPOCH, "Which run of the bridge wrote it."),
        (header::TRANSACTION_LAST, "1 on the last message of a transaction of the source."),
    ];
    let described = always.iter().chain(&sometimes).map(|(name, description)| {
        ((*name).to_owned(), json!({ "type": "string", "description": description }))
    });
    json!({
        "type": "object",
        "required": always.map(|(name, _)| name),
        "properties": described.collect::<Map<_, _>>(),
    })
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for file in schema::embedded() {
        let mut root = file.document().clone();
        let members = root.as_object_mut().expect("a schema is an object");
        let Some(Value::Object(mut definitions)) = members.remove("$defs") else { continue };
        // No schema itself, though it stands among them where validators leave it alone.
        members.extend(definitions.remove_entry(TRANSITIONS));
        schemas.insert(file.entity().to_owned(), translated(root, file));
        for (name, definition) in definitions {
            schemas.insert(component(file, &name), translated(definition, file));
        }
    }
    schemas
}

/// Definitions only one schema has get its entity before their name.
fn component(file: &Schema, name: &str) -> String {
    if Schema::is_shared(name) { name.to_owned() } else { format!("{}.{name}", file.entity()) }
}

/// A schema as draft 7 reads it, with its references into the components.
fn translated(schema: Value, file: &Schema) -> Value {
    match schema {
        Value::Object(members) => translated_object(members, file),
        Value::Array(items) => items.into_iter().map(|item| translated(item, file)).collect(),
        plain => plain,
    }
}

fn translated_object(mut members: Map<String, Value>, file: &Schema) -> Value {
    members.remove("$schema");
    members.remove("$id");
    let target = members.remove("$ref").and_then(|to| Some(target(to.as_str()?, file)));
    let mut members: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name, translated(value, file))).collect();
    match target {
        None => {}
        Some(target) if members.is_empty() => return json!({ "$ref": target }),
        Some(target) => {
            members.insert("allOf".to_owned(), json!([{ "$ref": target }]));
        }
    }
    Value::Object(members)
}

fn target(reference: &str, file: &Schema) -> String {
    let name = match reference.strip_prefix("#/$defs/") {
        Some(definition) => component(file, definition),
        None => file.entity().to_owned(),
    };
    format!("{COMPONENTS}{name}")
}
