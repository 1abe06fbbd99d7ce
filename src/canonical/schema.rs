//! The embedded JSON Schemas, and how events, fields and axes are read from them.
//!
//! A field's kind follows from how the schema says it: a reference to `decimal`, `quantity`,
//! `money`, `date`, `instant` or `date_or_instant` is that; an `enum` is a code; a plain type is
//! itself. A field is nullable if `null` is one of its types or alternatives.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::catalog::{Axis, EventDef, FieldDef, FieldKind};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../mappings/events/", $name)))),*]
    };
}

/// Every file of `mappings/events`. (A test compares this list with the directory.)
const FILES: &[(&str, &str)] = files![
    "inventory.balance.v1.schema.json",
    "inventory.movement.v1.schema.json",
    "masterdata.item.v1.schema.json",
    "masterdata.supplier.v1.schema.json",
    "procurement.goodsreceipt.v1.schema.json",
    "procurement.purchaseorder.v1.schema.json",
    "procurement.purchaseorderline.v1.schema.json",
];

const ID_PREFIX: &str = "urn:erpbridge:schema:";

/// One schema file: an entity and its events.
pub(super) struct Schema {
    /// Name of the file.
    pub(super) file: &'static str,
    /// The file as released.
    pub(super) text: &'static str,
    document: Value,
}

/// The schemas, parsed once.
pub(super) fn embedded() -> &'static [Schema] {
    static SCHEMAS: OnceLock<Vec<Schema>> = OnceLock::new();
    SCHEMAS.get_or_init(|| FILES.iter().map(|(file, text)| Schema::parse(file, text)).collect())
}

impl Schema {
    fn parse(file: &'static str, text: &'static str) -> Self {
        let document = serde_json::from_str(text).expect("an embedded schema is JSON");
        Self { file, text, document }
    }

    /// The whole document.
    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The id of the document: any event of the entity.
    pub(super) fn id(&self) -> &str {
        text(&self.document, "$id")
    }

    /// The events it defines: the definitions that have an id of their own.
    pub(super) fn events(&self) -> Vec<EventDef> {
        let definitions = self.definitions().values();
        definitions
            .filter(|definition| definition.get("$id").is_some())
            .map(|d| self.event(d))
            .collect()
    }

    fn event(&self, definition: &Value) -> EventDef {
        let dataschema = text(definition, "$id");
        let (name, version) = dataschema
            .strip_prefix(ID_PREFIX)
            .and_then(|rest| rest.rsplit_once(':'))
            .expect("the id of an event is urn:erpbridge:schema:<name>:<version>");
        let mut parts = name.splitn(3, '.').map(str::to_owned);
        let mut part = || parts.next().expect("an event is named <family>.<entity>.<event>");
        EventDef {
            family: part(),
            entity: part(),
            event: part(),
            name: name.to_owned(),
            description: text(definition, "description").to_owned(),
            type_name: format!("erpbridge.{name}.{version}"),
            dataschema: dataschema.to_owned(),
            fields: self.fields(),
            axes: self.axes(),
        }
    }

    fn fields(&self) -> Vec<FieldDef> {
        let required = self.document.pointer("/properties/after/required");
        let required = required.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let properties = self.document.pointer("/$defs/fields/properties");
        let properties = properties.and_then(Value::as_object).expect("a schema defines fields");
        let field = |(name, field): (&String, &Value)| FieldDef {
            name: name.clone(),
            kind: self.kind(field),
            required: required.iter().any(|required| required == name),
            nullable: is_nullable(field),
            description: text(field, "description").to_owned(),
        };
        properties.iter().map(field).collect()
    }

    fn kind(&self, field: &Value) -> FieldKind {
        if let Some(name) = field.get("$ref").and_then(Value::as_str) {
            return self.referred(name.trim_start_matches("#/$defs/"));
        }
        if let Some(codes) = field.get("enum") {
            return FieldKind::Code(texts(codes));
        }
        if let Some(alternatives) = field.get("anyOf").and_then(Value::as_array) {
            let some = alternatives.iter().find(|alternative| !is_null(alternative));
            return self.kind(some.expect("a field can be something other than null"));
        }
        match field.get("type").and_then(first_type).expect("a field has a type") {
            "integer" => FieldKind::Integer,
            "boolean" => FieldKind::Bool,
            "string" => FieldKind::Text,
            other => unreachable!("no canonical field is of the type {other}"),
        }
    }

    fn referred(&self, name: &str) -> FieldKind {
        match name {
            "decimal" => FieldKind::Decimal,
            "quantity" => FieldKind::Quantity,
            "money" => FieldKind::Money,
            "date" => FieldKind::Date,
            "instant" => FieldKind::Instant,
            "date_or_instant" => FieldKind::DateOrInstant,
            other => self.kind(self.definitions().get(other).expect("a reference is defined")),
        }
    }

    fn axes(&self) -> Vec<Axis> {
        let steps = self.document.pointer("/$defs/transition/oneOf").and_then(Value::as_array);
        let names = steps
            .into_iter()
            .flatten()
            .filter_map(|step| step.pointer("/properties/axis/const").and_then(Value::as_str));
        let states = |name| {
            texts(self.definitions().get(name).and_then(|d| d.get("enum")).unwrap_or(&Value::Null))
        };
        names.map(|name| Axis { name: name.to_owned(), states: states(name) }).collect()
    }

    fn definitions(&self) -> &Map<String, Value> {
        let definitions = self.document.get("$defs").and_then(Value::as_object);
        definitions.expect("a schema has definitions")
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|of| of == "null")
}

fn is_nullable(field: &Value) -> bool {
    let holds = |key: &str, test: fn(&Value) -> bool| {
        field.get(key).and_then(Value::as_array).is_some_and(|items| items.iter().any(test))
    };
    holds("type", |of| of == "null") || holds("anyOf", is_null)
}

fn first_type(types: &Value) -> Option<&str> {
    let first = types.as_array().and_then(|types| types.first());
    first.unwrap_or(types).as_str()
}
