//! Lookups as they run: one slot for every row that a table's rules reach from a row.

use erpbridge_connector::{ColumnKind, TableSchema};

use super::Formula;
use super::column::{Binder, Cell};
use super::world::prefix;
use crate::document::Place;
use crate::mapping::file::{ColumnName, Missing, Pick, Selector, Table};
use crate::mapping::kept::KeptTable;
use crate::mapping::stage::{Bound, Written};

/// A row reached by a lookup.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Slot {
    /// The path to it, as it is written.
    pub path: Box<str>,
    /// Alias of its table.
    pub target: String,
    /// Where its table is remembered.
    pub table: KeptTable,
    /// What its keys begin with there.
    pub prefix: Box<str>,
    /// What holds its key.
    pub by: Box<[Pick<Bound>]>,
    /// Which rows lead anywhere.
    pub condition: Option<Formula>,
    /// What happens when it is not there.
    pub missing: Missing,
    /// If it is a sum over the rows that point to the row with that key.
    pub sum: Option<SumPlan>,
}

/// A sum, bound.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct SumPlan {
    /// By which index the rows are found.
    pub index: usize,
    /// How many cells a row has.
    pub count: usize,
    /// What is summed.
    pub of: Cell,
    /// Which rows count.
    pub condition: Option<Formula>,
}

impl Binder<'_> {
    /// The slot a path of lookups leads to; made when it is first asked for.
    pub(super) fn slot(&mut self, path: &str, place: &Place) -> Option<usize> {
        if let Some(known) = self.slots.iter().position(|slot| *slot.path == *path) {
            self.use_parents(path);
            return Some(known);
        }
        let (parent, name) = match path.rsplit_once('.') {
            Some((parent, name)) => (Some(parent), name),
            None => (None, path),
        };
        let table = match parent {
            None => self.table,
            Some(parent) => {
                let slot = self.slot(parent, place)?;
                self.used.insert(slot);
                let alias = self.slots.get(slot)?.target.clone();
                self.mapping.tables.get(&alias)?
            }
        };
        let Some(lookup) = table.lookup(name) else {
            let problem = format!("table `{}` has no lookup `{name}`", table.alias);
            self.findings.error(place, problem, "declare it under `lookups`");
            return None;
        };
        let target = self.mapping.tables.get(&lookup.to)?;
        let Some((_, schema, _)) = self.world.target(self.mapping, &lookup.to, self.captures)
        else {
            self.no_table(target, &lookup.place);
            return None;
        };
        self.check_arity(target, schema, lookup.by.len(), &lookup.place);
        let head = parent.map(|parent| format!("{parent}.")).unwrap_or_default();
        let by: Vec<_> = lookup.by.iter().map(|pick| self.pick_from(&head, pick)).collect();
        let condition = match &lookup.condition {
            Some(condition) => Some(self.formula_from(&head, condition)?),
            None => None,
        };
        let captures = self.prefix_of(target);
        self.slots.push(Slot {
            condition,
            sum: None,
            path: path.into(),
            target: lookup.to.clone(),
            table: self.world.number(&self.mapping.name, &lookup.to)?,
            prefix: captures,
            by: by.into_iter().collect::<Option<_>>()?,
            missing: lookup.missing,
        });
        Some(self.slots.len() - 1)
    }

    /// The slot of a sum over rows that point to the row itself, or to one it looks up.
    pub(super) fn sum(&mut self, parent: Option<&str>, name: &str, place: &Place) -> Option<usize> {
        let path = parent.map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"));
        if let Some(known) = self.slots.iter().position(|slot| *slot.path == *path) {
            self.use_parents(&path);
            return Some(known);
        }
        let (table, by) = match parent {
            None => {
                let key = self.key()?;
                (self.table, key.iter().cloned().map(Pick::Column).collect())
            }
            Some(parent) => {
                let slot = self.slot(parent, place)?;
                self.used.insert(slot);
                let slot = self.slots.get(slot)?;
                (self.mapping.tables.get(&slot.target)?, slot.by.clone())
            }
        };
        let sum = table.sum(name)?;
        let Some((target, schema, kept)) =
            self.world.target(self.mapping, &sum.table, self.captures)
        else {
            let target = self.mapping.tables.get(&sum.table)?;
            self.no_table(target, &sum.place);
            return None;
        };
        let mut binder = self.of_kept(target, schema, kept);
        let of = binder.cell(&sum.of);
        let condition = sum.condition.as_ref().map(|formula| binder.formula(formula));
        let plan = SumPlan {
            index: kept.indexes.iter().position(|known| *known == sum.lookup)?,
            count: kept.columns.len(),
            of: of?,
            condition: match condition {
                Some(condition) => Some(condition?),
                None => None,
            },
        };
        if !matches!(
            plan.of.kind,
            ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float32 | ColumnKind::Float64
        ) {
            let problem = format!("column `{}` holds no numbers", plan.of.name);
            self.findings.error(&sum.of.place, problem, "sum a column of numbers");
        }
        let slot = Slot {
            path: path.into(),
            target: sum.table.clone(),
            table: self.world.number(&self.mapping.name, &sum.table)?,
            prefix: self.prefix_of(target),
            by,
            condition: None,
            missing: Missing::Null,
            sum: Some(plan),
        };
        self.slots.push(slot);
        Some(self.slots.len() - 1)
    }

    /// What remembered keys of a table beside this one begin with.
    pub(super) fn prefix_of(&self, target: &Table) -> Box<str> {
        match target.selector {
            Selector::Name(_) => Box::default(),
            Selector::Pattern(_) => prefix(self.captures),
        }
    }

    /// A text: that of a column, or one an expression makes.
    pub(super) fn pick(&mut self, pick: &Pick<Written>) -> Option<Pick<Bound>> {
        self.pick_from("", pick)
    }

    /// Several; all findings, not only the first.
    pub(super) fn picks(&mut self, picks: &[Pick<Written>]) -> Option<Box<[Pick<Bound>]>> {
        let picks: Vec<_> = picks.iter().map(|pick| self.pick(pick)).collect();
        picks.into_iter().collect()
    }

    /// The same where the columns are those of a row looked up.
    fn pick_from(&mut self, head: &str, pick: &Pick<Written>) -> Option<Pick<Bound>> {
        Some(match pick {
            Pick::Column(column) => {
                let name = format!("{head}{}", column.name);
                Pick::Column(self.cell(&ColumnName { name, place: column.place.clone() })?)
            }
            Pick::Formula(formula) => Pick::Formula(self.formula_from(head, formula)?),
        })
    }

    fn use_parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('.') {
            let parent = path.split_at(end).0;
            let known = self.slots.iter().position(|slot| *slot.path == *parent);
            self.used.extend(known);
        }
    }

    fn check_arity(&mut self, target: &Table, schema: &TableSchema, by: usize, place: &Place) {
        let key = target.key.as_ref().map_or(schema.primary_key.len(), Vec::len);
        if key != by {
            let problem =
                format!("the key of `{}` has {key} columns, and `by` names {by}", target.alias);
            let mend = "name one column for each part of the key, in its order";
            self.findings.error(place, problem, mend);
        }
    }

    fn no_table(&mut self, target: &Table, place: &Place) {
        let problem = format!("the database has no table for `{}` here", target.alias);
        let mend =
            format!("look for `{}` in the database and in its publication", target.selector.text());
        self.findings.error(place, problem, mend);
    }
}
