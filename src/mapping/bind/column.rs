//! Columns: from a name to the place of its cell and the way it is read.

use erpbridge_connector::{Column, TableSchema, Value};

use super::fit;
use crate::document::{Findings, Place, similar};
use crate::mapping::file::{ColumnName, Field, Part, Reading, ReadingRules, Shape, Table, Take};
use crate::mapping::net::NetImage;

/// A column of a bound table.
#[derive(Clone, Debug)]
pub(in crate::mapping) struct Cell {
    /// Its place in every image.
    pub index: usize,
    /// Its name, for messages and raw codes.
    pub name: Box<str>,
    reading: Reading,
}

impl Cell {
    /// The cell of a row, by its reading rules.
    pub(in crate::mapping) fn read<'b>(&self, row: &NetImage<'b>) -> Value<'b> {
        self.reading.read(row.get(self.index))
    }
}

/// Binds the names of one table's mapping to its columns.
pub(super) struct Binder<'a> {
    pub(super) schema: &'a TableSchema,
    pub(super) table: &'a Table,
    pub(super) mapping: &'a ReadingRules,
    pub(super) findings: &'a mut Findings,
}

impl Binder<'_> {
    /// The columns that have reading rules must exist.
    pub(super) fn check_columns(&mut self) {
        let mut columns: Vec<_> = self.table.columns.iter().collect();
        columns.sort_by_key(|(_, (place, _))| place.line);
        for (name, (place, _)) in columns {
            self.find(name, place);
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
        columns.map(|&index| Some(self.bound(index, self.schema.columns.get(index)?))).collect()
    }

    /// One column.
    pub(super) fn cell(&mut self, column: &ColumnName) -> Option<Cell> {
        let (index, found) = self.find(&column.name, &column.place)?;
        if found.missing_in_log {
            let problem = format!("the log does not carry the generated column `{}`", column.name);
            let mend = "map the columns it is computed from";
            self.findings.error(&column.place, problem, mend);
            return None;
        }
        let found = found.clone();
        Some(self.bound(index, &found))
    }

    /// Several columns; all findings, not only the first.
    pub(super) fn cells(&mut self, columns: &[ColumnName]) -> Option<Box<[Cell]>> {
        let cells: Vec<Option<Cell>> = columns.iter().map(|column| self.cell(column)).collect();
        cells.into_iter().collect()
    }

    /// A value.
    pub(super) fn part(&mut self, part: &Part<ColumnName>) -> Option<Part<Cell>> {
        let (take, codec) = match &part.take {
            Take::Constant(text) => (Take::Constant(text.clone()), part.codec.clone()),
            Take::Key(columns) => (Take::Key(self.cells(columns)?), part.codec.clone()),
            Take::Column(name) => {
                let cell = self.cell(name)?;
                let column = self.schema.columns.get(cell.index)?;
                let codec = fit::codec(&part.codec, column, cell.reading.date);
                let codec = codec.map_err(|misfit| {
                    self.findings.error(&part.place, misfit.problem, misfit.mend);
                });
                (Take::Column(cell), codec.ok()?)
            }
        };
        let (form, required, place) = (part.form.clone(), part.required, part.place.clone());
        Some(Part { take, codec, form, required, place })
    }

    /// A field.
    pub(super) fn field(&mut self, field: &Field<ColumnName>) -> Option<Field<Cell>> {
        let shape = match &field.shape {
            Shape::One(part) => Shape::One(self.part(part)?),
            Shape::Quantity(value, unit) => {
                let (value, unit) = (self.part(value), self.part(unit));
                Shape::Quantity(value?, unit?)
            }
            Shape::Money(value, currency) => {
                let (value, currency) = (self.part(value), self.part(currency));
                Shape::Money(value?, currency?)
            }
        };
        let Field { name, required, contracted, nullable, .. } = field;
        Some(Field {
            name: name.clone(),
            required: *required,
            contracted: *contracted,
            nullable: *nullable,
            shape,
        })
    }

    fn bound(&self, index: usize, column: &Column) -> Cell {
        let own = self.table.columns.get(&column.name).map(|(_, rules)| rules);
        let reading = ReadingRules::settle(own, &self.table.read, self.mapping);
        Cell { index, name: column.name.as_str().into(), reading }
    }

    fn find(&mut self, name: &str, place: &Place) -> Option<(usize, &Column)> {
        let Some(index) = self.schema.column(name) else {
            let problem = format!("table `{}` has no column `{name}`", self.schema.name);
            let names = self.schema.columns.iter().map(|column| column.name.as_str());
            let mend = match similar(name, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name a column as the database spells it".to_owned(),
            };
            self.findings.error(place, problem, mend);
            return None;
        };
        self.schema.columns.get(index).map(|column| (index, column))
    }
}
