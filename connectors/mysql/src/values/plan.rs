//! How the rows of one table are read: made once per announcement, used for every row.

use std::sync::Arc;

use erpbridge_connector::{ReplicaIdentity, TableSchema};

use super::cell::Reader;
use super::cells::Cells;
use super::width::Width;
use crate::binlog::{Bytes, ColumnMap, Malformed, bit};
use crate::shape::{Disagreement, TableShape};

/// Reads the rows of one table, by its shape and its announcement.
#[derive(Debug)]
pub struct Plan {
    /// The table as the contract describes it.
    pub schema: Arc<TableSchema>,
    columns: Vec<(Width, Reader)>,
}

/// Why a row image cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not rows of this table.
    #[error("the rows are not of the announced columns")]
    Row(#[source] Malformed),
    /// A cell's bytes are no value of its type.
    #[error("column {column}: {why}")]
    Cell {
        /// The column's place.
        column: usize,
        /// What is wrong, without the value.
        why: &'static str,
    },
}

impl Plan {
    /// Checks that the shape can be what is announced, and prepares to read its rows.
    pub fn new(
        shape: &TableShape,
        columns: &[ColumnMap<'_>],
        identity: ReplicaIdentity,
    ) -> Result<Self, Disagreement> {
        shape.agrees(columns)?;
        let mut readers = Vec::with_capacity(columns.len());
        for (known, map) in shape.columns.iter().zip(columns) {
            let (width, reader) =
                Width::of(map).zip(Reader::of(known, map)).ok_or_else(|| Disagreement::Type {
                    column: known.name.clone(),
                    known: known.column_type.clone(),
                    found: map.kind,
                })?;
            readers.push((width, reader));
        }
        Ok(Self { schema: Arc::new(shape.schema(identity)), columns: readers })
    }

    /// Reads one image: first one bit for each cell that is there, set if it is NULL, then the
    /// others. What is left of the rows stays in `rows`.
    pub fn read(
        &self,
        rows: &mut &[u8],
        present: &[u8],
        cells: &mut Cells,
    ) -> Result<(), Unreadable> {
        let mut bytes = Bytes(rows);
        self.read_image(&mut bytes, present, cells)?;
        *rows = bytes.0;
        Ok(())
    }

    fn read_image(
        &self,
        bytes: &mut Bytes<'_>,
        present: &[u8],
        cells: &mut Cells,
    ) -> Result<(), Unreadable> {
        cells.clear();
        let nulls = null_bits(bytes, present, self.columns.len()).map_err(Unreadable::Row)?;
        let mut place = 0;
        for (column, (width, reader)) in self.columns.iter().enumerate() {
            if !bit(present, column) {
                cells.push_absent();
                continue;
            }
            if bit(nulls, place) {
                cells.push_null();
            } else {
                let stored = width.take(bytes).map_err(Unreadable::Row)?;
                cells
                    .push_text(|out| reader.push(stored, out))
                    .map_err(|why| Unreadable::Cell { column, why })?;
            }
            place += 1;
        }
        Ok(())
    }
}

/// Walks over the rows of a table nobody wants.
#[derive(Debug)]
pub struct Walk {
    columns: Vec<Width>,
}

impl Walk {
    /// By the announcement alone; `None` if a column's width stands nowhere.
    pub fn new(columns: &[ColumnMap<'_>]) -> Option<Self> {
        let columns = columns.iter().map(Width::of).collect::<Option<_>>()?;
        Some(Self { columns })
    }

    /// Passes over one image.
    pub fn pass(&self, rows: &mut &[u8], present: &[u8]) -> Result<(), Malformed> {
        let mut bytes = Bytes(rows);
        self.pass_image(&mut bytes, present)?;
        *rows = bytes.0;
        Ok(())
    }

    fn pass_image(&self, bytes: &mut Bytes<'_>, present: &[u8]) -> Result<(), Malformed> {
        let nulls = null_bits(bytes, present, self.columns.len())?;
        let mut place = 0;
        for (column, width) in self.columns.iter().enumerate() {
            if bit(present, column) {
                if !bit(nulls, place) {
                    width.take(bytes)?;
                }
                place += 1;
            }
        }
        Ok(())
    }
}

fn null_bits<'e>(
    bytes: &mut Bytes<'e>,
    present: &[u8],
    columns: usize,
) -> Result<&'e [u8], Malformed> {
    let there = (0..columns).filter(|column| bit(present, *column)).count();
    bytes.take(there.div_ceil(8))
}
