//! The JSON Schema of the configuration file, for completion and hints in an editor.
//!
//! Keys come from the constants the configuration is read by, and what they mean from the page
//! that describes them, so neither can be forgotten here. Only the kind of a value is said again.

use serde_json::{Map, Value, json};

use crate::config::{LOG_KEYS, SOURCE_KEYS, TOP_KEYS, mysql, nats, postgres, sqlserver, tls};

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// A map of the configuration: its heading on the page, its keys, and those it must have.
struct Section {
    heading: &'static str,
    keys: &'static [&'static str],
    required: &'static [&'static str],
    /// The kind of a key that means something else elsewhere, or is a section itself.
    own: fn(&str) -> Option<Value>,
}

const TOP: Section = Section {
    heading: "Top level",
    keys: TOP_KEYS,
    required: &["sources", "nats", "state"],
    own: |key| match key {
        "sources" => Some(json!({ "type": "array", "minItems": 1, "items": SOURCE.schema() })),
        "nats" => Some(NATS.schema()),
        "log" => Some(LOG.schema()),
        _ => None,
    },
};

const SOURCE: Section = Section {
    heading: "A source",
    keys: SOURCE_KEYS,
    required: &["name", "mappings"],
    own: |key| match key {
        "name" => Some(or_variable(&json!({ "type": "string", "pattern": "^[a-z0-9_]{1,32}$" }))),
        "postgres" => Some(POSTGRES.schema()),
        "mysql" | "mariadb" => Some(MYSQL.schema()),
        "sqlserver" => Some(SQLSERVER.schema()),
        _ => None,
    },
};

const POSTGRES: Section = Section {
    heading: "`postgres`",
    keys: postgres::KEYS,
    required: &["url"],
    own: |key| (key == "tls").then(|| TLS.schema()),
};

/// Of `PostgreSQL`, `MySQL` and `MariaDB`.
const TLS: Section = Section { heading: "", keys: tls::KEYS, required: &[], own: |_| None };

const MYSQL: Section = Section {
    heading: "`mysql`, `mariadb`",
    keys: mysql::KEYS,
    required: &["url"],
    own: |key| (key == "tls").then(|| TLS.schema()),
};

const SQLSERVER: Section = Section {
    heading: "`sqlserver`",
    keys: sqlserver::KEYS,
    required: &["url"],
    own: |key| (key == "tls").then(|| SQLSERVER_TLS.schema()),
};

const SQLSERVER_TLS: Section = Section {
    heading: "",
    keys: sqlserver::TLS_KEYS,
    required: &[],
    own: |key| {
        let modes = json!({ "enum": ["required", "strict", "trust", "disable"] });
        (key == "mode").then(|| or_variable(&modes))
    },
};

const NATS: Section = Section {
    heading: "`nats`",
    keys: nats::KEYS,
    required: &["servers"],
    own: |key| match key {
        "tls" => Some(NATS_TLS.schema()),
        "stream" => Some(STREAM.schema()),
        _ => None,
    },
};

const NATS_TLS: Section =
    Section { heading: "", keys: nats::TLS_KEYS, required: &[], own: |_| None };

const STREAM: Section =
    Section { heading: "`nats.stream`", keys: nats::STREAM_KEYS, required: &[], own: |_| None };

const LOG: Section = Section { heading: "`log`", keys: LOG_KEYS, required: &[], own: |_| None };

/// The schema.
pub(super) fn schema() -> Value {
    let head = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("$id", "urn:erpbridge:schema:config"),
        ("title", "Configuration of erpbridge"),
    ];
    with(TOP.schema(), head.map(|(key, text)| (key, text.to_owned())))
}

/// The schema with these texts added.
fn with<const N: usize>(mut schema: Value, texts: [(&str, String); N]) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.extend(texts.map(|(key, text)| (key.to_owned(), text.into())));
    }
    schema
}

impl Section {
    fn schema(&self) -> Value {
        let properties = self.keys.iter().map(|key| ((*key).to_owned(), self.property(key)));
        json!({
            "type": "object",
            "required": self.required,
            "additionalProperties": false,
            "properties": properties.collect::<Map<_, _>>(),
        })
    }

    fn property(&self, key: &str) -> Value {
        let property = (self.own)(key).or_else(|| kind(key)).unwrap_or_else(|| json!({}));
        match self.meaning(key) {
            Some(meaning) => with(property, [("description", meaning)]),
            None => property,
        }
    }

    /// What the page says about a key, with its default.
    fn meaning(&self, key: &str) -> Option<String> {
        let (_, section) = PAGE.split_once(&format!("\n## {}\n", self.heading))?;
        let section = section.split("\n## ").next().unwrap_or_default();
        let key = format!("`{key}`");
        let row = section.lines().find_map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
            cells.next()?.split(", ").any(|name| name == key).then_some(cells)
        });
        let mut cells = row?;
        let meaning = cells.next()?;
        Some(match cells.next().filter(|default| !default.is_empty()) {
            Some(default) => format!("{meaning} ({default})"),
            None => meaning.to_owned(),
        })
    }
}

/// What a key holds, wherever it stands.
fn kind(key: &str) -> Option<Value> {
    let words = |words: &[&str]| Some(or_variable(&json!({ "enum": words })));
    match key {
        "on_truncate" => words(&["stop", "ignore"]),
        "snapshot" => words(&["initial", "never"]),
        "format" => words(&["text", "json"]),
        "mode" => words(&["disable", "require", "verify-ca", "verify-full"]),
        "mappings" | "servers" => Some(json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })),
        "replicas" | "server_id" | "snapshot_tables_in_parallel" => {
            Some(or_variable(&json!({ "type": "integer", "minimum": 1 })))
        }
        "required" | "deny_delete" | "deny_purge" | "read_only" => {
            Some(or_variable(&json!({ "type": "boolean" })))
        }
        "max_row_bytes" | "prepared_bytes" | "queue_bytes" | "rows_cache_bytes" | "max_bytes" => {
            Some(or_variable(&json!({ "type": "string", "pattern": "^[0-9]+ ?([KMG]i)?B$" })))
        }
        "connect_timeout" | "query_timeout" | "lock_timeout" | "poll_interval"
        | "publish_timeout" | "keep_interval" | "confirm_delay" | "duplicate_window"
        | "max_age" => {
            Some(or_variable(&json!({ "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$" })))
        }
        "state"
        | "http"
        | "name"
        | "url"
        | "publication"
        | "slot"
        | "user"
        | "password"
        | "pseudonym_key"
        | "token"
        | "dead_letter_stream"
        | "bucket"
        | "level"
        | "host_in_certificate" => Some(scalar()),
        file if file.ends_with("_file") => Some(json!({ "type": "string" })),
        _ => None,
    }
}

fn scalar() -> Value {
    json!({ "type": ["string", "number"] })
}

/// A value, or a text with variables that become one.
fn or_variable(value: &Value) -> Value {
    json!({ "anyOf": [value, { "type": "string", "pattern": "\\$\\{" }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every property of every map, by its path.
    fn properties(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            properties(&path, property, found);
            properties(&path, &property["items"], found);
            found.push((path, property.clone()));
        }
    }

    #[test]
    fn every_key_has_a_kind() {
        let mut found = Vec::new();
        properties("", &schema(), &mut found);
        assert!(found.len() > 40, "{found:?}");
        for (path, property) in found {
            let said = ["type", "anyOf", "enum"].iter().any(|word| property.get(word).is_some());
            assert!(said, "say in this file what {path} holds");
        }
    }

    #[test]
    fn keys_are_explained_by_the_page() {
        let schema = schema();
        let stream = &schema["properties"]["nats"]["properties"]["stream"]["properties"];
        let window = stream["duplicate_window"]["description"].as_str().unwrap();
        assert_eq!(window, "how long the server recognises repeated ids (`2m`)");
        let state = schema["properties"]["state"]["description"].as_str().unwrap();
        assert!(state.starts_with("directory of the local offsets"), "{state}");
    }

    #[test]
    fn a_configuration_is_told_from_a_wrong_one() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let configuration = |replicas: Value, extra: &str| {
            json!({
                "sources": [{ "name": "erp1", "postgres": { "url": "postgres://u@h/d" }, "mappings": "m" }],
                "nats": { "servers": ["nats://h"], "stream": { "replicas": replicas } },
                "state": "s",
                extra: "x",
            })
        };
        assert!(validator.is_valid(&configuration(json!(3), "http")));
        assert!(validator.is_valid(&configuration(json!("${REPLICAS:-3}"), "http")));
        assert!(!validator.is_valid(&configuration(json!("three"), "http")));
        assert!(!validator.is_valid(&configuration(json!(3), "htpp")));
    }
}
