//! The cells a value is made of, for everyone who must know them: what changed, what is needed.

use std::collections::HashSet;

use super::{RulePlan, View};
use crate::mapping::bind::{Cell, Formula};
use crate::mapping::expression::Moment;
use crate::mapping::file::{
    Adjust, Codec, Filter, Instead, Operand, Part, Pick, Places, Scope, Shape, State, Take,
};
use crate::mapping::stage::Bound;

impl View {
    /// Whether what a rule waits for can come true by a change of another row. Then a touch of this
    /// one, whatever it changed, is the moment to look.
    pub(in crate::mapping) fn leans_on_others(&self) -> bool {
        let waits = |rule: &RulePlan| rule.became.is_some() || rule.transition.is_some();
        self.exceptions.iter().any(|raised| !raised.guards.is_empty())
            || self.rules.iter().any(|rule| waits(rule) && !rule.guards.is_empty())
    }

    /// The columns of the row itself that its rules read: a change of others makes no event.
    pub(in crate::mapping) fn reads(&self) -> HashSet<usize> {
        let mut columns = HashSet::new();
        let each = &mut |cell: &Cell| columns.extend(cell.own());
        each_of_filter(&self.filter, each);
        for scope in std::iter::once(&self.company).chain(&self.plant) {
            each_of_scope(scope, each);
        }
        for slot in &self.slots {
            slot.by.iter().for_each(|pick| pick.each_cell(each));
            slot.condition.iter().for_each(|formula| formula.every_cell(each));
        }
        let raised = self.exceptions.iter().flat_map(|raised| [&raised.opened, &raised.closed]);
        for rule in self.rules.iter().chain(raised) {
            rule.each_cell(each);
        }
        for raised in &self.exceptions {
            raised.lasts.every_cell(each);
        }
        for link in &self.links {
            let picks = link.key.iter().flatten().chain(&link.by);
            picks.for_each(|pick| pick.each_cell(each));
            link.condition.iter().for_each(|formula| formula.every_cell(each));
        }
        columns
    }
}

impl RulePlan {
    fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        each_of_filter(&self.filter, each);
        match self.transition.as_ref().map(|transition| &transition.of) {
            Some(State::Column(cell, _)) => each(cell),
            Some(State::Formula(formula)) => formula.every_cell(each),
            None => {}
        }
        self.became.iter().for_each(|formula| formula.every_cell(each));
        self.key.iter().flatten().for_each(|pick| pick.each_cell(each));
        self.plant.iter().for_each(|scope| each_of_scope(scope, each));
        self.number.iter().chain(&self.effective).for_each(|part| part.each_cell(each));
        let cells = self.changed.iter().chain(&self.aliases).chain(&self.codes);
        cells.for_each(&mut *each);
        self.extensions.iter().for_each(|(_, cell)| each(cell));
        for field in &self.fields {
            match &field.shape {
                Shape::One(part) => part.each_cell(each),
                Shape::Quantity(value, other) | Shape::Money(value, other) => {
                    value.each_cell(each);
                    other.each_cell(each);
                }
                Shape::List(_) => {}
            }
        }
    }
}

fn each_of_filter(filter: &Filter<Bound>, each: &mut dyn FnMut(&Cell)) {
    filter.tests.iter().for_each(|test| each(&test.column));
    filter.condition.iter().for_each(|formula| formula.every_cell(each));
}

fn each_of_scope(scope: &Scope<Bound>, each: &mut dyn FnMut(&Cell)) {
    if let Scope::Column(cell, _) = scope {
        each(cell);
    }
}

impl Filter<Bound> {
    /// Calls `each` for every cell of the row that is judged.
    pub(in crate::mapping) fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        self.tests.iter().for_each(|test| each(&test.column));
        self.condition.iter().for_each(|formula| formula.each_cell(each));
    }
}

impl Part<Bound> {
    /// Calls `each` for every cell.
    pub(in crate::mapping) fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        match &self.take {
            Take::Column(cell) => each(cell),
            Take::Key(picks) => picks.iter().for_each(|pick| pick.each_cell(each)),
            Take::Formula(formula) => formula.each_cell(each),
            Take::First(choices) => {
                let conditions = choices.iter().filter_map(|choice| choice.condition.as_ref());
                conditions.for_each(|formula| formula.each_cell(each));
            }
            Take::TwoColumns(two) => {
                two.date.each_cell(each);
                each(&two.time);
            }
            Take::Constant(_) => {}
        }
        if let Codec::Implied(Places::From(cell, _)) = &self.codec {
            each(cell);
        }
        for adjust in &self.adjust {
            adjust.each_cell(each);
        }
        if let Some(Instead::Column(cell)) = &self.default {
            each(cell);
        }
    }

    /// Whether any cell is such.
    pub(super) fn any_cell(&self, test: impl Fn(&Cell) -> bool) -> bool {
        // The usual part is one column.
        if let (Take::Column(cell), [], None) = (&self.take, &*self.adjust, &self.default)
            && !matches!(self.codec, Codec::Implied(_))
        {
            return test(cell);
        }
        let mut any = false;
        self.each_cell(&mut |cell| any = any || test(cell));
        any
    }
}

impl Pick<Bound> {
    /// Calls `each` for every cell.
    pub(in crate::mapping) fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        match self {
            Self::Column(cell) => each(cell),
            Self::Formula(formula) => formula.each_cell(each),
        }
    }
}

impl Formula {
    /// Calls `each` for every cell, those of the old row included.
    fn every_cell(&self, each: &mut dyn FnMut(&Cell)) {
        self.inputs.iter().for_each(|(_, cell)| each(cell));
    }

    fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        let new = self.inputs.iter().filter(|(moment, _)| *moment == Moment::New);
        new.for_each(|(_, cell)| each(cell));
    }
}

impl Adjust<Bound> {
    fn each_cell(&self, each: &mut dyn FnMut(&Cell)) {
        match self {
            Self::NegativeWhere(cell, _) => each(cell),
            Self::Convert(one, other, _) => {
                for operand in std::iter::once(one).chain(other) {
                    if let Operand::Column(cell) = operand {
                        each(cell);
                    }
                }
            }
            _ => {}
        }
    }
}
