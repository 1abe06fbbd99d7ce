//! Columns: from a path to the place of its cell and the way it is read.

use std::collections::BTreeSet;

use erpbridge_connector::{Column, ColumnKind, TableSchema, Value};

use super::slots::Slot;
use super::world::World;
use crate::document::{Findings, Place, similar};
use crate::mapping::file::{Captures, ColumnName, Compiled, Kept, Reading, ReadingRules, Table};
use crate::mapping::plan::Sight;

/// A column of a bound table, or of a row looked up from it.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Cell {
    /// Where it lies.
    pub origin: Origin,
    /// Its path, for messages and raw codes.
    pub name: Box<str>,
    /// What its text is.
    pub kind: ColumnKind,
    /// The database's own name of that, for messages.
    pub type_name: Box<str>,
    /// How it is read.
    pub reading: Reading,
}

/// Where a cell lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping) enum Origin {
    /// In the row itself, at this place of its images.
    Own(usize),
    /// In the row that lookup `slot` found, at `place` of its `count` kept cells.
    Looked {
        /// The lookup.
        slot: usize,
        /// The cell's place.
        place: usize,
        /// How many cells a row has.
        count: usize,
    },
}

impl Cell {
    /// The cell, by its reading rules.
    pub(in crate::mapping) fn read<'v>(&self, sight: &Sight<'v>) -> Value<'v> {
        self.reading.read(sight.raw(self.origin), sight.desk)
    }

    /// Its place in the row itself, if it lies there.
    pub(in crate::mapping) fn own(&self) -> Option<usize> {
        match self.origin {
            Origin::Own(place) => Some(place),
            Origin::Looked { .. } => None,
        }
    }
}

/// Where the cells of the row itself lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ground<'a> {
    /// In images of the log.
    Log,
    /// In what is remembered of the table.
    Kept(&'a Kept),
}

/// Binds the names of one table's mapping to cells.
pub(super) struct Binder<'a> {
    pub(super) mapping: &'a Compiled,
    pub(super) table: &'a Table,
    pub(super) schema: &'a TableSchema,
    pub(super) captures: &'a Captures,
    pub(super) world: &'a World<'a>,
    pub(super) ground: Ground<'a>,
    pub(super) findings: &'a mut Findings,
    /// The lookups used so far, each after those it leans on.
    pub(super) slots: Vec<Slot>,
    /// Those used since [`take_used`](Self::take_used).
    pub(super) used: BTreeSet<usize>,
}

impl<'a> Binder<'a> {
    /// The columns that have reading rules must exist.
    pub(super) fn check_columns(&mut self) {
        let mut columns: Vec<_> = self.table.columns.iter().collect();
        columns.sort_by_key(|(_, (place, _))| place.line);
        for (name, (place, _)) in columns {
            find(self.schema, name, place, self.findings);
        }
    }

    /// What identifies a row.
    pub(super) fn key(&mut self) -> Option<Box<[Cell]>> {
        let table = self.table;
        if let Some(key) = &table.key {
            return self.cells(key);
        }
        if self.schema.primary_key.is_empty() {
            let problem = format!("table `{}` has no primary key", self.schema.name);
            let mend = "name the columns that identify a row: `key: [<columns>]`";
            self.findings.error(&table.place, problem, mend);
            return None;
        }
        let columns = self.schema.primary_key.iter();
        let bound = |&index: &usize| {
            let column = self.schema.columns.get(index)?;
            let place = self.place(index, &column.name)?;
            Some(self.bound(column, Origin::Own(place)))
        };
        columns.map(bound).collect()
    }

    /// One column.
    pub(super) fn cell(&mut self, column: &ColumnName) -> Option<Cell> {
        let Some((lookups, last)) = column.name.rsplit_once('.') else {
            return match self.table.sum(&column.name) {
                Some(_) => self.total(None, column),
                None => self.own(column),
            };
        };
        let slot = self.slot(lookups, &column.place)?;
        self.used.insert(slot);
        let target = self.slots.get(slot)?.target.clone();
        if self.mapping.tables.get(&target)?.sum(last).is_some() {
            return self.total(Some(lookups), column);
        }
        let (table, schema, kept) = self.world.target(self.mapping, &target, self.captures)?;
        let (_, found) = find(schema, last, &column.place, self.findings)?;
        let place = kept.columns.iter().position(|known| known == last)?;
        let own = table.columns.get(last).map(|(_, rules)| rules);
        Some(Cell {
            origin: Origin::Looked { slot, place, count: kept.columns.len() },
            name: column.name.as_str().into(),
            kind: found.kind,
            type_name: found.type_name.as_str().into(),
            reading: ReadingRules::settle(own, &table.read, &self.mapping.read),
        })
    }

    /// A sum, read like a column.
    fn total(&mut self, parent: Option<&str>, column: &ColumnName) -> Option<Cell> {
        let name = column.name.rsplit('.').next()?;
        let slot = self.sum(parent, name, &column.place)?;
        self.used.insert(slot);
        Some(Cell {
            origin: Origin::Looked { slot, place: 0, count: 1 },
            name: column.name.as_str().into(),
            kind: ColumnKind::Decimal,
            type_name: "sum".into(),
            reading: Reading::default(),
        })
    }

    /// The same for what is remembered of a table beside this one.
    pub(super) fn of_kept<'b>(
        &'b mut self,
        table: &'b Table,
        schema: &'b TableSchema,
        kept: &'b Kept,
    ) -> Binder<'b>
    where
        'a: 'b,
    {
        Binder {
            mapping: self.mapping,
            table,
            schema,
            captures: self.captures,
            world: self.world,
            ground: Ground::Kept(kept),
            findings: self.findings,
            slots: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    /// Several columns; all findings, not only the first.
    pub(super) fn cells(&mut self, columns: &[ColumnName]) -> Option<Box<[Cell]>> {
        let cells: Vec<Option<Cell>> = columns.iter().map(|column| self.cell(column)).collect();
        cells.into_iter().collect()
    }

    /// The lookups used since the last call.
    pub(super) fn take_used(&mut self) -> Box<[usize]> {
        std::mem::take(&mut self.used).into_iter().collect()
    }

    fn own(&mut self, column: &ColumnName) -> Option<Cell> {
        let (index, found) = find(self.schema, &column.name, &column.place, self.findings)?;
        if found.missing_in_log {
            let problem = format!("the log does not carry the generated column `{}`", column.name);
            let mend = "map the columns it is computed from";
            self.findings.error(&column.place, problem, mend);
            return None;
        }
        let place = self.place(index, &column.name)?;
        Some(self.bound(found, Origin::Own(place)))
    }

    /// Where the cell of a column lies in the row itself.
    fn place(&self, index: usize, name: &str) -> Option<usize> {
        match self.ground {
            Ground::Log => Some(index),
            Ground::Kept(kept) => kept.columns.iter().position(|known| known == name),
        }
    }

    fn bound(&self, column: &Column, origin: Origin) -> Cell {
        let own = self.table.columns.get(&column.name).map(|(_, rules)| rules);
        Cell {
            origin,
            name: column.name.as_str().into(),
            kind: column.kind,
            type_name: column.type_name.as_str().into(),
            reading: ReadingRules::settle(own, &self.table.read, &self.mapping.read),
        }
    }
}

/// The column of that name, or a finding.
pub(super) fn find<'s>(
    schema: &'s TableSchema,
    name: &str,
    place: &Place,
    findings: &mut Findings,
) -> Option<(usize, &'s Column)> {
    let Some(index) = schema.column(name) else {
        let problem = format!("table `{}` has no column `{name}`", schema.name);
        let names = schema.columns.iter().map(|column| column.name.as_str());
        let mend = match similar(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "name a column as the database spells it".to_owned(),
        };
        findings.error(place, problem, mend);
        return None;
    };
    schema.columns.get(index).map(|column| (index, column))
}
