//! One row change: from the rows of a change table to the cells of a batch.
//!
//! Capture does not carry what it does not need: a large value that an update did not touch is
//! NULL in the row after it, and which values an update touched is said by its mask. Such a NULL
//! is *absent* here. The row before an update has a large value only if the update changed it; of
//! the types `text`, `ntext` and `image` no row before has any.
//! <https://learn.microsoft.com/en-us/sql/relational-databases/system-functions/cdc-fn-cdc-get-all-changes-capture-instance-transact-sql>

use erpbridge_connector::{ImageBuilder, Operation, Value};

use crate::catalog::LogColumn;
use crate::cell::Cell;
use crate::change_tables::Change;
use crate::stream::Images;
use crate::values::Large;

/// What a row weighs beside its text and cells.
const ROW_BYTES: usize = 64;

/// A row change as the change tables hold it.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    images: &'a Images,
}

impl<'a> Row<'a> {
    pub(super) fn of(images: &'a Images) -> Self {
        Self { images }
    }

    pub(super) fn operation(self) -> Operation {
        match self.images {
            Images::Insert(_) => Operation::Insert,
            Images::Update(..) => Operation::Update,
            Images::Delete(_) => Operation::Delete,
        }
    }

    /// What it will weigh in a batch, about.
    pub(super) fn weight(self) -> usize {
        ROW_BYTES
            + match self.images {
                Images::Insert(row) | Images::Delete(row) => row.weight(),
                Images::Update(before, after) => {
                    before.as_ref().map_or(0, Change::weight) + after.weight()
                }
            }
    }

    /// Writes its images.
    pub(super) fn write(self, columns: &[LogColumn], images: &mut ImageBuilder<'_>) {
        match self.images {
            Images::Insert(row) => {
                let image = Image::new(columns, |place, _| told(row, place));
                images.after(image.values());
            }
            Images::Delete(row) => {
                let image = Image::new(columns, |place, column| match column.large {
                    Large::Old => Written::Absent,
                    Large::No | Large::Max => told(row, place),
                });
                images.before(image.values());
            }
            Images::Update(before, after) => write_update(columns, before.as_ref(), after, images),
        }
    }
}

fn write_update(
    columns: &[LogColumn],
    before: Option<&Change>,
    after: &Change,
    images: &mut ImageBuilder<'_>,
) {
    if let Some(before) = before {
        let image = Image::new(columns, |place, column| match column.large {
            Large::No => told(before, place),
            Large::Old => Written::Absent,
            Large::Max => unless_left_out(before, place, after.changed(column.ordinal)),
        });
        images.before(image.values());
    }
    let image = Image::new(columns, |place, column| match column.large {
        Large::No => told(after, place),
        Large::Old | Large::Max => unless_left_out(after, place, after.changed(column.ordinal)),
    });
    images.after(image.values());
}

fn told(row: &Change, place: usize) -> Written<'_> {
    match row.cells().get(place) {
        None => Written::Absent,
        Some(Cell::Null) => Written::Null,
        Some(cell) => Written::Cell(cell),
    }
}

/// NULL means nothing where the column did not change.
fn unless_left_out(row: &Change, place: usize, changed: bool) -> Written<'_> {
    match told(row, place) {
        Written::Null if !changed => Written::Absent,
        told => told,
    }
}

/// A cell on its way into a batch.
#[derive(Clone, Copy)]
enum Written<'a> {
    Absent,
    Null,
    Cell(&'a Cell),
}

/// An image as text: one block, and where each cell of it ends.
struct Image {
    text: String,
    cells: Vec<Ended>,
}

/// A cell in an image's text.
#[derive(Clone, Copy)]
enum Ended {
    Absent,
    Null,
    At(usize),
}

impl Image {
    fn new<'c>(
        columns: &'c [LogColumn],
        written: impl Fn(usize, &'c LogColumn) -> Written<'c>,
    ) -> Self {
        let mut text = String::new();
        let cells =
            columns.iter().enumerate().map(|(place, column)| match written(place, column) {
                Written::Absent => Ended::Absent,
                Written::Null => Ended::Null,
                Written::Cell(cell) => {
                    cell.write(&mut text);
                    Ended::At(text.len())
                }
            });
        let cells = cells.collect();
        Self { text, cells }
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let mut start = 0;
        self.cells.iter().map(move |cell| match cell {
            Ended::Absent => Value::Absent,
            Ended::Null => Value::Null,
            Ended::At(end) => {
                let text = self.text.get(start..*end).unwrap_or_default();
                start = *end;
                Value::Text(text)
            }
        })
    }
}
