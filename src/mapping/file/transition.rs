//! Transitions: a step from one canonical state to another.

use std::sync::Arc;

use super::codec::{CodeTables, code_table};
use super::codes::CodeTable;
use super::formula::Formula;
use super::names::{ColumnName, one_of};
use super::targets::{check_targets, one_state};
use crate::canonical::{EventDef, Form};
use crate::document::{Fields, Findings, Node};
use crate::mapping::expression::Type;
use crate::mapping::keys;
use crate::mapping::stage::{Stage, Written};

/// A step from one state to another.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Transition<S: Stage> {
    /// What tells the state.
    pub of: State<S>,
    /// The axis the event carries it on, if the event has axes.
    pub axis: Option<Box<str>>,
    /// The states there are.
    pub states: Form,
    /// The states it starts from; any if empty, none at all included.
    pub from: Box<[Box<str>]>,
    /// The states it ends in; any if empty.
    pub to: Box<[Box<str>]>,
}

/// What tells the state of a row.
#[derive(Clone, Debug)]
pub(in crate::mapping) enum State<S: Stage> {
    /// A column, and what its codes mean.
    Column(S::Column, Arc<CodeTable>),
    /// An expression that gives the canonical state.
    Formula(S::Formula),
}

impl Transition<Written> {
    /// Whether its states depend on the company.
    pub(in crate::mapping) fn is_local(&self) -> bool {
        matches!(&self.of, State::Column(_, table) if table.is_local())
    }

    /// Reads `{ column, codes, axis, from, to }` or `{ state, axis, from, to }`.
    pub(super) fn parse(
        event: &EventDef,
        node: &Node,
        codes: &CodeTables,
        findings: &mut Findings,
    ) -> Option<Self> {
        let fields = node.fields(keys::TRANSITION, findings)?;
        let of = State::parse(&fields, codes, findings);
        let axis = axis(event, &fields, findings);
        let known = axis.as_deref().and_then(|name| event.axis(name));
        let form = known.map_or(Form::Any, |axis| one_state(&axis.states));
        let of = of?;
        if let (State::Column(_, table), Form::OneOf(_)) = (&of, &form) {
            let used = fields.entry("codes").map_or(fields.place(), |entry| &entry.place);
            check_targets(table, &form, used, findings);
        }
        let from = states(&fields, "from", &of, &form, findings);
        let to = states(&fields, "to", &of, &form, findings);
        if from.is_empty() && to.is_empty() {
            findings.error(fields.place(), "the transition names no state", "add `to: [<states>]`");
        }
        Some(Self { of, axis, states: form, from, to })
    }
}

impl State<Written> {
    fn parse(fields: &Fields<'_>, codes: &CodeTables, findings: &mut Findings) -> Option<Self> {
        if let Some(node) = fields.get("state") {
            for entry in ["column", "codes"].iter().filter_map(|key| fields.entry(key)) {
                let mend = "keep one of `state` and `column` with `codes`";
                findings.error(&entry.place, "the state is told twice", mend);
            }
            return Formula::parse(node, Type::Text, findings).map(Self::Formula);
        }
        let column = fields.required("column", findings);
        let column = column.map(|node| ColumnName::parse(node, findings));
        let table = fields.required("codes", findings);
        let table = table.and_then(|node| code_table(node, codes, findings));
        Some(Self::Column(column??, table?))
    }
}

/// The axis said, or the only one there is.
fn axis(event: &EventDef, fields: &Fields<'_>, findings: &mut Findings) -> Option<Box<str>> {
    let known: Vec<&str> = event.axes.iter().map(|axis| axis.name.as_str()).collect();
    match (fields.get("axis"), known.as_slice()) {
        (None, []) => None,
        (None, [only]) => Some((*only).into()),
        (None, known) => {
            let mend = format!("add `axis:` with one of {}", known.join(", "));
            findings.error(fields.place(), "on which axis is the transition?", mend);
            None
        }
        (Some(node), known) => {
            let name = node.as_text(findings)?;
            if !known.contains(&name) {
                let problem = format!("`{}` has no axis `{name}`", event.name);
                findings.error(&node.place, problem, one_of(known, name));
                return None;
            }
            Some(name.into())
        }
    }
}

/// States are canonical: the values of the code table, not the source's codes.
fn states(
    fields: &Fields<'_>,
    key: &str,
    of: &State<Written>,
    form: &Form,
    findings: &mut Findings,
) -> Box<[Box<str>]> {
    let nodes = fields.get(key).map_or(&[][..], Node::as_list_or_one);
    let read = nodes.iter().filter_map(|node| {
        let state = node.as_text(findings)?;
        match of {
            State::Column(_, table) => check_given(state, table, node, findings),
            State::Formula(_) if !form.admits(state) => {
                let mend = "write it as the schema lists it";
                findings.error(&node.place, format!("`{state}` is not {}", form.describe()), mend);
            }
            State::Formula(_) => {}
        }
        Some(state.into())
    });
    read.collect()
}

fn check_given(state: &str, table: &CodeTable, node: &Node, findings: &mut Findings) {
    let mut known: Vec<&str> = table.targets().map(|(value, _)| value).collect();
    known.sort_unstable();
    known.dedup();
    if !known.contains(&state) && !table.passes() {
        let problem = format!("code table `{}` never gives `{state}`", table.name);
        findings.error(&node.place, problem, one_of(&known, state));
    }
}
