//! What rules need of old rows, against what the log carries and the bridge remembers of them.
//!
//! A log that carries only keys cannot tell what changed, nor where a deleted row belonged. A
//! rule that would guess is refused here; the alternative is an event that is sometimes wrong.

use std::collections::HashSet;

use erpbridge_connector::ReplicaIdentity;

use super::column::{Binder, Cell, Origin};
use super::slots::Slot;
use crate::document::Place;
use crate::mapping::expression::Moment;
use crate::mapping::file::{Scope, Shape, State, Step};
use crate::mapping::plan::{ExceptionPlan, RulePlan, View};

/// Checks every rule of a bound table.
pub(super) fn check(view: &View, binder: &mut Binder<'_>) {
    let identity = binder.schema.identity;
    if identity == ReplicaIdentity::Full {
        return;
    }
    let mut known: HashSet<usize> = match identity {
        ReplicaIdentity::Key => binder.schema.primary_key.iter().copied().collect(),
        ReplicaIdentity::Full | ReplicaIdentity::Nothing => HashSet::new(),
    };
    if identity == ReplicaIdentity::Key {
        known.extend(view.keeping.iter().flat_map(|keeping| keeping.columns.iter().copied()));
    }
    let mut needs = Needs { known, slots: &view.slots, binder };
    let place = needs.binder.table.place.clone();
    // What is remembered passed the filter, and what did not pass it is not remembered.
    if view.rules.iter().any(|rule| rule.when.sees_log()) && view.keeping.is_none() {
        view.filter.each_cell(&mut |cell| needs.check("the filter", cell, &place));
    }
    if let Some(moved) = &view.moved {
        let mut check = |cell: &Cell| needs.check("the move", cell, &place);
        moved.by.iter().for_each(|pick| pick.each_cell(&mut check));
    }
    for rule in &view.rules {
        needs.rule(rule, view);
    }
    for raised in &view.exceptions {
        needs.end(raised, view);
    }
}

struct Needs<'a, 'b> {
    known: HashSet<usize>,
    slots: &'a [Slot],
    binder: &'a mut Binder<'b>,
}

impl Needs<'_, '_> {
    fn rule(&mut self, rule: &RulePlan, view: &View) {
        let updates = rule.when.has(Step::Updated);
        let place = &rule.place;
        if updates && self.binder.schema.identity == ReplicaIdentity::Nothing {
            let problem = format!(
                "the log does not tell updates of `{}`: it has no replica identity",
                self.binder.schema.name
            );
            let mend = "give it a primary key, or let the log carry whole rows";
            self.binder.findings.error(place, problem, mend);
            return;
        }
        if updates {
            self.update(rule);
        }
        if rule.when.has(Step::Deleted) || rule.when.has(Step::Moved) {
            let mut check = |cell: &Cell| self.check("the event of a delete", cell, place);
            rule.filter.each_cell(&mut check);
            needed_of_deleted(rule, view, &mut check);
        }
    }

    /// An exception that is open must be closed when its row goes, or it never is. That of another
    /// thing is looked at then.
    fn end(&mut self, raised: &ExceptionPlan, view: &View) {
        let place = &raised.closed.place;
        let mut check = |cell: &Cell| self.check("the end of the exception", cell, place);
        needed_of_deleted(&raised.closed, view, &mut check);
        if raised.closed.key.is_some() && !raised.guards.is_empty() {
            raised.opened.filter.each_cell(&mut check);
            raised.lasts.inputs.iter().for_each(|(_, cell)| check(cell));
        }
    }

    fn update(&mut self, rule: &RulePlan) {
        let place = &rule.place;
        match rule.transition.as_ref().map(|step| &step.of) {
            Some(State::Column(cell, _)) => self.check("the transition", cell, place),
            Some(State::Formula(formula)) => {
                formula
                    .inputs
                    .iter()
                    .for_each(|(_, cell)| self.check("the transition", cell, place));
            }
            None => {}
        }
        for cell in &rule.changed {
            self.check("`changed`", cell, place);
        }
        for (_, cell) in rule.became.iter().flat_map(|formula| &formula.inputs) {
            self.check("`became`", cell, place);
        }
        let old = |(moment, _): &&(Moment, Cell)| *moment == Moment::Old;
        let condition = rule.filter.condition.iter().flat_map(|formula| &formula.inputs);
        for (_, cell) in condition.filter(old) {
            self.check("`if`", cell, place);
        }
    }

    /// What is looked up is as well known as the columns that lead to it.
    fn check(&mut self, what: &str, cell: &Cell, place: &Place) {
        if let Origin::Looked { slot, .. } = cell.origin {
            let Some(slot) = self.slots.get(slot) else { return };
            slot.by.iter().for_each(|pick| pick.each_cell(&mut |by| self.check(what, by, place)));
            return;
        }
        let Some(own) = cell.own().filter(|own| !self.known.contains(own)) else { return };
        let Some(column) = self.binder.schema.columns.get(own) else { return };
        let (name, table) = (&column.name, &self.binder.schema.name);
        let problem = format!(
            "{what} needs the old value of `{name}`, but the log of `{table}` carries no whole old rows"
        );
        let mend = format!(
            "let the bridge remember it: `keep: [{name}]` on the table; or let the log carry it \
             (PostgreSQL: REPLICA IDENTITY FULL)"
        );
        self.binder.findings.error(place, problem, mend);
    }
}

/// What an event of a deleted row cannot do without.
fn needed_of_deleted(rule: &RulePlan, view: &View, each: &mut dyn FnMut(&Cell)) {
    match &rule.key {
        Some(key) => key.iter().for_each(|pick| pick.each_cell(each)),
        None => view.key.iter().for_each(&mut *each),
    }
    let plant = rule.plant.as_ref().or(view.plant.as_ref());
    for scope in std::iter::once(&view.company).chain(plant) {
        if let Scope::Column(cell, _) = scope {
            each(cell);
        }
    }
    for field in rule.fields.iter().filter(|field| field.required) {
        match &field.shape {
            Shape::One(part) => part.each_cell(each),
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                value.each_cell(each);
                other.each_cell(each);
            }
            Shape::List(_) => {}
        }
    }
    for part in rule.number.iter().chain(&rule.effective).filter(|part| part.required) {
        part.each_cell(each);
    }
}
