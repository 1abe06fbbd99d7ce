//! What rules need of old rows, against what the log carries of them.
//!
//! A log that carries only keys cannot tell what changed, nor where a deleted row belonged. A
//! rule that would guess is refused here; the alternative is an event that is sometimes wrong.

use std::collections::HashSet;

use erpbridge_connector::ReplicaIdentity;

use super::column::{Binder, Cell};
use crate::document::Place;
use crate::mapping::file::{Part, Scope, Shape, Step, Take};
use crate::mapping::plan::{RulePlan, View};

/// Checks every rule of a bound table.
pub(super) fn check(view: &View, binder: &mut Binder<'_>) {
    let identity = binder.schema.identity;
    if identity == ReplicaIdentity::Full {
        return;
    }
    let known: HashSet<usize> = match identity {
        ReplicaIdentity::Key => binder.schema.primary_key.iter().copied().collect(),
        ReplicaIdentity::Full | ReplicaIdentity::Nothing => HashSet::new(),
    };
    let place = binder.table.place.clone();
    let unknown = |cell: &&Cell| !known.contains(&cell.index);
    let moves = view.rules.iter().any(|rule| rule.when.sees_log());
    if let Some(cell) = view.filter.tests.iter().map(|test| &test.column).find(unknown)
        && moves
    {
        let what = format!("the filter needs the old value of `{}`", cell.name);
        refuse(&place, &what, binder);
    }
    for rule in &view.rules {
        check_rule(rule, view, &known, binder);
    }
}

fn check_rule(rule: &RulePlan, view: &View, known: &HashSet<usize>, binder: &mut Binder<'_>) {
    let updates = rule.when.has(Step::Updated);
    if updates && binder.schema.identity == ReplicaIdentity::Nothing {
        refuse(&rule.place, "the log does not tell updates of this table", binder);
        return;
    }
    if updates && let Some(step) = &rule.transition {
        let what = format!("the transition needs the old value of `{}`", step.column.name);
        refuse(&rule.place, &what, binder);
    }
    if updates && let Some(cell) = rule.changed.iter().find(|cell| !known.contains(&cell.index)) {
        let what = format!("`changed` needs the old value of `{}`", cell.name);
        refuse(&rule.place, &what, binder);
    }
    if rule.when.has(Step::Deleted) {
        let needed = needed_of_deleted(rule, view);
        if let Some(cell) = needed.into_iter().find(|cell| !known.contains(&cell.index)) {
            let what = format!("the event of a delete needs the old value of `{}`", cell.name);
            refuse(&rule.place, &what, binder);
        }
    }
}

/// What an event of a deleted row cannot do without.
fn needed_of_deleted<'v>(rule: &'v RulePlan, view: &'v View) -> Vec<&'v Cell> {
    let mut needed: Vec<&Cell> = rule.key.as_ref().unwrap_or(&view.key).iter().collect();
    needed.extend(rule.filter.tests.iter().map(|test| &test.column));
    let scopes = [Some(&view.company), view.plant.as_ref()];
    needed.extend(scopes.into_iter().flatten().filter_map(|scope| match scope {
        Scope::Constant(_) => None,
        Scope::Column(cell, _) => Some(cell),
    }));
    for field in rule.fields.iter().filter(|field| field.required) {
        match &field.shape {
            Shape::One(part) => columns(part, &mut needed),
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                columns(value, &mut needed);
                columns(other, &mut needed);
            }
        }
    }
    for part in rule.number.iter().chain(&rule.effective).filter(|part| part.required) {
        columns(part, &mut needed);
    }
    needed
}

fn columns<'v>(part: &'v Part<Cell>, into: &mut Vec<&'v Cell>) {
    match &part.take {
        Take::Column(cell) => into.push(cell),
        Take::Key(cells) => into.extend(cells),
        Take::Constant(_) => {}
    }
}

fn refuse(place: &Place, what: &str, binder: &mut Binder<'_>) {
    let name = &binder.schema.name;
    let problem = format!("{what}, but the log of `{name}` carries no whole old rows");
    let mend = "let the log carry them (PostgreSQL: REPLICA IDENTITY FULL), or change the rule";
    binder.findings.error(place, problem, mend);
}
