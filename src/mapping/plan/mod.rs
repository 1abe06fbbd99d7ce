//! A bound table: from one net change to its events.
//!
//! This is the hot path. Columns are indexes, code tables are hashed, values borrow from the row;
//! texts that must be put together share one scratch buffer per change, and JSON goes straight
//! into the batch. Nothing here can fail: what cannot become an event becomes a dead letter, and
//! the other rules of the same row go on.

mod failure;
mod fire;
mod row;
mod value;
mod write;

use erpbridge_connector::Operation;

use self::failure::Failure;
use self::fire::Fired;
use self::row::Row;
use super::bind::Cell;
use super::file::{Field, Filter, Part, Scope, Transition, When};
use super::net::NetChange;
use crate::canonical::{EventBatch, EventDef, EventTemplate};
use crate::document::Place;

/// What the mappings make of one table, at one of its shapes.
#[derive(Debug)]
pub struct TablePlan {
    key: Box<[usize]>,
    compared: Box<[bool]>,
    views: Box<[View]>,
}

/// A table under one of its aliases.
#[derive(Debug)]
pub(super) struct View {
    /// `schema.table`.
    pub(super) table: Box<str>,
    /// For the id of a change that could not even be looked at.
    pub(super) template: EventTemplate,
    pub(super) key: Box<[Cell]>,
    pub(super) filter: Filter<Cell>,
    pub(super) company: Scope<Cell>,
    pub(super) plant: Option<Scope<Cell>>,
    pub(super) ignored: Vec<usize>,
    pub(super) rules: Box<[RulePlan]>,
}

/// A rule, bound to its table.
#[derive(Debug)]
pub(super) struct RulePlan {
    pub(super) id: Box<str>,
    pub(super) event: &'static EventDef,
    pub(super) template: EventTemplate,
    pub(super) when: When,
    pub(super) transition: Option<Transition<Cell>>,
    pub(super) changed: Box<[Cell]>,
    pub(super) filter: Filter<Cell>,
    pub(super) key: Option<Box<[Cell]>>,
    pub(super) number: Option<Part<Cell>>,
    pub(super) effective: Option<Part<Cell>>,
    pub(super) codes: Box<[Cell]>,
    pub(super) fields: Box<[Field<Cell>]>,
    pub(super) place: Place,
}

/// What one change needs while its events are made; reused from rule to rule.
#[derive(Debug, Default)]
struct Work<'w> {
    scratch: String,
    key: String,
    number: String,
    effective: String,
    changed: Vec<&'w str>,
    codes: Vec<(&'w str, Option<&'w str>)>,
    /// Index of the next event made of the change.
    index: u32,
    /// The column whose unknown code is already reported: several rules watch one status column.
    reported: Option<usize>,
}

impl TablePlan {
    pub(super) fn new(key: Box<[usize]>, compared: Box<[bool]>, views: Box<[View]>) -> Self {
        Self { key, compared, views }
    }

    /// The columns that identify a row, in key order.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// Whether a change of this column alone is a change.
    pub fn compares(&self, column: usize) -> bool {
        self.compared.get(column).copied().unwrap_or(true)
    }

    /// Appends the events and dead letters of a net change. Their ordinal is the change's.
    pub fn apply(&self, change: &NetChange<'_>, out: &mut EventBatch) {
        let mut work = Work { index: change.index, ..Work::default() };
        for view in &self.views {
            view.apply(change, &mut work, out);
        }
    }
}

impl View {
    fn apply<'w>(&'w self, change: &'w NetChange<'_>, work: &mut Work<'w>, out: &mut EventBatch) {
        let row = match Row::of(&self.filter, change) {
            Ok(Some(row)) => row,
            Ok(None) => return,
            Err(failure) => {
                let letter = failure.letter(&self.template, self, None, change);
                out.dead_letters.push(letter);
                return;
            }
        };
        work.reported = None;
        for rule in &self.rules {
            match rule.fires(&row, work) {
                Ok(None) => {}
                Ok(Some(fired)) => self.emit(rule, &row, fired, work, out),
                Err(failure) => self.fail(rule, &failure, change, out),
            }
        }
    }

    fn emit<'w>(
        &'w self,
        rule: &'w RulePlan,
        row: &Row<'w>,
        fired: Fired<'w>,
        work: &mut Work<'w>,
        out: &mut EventBatch,
    ) {
        match rule.write(self, row, fired, work, out) {
            Ok(()) => work.index += 1,
            Err(failure) => self.fail(rule, &failure, row.change, out),
        }
    }

    fn fail(
        &self,
        rule: &RulePlan,
        failure: &Failure,
        change: &NetChange<'_>,
        out: &mut EventBatch,
    ) {
        out.dead_letters.push(failure.letter(&rule.template, self, Some(rule), change));
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
