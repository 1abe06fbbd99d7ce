//! Which codec a field names, and whether its kind may have it.

use std::collections::HashMap;
use std::sync::Arc;

use super::codes::CodeTable;
use super::names::{ColumnName, one_of, word};
use crate::canonical::FieldKind;
use crate::document::{Content, Fields, Findings, Node, Place};
use crate::mapping::codec::{DateFormat, DurationUnit, Gap, LocalZone, Overlap};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// The code tables of a mapping, by name.
pub(super) type CodeTables = HashMap<String, Arc<CodeTable>>;

/// How a text is decoded.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Codec<S: Stage> {
    /// As it is.
    Text,
    /// A whole number.
    Integer,
    /// An exact decimal, as stored.
    Decimal,
    /// A binary float, rounded to this many places.
    Float(usize),
    /// A whole number with decimal places implied.
    Implied(Places<S>),
    /// A day; in the column's own format if none is given.
    Date(Option<DateFormat>),
    /// An instant; local times need the zone.
    Instant(Option<LocalZone>),
    /// A day or an instant, whichever the column holds.
    Moment,
    /// True or false, by codes if the column is not a truth value itself.
    Bool(Option<BoolCodes>),
    /// Through a code table.
    Code(Arc<CodeTable>),
    /// A number of units of time.
    Duration(DurationUnit),
}

/// How many decimal places are implied.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Places<S: Stage> {
    /// Always so many.
    Fixed(usize),
    /// As many as a column says, through a code table if there is one (currency → places).
    From(S::Column, Option<Arc<CodeTable>>),
}

/// Which texts are true and which are false.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct BoolCodes {
    /// True.
    pub yes: Box<[Box<str>]>,
    /// False.
    pub no: Box<[Box<str>]>,
}

/// More decimal places than any quantity or price has.
const MAX_PLACES: usize = 30;

/// The keys that choose a codec, and for which kinds.
fn codec_keys(kind: &FieldKind) -> &'static [&'static str] {
    match kind {
        FieldKind::Text => &["code", "duration"],
        FieldKind::Code(_) => &["code"],
        FieldKind::Decimal | FieldKind::Quantity | FieldKind::Money => {
            &["float", "implied_decimals"]
        }
        FieldKind::Date => &["date"],
        FieldKind::Instant => &["instant"],
        FieldKind::DateOrInstant => &["date", "instant"],
        FieldKind::Bool => &["bool"],
        FieldKind::Integer | FieldKind::Reference | FieldKind::List(_) => &[],
    }
}

const CODEC_KEYS: [&str; 7] =
    ["float", "implied_decimals", "date", "instant", "bool", "code", "duration"];

/// The codec a field names, or the plain one of its kind. Only a column's text is decoded; what
/// comes from elsewhere is canonical.
pub(super) fn codec(
    fields: &Fields<'_>,
    kind: &FieldKind,
    decoded: bool,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Option<Codec<Written>> {
    let mut chosen = CODEC_KEYS.iter().filter_map(|key| fields.entry(key));
    let Some(entry) = chosen.next() else {
        return if decoded {
            plain_codec(kind, fields.place(), findings)
        } else {
            Some(own_codec(kind))
        };
    };
    let legal = codec_keys(kind);
    if !decoded || !legal.contains(&entry.key.as_str()) || chosen.next().is_some() {
        let mend = match legal {
            _ if !decoded => "only the text of a column is decoded: remove it".to_owned(),
            [] => "remove it".to_owned(),
            [only] => format!("only `{only}` fits here, once"),
            several => format!("write one of `{}`", several.join("`, `")),
        };
        findings.error(&entry.place, format!("`{}` does not fit this field", entry.key), mend);
        return None;
    }
    chosen_codec(&entry.key, &entry.value, codes, findings)
}

fn chosen_codec(
    key: &str,
    node: &Node,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Option<Codec<Written>> {
    match key {
        "float" => {
            let fields = node.fields(keys::FLOAT, findings)?;
            let scale = fields.required("scale", findings)?;
            places(scale, findings).map(Codec::Float)
        }
        "implied_decimals" => implied(node, codes, findings).map(Codec::Implied),
        "date" => word(node, &DateFormat::NAMES, findings).map(|format| Codec::Date(Some(format))),
        "instant" => {
            let fields = node.fields(keys::INSTANT, findings)?;
            local_zone(&fields, findings).map(|zone| Codec::Instant(Some(zone)))
        }
        "bool" => bool_codes(node, findings).map(|codes| Codec::Bool(Some(codes))),
        "duration" => word(node, &DurationUnit::NAMES, findings).map(Codec::Duration),
        _ => code_table(node, codes, findings).map(Codec::Code),
    }
}

fn implied(node: &Node, codes: &CodeTables, findings: &mut Findings) -> Option<Places<Written>> {
    if !matches!(node.content, Content::Map(_)) {
        return places(node, findings).map(Places::Fixed);
    }
    let fields = node.fields(keys::PLACES, findings)?;
    let column = fields.required("from", findings);
    let column = column.and_then(|node| ColumnName::parse(node, findings));
    let table = match fields.get("code") {
        Some(node) => Some(code_table(node, codes, findings)?),
        None => None,
    };
    for (value, place) in table.iter().flat_map(|table| table.targets()) {
        if value.parse().is_ok_and(|places: usize| places <= MAX_PLACES) {
            continue;
        }
        let mend = format!("write a number from 0 to {MAX_PLACES}");
        findings.error(place, format!("`{value}` is no number of decimal places"), mend);
    }
    Some(Places::From(column?, table))
}

fn own_codec(kind: &FieldKind) -> Codec<Written> {
    match kind {
        // Lists and references are not made of one value: none of them comes here.
        FieldKind::Text | FieldKind::Code(_) | FieldKind::Reference | FieldKind::List(_) => {
            Codec::Text
        }
        FieldKind::Integer => Codec::Integer,
        FieldKind::Decimal | FieldKind::Quantity | FieldKind::Money => Codec::Decimal,
        FieldKind::Date => Codec::Date(None),
        FieldKind::Instant => Codec::Instant(None),
        FieldKind::DateOrInstant => Codec::Moment,
        FieldKind::Bool => Codec::Bool(None),
    }
}

/// The codec of a field that names none.
pub(super) fn plain_codec(
    kind: &FieldKind,
    place: &Place,
    findings: &mut Findings,
) -> Option<Codec<Written>> {
    if let FieldKind::Code(states) = kind {
        let problem = "the source's codes must be translated here";
        let mend = format!("add `code: <table>`; the states are {}", states.join(", "));
        findings.error(place, problem, mend);
        return None;
    }
    Some(own_codec(kind))
}

/// A code table by name.
pub(super) fn code_table(
    node: &Node,
    codes: &CodeTables,
    findings: &mut Findings,
) -> Option<Arc<CodeTable>> {
    let name = node.as_text(findings)?;
    let table = codes.get(name).map(Arc::clone);
    if table.is_none() {
        let mut known: Vec<&str> = codes.keys().map(String::as_str).collect();
        known.sort_unstable();
        let problem = format!("there is no code table `{name}`");
        findings.error(&node.place, problem, one_of(&known, name));
    }
    table
}

fn places(node: &Node, findings: &mut Findings) -> Option<usize> {
    let places = usize::try_from(node.as_u64(findings)?).unwrap_or(usize::MAX);
    if places > MAX_PLACES {
        let problem = format!("more than {MAX_PLACES} decimal places");
        findings.error(&node.place, problem, "write the places the values really have");
        return None;
    }
    Some(places)
}

/// Reads `zone:`, `overlap:` and `gap:`.
pub(super) fn local_zone(fields: &Fields<'_>, findings: &mut Findings) -> Option<LocalZone> {
    let node = fields.required("zone", findings)?;
    let overlap = fields.get("overlap").map(|node| word(node, &Overlap::NAMES, findings));
    let gap = fields.get("gap").map(|node| word(node, &Gap::NAMES, findings));
    let (overlap, gap) =
        (overlap.unwrap_or(Some(Overlap::default())), gap.unwrap_or(Some(Gap::default())));
    let (zone, overlap, gap) = (zone(node, findings), overlap?, gap?);
    zone.map(|zone| zone.with(overlap, gap))
}

/// A zone by itself.
pub(super) fn zone(node: &Node, findings: &mut Findings) -> Option<LocalZone> {
    let zone = LocalZone::parse(node.as_text(findings)?);
    if zone.is_none() {
        let mend = "write `UTC`, a fixed offset as \"+02:00\", or a name as Europe/Berlin";
        findings.error(&node.place, "not a zone", mend);
    }
    zone
}

fn bool_codes(node: &Node, findings: &mut Findings) -> Option<BoolCodes> {
    let fields = node.fields(keys::BOOL, findings)?;
    let mut list = |key| -> Option<Box<[Box<str>]>> {
        let values = fields.required(key, findings)?.as_list_or_one().iter();
        Some(values.filter_map(|value| value.as_text(findings).map(Into::into)).collect())
    };
    let (yes, no) = (list("true"), list("false"));
    Some(BoolCodes { yes: yes?, no: no? })
}
