//! A schema once released grows by optional fields and by events, and by nothing else.
//!
//! `released/` holds the schemas as they were last released. At a release, copy `mappings/events`
//! there; a change that this test refuses needs a new version of the event instead.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{assert_none, files, read};

/// Keys whose value is for people, or for the bridge, and for nobody who validates.
const TEXTS: [&str; 4] = ["title", "description", "x-not-negative", "x-transitions"];

/// Keys that hold schemas by name, where new names may come.
const NAMED: [&str; 2] = ["properties", "$defs"];

/// What keeps `new` from standing in for `old`.
fn breaks(old: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => object_breaks(old, new, path, found),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                breaks(old, new, &format!("{path}/{place}"), found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{path}: {old} became {new}")),
    }
}

fn object_breaks(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    for (key, value) in old.iter().filter(|(key, _)| !TEXTS.contains(&key.as_str())) {
        match new.get(key) {
            Some(now) => breaks(value, now, &format!("{path}/{key}"), found),
            None => found.push(format!("{path}: {key} is gone")),
        }
    }
    let by_name = NAMED.iter().any(|named| path.ends_with(&format!("/{named}")));
    if !by_name {
        let added = new.keys().filter(|key| !old.contains_key(*key));
        let added = added.filter(|key| !TEXTS.contains(&key.as_str()));
        found.extend(added.map(|key| format!("{path}: {key} is new")));
    }
}

fn found(old: &Value, new: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    breaks(old, new, "", &mut findings);
    findings
}

#[test]
fn released_schemas_only_grew() {
    let mut findings = Vec::new();
    for released in files("tests/contracts/released", "json") {
        let name = released.file_name().unwrap().to_str().unwrap();
        let old: Value = serde_json::from_str(&read(&released)).unwrap();
        let new: Value =
            serde_json::from_str(&read(Path::new("mappings/events").join(name))).unwrap();
        breaks(&old, &new, name, &mut findings);
    }
    assert_none(&findings);
}

#[test]
fn growth_is_told_from_a_break() {
    let schema = json!({
        "description": "An order.",
        "required": ["supplier"],
        "properties": { "supplier": { "type": "string" }, "state": { "enum": ["open", "closed"] } },
        "$defs": { "created": { "$id": "c" } },
    });
    let changed = |change: fn(&mut Value)| {
        let mut new = schema.clone();
        change(&mut new);
        found(&schema, &new)
    };
    let growth: [fn(&mut Value); 4] = [
        |new| new["properties"]["buyer"] = json!({ "type": "string" }),
        |new| new["$defs"]["reopened"] = json!({ "$id": "r" }),
        |new| new["description"] = json!("An order, described better."),
        |_| {},
    ];
    for change in growth {
        assert_eq!(changed(change), [""; 0]);
    }
    let breaks: [fn(&mut Value); 7] = [
        |new| new["required"] = json!(["supplier", "state"]),
        |new| new["required"] = json!([]),
        |new| new["properties"]["supplier"] = json!({ "type": ["string", "null"] }),
        |new| new["properties"]["supplier"]["pattern"] = json!("^[0-9]+$"),
        |new| new["properties"]["state"]["enum"] = json!(["open", "closed", "held"]),
        |new| new["properties"] = json!({ "supplier": { "type": "string" } }),
        |new| new["$defs"]["created"]["$id"] = json!("d"),
    ];
    for change in breaks {
        assert_eq!(changed(change).len(), 1);
    }
}
