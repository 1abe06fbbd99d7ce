//! One row change: from the images in the log to the cells of a batch.

use erpbridge_connector::{
    Column, ImageBuilder, Operation, SourceError, SourceErrorKind, TableSchema, Value,
};

use crate::pgoutput::{Cell, Old, Tuple};
use crate::values;

/// What a row weighs beside its text and cells.
const ROW_BYTES: usize = 64;

/// What a cell weighs beside its text.
const CELL_BYTES: usize = 8;

/// A row change as the log holds it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) operation: Operation,
    old: Option<Old<'a>>,
    new: Option<Tuple<'a>>,
}

impl<'a> Row<'a> {
    pub(super) fn insert(new: Tuple<'a>) -> Self {
        Self { operation: Operation::Insert, old: None, new: Some(new) }
    }

    pub(super) fn update(old: Option<Old<'a>>, new: Tuple<'a>) -> Self {
        Self { operation: Operation::Update, old, new: Some(new) }
    }

    pub(super) fn delete(old: Old<'a>) -> Self {
        Self { operation: Operation::Delete, old: Some(old), new: None }
    }

    /// What it will weigh in a batch, by the log alone.
    pub(super) fn weight(&self) -> usize {
        let image = |tuple: Tuple<'_>| tuple.bytes() + CELL_BYTES * tuple.columns();
        ROW_BYTES + self.old.map_or(0, |old| image(old.tuple())) + self.new.map_or(0, image)
    }

    /// Writes its images. `key` flags the columns of `table` that a key-only image holds.
    pub(super) fn write(
        self,
        table: &TableSchema,
        key: &[bool],
        images: &mut ImageBuilder<'_>,
    ) -> Result<(), SourceError> {
        let mut broken = None;
        if let Some(old) = self.old {
            expect_columns(table, old.tuple())?;
            images.before(before(table, key, old, &mut broken));
        }
        if let Some(new) = self.new {
            expect_columns(table, new)?;
            images.after(after(table, new, self.old, &mut broken));
        }
        broken.map_or(Ok(()), |column| Err(not_utf8(table, column)))
    }
}

/// The row before. What a key-only image does not hold is sent as null; here it is absent.
fn before<'a, 'b>(
    table: &'a TableSchema,
    key: &'a [bool],
    old: Old<'a>,
    broken: &'b mut Option<&'a Column>,
) -> impl Iterator<Item = Value<'a>> + use<'a, 'b> {
    let full = matches!(old, Old::Full(_));
    let held = key.iter().map(move |key| full || *key);
    old.tuple().cells().zip(&table.columns).zip(held).map(move |((cell, column), held)| {
        if held { value(cell, column, broken) } else { Value::Absent }
    })
}

/// The row after. A large value the update did not touch is taken from the row before, where a
/// full identity (or a key that holds it) has put it; otherwise it is absent.
fn after<'a, 'b>(
    table: &'a TableSchema,
    new: Tuple<'a>,
    old: Option<Old<'a>>,
    broken: &'b mut Option<&'a Column>,
) -> impl Iterator<Item = Value<'a>> + use<'a, 'b> {
    let mut old = old.map(|old| old.tuple().cells());
    new.cells().zip(&table.columns).map(move |(cell, column)| {
        let before = old.as_mut().and_then(Iterator::next);
        match (cell, before) {
            (Cell::Unchanged, Some(before @ Cell::Text(_))) => value(before, column, broken),
            _ => value(cell, column, broken),
        }
    })
}

fn value<'a>(cell: Cell<'a>, column: &'a Column, broken: &mut Option<&'a Column>) -> Value<'a> {
    match cell {
        Cell::Null => Value::Null,
        Cell::Unchanged => Value::Absent,
        Cell::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok();
            if text.is_none() {
                *broken = Some(column);
            }
            text.map_or(Value::Absent, |text| Value::Text(values::canonical(column.kind, text)))
        }
    }
}

fn expect_columns(table: &TableSchema, tuple: Tuple<'_>) -> Result<(), SourceError> {
    let (found, expected) = (tuple.columns(), table.columns.len());
    if found == expected {
        return Ok(());
    }
    let message =
        format!("a row of `{}` has {found} columns, announced were {expected}", table.name);
    Err(SourceError::new(SourceErrorKind::Decode, message))
}

fn not_utf8(table: &TableSchema, column: &Column) -> SourceError {
    let message = format!("a value of `{}`.`{}` is not valid UTF-8", table.name, column.name);
    SourceError::new(SourceErrorKind::Decode, message)
        .with_hint("repair the value in the database, or leave the table out of the publication")
}
