//! What the columns of each table are read for, as far as it decides how a row may be shown to
//! somebody else: a code is nothing without its letters, a key must stay the key of the same row.

use std::collections::{BTreeMap, BTreeSet};

use super::adjust::{Adjust, Operand};
use super::children::Children;
use super::codec::{Codec, Places};
use super::compile::Compiled;
use super::field::{Field, Shape};
use super::filter::Filter;
use super::formula::{Formula, Pick};
use super::part::{Instead, Part, Take};
use super::rule::Rule;
use super::scope::Scope;
use super::table::{Keep, Table};
use super::transition::State;
use crate::canonical::Form;
use crate::mapping::stage::Written;

/// What a column is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Its texts mean something to the mapping.
    Code,
    /// A day or a time.
    Day,
    /// It is a key, or a number that people use, or part of one.
    Key,
    /// An expression holds it against constants.
    Compared,
    /// A number that something is computed of.
    Number,
    /// Anything else.
    Plain,
}

impl Compiled {
    /// The tables that must be there with this one, itself among them: those it looks up, those of
    /// its children and sums, and what those need.
    pub(in crate::mapping) fn around<'m>(&'m self, alias: &'m str) -> BTreeSet<&'m str> {
        let (mut found, mut open) = (BTreeSet::new(), vec![alias]);
        while let Some(alias) = open.pop() {
            let Some(table) = self.tables.get(alias).filter(|_| found.insert(alias)) else {
                continue;
            };
            open.extend(table.lookups.iter().map(|lookup| lookup.to.as_str()));
            open.extend(table.sums.iter().map(|sum| sum.table.as_str()));
            let moved = table.deleted.as_ref().and_then(|deleted| deleted.moved.as_ref());
            open.extend(moved.map(|moved| &*moved.to));
            let rules = self.all_rules().filter(|rule| rule.on == alias);
            open.extend(rules.flat_map(Rule::children).map(|children| children.table.as_str()));
        }
        found
    }
}

/// By column.
pub(in crate::mapping) type Uses = BTreeMap<String, BTreeSet<Use>>;

/// What a mapping reads, by alias of the table, and the texts its expressions name.
pub(in crate::mapping) struct AllUses<'m> {
    mapping: &'m Compiled,
    pub(in crate::mapping) tables: BTreeMap<String, Uses>,
    pub(in crate::mapping) texts: BTreeSet<String>,
}

impl<'m> AllUses<'m> {
    pub(in crate::mapping) fn of(mapping: &'m Compiled) -> Self {
        let mut all = Self { mapping, tables: BTreeMap::new(), texts: BTreeSet::new() };
        mapping.tables.values().for_each(|table| all.table(table));
        mapping.all_rules().for_each(|rule| all.rule(rule));
        for raised in &mapping.exceptions {
            all.formula(&raised.opened.on, &raised.lasts);
        }
        for link in &mapping.links {
            all.picks(&link.on, link.key.iter().flatten().chain(&link.by));
            link.condition.iter().for_each(|formula| all.formula(&link.on, formula));
        }
        all
    }

    /// Notes a column, wherever its path leads.
    fn note(&mut self, alias: &str, path: &str, what: Use) {
        let (mut alias, mut path) = (alias, path);
        while let Some((lookup, rest)) = path.split_once('.') {
            let table = self.mapping.tables.get(alias);
            let Some(lookup) = table.and_then(|table| table.lookup(lookup)) else { return };
            (alias, path) = (&lookup.to, rest);
        }
        let uses = self.tables.entry(alias.to_owned()).or_default();
        uses.entry(path.to_owned()).or_default().insert(what);
    }

    fn table(&mut self, table: &'m Table) {
        let alias = table.alias.as_str();
        table.key.iter().flatten().for_each(|column| self.note(alias, &column.name, Use::Key));
        self.filter(alias, &table.filter);
        if let Keep::Columns(columns) = &table.keep {
            for column in columns {
                self.note(alias, &column.name, Use::Plain);
            }
        }
        for lookup in &table.lookups {
            self.picks(alias, &lookup.by);
            lookup.condition.iter().for_each(|formula| self.formula(alias, formula));
        }
        for sum in &table.sums {
            self.note(&sum.table, &sum.of.name, Use::Number);
            sum.condition.iter().for_each(|formula| self.formula(&sum.table, formula));
        }
        let mapping = self.mapping;
        self.scope(alias, Some(table.company.as_ref().unwrap_or(&mapping.company)));
        self.scope(alias, table.plant.as_ref().or(mapping.plant.as_ref()));
        for (column, (_, rules)) in &table.columns {
            if rules.has_date() {
                self.note(alias, column, Use::Day);
            }
        }
        if let Some(moved) = table.deleted.as_ref().and_then(|deleted| deleted.moved.as_ref()) {
            self.picks(alias, &moved.by);
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let alias = rule.on.as_str();
        self.filter(alias, &rule.filter);
        rule.became.iter().for_each(|formula| self.formula(alias, formula));
        match rule.transition.as_ref().map(|transition| &transition.of) {
            Some(State::Column(column, _)) => self.note(alias, &column.name, Use::Code),
            Some(State::Formula(formula)) => self.formula(alias, formula),
            None => {}
        }
        self.picks(alias, rule.key.iter().flatten());
        self.scope(alias, rule.plant.as_ref());
        rule.number.iter().for_each(|part| self.part(alias, part, Use::Key));
        rule.effective.iter().for_each(|part| self.part(alias, part, Use::Day));
        let columns = |all: &[super::names::ColumnName], what: Use| {
            all.iter().map(|column| (column.name.clone(), what)).collect::<Vec<_>>()
        };
        let named = [
            columns(&rule.changed, Use::Plain),
            columns(&rule.aliases, Use::Key),
            columns(&rule.codes, Use::Code),
        ];
        for (name, what) in named.into_iter().flatten() {
            self.note(alias, &name, what);
        }
        for (_, column) in &rule.extensions {
            self.note(alias, &column.name, Use::Plain);
        }
        rule.fields.iter().for_each(|field| self.field(alias, field));
    }

    fn field(&mut self, alias: &str, field: &Field<Written>) {
        match &field.shape {
            Shape::One(part) => self.part(alias, part, Use::Plain),
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                self.part(alias, value, Use::Number);
                self.part(alias, other, Use::Code);
            }
            Shape::List(children) => self.children(children),
        }
    }

    fn children(&mut self, children: &Children) {
        let alias = children.table.as_str();
        self.picks(alias, children.key.iter().flatten());
        children.condition.iter().for_each(|formula| self.formula(alias, formula));
        if let Some(sort) = &children.sort {
            self.note(alias, &sort.name, Use::Plain);
        }
        children.fields.iter().for_each(|field| self.field(alias, field));
    }

    fn part(&mut self, alias: &str, part: &Part<Written>, otherwise: Use) {
        let what = match &part.codec {
            Codec::Code(_) | Codec::Bool(_) => Use::Code,
            Codec::Date(_) | Codec::Instant(_) | Codec::Moment => Use::Day,
            Codec::Integer
            | Codec::Decimal
            | Codec::Float(_)
            | Codec::Implied(_)
            | Codec::Duration(_) => Use::Number,
            // A currency or a unit is a code of everybody's.
            Codec::Text if part.form != Form::Any => Use::Code,
            // A number that is told as a text counts nothing: it names something.
            Codec::Text if otherwise == Use::Plain => Use::Key,
            Codec::Text => otherwise,
        };
        match &part.take {
            Take::Column(column) => self.note(alias, &column.name, what),
            Take::Key(picks) => self.picks(alias, picks),
            Take::Formula(formula) => self.formula(alias, formula),
            Take::First(choices) => {
                let conditions = choices.iter().filter_map(|choice| choice.condition.as_ref());
                conditions.for_each(|formula| self.formula(alias, formula));
            }
            Take::TwoColumns(two) => {
                self.part(alias, &two.date, Use::Day);
                self.note(alias, &two.time.name, Use::Day);
            }
            Take::Constant(_) => {}
        }
        if let Codec::Implied(Places::From(column, _)) = &part.codec {
            self.note(alias, &column.name, Use::Code);
        }
        if let Some(Instead::Column(column)) = &part.default {
            self.note(alias, &column.name, what);
        }
        part.adjust.iter().for_each(|adjust| self.adjust(alias, adjust));
    }

    fn adjust(&mut self, alias: &str, adjust: &Adjust<Written>) {
        match adjust {
            Adjust::NegativeWhere(column, _) => self.note(alias, &column.name, Use::Code),
            // What units are worth is no secret, and a factor of a factor would be.
            Adjust::Convert(one, other, _) => {
                for operand in std::iter::once(one).chain(other) {
                    if let Operand::Column(column) = operand {
                        self.note(alias, &column.name, Use::Code);
                    }
                }
            }
            _ => {}
        }
    }

    fn filter(&mut self, alias: &str, filter: &Filter<Written>) {
        for test in &filter.tests {
            // Whether there is a value at all says nothing of the value.
            let named = test.values.iter().any(Option::is_some);
            self.note(alias, &test.column.name, if named { Use::Code } else { Use::Plain });
        }
        filter.condition.iter().for_each(|formula| self.formula(alias, formula));
    }

    fn scope(&mut self, alias: &str, scope: Option<&Scope<Written>>) {
        match scope {
            Some(Scope::Column(column, Some(_))) => self.note(alias, &column.name, Use::Code),
            Some(Scope::Column(column, None)) => self.note(alias, &column.name, Use::Key),
            _ => {}
        }
    }

    fn picks<'p>(&mut self, alias: &str, picks: impl IntoIterator<Item = &'p Pick<Written>>) {
        for pick in picks {
            match pick {
                Pick::Column(column) => self.note(alias, &column.name, Use::Key),
                Pick::Formula(formula) => self.formula(alias, formula),
            }
        }
    }

    fn formula(&mut self, alias: &str, formula: &Formula) {
        for column in formula.columns() {
            self.note(alias, &column.name, Use::Plain);
        }
        let constants = formula.expression.constants();
        for reference in constants.compared {
            self.note(alias, &reference.path.join("."), Use::Compared);
        }
        self.texts.extend(constants.texts.into_iter().map(str::to_owned));
    }
}
