//! What is done to a value after it was decoded: the sign of a number, its conversion to another
//! unit, the case of a text, the pseudonym of a person.

use super::names::{ColumnName, word};
use super::reading::Case;
use crate::canonical::{FieldKind, Form};
use crate::document::{Content, Entry, Fields, Findings, Node};
use crate::mapping::codec;
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// One thing done to a value.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Adjust<S: Stage> {
    /// The number without its sign.
    Absolute,
    /// The number with the other sign.
    Negate,
    /// The other sign where a column holds one of these codes.
    NegativeWhere(S::Column, Box<[Box<str>]>),
    /// Times one number, through another, rounded to so many places; exact if none are said.
    Convert(Operand<S>, Option<Operand<S>>, Option<usize>),
    /// Leading zeros of a number that is a code.
    StripZeros,
    /// Letters made alike.
    Case(Case),
    /// A keyed pseudonym in its place.
    Pseudonym,
}

/// A number from a column, or the mapping's own.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum Operand<S: Stage> {
    /// A column.
    Column(S::Column),
    /// A constant.
    Constant(Box<str>),
}

const NUMBER_KEYS: [&str; 2] = ["sign", "convert"];
const TEXT_KEYS: [&str; 3] = ["strip_zeros", "case", "mask"];

/// The adjustments a value names, in the order in which they are done.
pub(super) fn parse(
    fields: &Fields<'_>,
    kind: &FieldKind,
    form: &Form,
    findings: &mut Findings,
) -> Box<[Adjust<Written>]> {
    let number = matches!(kind, FieldKind::Decimal | FieldKind::Integer);
    let text = *kind == FieldKind::Text && *form == Form::Any;
    let mut adjusts = Vec::new();
    let keys = NUMBER_KEYS.iter().map(|key| (key, number));
    for (key, fits) in keys.chain(TEXT_KEYS.iter().map(|key| (key, text))) {
        match fields.entry(key) {
            Some(entry) if fits => adjusts.extend(one(entry, findings)),
            Some(entry) => {
                let problem = format!("`{key}` does not fit this field");
                findings.error(&entry.place, problem, "remove it");
            }
            None => {}
        }
    }
    adjusts.into()
}

fn one(entry: &Entry, findings: &mut Findings) -> Option<Adjust<Written>> {
    let node = &entry.value;
    match entry.key.as_str() {
        "sign" => sign(node, findings),
        "convert" => convert(node, findings),
        "strip_zeros" => node.as_bool(findings)?.then_some(Adjust::StripZeros),
        "case" => word(node, &Case::NAMES, findings).map(Adjust::Case),
        _ => word(node, &[("pseudonym", ())], findings).map(|()| Adjust::Pseudonym),
    }
}

fn sign(node: &Node, findings: &mut Findings) -> Option<Adjust<Written>> {
    if !matches!(node.content, Content::Map(_)) {
        let absolute = word(node, &[("absolute", true), ("negate", false)], findings)?;
        return Some(if absolute { Adjust::Absolute } else { Adjust::Negate });
    }
    let fields = node.fields(keys::SIGN, findings)?;
    let from = fields.required("from", findings).map(|node| ColumnName::parse(node, findings));
    let codes = fields.required("negative", findings)?.as_list_or_one();
    let codes = codes.iter().filter_map(|code| code.as_text(findings).map(Into::into));
    let codes = codes.collect();
    Some(Adjust::NegativeWhere(from??, codes))
}

/// Digits after the point of a converted quantity, at most.
const MAX_SCALE: u64 = 30;

fn convert(node: &Node, findings: &mut Findings) -> Option<Adjust<Written>> {
    let fields = node.fields(keys::CONVERT, findings)?;
    let mut operand = |key: &str| Some(Operand::parse(fields.get(key)?, findings));
    let (factor, numerator, denominator) =
        (operand("factor"), operand("numerator"), operand("denominator"));
    let scale = fields.get("scale").map(|node| (node.as_u64(findings), &node.place));
    let scale = match scale {
        Some((Some(scale), place)) if scale > MAX_SCALE => {
            let mend = "write the places the converted values really have";
            findings.error(place, format!("more than {MAX_SCALE} decimal places"), mend);
            return None;
        }
        Some((scale, _)) => usize::try_from(scale?).ok(),
        None => None,
    };
    match (factor, numerator, denominator) {
        (Some(factor), None, None) => Some(Adjust::Convert(factor?, None, scale)),
        (None, Some(numerator), Some(denominator)) if scale.is_some() => {
            Some(Adjust::Convert(numerator?, Some(denominator?), scale))
        }
        _ => {
            let mend = "write `factor:`, or `numerator:` and `denominator:` with a `scale:`";
            findings.error(fields.place(), "by what is the value converted?", mend);
            None
        }
    }
}

impl Operand<Written> {
    fn parse(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = node.as_text(findings)?;
        let mut scratch = String::new();
        match codec::decimal(text, &mut scratch) {
            Some(number) if number.bytes().all(|c| matches!(c, b'-' | b'.' | b'0')) => {
                let problem = "converted by nothing, every value would be nothing, or none";
                findings.error(&node.place, problem, "write a number other than 0, or a column");
                None
            }
            Some(number) => Some(Self::Constant(number.into())),
            None => ColumnName::parse(node, findings).map(Self::Column),
        }
    }
}
