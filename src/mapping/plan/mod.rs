//! A bound table: from one net change to its events.
//!
//! This is the hot path. Columns are indexes, code tables are hashed, values borrow from the row
//! or from the [`Desk`], whose memory is used again for every change, and JSON goes straight into
//! the batch. What cannot become an event becomes a dead letter, and the other rules of the same
//! row go on; only when remembered rows cannot be read nothing may go on.
//!
//! A transaction goes through its plans in three turns, so that what is looked up is as of its
//! end, whatever the order of its changes: every change [`remember`](TablePlan::remember)s its
//! row, then every change [`connect`](TablePlan::connect)s what it links, then every change is
//! [`apply`](TablePlan::apply)d.

mod adjust;
mod admit;
mod cells;
mod desk;
mod exception;
mod failure;
mod fire;
mod formula;
mod link;
mod list;
mod look;
mod remember;
mod row;
mod sight;
mod trial;
mod value;
mod wait;
mod write;

use erpbridge_connector::{Operation, TableSchema, Value};
use smallvec::SmallVec;

pub use self::desk::Desk;
pub(super) use self::exception::ExceptionPlan;
pub use self::failure::PlanError;
use self::failure::{Failure, Halt, Trouble};
pub(super) use self::link::LinkPlan;
use self::look::look_up;
pub(super) use self::remember::Keeping;
use self::row::Row;
pub(super) use self::sight::Sight;
use self::sight::{Ground, LookedRows};
pub(super) use self::trial::Complaint;
pub use self::trial::Trial;
use super::bind::{Cell, Formula, Origin, Slot};
use super::file::{Drift, Field, Filter, Moved, Part, Pick, Policy, Scope, Step, Transition, When};
use super::memory::Memory;
use super::net::{NetChange, NetImage};
use super::stage::Bound;
use crate::canonical::{EventBatch, EventDef, EventTemplate, catalog};
use crate::deadletter::Reason;
use crate::document::Place;

/// What the mappings make of one table, at one of its shapes.
#[derive(Debug)]
pub struct TablePlan {
    key: Box<[usize]>,
    compared: Box<[bool]>,
    views: Box<[View]>,
    /// Why no mapping fits, if every change is to be a dead letter.
    unfit: Option<Unfit>,
}

/// A table that its mapping no longer fits.
#[derive(Debug)]
struct Unfit {
    table: Box<str>,
    detail: Box<str>,
    template: EventTemplate,
}

/// A table under one of its aliases.
#[derive(Debug)]
pub(super) struct View {
    /// `mapping/alias`.
    pub(super) alias: Box<str>,
    /// `schema.table`.
    pub(super) table: Box<str>,
    /// What remembered keys of this table and those beside it begin with.
    pub(super) prefix: Box<str>,
    /// For the id of a change that could not even be looked at.
    pub(super) template: EventTemplate,
    pub(super) key: Box<[Cell]>,
    pub(super) filter: Filter<Bound>,
    /// What the filter looks up.
    pub(super) filter_slots: Box<[usize]>,
    pub(super) company: Scope<Bound>,
    pub(super) plant: Option<Scope<Bound>>,
    pub(super) ignored: Vec<usize>,
    pub(super) keeping: Option<Keeping>,
    pub(super) moved: Option<Moved<Bound>>,
    /// Under which name rows of other tables move here, if any do.
    pub(super) arrival: Option<Box<str>>,
    pub(super) slots: Box<[Slot]>,
    pub(super) rules: Box<[RulePlan]>,
    pub(super) exceptions: Box<[ExceptionPlan]>,
    pub(super) links: Box<[LinkPlan]>,
    pub(super) drift: Drift,
    /// Whether a change may wait for a row it looks up.
    pub(super) waits: bool,
}

/// A rule, bound to its table.
#[derive(Debug)]
pub(super) struct RulePlan {
    pub(super) id: Box<str>,
    pub(super) event: &'static EventDef,
    pub(super) template: EventTemplate,
    pub(super) when: When,
    pub(super) transition: Option<Transition<Bound>>,
    pub(super) became: Option<Formula>,
    pub(super) changed: Box<[Cell]>,
    pub(super) filter: Filter<Bound>,
    /// What must be looked up to know whether it fires.
    pub(super) guards: Box<[usize]>,
    pub(super) key: Option<Box<[Pick<Bound>]>>,
    pub(super) plant: Option<Scope<Bound>>,
    pub(super) number: Option<Part<Bound>>,
    pub(super) effective: Option<Part<Bound>>,
    pub(super) aliases: Box<[Cell]>,
    pub(super) codes: Box<[Cell]>,
    pub(super) extensions: Box<[(Box<str>, Cell)]>,
    pub(super) fields: Box<[Field<Bound>]>,
    /// What must be looked up to write it.
    pub(super) slots: Box<[usize]>,
    /// Whether another source speaks for what it tells.
    pub(super) replica: bool,
    /// Whether its entity may have an ancestor.
    pub(super) linked: bool,
    pub(super) place: Place,
}

/// The making of a change's events.
pub(super) struct Work<'w, 'r> {
    memory: &'w mut Memory<'r>,
    desk: &'w Desk,
    out: &'w mut EventBatch,
    /// Index of the next event.
    index: u32,
    /// The cell whose unknown code is already told: several rules watch one status column.
    reported: Option<Origin>,
    /// Exceptions that the change opens, with the time, and closes. They are remembered once the
    /// change is mapped: it may yet turn out to wait.
    opened: SmallVec<[(&'w str, Option<&'w str>); 2]>,
}

impl<'w, 'r> Work<'w, 'r> {
    fn new(
        change: &NetChange<'_>,
        memory: &'w mut Memory<'r>,
        desk: &'w Desk,
        out: &'w mut EventBatch,
    ) -> Self {
        let (index, opened) = (change.index, SmallVec::new());
        Self { memory, desk, out, index, reported: None, opened }
    }
}

/// A row on its way through a view.
struct Pass<'c> {
    change: &'c NetChange<'c>,
    step: Step,
    image: &'c NetImage<'c>,
    before: Option<&'c NetImage<'c>>,
}

impl TablePlan {
    pub(super) fn new(key: Box<[usize]>, compared: Box<[bool]>, views: Box<[View]>) -> Self {
        Self { key, compared, views, unfit: None }
    }

    /// A plan that makes every change a dead letter, until the mapping is mended.
    pub fn unfit(source: &str, table: &TableSchema, detail: &str) -> Self {
        let event = catalog().events().next().expect("there are events");
        let unfit = Unfit {
            table: table.name.to_string().into(),
            detail: detail.into(),
            template: EventTemplate::new(event, source, "table", ""),
        };
        let (key, compared) = (table.primary_key.clone().into(), Box::default());
        Self { key, compared, views: Box::default(), unfit: Some(unfit) }
    }

    /// The columns that identify a row, in key order.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// Whether a change of this column alone is a change: a rule reads it, and it is not ignored.
    /// Two images of one row have the same key.
    pub fn compares(&self, column: usize) -> bool {
        self.compared.get(column).copied().unwrap_or(true) && !self.key.contains(&column)
    }

    /// Whether anything is remembered of the table.
    pub fn keeps(&self) -> bool {
        self.views.iter().any(|view| view.keeping.is_some() || view.arrival.is_some())
    }

    /// Whether applying a change changes what is remembered, so that it must be done even if its
    /// events are stored already.
    pub fn is_stateful(&self) -> bool {
        self.views.iter().any(|view| view.waits || view.claims() || !view.exceptions.is_empty())
    }

    /// Appends the events and dead letters of a net change. Their ordinal is the change's.
    ///
    /// # Errors
    /// If remembered rows cannot be read. What was appended is not to be published then.
    pub fn apply(
        &self,
        change: &NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &mut Desk,
        out: &mut EventBatch,
    ) -> Result<(), PlanError> {
        if let Some(unfit) = &self.unfit {
            let failure = Failure::new(Reason::SchemaDrift, &*unfit.detail);
            out.dead_letters.push(failure.of_table(&unfit.template, &unfit.table, change));
        }
        desk.clear();
        let mut work = Work::new(change, memory, desk, out);
        for view in &self.views {
            view.apply(change, &mut work)?;
        }
        Ok(())
    }
}

impl View {
    /// Whether nothing is to be made of its changes.
    fn is_silent(&self) -> bool {
        self.rules.is_empty() && self.exceptions.is_empty() && self.links.is_empty()
    }

    /// Makes everything of a change. `moved` tells of one that waited that its row had moved.
    fn make_all(
        &self,
        change: &NetChange<'_>,
        moved: bool,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Halt> {
        let mut looked = LookedRows::new();
        looked.resize_with(self.slots.len(), Default::default);
        let mut pass = match self.pass(change, &mut looked, work.memory, work.desk) {
            Ok(Some(pass)) => pass,
            Ok(None) => return Ok(()),
            Err(Trouble::Rows(error)) => return Err(error.into()),
            Err(Trouble::Wait(awaited)) => return Err(Halt::Wait(awaited)),
            Err(Trouble::Letter(failure)) => {
                work.out.dead_letters.push(failure.letter(&self.template, self, None, change));
                return Ok(());
            }
        };
        if !self.settle_move(&mut pass, work.memory, work.desk) {
            return Ok(());
        }
        if moved && pass.step == Step::Deleted {
            pass.step = Step::Moved;
        }
        work.reported = None;
        for rule in self.rules.iter().filter(|rule| rule.when.has(pass.step)) {
            let made = self.make(rule, &pass, &mut looked, work);
            self.settle(made, rule, change, work)?;
        }
        self.raise(&pass, &mut looked, work)?;
        self.tell_links(&pass, &mut looked, work)?;
        for (name, since) in std::mem::take(&mut work.opened) {
            work.memory.set_open(name, since)?;
        }
        Ok(())
    }

    /// A row deleted here and inserted there has moved: it is neither gone nor new.
    fn settle_move(&self, pass: &mut Pass<'_>, memory: &mut Memory<'_>, desk: &Desk) -> bool {
        let sight = Sight { row: Ground::Net(pass.image), looked: &[], company: None, desk };
        let row = Row::alone(sight);
        if pass.step == Step::Deleted
            && let Some(moved) = &self.moved
            && let Ok(Value::Text(key)) = value::join(&moved.by, &row)
            && memory.depart(&moved.to, key)
        {
            pass.step = Step::Moved;
        }
        let arrival = self.arrival.as_deref().filter(|_| pass.step == Step::Inserted);
        let key = arrival.and_then(|_| value::join_cells(&self.key, &row).text());
        !arrival.zip(key).is_some_and(|(arrival, key)| memory.moved_here(arrival, key))
    }

    /// Makes the rule's event, if it fires. Whether it did.
    fn make(
        &self,
        rule: &RulePlan,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<bool, Trouble> {
        let (ground, desk) = (Ground::Net(pass.image), work.desk);
        look_up(&self.slots, &rule.guards, ground, looked, desk, work.memory)?;
        let before = self.look_back(rule, pass, work)?;
        let known = self.known_company(pass, looked, desk);
        let mut row = pass.row(looked, desk, known);
        if let Some(was) = &mut row.was {
            was.looked = &before;
        }
        let fired = rule.fires(&row, work)?;
        let Some(fired) = fired.map(|fired| fired.keep(desk)) else { return Ok(false) };
        look_up(&self.slots, &rule.slots, ground, looked, desk, work.memory)?;
        let company = write::company(&self.company, &pass.row(looked, desk, None).is)?;
        let row = pass.row(looked, desk, Some(company));
        rule.write(self, pass, &row, fired, work)?;
        Ok(true)
    }

    /// What the old row led to, as that is now: whether a rule fires may depend on it.
    fn look_back(
        &self,
        rule: &RulePlan,
        pass: &Pass<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<LookedRows, Trouble> {
        let mut looked = LookedRows::new();
        if let Some(image) = pass.before.filter(|_| !rule.guards.is_empty()) {
            looked.resize_with(self.slots.len(), Default::default);
            let ground = Ground::Net(image);
            look_up(&self.slots, &rule.guards, ground, &mut looked, work.desk, work.memory)?;
        }
        Ok(looked)
    }

    /// Whose row it is, as far as that is known without looking anything up: code tables may
    /// differ by company.
    fn known_company<'v>(
        &'v self,
        pass: &Pass<'v>,
        looked: &'v LookedRows,
        desk: &'v Desk,
    ) -> Option<&'v str> {
        write::company(&self.company, &pass.row(looked, desk, None).is).ok()
    }

    /// Counts an event, or keeps its change as a dead letter.
    fn settle(
        &self,
        made: Result<bool, Trouble>,
        rule: &RulePlan,
        change: &NetChange<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Halt> {
        match made {
            Ok(made) => work.index += u32::from(made),
            Err(Trouble::Letter(failure)) if failure.reason == Reason::UnknownCode => {
                self.drifted(&failure, rule, change, work)?;
            }
            Err(Trouble::Letter(failure)) => {
                let letter = failure.letter(&rule.template, self, Some(rule), change);
                work.out.dead_letters.push(letter);
            }
            Err(Trouble::Rows(error)) => return Err(error.into()),
            Err(Trouble::Wait(awaited)) => return Err(Halt::Wait(awaited)),
        }
        Ok(())
    }
}

impl View {
    /// A code that no table knows: a new one of the ERP, or of the site.
    fn drifted(
        &self,
        failure: &Failure,
        rule: &RulePlan,
        change: &NetChange<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<(), PlanError> {
        match self.drift.unknown_code {
            Policy::DeadLetter => {
                let letter = failure.letter(&rule.template, self, Some(rule), change);
                work.out.dead_letters.push(letter);
            }
            Policy::Ignore => work.out.ignored_codes += 1,
            Policy::Stop => {
                let (rule, table) = (&rule.id, &self.table);
                let detail = failure.detail();
                return Err(PlanError::Drift(format!("rule `{rule}` on `{table}`: {detail}")));
            }
        }
        Ok(())
    }
}

impl<'c> Pass<'c> {
    /// The row as rules see it. Old rows have no lookups: what they led to may have changed.
    fn row<'v>(&self, looked: &'v LookedRows, desk: &'v Desk, company: Option<&'v str>) -> Row<'v>
    where
        'c: 'v,
    {
        let was =
            self.before.map(|image| Sight { row: Ground::Net(image), looked: &[], company, desk });
        let is = Sight { row: Ground::Net(self.image), looked, company, desk };
        Row { step: self.step, is, was }
    }
}

/// The promised name of an operation, as events and dead letters carry it.
const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    }
}
