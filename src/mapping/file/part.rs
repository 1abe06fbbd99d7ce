//! One value of an event: where it comes from, how it is decoded, what is done to it then, and
//! what it must look like in the end.

use super::adjust::{self, Adjust};
use super::codec::{CodeTables, Codec, codec, plain_codec};
use super::first::{Choice, choices};
use super::formula::{Formula, Pick};
use super::names::ColumnName;
use super::targets::check_targets;
use super::two_columns::TwoColumns;
use crate::canonical::{FieldKind, Form};
use crate::document::{Content, Fields, Findings, Node, Place};
use crate::mapping::codec::{self as text, DateFormat};
use crate::mapping::expression::Type;
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// One value.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Part<S: Stage> {
    /// Where it comes from.
    pub take: Take<S>,
    /// How it is decoded.
    pub codec: Codec<S>,
    /// What is done to it then.
    pub adjust: Box<[Adjust<S>]>,
    /// What stands for no value.
    pub default: Option<Instead<S>>,
    /// What it must look like.
    pub form: Form,
    /// Whether the mapping insists on it.
    pub required: bool,
    /// Where it was written.
    pub place: Place,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Take<S: Stage> {
    /// A column.
    Column(S::Column),
    /// Several texts joined as an entity key.
    Key(Box<[Pick<S>]>),
    /// The mapping itself; already canonical.
    Constant(Box<str>),
    /// An expression; what it gives is canonical.
    Formula(S::Formula),
    /// The first of some cases that holds.
    First(Box<[Choice<S>]>),
    /// A day and a time of day.
    TwoColumns(Box<TwoColumns<S>>),
}

/// What stands for no value.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Instead<S: Stage> {
    /// A constant, canonical already.
    Constant(Box<str>),
    /// Another column, decoded the same way.
    Column(S::Column),
}

impl Part<Written> {
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

    /// The same where only some keys may be written.
    pub(super) fn parse_as(
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
            let adjust = Box::default();
            return Some(Self { take, codec, adjust, default: None, form, required: false, place });
        }
        let fields = node.fields(known, findings)?;
        let required =
            fields.get("required").and_then(|node| node.as_bool(findings)).unwrap_or(false);
        let take = take(&fields, kind, &form, codes, findings);
        let coded = matches!(take, Some(Take::Formula(_))) && fields.get("code").is_some();
        let decoded = coded || matches!(take, Some(Take::Column(_)) | None);
        let codec = codec(&fields, kind, decoded, codes, findings);
        let adjust = adjust::parse(&fields, kind, &form, findings);
        let default = fields.get("default").and_then(|node| instead(node, kind, &form, findings));
        let part = Self { take: take?, codec: codec?, adjust, default, form, required, place };
        part.check_form(&fields, findings);
        Some(part)
    }

    /// What can be known now of the values the part will give.
    fn check_form(&self, fields: &Fields<'_>, findings: &mut Findings) {
        if let (Codec::Code(table), Some(place)) = (&self.codec, fields.entry("code")) {
            check_targets(table, &self.form, &place.place, findings);
        }
        if let Take::Constant(text) = &self.take
            && !self.is_canonical(text)
        {
            let place = fields.get("constant").map_or(&self.place, |node| &node.place);
            let problem = format!("the constant `{text}` is not {}", self.describe());
            let text_like = matches!(self.codec, Codec::Text | Codec::Code(_));
            let meant = self.form.meant(text).filter(|_| text_like);
            let mend = meant.map_or_else(
                || "write it as the event shall carry it".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            findings.error(place, problem, mend);
        }
    }

    fn describe(&self) -> String {
        match self.codec {
            Codec::Text | Codec::Code(_) => self.form.describe(),
            Codec::Duration(_) => Form::Duration.describe(),
            Codec::Integer => "a whole number".to_owned(),
            Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => match &self.form {
                Form::Any => "a decimal".to_owned(),
                form => form.describe(),
            },
            Codec::Date(_) => "a day (`YYYY-MM-DD`)".to_owned(),
            Codec::Instant(_) => "an instant (RFC 3339 in UTC)".to_owned(),
            Codec::Moment => "a day or an instant".to_owned(),
            Codec::Bool(_) => "`true` or `false`".to_owned(),
        }
    }

    fn is_canonical(&self, value: &str) -> bool {
        match &self.codec {
            Codec::Text | Codec::Code(_) | Codec::Duration(_) => {
                !value.is_empty() && self.form.admits(value)
            }
            Codec::Bool(_) => is_canonical(value, &FieldKind::Bool),
            Codec::Integer => is_canonical(value, &FieldKind::Integer),
            Codec::Decimal | Codec::Float(_) | Codec::Implied(_) => {
                is_canonical(value, &FieldKind::Decimal) && self.form.admits(value)
            }
            Codec::Date(_) => is_canonical(value, &FieldKind::Date),
            Codec::Instant(_) => is_canonical(value, &FieldKind::Instant),
            Codec::Moment => is_canonical(value, &FieldKind::DateOrInstant),
        }
    }
}

fn is_canonical(value: &str, kind: &FieldKind) -> bool {
    let mut scratch = String::new();
    let date = |scratch| text::date(value, DateFormat::Iso, scratch) == Some(value);
    match kind {
        FieldKind::Bool => matches!(value, "true" | "false"),
        FieldKind::Integer => {
            text::integer(value, &mut scratch) == Some(value) && value.parse::<i64>().is_ok()
        }
        FieldKind::Decimal => text::decimal(value, &mut scratch) == Some(value),
        FieldKind::Date => date(&mut scratch),
        FieldKind::Instant => text::is_instant(value),
        FieldKind::DateOrInstant => date(&mut scratch) || text::is_instant(value),
        _ => !value.is_empty(),
    }
}

fn take(
    fields: &Fields<'_>,
    kind: &FieldKind,
    form: &Form,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Option<Take<Written>> {
    let mut said = keys::TAKE.iter().filter_map(|key| fields.entry(key));
    let (Some(entry), None) = (said.next(), said.next()) else {
        let mend = "write one of `from: <column>`, `constant: <value>`, `expr: \"…\"`, \
                    `key: [<columns>]`";
        findings.error(fields.place(), "where does the value come from?", mend);
        return None;
    };
    let node = &entry.value;
    let plain = *kind == FieldKind::Text && *form == Form::Any;
    match entry.key.as_str() {
        "from" => Some(Take::Column(ColumnName::parse(node, findings)?)),
        "constant" => Some(Take::Constant(node.as_text(findings)?.into())),
        "expr" if fields.get("code").is_some() => {
            Formula::parse(node, Type::Text, findings).map(Take::Formula)
        }
        "expr" if *kind == FieldKind::DateOrInstant => {
            Formula::moment(node, findings).map(Take::Formula)
        }
        "expr" => Formula::parse(node, type_of(kind), findings).map(Take::Formula),
        "key" if plain => Some(Take::Key(Pick::parse_list(node, findings))),
        "first" if matches!(kind, FieldKind::Text | FieldKind::Code(_)) => {
            choices(node, form, findings).map(Take::First)
        }
        "moment" if matches!(kind, FieldKind::Instant | FieldKind::DateOrInstant) => {
            TwoColumns::parse(node, codes, findings).map(|two| Take::TwoColumns(Box::new(two)))
        }
        "key" => {
            findings.error(
                &entry.place,
                "this field is no key of anything",
                "name one column with `from`",
            );
            None
        }
        other => {
            let problem = format!("`{other}` does not fit this field");
            findings.error(&entry.place, problem, "name one column with `from`");
            None
        }
    }
}

/// What an expression must give for a field of this kind.
fn type_of(kind: &FieldKind) -> Type {
    match kind {
        FieldKind::Integer | FieldKind::Decimal => Type::Number,
        FieldKind::Date => Type::Date,
        FieldKind::Instant | FieldKind::DateOrInstant => Type::Instant,
        FieldKind::Bool => Type::Bool,
        _ => Type::Text,
    }
}

/// A default that is canonical is a constant; anything else names a column.
fn instead(
    node: &Node,
    kind: &FieldKind,
    form: &Form,
    findings: &mut Findings,
) -> Option<Instead<Written>> {
    if matches!(node.content, Content::Map(_)) {
        let node = node.fields(keys::DEFAULT, findings)?.required("from", findings)?;
        return ColumnName::parse(node, findings).map(Instead::Column);
    }
    let text = node.as_text(findings)?;
    let fits = match kind {
        FieldKind::Text | FieldKind::Code(_) => !text.is_empty() && form.admits(text),
        kind => is_canonical(text, kind),
    };
    if !fits {
        let problem = format!("the default `{text}` is not {}", form.describe());
        let mend = "write it as the event shall carry it, or `{ from: <column> }`";
        findings.error(&node.place, problem, mend);
    }
    Some(Instead::Constant(text.into()))
}
