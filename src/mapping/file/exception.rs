//! Business exceptions: conditions somebody should know of for as long as they last.

use super::formula::Formula;
use super::names::one_of;
use super::rule::{Rule, Shared, named};
use super::when::{Step, When};
use crate::canonical::{EventDef, catalog};
use crate::document::{Findings, Node};
use crate::mapping::keys;

/// A rule that raises an exception while a condition lasts.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Exception {
    /// What must be true.
    pub lasts: Formula,
    /// The event of its beginning.
    pub opened: Rule,
    /// The event of its end.
    pub closed: Rule,
}

impl Exception {
    pub(super) fn parse<'n>(
        node: &'n Node,
        shared: &Shared<'n>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let fields = node.fields(keys::EXCEPTION, findings)?;
        let kind = fields.required("raise", findings).and_then(|node| raise(node, findings));
        let on = fields.required("on", findings).and_then(|node| node.as_text(findings));
        let lasts = fields.required("while", findings);
        let lasts = lasts.and_then(|node| Formula::condition(node, findings));
        let (kind, on) = (kind?, on?);
        let id = named(&fields, findings).unwrap_or_else(|| format!("{kind}-{on}"));
        let mut rule = |event: &str, when: When| {
            let event: &'static EventDef = catalog().event(&format!("exception.{kind}.{event}"))?;
            let id = format!("{id}-{}", event.event);
            Some(Rule::body(&fields, (id, event, on, when), shared, findings))
        };
        let lives = When::default().with(Step::Inserted).with(Step::Updated).with(Step::Read);
        let opened = rule("opened", lives)?;
        let closed = rule("closed", lives.with(Step::Deleted).with(Step::Moved))?;
        Some(Self { lasts: lasts?, opened, closed })
    }
}

/// The kinds of exceptions are the entities of their family.
fn raise<'n>(node: &'n Node, findings: &mut Findings) -> Option<&'n str> {
    let name = node.as_text(findings)?;
    if catalog().event(&format!("exception.{name}.opened")).is_some() {
        return Some(name);
    }
    let known = catalog().events().filter(|event| event.family == "exception");
    let mut known: Vec<&str> = known.map(|event| event.entity.as_str()).collect();
    known.dedup();
    findings.error(&node.place, format!("there is no exception `{name}`"), one_of(&known, name));
    None
}
