//! The `AsyncAPI` document is one, by the official schema, and says the same as the schemas.

use erpbridge::canonical::{asyncapi, catalog};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::page::sample::sample;
use crate::{assert_none, current, root};

/// The schema of `AsyncAPI` documents, from the package that publishes it.
fn official() -> Value {
    let path = root().join(".cache/node/node_modules/@asyncapi/specs/schemas/3.0.0.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("cannot read {}: {error}; run tests/install.sh test", path.display())
    });
    serde_json::from_str(&text).unwrap()
}

fn findings(validator: &Validator, instance: &Value) -> Vec<String> {
    let errors = validator.iter_errors(instance);
    errors.map(|error| format!("{}: {}", error.instance_path(), error.masked())).collect()
}

#[test]
fn the_document_is_asyncapi_3() {
    let validator = jsonschema::validator_for(&official()).unwrap();
    assert_none(&findings(&validator, &asyncapi()));

    let mut broken = asyncapi();
    broken["channels"]["procurement.purchaseorder.released"]["address"] = json!(7);
    assert!(!findings(&validator, &broken).is_empty(), "the official schema checks channels");
}

#[test]
fn the_document_in_the_repository_is_the_one_the_product_prints() {
    current("docs/asyncapi.json", &format!("{:#}\n", asyncapi()));
}

#[test]
fn every_event_has_a_channel_an_operation_and_a_message() {
    let document = asyncapi();
    for event in catalog().events() {
        let channel = &document["channels"][&event.name];
        let address = format!("erp.{{source}}.{{company}}.{{plant}}.{}", event.name);
        assert_eq!(channel["address"], address);
        let message = format!("#/components/messages/{}", event.name);
        assert_eq!(channel["messages"][&event.event]["$ref"], message);
        assert_eq!(document["operations"][&event.name]["action"], "send");
        assert_eq!(document["components"]["messages"][&event.name]["name"], event.type_name);
    }
}

#[test]
fn its_schemas_accept_what_the_contract_accepts_and_refuse_what_it_refuses() {
    let document = asyncapi();
    for event in catalog().events() {
        let reference = format!("#/components/schemas/{}", event.name);
        let schema = json!({ "$ref": reference, "components": document["components"] });
        let validator = jsonschema::draft7::new(&schema).unwrap();
        let example: Value = serde_json::from_slice(&sample(event).payload).unwrap();
        assert_eq!(findings(&validator, &example), [""; 0], "{}", event.name);
        for broken in [strange(&example), without_source(&example)] {
            assert!(!validator.is_valid(&broken), "{}", event.name);
        }
    }
}

fn strange(example: &Value) -> Value {
    let mut strange = example.clone();
    strange["after"]["no_such_field"] = json!("x");
    strange
}

fn without_source(example: &Value) -> Value {
    let mut without = example.clone();
    without.as_object_mut().unwrap().remove("source");
    without
}
