//! Lists: the rows that point to a row, each with fields of its own.

use super::failure::{Failure, Trouble};
use super::look::look_up;
use super::row::Row;
use super::sight::{Ground, LookedRows, Sight};
use super::value::join;
use crate::canonical::FieldWriter;
use crate::deadletter::Reason;
use crate::mapping::bind::{Cell, Children, Formula};
use crate::mapping::codec;
use crate::mapping::kept::KeptRow;
use crate::mapping::memory::Memory;

/// More parts than this do not belong into one event.
const MAX_ITEMS: usize = 1000;

/// More than this are not looked through for those that belong.
const MAX_FILTERED: usize = 10_000;

/// A row of a list, with its remembered key.
type Child = (Box<str>, KeptRow);

fn within(name: &str, rows: usize, most: usize) -> Result<(), Failure> {
    if rows <= most {
        return Ok(());
    }
    Err(Failure::new(Reason::TooLarge, format!("field `{name}` has more than {most} rows")))
}

impl Children {
    /// Writes the rows that point to `parent`.
    pub(super) fn write(
        &self,
        name: &str,
        parent: &str,
        row: &Row<'_>,
        memory: &mut Memory<'_>,
        writer: &mut FieldWriter<'_>,
    ) -> Result<(), Trouble> {
        let desk = row.is.desk;
        let parent = desk.prefixed(&self.prefix, desk.copy(parent));
        let most = if self.condition.is_some() { MAX_FILTERED } else { MAX_ITEMS };
        let mut rows = memory.children(self.table, self.index, parent, most)?;
        within(name, rows.len(), most)?;
        if let Some(condition) = &self.condition {
            rows = self.filtered(rows, condition, row, memory)?;
            within(name, rows.len(), MAX_ITEMS)?;
        }
        if let Some((sort, wanted)) = &self.sort {
            rows = self.sorted(rows, sort, wanted, row, memory)?;
        }
        writer.list(name, |list| {
            for (key, kept) in &rows {
                let mut looked = LookedRows::new();
                looked.resize_with(self.slots.len(), Default::default);
                let ground = Ground::Kept(kept, self.count);
                let all: Vec<usize> = (0..self.slots.len()).collect();
                look_up(&self.slots, &all, ground, &mut looked, desk, memory)?;
                let sight = Sight { row: ground, looked: &looked, company: row.is.company, desk };
                let item = Row::alone(sight);
                let key = self.key_of(key, &item)?;
                list.item(key, |fields| {
                    self.fields.iter().try_for_each(|field| field.write(key, &item, memory, fields))
                })?;
            }
            Ok(())
        })
    }

    /// The rows for which a condition holds.
    fn filtered(
        &self,
        rows: Vec<Child>,
        condition: &Formula,
        row: &Row<'_>,
        memory: &mut Memory<'_>,
    ) -> Result<Vec<Child>, Trouble> {
        let mut wanted = Vec::new();
        for (key, kept) in rows {
            let mut looked = LookedRows::new();
            looked.resize_with(self.slots.len(), Default::default);
            let ground = Ground::Kept(&kept, self.count);
            look_up(&self.slots, &self.guards, ground, &mut looked, row.is.desk, memory)?;
            let sight = Sight { row: ground, looked: &looked, ..row.is };
            if Row::alone(sight).holds(condition)? {
                wanted.push((key, kept));
            }
        }
        Ok(wanted)
    }

    fn key_of<'v>(&'v self, remembered: &'v str, item: &Row<'v>) -> Result<&'v str, Failure> {
        let Some(key) = &self.key else {
            return Ok(remembered.strip_prefix(&*self.prefix).unwrap_or(remembered));
        };
        join(key, item)?.text().ok_or_else(|| Failure::missing("the key of an item"))
    }

    /// By number where both are numbers; what has no value comes last.
    fn sorted(
        &self,
        rows: Vec<Child>,
        sort: &Cell,
        wanted: &[usize],
        row: &Row<'_>,
        memory: &mut Memory<'_>,
    ) -> Result<Vec<Child>, Trouble> {
        let desk = row.is.desk;
        let mut placed = Vec::with_capacity(rows.len());
        for child in rows {
            let mut looked = LookedRows::new();
            looked.resize_with(self.slots.len(), Default::default);
            let ground = Ground::Kept(&child.1, self.count);
            look_up(&self.slots, wanted, ground, &mut looked, desk, memory)?;
            let place = sort.read(&Sight { row: ground, looked: &looked, ..row.is });
            placed.push((place.text().map(|place| desk.copy(place)), child));
        }
        placed.sort_by(|(one, _), (other, _)| match (one, other) {
            (Some(one), Some(other)) => codec::compare(one, other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        });
        Ok(placed.into_iter().map(|(_, child)| child).collect())
    }
}
