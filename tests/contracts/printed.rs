//! What `erpbridge schema` prints is what is kept in the repository, and holds for what is shown.

use std::process::Command;

use erpbridge::document::{Content, Document, Node};
use serde_json::Value;

use crate::configuration::yaml_blocks;
use crate::{files, read};

/// What the command prints, and whether it succeeded.
fn printed(arguments: &[&str]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erpbridge"));
    let output = command.arg("schema").args(arguments).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (String::from_utf8(text).unwrap(), output.status.success())
}

#[test]
fn schemas_and_the_asyncapi_document_are_printed_to_the_byte() {
    assert_eq!(printed(&["asyncapi"]), (read("docs/asyncapi.json"), true));
    let order = read("mappings/events/procurement.purchaseorder.v1.schema.json");
    assert_eq!(printed(&["events", "procurement.purchaseorder.released"]), (order, true));
    let all: Vec<Value> = serde_json::from_str(&printed(&["events"]).0).unwrap();
    assert_eq!(all.len(), files("mappings/events", "json").len());
    let (error, success) = printed(&["events", "procurement.purchaseordr"]);
    assert!(!success && error.contains("did you mean"), "{error}");
}

/// A document as an editor's YAML parser reads it.
fn value(node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::Null,
        Content::Text { text, quoted: false } => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        Content::Text { text, quoted: true } => text.as_str().into(),
        Content::List(items) => items.iter().map(value).collect(),
        Content::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), value(&entry.value)));
            Value::Object(entries.collect())
        }
    }
}

#[test]
fn the_configurations_that_are_shown_keep_the_schema_that_is_printed() {
    let schema: Value = serde_json::from_str(&printed(&["config"]).0).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let shown = yaml_blocks(&read("README.md"));
    let mut shown: Vec<String> =
        shown.into_iter().filter(|block| block.contains("sources:")).collect();
    shown.push(read("deploy/erpbridge.example.yaml"));
    assert!(shown.len() > 1);
    for text in shown {
        let configuration = value(&Document::parse("shown.yaml", &text).unwrap());
        let errors = validator.iter_errors(&configuration).map(|error| error.to_string());
        assert_eq!(errors.collect::<Vec<_>>(), [""; 0]);
    }
}
