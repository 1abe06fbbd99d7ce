//! What is remembered of a table: last images of the columns a mapping keeps.

use std::sync::Arc;

use erpbridge_connector::{Operation, Value};
use smallvec::SmallVec;

use super::row::Row;
use super::sight::{Ground, Sight};
use super::value::{join, join_cells};
use super::{Desk, TablePlan, View};
use crate::mapping::bind::Formula;
use crate::mapping::file::Pick;
use crate::mapping::kept::{KeptRow, KeptTable, RowsError};
use crate::mapping::memory::Memory;
use crate::mapping::net::{NetChange, NetImage};
use crate::mapping::stage::Bound;

/// What leads from a row to another: its key, and which rows lead there.
type Leads = (Box<[Pick<Bound>]>, Option<Formula>);

/// What is remembered of a table.
#[derive(Debug)]
pub(in crate::mapping) struct Keeping {
    /// Where.
    pub table: KeptTable,
    /// What keys begin with there.
    pub prefix: Box<str>,
    /// The columns, in the order of their cells.
    pub columns: Box<[usize]>,
    /// The cell of every column.
    pub places: Arc<[Option<u16>]>,
    /// By what children are found, for each index.
    pub parents: Box<[Leads]>,
    /// Whether changes may wait for rows of it.
    pub awaited: bool,
}

impl TablePlan {
    /// Forgets all rows: the table was emptied by one statement.
    ///
    /// # Errors
    /// If rows cannot be read or forgotten.
    pub fn forget(&self, memory: &mut Memory<'_>) -> Result<(), RowsError> {
        let keeping = self.views.iter().filter_map(|view| view.keeping.as_ref());
        keeping.into_iter().try_for_each(|keeping| memory.clear(keeping.table, &keeping.prefix))
    }

    /// Fills what the log did not carry of the old row, and remembers the new one.
    ///
    /// # Errors
    /// If rows cannot be read or remembered.
    pub fn remember(
        &self,
        change: &mut NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &mut Desk,
    ) -> Result<(), RowsError> {
        desk.clear();
        for view in &self.views {
            if let Some(keeping) = &view.keeping {
                keeping.remember(view, change, memory, desk)?;
            }
            view.arrive(change, memory, desk);
        }
        Ok(())
    }
}

impl View {
    fn arrive(&self, change: &NetChange<'_>, memory: &mut Memory<'_>, desk: &Desk) {
        let after = change.after.as_ref().filter(|_| change.operation == Operation::Insert);
        if let Some((image, arrival)) = after.zip(self.arrival.as_deref())
            && let Some(key) = join_cells(&self.key, &alone(image, desk)).text()
        {
            memory.arrive(arrival, key);
        }
    }
}

fn alone<'v>(image: &'v NetImage<'v>, desk: &'v Desk) -> Row<'v> {
    Row::alone(Sight { row: Ground::Net(image), looked: &[], company: None, desk })
}

impl Keeping {
    fn remember(
        &self,
        view: &View,
        change: &mut NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<(), RowsError> {
        let image = change.after.as_ref().or(change.before.as_ref());
        let key = image.and_then(|image| join_cells(&view.key, &alone(image, desk)).text());
        // A row without its whole key cannot be found again.
        let Some(key) = key.map(|key| desk.prefixed(&self.prefix, key)) else {
            return Ok(());
        };
        let key = desk.copy(key);
        let known = memory.get(self.table, key)?;
        if let Some(known) = &known {
            change.fill_before(known, &self.places, self.columns.len());
        }
        match &change.after {
            None => memory.remove(self.table, key, known.as_ref()),
            Some(image) if !view.wants(change.operation, image, desk) => {
                memory.remove(self.table, key, known.as_ref())
            }
            Some(image) => self.put(image, known.as_ref(), key, memory, desk),
        }
    }

    fn put(
        &self,
        image: &NetImage<'_>,
        known: Option<&KeptRow>,
        key: &str,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<(), RowsError> {
        let count = self.columns.len();
        let cells = self.columns.iter().enumerate().map(|(place, column)| {
            match (image.get(*column), known) {
                // What the log left out is as it was.
                (Value::Absent, Some(known)) => known.get(place, count),
                (value, _) => value,
            }
        });
        let row = KeptRow::new(cells);
        let sight = Sight { row: Ground::Net(image), looked: &[], company: None, desk };
        let parents: SmallVec<[Option<&str>; 4]> = self
            .parents
            .iter()
            .map(|(by, condition)| {
                let row = Row::alone(sight);
                let leads = condition.as_ref().is_none_or(|c| row.holds(c).unwrap_or(false));
                join(by, &row).ok().filter(|_| leads).and_then(Value::text)
            })
            .map(|parent| parent.map(|parent| desk.prefixed(&self.prefix, parent)))
            .collect();
        memory.put(self.table, key, &row, &parents)?;
        if self.awaited { memory.come(self.table, key) } else { Ok(()) }
    }
}
