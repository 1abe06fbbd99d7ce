//! Fields: where a canonical field comes from, and how its text is decoded.
//!
//! Which codecs a field may have follows from its kind in the catalogue; whether a codec can read
//! its column is known only when a table is bound.

use super::codec::{CodeTables, Codec, codec, plain_codec};
use super::codes::CodeTable;
use super::contract::{self, Form};
use super::names::{ColumnName, one_of};
use crate::canonical::{EventDef, FieldDef, FieldKind};
use crate::document::{Fields, Findings, Node, Place};
use crate::mapping::codec::{self as text, DateFormat, Zone};
use crate::mapping::keys;

/// A canonical field.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Field<C> {
    /// Its name.
    pub name: Box<str>,
    /// Whether the mapping insists on a value.
    pub required: bool,
    /// Whether the schema insists on a value where it says how things are now.
    pub contracted: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is made of.
    pub shape: Shape<C>,
}

/// What a field is made of.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Shape<C> {
    /// One value.
    One(Part<C>),
    /// A decimal and a unit.
    Quantity(Part<C>, Part<C>),
    /// A decimal and a currency.
    Money(Part<C>, Part<C>),
}

/// One value: where it comes from, how it is decoded, and what it must look like then.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Part<C> {
    /// Where it comes from.
    pub take: Take<C>,
    /// How it is decoded.
    pub codec: Codec,
    /// What it must look like.
    pub form: Form,
    /// Whether the mapping insists on it.
    pub required: bool,
    /// Where it was written.
    pub place: Place,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Take<C> {
    /// A column.
    Column(C),
    /// Several columns joined as an entity key.
    Key(Box<[C]>),
    /// The mapping itself; already canonical.
    Constant(Box<str>),
}

impl Field<ColumnName> {
    /// Reads a field of `event` by its definition.
    pub(super) fn parse(
        event: &EventDef,
        def: &FieldDef,
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        let (amount, second) = match def.kind {
            FieldKind::Quantity => (keys::QUANTITY, ("unit", Form::Unit)),
            FieldKind::Money => (keys::MONEY, ("currency", Form::Currency)),
            FieldKind::List(_) | FieldKind::Reference => {
                let problem = format!("`{}` is not made of one value", def.name);
                findings.error(&node.place, problem, "leave it out: it has no place here");
                return None;
            }
            _ => {
                let form = contract::form(event, &def.name);
                let part = Part::parse(&def.kind, form, node, codes, findings)?;
                return Some(Self::new(def, part.required, Shape::One(part)));
            }
        };
        let fields = node.fields(amount, findings)?;
        let value = fields.required("value", findings);
        let other = fields.required(second.0, findings);
        let required = required(&fields, findings);
        let value =
            Part::parse_as(keys::VALUE, (&FieldKind::Decimal, Form::Any), value?, codes, findings);
        let other =
            Part::parse_as(keys::UNIT, (&FieldKind::Text, second.1), other?, codes, findings)?;
        let shape = if def.kind == FieldKind::Quantity { Shape::Quantity } else { Shape::Money };
        Some(Self::new(def, required, shape(value?, other)))
    }

    fn new(def: &FieldDef, required: bool, shape: Shape<ColumnName>) -> Self {
        let (name, contracted) = (def.name.as_str().into(), def.required);
        Self { name, required, contracted, nullable: def.nullable, shape }
    }
}

fn required(fields: &Fields<'_>, findings: &mut Findings) -> bool {
    fields.get("required").and_then(|node| node.as_bool(findings)).unwrap_or(false)
}

impl Part<ColumnName> {
    /// Reads a value of `kind`; a single text is short for `from: <column>`.
    pub(super) fn parse(
        kind: &FieldKind,
        form: Form,
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        Self::parse_as(keys::FIELD, (kind, form), node, codes, findings)
    }

    fn parse_as(
        known: &[&str],
        (kind, form): (&FieldKind, Form),
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        let place = node.place.clone();
        if node.text().is_some() {
            let take = Take::Column(ColumnName::parse(node, findings)?);
            let codec = plain_codec(kind, &place, findings)?;
            return Some(Self { take, codec, form, required: false, place });
        }
        let fields = node.fields(known, findings)?;
        let required = required(&fields, findings);
        let take = take(&fields, kind, &form, findings);
        let codec = codec(&fields, kind, matches!(take, Some(Take::Constant(_))), codes, findings);
        let part = Self { take: take?, codec: codec?, form, required, place };
        part.check_form(&fields, findings);
        Some(part)
    }

    /// What can be known now of the values the part will give.
    fn check_form(&self, fields: &Fields<'_>, findings: &mut Findings) {
        if let (Codec::Code(table), Some(place)) = (&self.codec, fields.entry("code")) {
            check_targets(table, &self.form, &place.place, findings);
        }
        if let Take::Constant(text) = &self.take
            && !is_canonical(text, &self.codec, &self.form)
        {
            let place = fields.get("constant").map_or(&self.place, |node| &node.place);
            let problem = format!("the constant `{text}` is not {}", self.describe());
            findings.error(place, problem, "write it as the event shall carry it");
        }
    }

    fn describe(&self) -> String {
        match self.codec {
            Codec::Text | Codec::Code(_) => self.form.describe(),
            Codec::Integer => "a whole number".to_owned(),
            Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => "a decimal".to_owned(),
            Codec::Date(_) => "a day (`YYYY-MM-DD`)".to_owned(),
            Codec::Instant(_) => "an instant (RFC 3339 in UTC)".to_owned(),
            Codec::Moment => "a day or an instant".to_owned(),
            Codec::Bool(_) => "`true` or `false`".to_owned(),
        }
    }
}

fn is_canonical(value: &str, codec: &Codec, form: &Form) -> bool {
    let mut scratch = String::new();
    let canonical = match codec {
        Codec::Text | Codec::Code(_) => return !value.is_empty() && form.admits(value),
        Codec::Bool(_) => return matches!(value, "true" | "false"),
        Codec::Integer => text::integer(value, &mut scratch).filter(|n| n.parse::<i64>().is_ok()),
        Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => text::decimal(value, &mut scratch),
        Codec::Date(_) => text::date(value, DateFormat::Iso, &mut scratch),
        Codec::Instant(_) | Codec::Moment => text::instant(value, Zone::UTC, &mut scratch),
    };
    canonical == Some(value)
}

/// Every value a code table can give must be one the field may have.
pub(super) fn check_targets(table: &CodeTable, form: &Form, used: &Place, findings: &mut Findings) {
    for (value, place) in table.targets().filter(|(value, _)| !form.admits(value)) {
        let problem = format!("`{value}` is not {}", form.describe());
        let states: Vec<&str> = match form {
            Form::OneOf(states) => states.iter().map(|state| &**state).collect(),
            _ => Vec::new(),
        };
        let mend = match states.as_slice() {
            [] => format!("code table `{}` is used for it on line {}", table.name, used.line),
            states => one_of(states, value),
        };
        findings.error(place, problem, mend);
    }
    if table.passes() && matches!(form, Form::OneOf(_)) {
        let problem =
            format!("code table `{}` passes unknown codes, which fit no state", table.name);
        findings.error(used, problem, "give its `\"*\"` a state, or `dead_letter`");
    }
}

fn take(
    fields: &Fields<'_>,
    kind: &FieldKind,
    form: &Form,
    findings: &mut Findings,
) -> Option<Take<ColumnName>> {
    match (fields.get("from"), fields.get("key"), fields.get("constant")) {
        (Some(column), None, None) => Some(Take::Column(ColumnName::parse(column, findings)?)),
        (None, Some(columns), None) if *kind == FieldKind::Text && *form == Form::Any => {
            Some(Take::Key(ColumnName::parse_list(columns, findings).into()))
        }
        (None, Some(columns), None) => {
            let problem = "this field is no key of anything";
            findings.error(&columns.place, problem, "name one column with `from`");
            None
        }
        (None, None, Some(constant)) => Some(Take::Constant(constant.as_text(findings)?.into())),
        _ => {
            let mend = "write one of `from: <column>`, `key: [<columns>]`, `constant: <value>`";
            findings.error(fields.place(), "where does the value come from?", mend);
            None
        }
    }
}
