//! The columns a mapping names, wherever it names them.

use super::adjust::{Adjust, Operand};
use super::children::Children;
use super::codec::{Codec, Places};
use super::codes::CodeTable;
use super::exception::Exception;
use super::field::{Field, Shape};
use super::filter::Filter;
use super::formula::Pick;
use super::link::Link;
use super::names::ColumnName;
use super::part::{Instead, Part, Take};
use super::rule::Rule;
use super::scope::Scope;
use super::transition::State;
use crate::mapping::stage::Written;

impl Rule {
    /// Every column it names of its own table and of those looked up from there.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let mut all = self.changed.clone();
        all.extend(self.filter.columns());
        all.extend(self.became.iter().flat_map(super::formula::Formula::columns));
        match self.transition.as_ref().map(|transition| &transition.of) {
            Some(State::Column(column, _)) => all.push(column.clone()),
            Some(State::Formula(formula)) => all.extend(formula.columns()),
            None => {}
        }
        all.extend(self.key.iter().flatten().flat_map(Pick::columns));
        all.extend(self.plant.iter().filter_map(Scope::columns));
        all.extend(self.number.iter().chain(&self.effective).flat_map(Part::columns));
        all.extend(self.aliases.iter().chain(&self.codes).cloned());
        all.extend(self.extensions.iter().map(|(_, column)| column.clone()));
        all.extend(self.fields.iter().flat_map(Field::columns));
        all
    }

    /// The lists of rows its event carries.
    pub(super) fn children(&self) -> impl Iterator<Item = &Children> {
        self.fields.iter().filter_map(|field| match &field.shape {
            Shape::List(children) => Some(&**children),
            _ => None,
        })
    }

    /// The names of the code tables it uses.
    pub(super) fn code_tables(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().flat_map(Field::code_tables).collect();
        names.extend(self.number.iter().chain(&self.effective).filter_map(Part::code_tables));
        if let Some(State::Column(_, table)) = self.transition.as_ref().map(|t| &t.of) {
            names.push(&table.name);
        }
        names
    }
}

impl Exception {
    /// Every column it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let mut all = self.opened.columns();
        all.extend(self.lasts.columns());
        all
    }
}

impl Link {
    /// Every column it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let picks = self.key.iter().flatten().chain(&self.by);
        let columns = picks.flat_map(Pick::columns);
        columns.chain(self.condition.iter().flat_map(super::formula::Formula::columns)).collect()
    }
}

impl Filter<Written> {
    /// Every column it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        let tests = self.tests.iter().map(|test| test.column.clone());
        tests.chain(self.condition.iter().flat_map(super::formula::Formula::columns)).collect()
    }
}

impl Scope<Written> {
    /// The column it names.
    pub(super) fn columns(&self) -> Option<ColumnName> {
        match self {
            Self::Column(column, _) => Some(column.clone()),
            Self::Constant(_) | Self::Table(..) => None,
        }
    }
}

impl Pick<Written> {
    /// Every column it names.
    pub(super) fn columns(&self) -> Vec<ColumnName> {
        match self {
            Self::Column(column) => vec![column.clone()],
            Self::Formula(formula) => formula.columns().collect(),
        }
    }
}

impl Field<Written> {
    fn parts(&self) -> impl Iterator<Item = &Part<Written>> {
        let parts = match &self.shape {
            Shape::One(part) => [Some(part), None],
            Shape::Quantity(value, other) | Shape::Money(value, other) => {
                [Some(value), Some(other)]
            }
            Shape::List(_) => [None, None],
        };
        parts.into_iter().flatten()
    }

    /// Every column it names of the rule's own table; children have tables of their own.
    pub(in crate::mapping) fn columns(&self) -> Vec<ColumnName> {
        self.parts().flat_map(Part::columns).collect()
    }

    fn code_tables(&self) -> Vec<&str> {
        match &self.shape {
            Shape::List(children) => children.fields.iter().flat_map(Self::code_tables).collect(),
            _ => self.parts().filter_map(Part::code_tables).collect(),
        }
    }
}

impl Part<Written> {
    fn columns(&self) -> Vec<ColumnName> {
        let mut all = Vec::new();
        match &self.take {
            Take::Column(column) => all.push(column.clone()),
            Take::Key(picks) => all.extend(picks.iter().flat_map(Pick::columns)),
            Take::Formula(formula) => all.extend(formula.columns()),
            Take::First(choices) => {
                let conditions = choices.iter().filter_map(|choice| choice.condition.as_ref());
                all.extend(conditions.flat_map(super::formula::Formula::columns));
            }
            Take::TwoColumns(two) => {
                all.extend(two.date.columns());
                all.push(two.time.clone());
            }
            Take::Constant(_) => {}
        }
        if let Codec::Implied(Places::From(column, _)) = &self.codec {
            all.push(column.clone());
        }
        for adjust in &self.adjust {
            match adjust {
                Adjust::NegativeWhere(column, _) => all.push(column.clone()),
                Adjust::Convert(one, other, _) => {
                    all.extend(std::iter::once(one).chain(other).filter_map(Operand::column));
                }
                _ => {}
            }
        }
        if let Some(Instead::Column(column)) = &self.default {
            all.push(column.clone());
        }
        all
    }

    fn code_tables(&self) -> Option<&str> {
        let table: &CodeTable = match &self.codec {
            Codec::Code(table) | Codec::Implied(Places::From(_, Some(table))) => table,
            _ => return None,
        };
        Some(&table.name)
    }
}

impl Operand<Written> {
    fn column(&self) -> Option<ColumnName> {
        match self {
            Self::Column(column) => Some(column.clone()),
            Self::Constant(_) => None,
        }
    }
}
