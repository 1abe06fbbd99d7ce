//! The embedded JSON Schemas, and how events, fields and axes are read from them.
//!
//! A field's kind follows from how the schema says it: a reference to `decimal`, `quantity`,
//! `money`, `date`, `instant` or `date_or_instant` is that; an `enum` is a code; a plain type is
//! itself; an array is a list of what its items say. A field is nullable if `null` is one of its
//! types or alternatives.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::catalog::{Axis, EventDef, FieldDef, FieldKind};
use super::form::Form;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../mappings/events/", $name)))),*]
    };
}

/// Every file of `mappings/events`. (A test compares this list with the directory.)
const FILES: &[(&str, &str)] = files![
    "correlation.link.v1.schema.json",
    "exception.cancelledafterrelease.v1.schema.json",
    "exception.duplicateorder.v1.schema.json",
    "exception.latepromise.v1.schema.json",
    "exception.negativestock.v1.schema.json",
    "exception.overreceipt.v1.schema.json",
    "exception.pricevariance.v1.schema.json",
    "exception.shortreceipt.v1.schema.json",
    "exception.unorderedreceipt.v1.schema.json",
    "inventory.balance.v1.schema.json",
    "inventory.movement.v1.schema.json",
    "inventory.qualityhold.v1.schema.json",
    "inventory.reservation.v1.schema.json",
    "masterdata.item.v1.schema.json",
    "masterdata.location.v1.schema.json",
    "masterdata.supplier.v1.schema.json",
    "masterdata.supplieritem.v1.schema.json",
    "masterdata.unitconversion.v1.schema.json",
    "procurement.goodsreceipt.v1.schema.json",
    "procurement.purchaseorder.v1.schema.json",
    "procurement.purchaseorderline.v1.schema.json",
    "procurement.requisition.v1.schema.json",
    "procurement.shipmentnotice.v1.schema.json",
    "procurement.supplieracknowledgement.v1.schema.json",
    "procurement.supplierinvoice.v1.schema.json",
    "production.bom.v1.schema.json",
    "production.componentdemand.v1.schema.json",
    "production.requirement.v1.schema.json",
    "production.workorder.v1.schema.json",
];

/// Definitions that are the same in every schema that has them.
pub(super) const SHARED: [&str; 18] = [
    "country",
    "currency",
    "date",
    "date_or_instant",
    "decimal",
    "duration",
    "entity",
    "extensions",
    "instant",
    "invoice",
    "money",
    "name",
    "quantity",
    "receipt",
    "reference",
    "source",
    "token",
    "unit",
];

/// Where a schema says which state follows which.
pub(super) const TRANSITIONS: &str = "x-transitions";

/// Where a schema promises in words that a quantity has no sign. It was released so: the bridge
/// keeps the promise, because a released schema can no longer demand it.
const NOT_NEGATIVE: &str = "x-not-negative";

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

    /// The entity with its family: `procurement.purchaseorder`.
    pub(super) fn entity(&self) -> &str {
        let name = self.id().strip_prefix(ID_PREFIX).and_then(|name| name.rsplit_once(':'));
        name.expect("the id of a schema is urn:erpbridge:schema:<entity>:<version>").0
    }

    /// Whether a definition is not this entity's own, but the same wherever it stands. (A test
    /// compares them.)
    pub(super) fn is_shared(definition: &str) -> bool {
        SHARED.contains(&definition)
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
            needs_after: texts(definition.get("required").unwrap_or(&Value::Null))
                .iter()
                .any(|member| member == "after"),
        }
    }

    fn fields(&self) -> Vec<FieldDef> {
        let required = self.document.pointer("/properties/after/required");
        let definition = self.definitions().get("fields").expect("a schema defines fields");
        self.properties(definition, required)
    }

    fn properties(&self, definition: &Value, required: Option<&Value>) -> Vec<FieldDef> {
        let required = texts(required.unwrap_or(&Value::Null));
        let properties = definition.get("properties").and_then(Value::as_object);
        let field = |(name, field): (&String, &Value)| FieldDef {
            name: name.clone(),
            kind: self.kind(field),
            form: self.form(field),
            required: required.contains(name),
            nullable: is_nullable(field),
            description: text(field, "description").to_owned(),
        };
        properties.expect("fields are properties").iter().map(field).collect()
    }

    fn kind(&self, field: &Value) -> FieldKind {
        if let Some(name) = reference(field) {
            return self.referred(name);
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
            "array" => self.list(field.get("items").and_then(reference)),
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
            "reference" => FieldKind::Reference,
            other => self.kind(self.definition(other)),
        }
    }

    /// The items' key is written with each of them and is no field.
    fn list(&self, item: Option<&str>) -> FieldKind {
        let item = self.definition(item.expect("the items of a list are a definition"));
        let mut fields = self.properties(item, item.get("required"));
        fields.retain(|field| field.name != "key");
        FieldKind::List(fields)
    }

    fn form(&self, field: &Value) -> Form {
        if field.get(NOT_NEGATIVE).is_some_and(|said| said == true) {
            return Form::NotNegative;
        }
        let alternatives = field.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        match std::iter::once(field).chain(alternatives).find_map(reference) {
            Some("currency") => Form::Currency,
            Some("unit") => Form::Unit,
            Some("country") => Form::Country,
            Some("duration") => Form::Duration,
            _ => match self.kind(field) {
                FieldKind::Code(codes) => Form::one_of(&codes),
                _ => Form::Any,
            },
        }
    }

    fn definition(&self, name: &str) -> &Value {
        self.definitions().get(name).expect("a reference is defined")
    }

    fn axes(&self) -> Vec<Axis> {
        let steps = self.document.pointer("/$defs/transition/oneOf").and_then(Value::as_array);
        let names = steps
            .into_iter()
            .flatten()
            .filter_map(|step| step.pointer("/properties/axis/const").and_then(Value::as_str));
        names.map(|name| self.axis(name)).collect()
    }

    fn axis(&self, name: &str) -> Axis {
        let states = texts(self.definition(name).get("enum").unwrap_or(&Value::Null));
        let next = self.definitions().get(TRANSITIONS).and_then(|axes| axes.get(name));
        let steps = states
            .iter()
            .map(|state| texts(next.and_then(|next| next.get(state)).unwrap_or(&Value::Null)));
        let steps = steps.collect();
        Axis { name: name.to_owned(), states, steps }
    }

    fn definitions(&self) -> &Map<String, Value> {
        let definitions = self.document.get("$defs").and_then(Value::as_object);
        definitions.expect("a schema has definitions")
    }
}

/// The definition a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
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
