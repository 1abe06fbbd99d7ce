//! Lookups: from a row to the rows it points to, as of the end of its transaction.

use erpbridge_connector::Value;

use super::desk::Desk;
use super::failure::{Failure, Trouble, undecodable};
use super::row::Row;
use super::sight::{Ground, Looked, Sight};
use super::value::join;
use crate::deadletter::Reason;
use crate::mapping::bind::{Slot, SumPlan};
use crate::mapping::expression;
use crate::mapping::file::{Codec, Missing};
use crate::mapping::kept::KeptRow;
use crate::mapping::memory::Memory;
use crate::mapping::waiting::{Awaited, Waits};

/// Asks for the lookups `wanted` that nobody asked for yet. They come in the order in which they
/// lean on each other.
pub(super) fn look_up(
    slots: &[Slot],
    wanted: &[usize],
    ground: Ground<'_>,
    looked: &mut [Looked],
    desk: &Desk,
    memory: &mut Memory<'_>,
) -> Result<(), Trouble> {
    for place in wanted {
        let (Some(slot), Some(Looked::Unasked)) = (slots.get(*place), looked.get(*place)) else {
            continue;
        };
        let found = {
            let sight = Sight { row: ground, looked, company: None, desk };
            let row = Row::alone(sight);
            slot.find(&row, memory)?
        };
        if let Some(known) = looked.get_mut(*place) {
            *known = found;
        }
    }
    Ok(())
}

impl Slot {
    fn find(&self, row: &Row<'_>, memory: &mut Memory<'_>) -> Result<Looked, Trouble> {
        let leads = match self.condition.as_ref().map_or(Ok(true), |only| row.holds(only)) {
            Err(failure) if failure.reason == Reason::AbsentValue => return Ok(Looked::Unasked),
            leads => leads?,
        };
        let key = match join(&self.by, row)? {
            _ if !leads => return Ok(Looked::Nowhere),
            Value::Text(key) => key,
            Value::Null => return Ok(Looked::Nowhere),
            // What it would say is not known either: an event of a deleted row may do without.
            Value::Absent => return Ok(Looked::Unasked),
        };
        let key = row.is.desk.prefixed(&self.prefix, key);
        if let Some(sum) = &self.sum {
            return sum.of(self, key, row, memory);
        }
        match memory.get(self.table, key)? {
            Some(row) => Ok(Looked::Row(row)),
            None => self.miss(key, memory),
        }
    }

    /// What a row means that is not there.
    fn miss(&self, key: &str, memory: &Memory<'_>) -> Result<Looked, Trouble> {
        let why = match (self.missing, memory.ledger.waits) {
            (Missing::Null, _) => return Ok(Looked::Nowhere),
            (Missing::Wait(patience), Waits::Yes) => {
                let (table, key) = (self.table, key.into());
                return Err(Trouble::Wait(Awaited { table, key, patience }));
            }
            (Missing::Wait(_), Waits::No(why)) => why,
            (Missing::Wait(_), Waits::Seeding) | (Missing::DeadLetter, _) => "",
        };
        let detail = format!("lookup `{}` found no row of `{}`{why}", self.path, self.target);
        Err(Failure::new(Reason::LookupMiss, detail).into())
    }
}

/// More rows than this are not added up for one event.
const MAX_SUMMED: usize = 10_000;

impl SumPlan {
    /// The sum of the rows that point to `key`, as a row of one cell.
    fn of(
        &self,
        slot: &Slot,
        key: &str,
        row: &Row<'_>,
        memory: &mut Memory<'_>,
    ) -> Result<Looked, Trouble> {
        let desk = row.is.desk;
        let rows = memory.children(slot.table, self.index, key, MAX_SUMMED)?;
        if rows.len() > MAX_SUMMED {
            let detail = format!("sum `{}` has more than {MAX_SUMMED} rows", slot.path);
            return Err(Failure::new(Reason::TooLarge, detail).into());
        }
        let mut total = "0";
        for (_, kept) in &rows {
            let ground = Ground::Kept(kept, self.count);
            let item = Row::alone(Sight { row: ground, looked: &[], company: None, desk });
            let counts = self.condition.as_ref().map_or(Ok(true), |c| item.holds(c))?;
            let Value::Text(number) = self.of.read(&item.is) else { continue };
            if counts {
                let sum =
                    desk.decoded(total, |total, scratch| expression::add(total, number, scratch));
                total = sum.ok_or_else(|| undecodable(&self.of, &Codec::Decimal))?;
            }
        }
        Ok(Looked::Row(KeptRow::new(std::iter::once(Value::Text(total)))))
    }
}
