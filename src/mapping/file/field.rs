//! Fields: the canonical fields of an event, as a mapping fills them.
//!
//! Which codecs a field may have follows from its kind in the catalogue; whether a codec can read
//! its column is known only when a table is bound.

use super::children::Children;
use super::codec::CodeTables;
use super::part::Part;
use super::targets::one_state;
use crate::canonical::{FieldDef, FieldKind, Form};
use crate::document::{Findings, Node};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// A canonical field.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Field<S: Stage> {
    /// Its name.
    pub name: Box<str>,
    /// Whether the mapping insists on a value.
    pub required: bool,
    /// Whether the schema insists on a value where it says how things are now.
    pub contracted: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is made of.
    pub shape: Shape<S>,
}

/// What a field is made of.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Shape<S: Stage> {
    /// One value.
    One(Part<S>),
    /// A decimal and a unit.
    Quantity(Part<S>, Part<S>),
    /// A decimal and a currency.
    Money(Part<S>, Part<S>),
    /// Rows that point to this one, each with fields of its own.
    List(Box<S::Children>),
}

impl Field<Written> {
    /// Reads a field by its definition.
    pub(super) fn parse(
        def: &FieldDef,
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        let (known, second) = match &def.kind {
            FieldKind::Quantity => (keys::QUANTITY, ("unit", Form::Unit)),
            FieldKind::Money => (keys::MONEY, ("currency", Form::Currency)),
            FieldKind::List(items) => {
                let children = Children::parse(items, node, codes, findings)?;
                return Some(Self::new(def, false, Shape::List(Box::new(children))));
            }
            _ => {
                let part = Part::parse(&def.kind, form(def), node, codes, findings)?;
                return Some(Self::new(def, part.required, Shape::One(part)));
            }
        };
        let fields = node.fields(known, findings)?;
        let value = fields.required("value", findings);
        let other = fields.required(second.0, findings);
        let required =
            fields.get("required").and_then(|node| node.as_bool(findings)).unwrap_or(false);
        let number = (&FieldKind::Decimal, form(def));
        let value = Part::parse_as(keys::VALUE, number, value?, codes, findings);
        let other =
            Part::parse_as(keys::UNIT, (&FieldKind::Text, second.1), other?, codes, findings)?;
        let shape = if def.kind == FieldKind::Quantity { Shape::Quantity } else { Shape::Money };
        Some(Self::new(def, required, shape(value?, other)))
    }

    fn new(def: &FieldDef, required: bool, shape: Shape<Written>) -> Self {
        let (name, contracted) = (def.name.as_str().into(), def.required);
        Self { name, required, contracted, nullable: def.nullable, shape }
    }
}

/// What the schema asks of a field's text.
fn form(def: &FieldDef) -> Form {
    match &def.kind {
        FieldKind::Code(states) => one_state(states),
        _ => def.form.clone(),
    }
}

/// Reads fields by their definitions; the keys are the names of fields.
pub(super) fn parse_fields(
    defs: &[FieldDef],
    node: &Node,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Vec<Field<Written>> {
    let known: Vec<&str> = defs.iter().map(|def| def.name.as_str()).collect();
    let Some(fields) = node.fields(&known, findings) else { return Vec::new() };
    let known = fields.entries().iter().filter_map(|entry| {
        let def = defs.iter().find(|def| def.name == entry.key)?;
        Field::parse(def, &entry.value, codes, findings)
    });
    known.collect()
}
