//! Rows of one event: from the log to the cells of a batch, or only counted.

use std::sync::Arc;

use erpbridge_connector::{
    ImageBuilder, Operation, SourceError, SourceErrorKind, TableSchema, Value,
};

use super::tables::{Reading, Table};
use super::{Assembler, Outbox, disorder};
use crate::binlog::{Change, Malformed, Rows};
use crate::values::{Cells, Plan, Unreadable, Walk};

/// What a row weighs beside its cells.
const ROW_BYTES: usize = 64;

/// What a cell weighs beside its text.
const CELL_BYTES: usize = 8;

/// Rows of an event that wait for the end of their transaction.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) table: Arc<Table>,
    change: Change,
    columns: usize,
    present: Box<[u8]>,
    present_after: Box<[u8]>,
    rows: Box<[u8]>,
}

impl Held {
    pub(super) fn of(table: Arc<Table>, rows: Rows<'_>) -> Self {
        Self {
            table,
            change: rows.change,
            columns: rows.columns,
            present: rows.present.into(),
            present_after: rows.present_after.into(),
            rows: rows.rows.into(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.len() + self.present.len() + self.present_after.len() + size_of::<Self>()
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows {
            table_id: 0,
            change: self.change,
            columns: self.columns,
            present: &self.present,
            present_after: &self.present_after,
            rows: &self.rows,
        }
    }
}

impl Assembler {
    /// Takes the rows of an event into the open transaction.
    pub(super) fn held_rows(
        &mut self,
        table: &Arc<Table>,
        rows: Rows<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let known = self.open.as_ref().is_none_or(|open| open.known);
        match &table.reading {
            _ if known => Ok(()),
            Reading::Wanted(_) if rows.change == Change::PartialUpdate => Err(partial(table)),
            Reading::Wanted(plan) => self.wanted(plan, rows, out),
            Reading::Counted(walk) => self.unwanted(Some(walk), rows),
            Reading::Opaque => self.unwanted(None, rows),
        }
    }

    /// Counts rows that nobody wants. Where nobody can tell how many they are, because the log does
    /// not say how wide their cells are, the ordinals move on by as much as they take in bytes: it
    /// is the same each time.
    fn unwanted(&mut self, walk: Option<&Walk>, rows: Rows<'_>) -> Result<(), SourceError> {
        let mut unwanted = std::mem::take(&mut self.unwanted);
        unwanted.clear();
        let walked = walk.is_some_and(|walk| walk_over(walk, rows, &mut unwanted).is_ok());
        if walked {
            for bytes in &unwanted {
                self.count(1, *bytes, rows)?;
            }
        } else {
            let bytes = rows.rows.len();
            self.count(u64::try_from(bytes).unwrap_or(u64::MAX), bytes, rows)?;
        }
        self.unwanted = unwanted;
        Ok(())
    }

    fn wanted(&mut self, plan: &Plan, rows: Rows<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        if rows.columns != plan.schema.columns.len() {
            return Err(undecodable(&plan.schema, Unreadable::Row(Malformed::Short)));
        }
        let mut rest = rows.rows;
        while !rest.is_empty() {
            let before = rest.len();
            let (first, second) = (&mut self.cells.0, &mut self.cells.1);
            plan.read(&mut rest, rows.present, first)
                .and_then(|()| match rows.change {
                    Change::Update => plan.read(&mut rest, rows.present_after, second),
                    _ => Ok(()),
                })
                .map_err(|why| undecodable(&plan.schema, why))?;
            let ordinal = self.count(1, before - rest.len(), rows)?;
            self.open_window(out);
            let operation = operation(rows.change);
            let mut images = self.builder.change(&plan.schema, operation, ordinal);
            write(operation, &self.cells.0, &self.cells.1, &mut images);
        }
        Ok(())
    }

    /// Counts rows by what the log holds of them alone.
    fn count(&mut self, count: u64, bytes: usize, rows: Rows<'_>) -> Result<u64, SourceError> {
        let images = if rows.change == Change::Update { 2 } else { 1 };
        let weight = ROW_BYTES + bytes + CELL_BYTES * images * rows.columns;
        let open = self.open.as_mut().ok_or_else(|| disorder("rows outside a transaction"))?;
        Ok(open.count(count, weight, self.limits.window_bytes))
    }

    /// Makes sure that the batch ends with the open transaction, in its current window.
    fn open_window(&mut self, out: &mut Outbox) {
        let full = self.open.as_ref().is_some_and(|open| open.cut && open.in_batch);
        if full {
            self.hand_over(out);
        }
        let begins = full || self.open.as_ref().is_some_and(|open| !open.in_batch);
        let resume = begins.then(|| self.resume());
        let era = self.places.identity().era;
        let Some(open) = self.open.as_mut() else { return };
        open.cut = false;
        open.sent |= full;
        if let Some(resume) = resume {
            open.in_batch = true;
            self.builder.begin(open.transaction(era, resume));
        }
    }
}

/// The bytes of each row.
fn walk_over(walk: &Walk, rows: Rows<'_>, sizes: &mut Vec<usize>) -> Result<(), Malformed> {
    let mut rest = rows.rows;
    while !rest.is_empty() {
        let before = rest.len();
        walk.pass(&mut rest, rows.present)?;
        if rows.change == Change::Update {
            walk.pass(&mut rest, rows.present_after)?;
        }
        sizes.push(before - rest.len());
    }
    // What changed inside a document is laid out differently.
    if rows.change == Change::PartialUpdate { Err(Malformed::Long) } else { Ok(()) }
}

const fn operation(change: Change) -> Operation {
    match change {
        Change::Insert => Operation::Insert,
        Change::Update | Change::PartialUpdate => Operation::Update,
        Change::Delete => Operation::Delete,
    }
}

/// Writes the images of a row. Where the image after an update leaves a cell out, because it did
/// not change, it is taken from the image before, if that has it.
fn write(operation: Operation, first: &Cells, second: &Cells, images: &mut ImageBuilder<'_>) {
    match operation {
        Operation::Insert | Operation::Read => images.after(first.values()),
        Operation::Delete => images.before(first.values()),
        Operation::Update => {
            let after = second.values().zip(first.values()).map(|(after, before)| match after {
                Value::Absent => before,
                after => after,
            });
            images.before(first.values()).after(after)
        }
    };
}

fn undecodable(table: &TableSchema, why: Unreadable) -> SourceError {
    let place = match why {
        Unreadable::Cell { column, .. } => table.columns.get(column),
        Unreadable::Row(_) => None,
    };
    let message = match place {
        Some(column) => format!("a value of `{}`.`{}` cannot be read", table.name, column.name),
        None => format!("a row of `{}` cannot be read", table.name),
    };
    SourceError::new(SourceErrorKind::Decode, message).with_cause(why).with_hint(
        "repair the value in the database and take a new snapshot of the table, or leave the \
         table out",
    )
}

fn partial(table: &Table) -> SourceError {
    let message =
        format!("an update of `{}` holds only what changed inside a JSON document", table.name());
    SourceError::new(SourceErrorKind::Setup, message).with_hint(
        "run SET PERSIST binlog_row_value_options = '', restart the applications' sessions, and \
         take a new snapshot of the table",
    )
}
