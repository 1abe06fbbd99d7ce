//! Derived values: the first of some cases that holds. Many ERPs store no status, only the
//! quantities and flags it follows from.

use super::formula::Formula;
use crate::canonical::Form;
use crate::document::{Findings, Node};
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// One case.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Choice<S: Stage> {
    /// When it holds; always, if it says nothing.
    pub condition: Option<S::Formula>,
    /// What the value is then; none is null.
    pub value: Option<Box<str>>,
}

/// Reads `[ { if: expr, then: value }, …, { else: value } ]`.
pub(super) fn choices(
    node: &Node,
    form: &Form,
    findings: &mut Findings,
) -> Option<Box<[Choice<Written>]>> {
    let nodes = node.as_list(findings)?;
    let choices: Vec<_> = nodes.iter().filter_map(|node| choice(node, form, findings)).collect();
    if let Some(place) = choices.iter().rev().skip(1).find(|(choice, _)| choice.condition.is_none())
    {
        let mend = "write `else:` last";
        findings.error(place.1, "the cases after this one are never looked at", mend);
    }
    Some(choices.into_iter().map(|(choice, _)| choice).collect())
}

fn choice<'n>(
    node: &'n Node,
    form: &Form,
    findings: &mut Findings,
) -> Option<(Choice<Written>, &'n crate::document::Place)> {
    let fields = node.fields(keys::CHOICE, findings)?;
    let (condition, value) = match (fields.get("if"), fields.get("then"), fields.get("else")) {
        (Some(condition), Some(value), None) => {
            (Some(Formula::condition(condition, findings)?), value)
        }
        (None, None, Some(value)) => (None, value),
        _ => {
            let mend = "write `{ if: \"…\", then: <value> }` or `{ else: <value> }`";
            findings.error(&node.place, "this is no case", mend);
            return None;
        }
    };
    let value = if value.is_null() { None } else { Some((value.as_text(findings)?, &value.place)) };
    if let Some((text, place)) = value
        && !form.admits(text)
    {
        let problem = format!("`{text}` is not {}", form.describe());
        findings.error(place, problem, "write it as the event shall carry it");
    }
    let value = value.map(|(text, _)| text.into());
    Some((Choice { condition, value }, &node.place))
}
