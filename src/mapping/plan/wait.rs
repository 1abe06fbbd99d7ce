//! Changes that wait for a row they look up: set aside, and tried again.

use erpbridge_connector::{Operation, Value};

use super::failure::{Failure, Halt, PlanError};
use super::row::Row;
use super::sight::{Ground, Sight};
use super::value::{join, join_cells};
use super::{Desk, TablePlan, View, Work};
use crate::canonical::EventBatch;
use crate::deadletter::Reason;
use crate::mapping::bind::Slot;
use crate::mapping::file::Shape;
use crate::mapping::kept::RowsError;
use crate::mapping::memory::Memory;
use crate::mapping::net::NetChange;
use crate::mapping::stage::Bound;
use crate::mapping::waiting::{Awaited, Entry, Waiter, Waits};

/// Why a change does not wait, behind the sentence that says what it lacks.
const IN_VAIN: &str = ", and it was waited for in vain";
const TOO_MANY: &str = ", and too many changes wait already";
const OF_A_SNAPSHOT: &str = ", and rows of a snapshot do not wait";
const NO_KEY: &str = ", and without its key a row cannot wait";

impl TablePlan {
    /// Tries a change again that waited. Whether it has left the ledger.
    ///
    /// # Errors
    /// If remembered rows cannot be read or written, or the mapping says to stop.
    pub fn retry(
        &self,
        waiter: &Waiter,
        change: &NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &mut Desk,
        out: &mut EventBatch,
    ) -> Result<bool, PlanError> {
        desk.clear();
        let mut work = Work::new(change, memory, desk, out);
        let Some(view) = self.views.iter().find(|view| *view.alias == *waiter.alias()) else {
            self.lost(waiter, change, &mut work);
            work.memory.leave(waiter)?;
            return Ok(true);
        };
        for (link, one, other) in waiter.links() {
            work.memory.note_fresh(change.told_as(), link, (one, other));
        }
        view.connect(change, false, work.memory, work.desk)?;
        let mark = work.out.mark();
        work.memory.ledger.waits =
            if waiter.is_patient() { Waits::Yes } else { Waits::No(IN_VAIN) };
        let told = view.make_all(change, waiter.moved(), &mut work);
        work.memory.ledger.waits = Waits::Yes;
        let links = work.memory.take_fresh(change.told_as(), |_| true);
        match told {
            Ok(()) => work.memory.leave(waiter)?,
            Err(Halt::Plan(error)) => return Err(error),
            Err(Halt::Wait(awaited)) => {
                work.out.rewind(mark);
                work.memory.wait_on(waiter, &awaited, links)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A change whose mapping is gone.
    fn lost(&self, waiter: &Waiter, change: &NetChange<'_>, work: &mut Work<'_, '_>) {
        let template = match (self.views.first(), &self.unfit) {
            (Some(view), _) => &view.template,
            (None, Some(unfit)) => &unfit.template,
            (None, None) => return,
        };
        let alias = waiter.alias();
        let detail = format!("it waited for a row, and the mapping has no `{alias}` any more");
        let failure = Failure::new(Reason::SchemaDrift, detail);
        let table = change.table.name.to_string();
        work.out.dead_letters.push(failure.of_table(template, &table, change));
    }
}

impl View {
    /// Whether any lookup that its rules may make waits for its row.
    pub(in crate::mapping) fn can_wait(&self) -> bool {
        let waits = |slots: &[Slot]| slots.iter().any(|slot| slot.missing.patience().is_some());
        let raised = self.exceptions.iter().flat_map(|raised| [&raised.opened, &raised.closed]);
        let mut fields = self.rules.iter().chain(raised).flat_map(|rule| &rule.fields);
        let lists = |shape: &Shape<Bound>| match shape {
            Shape::List(children) => waits(&children.slots),
            _ => false,
        };
        waits(&self.slots) || fields.any(|field| lists(&field.shape))
    }

    /// Makes the events of a change, or sets it aside until they can be made.
    pub(super) fn apply(
        &self,
        change: &NetChange<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<(), PlanError> {
        if self.is_silent() {
            return Ok(());
        }
        if self.is_behind(change, work.memory, work.desk)? && !self.only_moved_here(change, work) {
            return self.get_behind(change, work);
        }
        let (mark, index) = (work.out.mark(), work.index);
        let awaited = match self.make_all(change, false, work) {
            Ok(()) => return Ok(()),
            Err(Halt::Plan(error)) => return Err(error),
            Err(Halt::Wait(awaited)) => awaited,
        };
        work.out.rewind(mark);
        work.index = index;
        work.opened.clear();
        let Some(why) = self.set_aside(&awaited, change, work)? else { return Ok(()) };
        work.memory.ledger.waits = Waits::No(why);
        let told = self.make_all(change, false, work);
        work.memory.ledger.waits = Waits::Yes;
        match told {
            Err(Halt::Plan(error)) => Err(error),
            // Nothing waits that may not.
            Ok(()) | Err(Halt::Wait(_)) => Ok(()),
        }
    }

    /// Whether something of the change's row waits.
    pub(super) fn is_behind(
        &self,
        change: &NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<bool, RowsError> {
        // What a snapshot finds is how things are now; it is not put behind anything.
        if change.transaction.snapshot || !memory.may_wait(self.waits)? {
            return Ok(false);
        }
        self.row_of(change, desk).map_or(Ok(false), |row| memory.row_waits(row))
    }

    /// Sets a change aside; if it cannot wait, why not.
    fn set_aside(
        &self,
        awaited: &Awaited,
        change: &NetChange<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<Option<&'static str>, PlanError> {
        if change.transaction.snapshot || change.operation == Operation::Read {
            return Ok(Some(OF_A_SNAPSHOT));
        }
        let Some(row) = self.row_of(change, work.desk) else { return Ok(Some(NO_KEY)) };
        let entry = self.entry(row, change, work);
        let room = work.memory.set_aside(entry, Some(awaited))?;
        Ok((!room).then_some(TOO_MANY))
    }

    /// Sets a change aside behind what waits of its row. If there is no room for it, it cannot be
    /// told: it would overtake.
    fn get_behind(&self, change: &NetChange<'_>, work: &mut Work<'_, '_>) -> Result<(), PlanError> {
        let Some(row) = self.row_of(change, work.desk) else { return Ok(()) };
        let entry = self.entry(row, change, work);
        if !work.memory.set_aside(entry, None)? {
            let detail = format!("an earlier change of the row waits{TOO_MANY}");
            let failure = Failure::new(Reason::LookupMiss, detail);
            work.out.dead_letters.push(failure.of_table(&self.template, &self.table, change));
        }
        Ok(())
    }

    fn entry(&self, row: &str, change: &NetChange<'_>, work: &mut Work<'_, '_>) -> Entry {
        let own = |id: &str| self.links.iter().any(|link| *link.id == *id);
        let links = work.memory.take_fresh(change.told_as(), own);
        let moved = self.has_moved(change, work);
        Entry::new(&self.alias, row, change, moved, links)
    }

    /// Whether the row was deleted here and inserted elsewhere.
    fn has_moved(&self, change: &NetChange<'_>, work: &Work<'_, '_>) -> bool {
        let Some(moved) = &self.moved else { return false };
        let Some(image) = &change.before else { return false };
        let sight = Sight { row: Ground::Net(image), looked: &[], company: None, desk: work.desk };
        let key = join(&moved.by, &Row::alone(sight)).ok().and_then(Value::text);
        change.operation == Operation::Delete
            && key.is_some_and(|key| work.memory.moved_away(&moved.to, key))
    }

    /// Whether the row only came from another table.
    fn only_moved_here(&self, change: &NetChange<'_>, work: &Work<'_, '_>) -> bool {
        let key = self.key_of(change, work.desk);
        let arrival = self.arrival.as_deref();
        arrival.zip(key).is_some_and(|(arrival, key)| work.memory.moved_here(arrival, key))
    }

    /// What tells the row from all others that may have something waiting.
    fn row_of<'d>(&self, change: &NetChange<'_>, desk: &'d Desk) -> Option<&'d str> {
        let key = self.key_of(change, desk)?;
        Some(desk.copy(&format!("{}\u{1f}{}{key}", self.alias, self.prefix)))
    }

    fn key_of<'d>(&self, change: &NetChange<'_>, desk: &'d Desk) -> Option<&'d str> {
        let image = change.after.as_ref().or(change.before.as_ref())?;
        let sight = Sight { row: Ground::Net(image), looked: &[], company: None, desk };
        let key = join_cells(&self.key, &Row::alone(sight)).text().map(|key| desk.copy(key));
        key.filter(|key| !key.is_empty())
    }
}
