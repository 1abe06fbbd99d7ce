//! The catalogue of events: what exists, with which fields and states.
//!
//! The JSON Schemas under `mappings/events` are the contract and the only truth; this catalogue is
//! read from them. There is one file per entity and version. Its root describes every event of the
//! entity, and each event is a definition of its own, with the id that `ce-dataschema` carries.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::form::Form;
use super::schema::{self, Schema};

/// An event type: one value of `ce-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDef {
    /// `procurement.purchaseorder.released`.
    pub name: String,
    /// `procurement`.
    pub family: String,
    /// `purchaseorder`.
    pub entity: String,
    /// `released`.
    pub event: String,
    /// What it tells, in a sentence.
    pub description: String,
    /// `erpbridge.procurement.purchaseorder.released.v1`.
    pub type_name: String,
    /// `urn:erpbridge:schema:procurement.purchaseorder.released:v1`.
    pub dataschema: String,
    /// Its canonical fields, by name.
    pub fields: Vec<FieldDef>,
    /// The axes of state a transition can be on.
    pub axes: Vec<Axis>,
    /// Whether it must say how things are now, so that it cannot be told of a row that is gone.
    pub needs_after: bool,
}

impl EventDef {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The axis of that name.
    pub fn axis(&self, name: &str) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.name == name)
    }
}

/// A canonical field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDef {
    /// Its name in `after` and `before`.
    pub name: String,
    /// What its values are.
    pub kind: FieldKind,
    /// What they must look like, if they are text or codes.
    pub form: Form,
    /// Whether `after` must have it. `before`, which holds what the log knew of a row that is
    /// gone, must have nothing.
    pub required: bool,
    /// Whether it may be null: the source says there is none.
    pub nullable: bool,
    /// What it means.
    pub description: String,
}

/// What the values of a field are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// An exact decimal.
    Decimal,
    /// An exact decimal with a unit.
    Quantity,
    /// An exact decimal with a currency.
    Money,
    /// A day.
    Date,
    /// An instant.
    Instant,
    /// A day or an instant, as exact as the source knows it.
    DateOrInstant,
    /// True or false.
    Bool,
    /// One of these codes.
    Code(Vec<String>),
    /// Another entity: its name and its key.
    Reference,
    /// Parts of the entity, each with a key and these fields.
    List(Vec<FieldDef>),
}

/// An axis of state and the states on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// `lifecycle`, `receipt` or `invoice`.
    pub name: String,
    /// The states.
    pub states: Vec<String>,
    /// Per state: the states that follow it. A source that leaves states out makes several steps
    /// at once, so this is what an entity does, not what a mapping is held to.
    pub steps: Vec<Vec<String>>,
}

/// All events this bridge can publish.
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    def: EventDef,
    schema: &'static Schema,
    validator: OnceLock<Validator>,
}

/// The catalogue. It is read from the embedded schemas at the first call.
pub fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let entry = |schema, def: EventDef| {
            (def.name.clone(), Entry { def, schema, validator: OnceLock::new() })
        };
        let schemas = schema::embedded().iter();
        let entries = schemas.flat_map(|s| s.events().into_iter().map(move |def| entry(s, def)));
        Catalog { entries: entries.collect() }
    })
}

impl Catalog {
    /// The event of that name.
    pub fn event(&self, name: &str) -> Option<&EventDef> {
        self.entries.get(name).map(|entry| &entry.def)
    }

    /// The names of all events, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// All events, sorted by name.
    pub fn events(&self) -> impl Iterator<Item = &EventDef> {
        self.entries.values().map(|entry| &entry.def)
    }

    /// Checks data against the schema of its type. The findings name places, never values.
    pub fn validate(&self, type_name: &str, payload: &[u8]) -> Result<(), Vec<String>> {
        let entry = self.entries.values().find(|entry| entry.def.type_name == type_name);
        let entry = entry.ok_or_else(|| vec![format!("no event has the type \"{type_name}\"")])?;
        let data: Value = serde_json::from_slice(payload)
            .map_err(|error| vec![format!("the data is not JSON: {error}")])?;
        let errors = entry.validator().iter_errors(&data);
        let findings: Vec<String> =
            errors.map(|error| format!("{}: {}", error.instance_path(), error.masked())).collect();
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// The schema file that describes the event of that name, as released.
    pub fn schema_text(&self, name: &str) -> Option<&'static str> {
        self.entries.get(name).map(|entry| entry.schema.text)
    }

    /// Every schema file: its name and its text.
    pub fn schema_files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        schema::embedded().iter().map(|schema| (schema.file, schema.text))
    }
}

impl Entry {
    fn validator(&self) -> &Validator {
        self.validator.get_or_init(|| {
            let registry = Registry::new()
                .add(self.schema.id(), self.schema.document())
                .and_then(jsonschema::RegistryBuilder::prepare)
                .expect("an embedded schema is a schema");
            jsonschema::draft202012::options()
                .with_registry(&registry)
                .build(&json!({ "$ref": self.def.dataschema }))
                .expect("an embedded schema defines its events")
        })
    }
}
