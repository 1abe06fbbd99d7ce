//! Trying a mapping on rows: every rule on every row its filters let through, as if it fired, and
//! everything that would become of it noted, not only the first thing.
//!
//! A rule that fires makes an event or a dead letter, and stops at the first cell it cannot use.
//! A person who checks a mapping wants all of it at once, also of rules that fire seldom. So each
//! part of a rule is tried by itself, with the same code that runs. What is noted holds codes,
//! which are values of the database: it is for the person's own screen, never for a log.

use std::collections::{BTreeMap, HashSet};

use super::failure::{Failure, Trouble};
use super::look::look_up;
use super::row::Row;
use super::sight::{Ground, Looked, LookedRows};
use super::value::join_cells;
use super::write::{company, entity_key, one, scope_token};
use super::{Desk, Pass, RulePlan, TablePlan, View};
use crate::canonical::FieldWriter;
use crate::deadletter::Reason;
use crate::document::Place;
use crate::mapping::bind::Formula;
use crate::mapping::file::{Field, Shape, Step};
use crate::mapping::memory::Memory;
use crate::mapping::net::{NetChange, NetImage};
use crate::mapping::stage::Bound;

/// What came of trying.
#[derive(Debug, Default)]
pub struct Trial {
    tables: BTreeMap<Box<str>, Attempt>,
    rules: BTreeMap<Box<str>, Attempt>,
    complaints: BTreeMap<(Box<str>, String), Complaint>,
    keys: HashSet<(Box<str>, Box<str>)>,
    /// What was noted of the row that is tried, each thing once.
    noted: HashSet<(Box<str>, String)>,
}

/// How often something was tried.
#[derive(Debug, Default)]
pub(in crate::mapping) struct Attempt {
    /// Rows that came.
    pub rows: usize,
    /// Rows that the filter let through.
    pub passed: usize,
    /// Rows whose key another row had.
    pub repeated: usize,
}

/// What went wrong, with as many rows as it went wrong with.
#[derive(Debug)]
pub(in crate::mapping) struct Complaint {
    /// The rule.
    pub rule: Box<str>,
    /// Where it was written.
    pub place: Place,
    /// As a dead letter would say it.
    pub reason: Reason,
    /// In a sentence.
    pub detail: String,
    /// How many rows.
    pub rows: usize,
    /// The codes nobody knows, and in how many rows.
    pub codes: BTreeMap<Box<str>, usize>,
    /// The code table that does not know them.
    pub table: Option<Place>,
}

impl Trial {
    /// By `mapping/alias`, what was tried of its tables.
    pub(in crate::mapping) fn tables(&self) -> &BTreeMap<Box<str>, Attempt> {
        &self.tables
    }

    /// How many rows a rule was tried on.
    pub(in crate::mapping) fn tried(&self, rule: &str) -> usize {
        self.rules.get(rule).map_or(0, |attempt| attempt.passed)
    }

    /// Everything that went wrong.
    pub(in crate::mapping) fn complaints(&self) -> impl Iterator<Item = &Complaint> {
        self.complaints.values()
    }

    fn note(&mut self, rule: &RulePlan, place: &Place, failure: &Failure) {
        let key = (rule.id.clone(), failure.detail().to_owned());
        if !self.noted.insert(key.clone()) {
            return;
        }
        let complaint = self.complaints.entry(key).or_insert_with(|| Complaint {
            rule: rule.id.clone(),
            place: place.clone(),
            reason: failure.reason,
            detail: failure.detail().to_owned(),
            rows: 0,
            codes: BTreeMap::new(),
            table: None,
        });
        complaint.rows += 1;
        if let Some(unknown) = failure.unknown() {
            *complaint.codes.entry(unknown.code.clone()).or_default() += 1;
            complaint.table.clone_from(&unknown.table);
        }
    }
}

/// A row that is tried.
struct Tried<'t, 'c, 'r> {
    view: &'t View,
    pass: Pass<'c>,
    desk: &'t Desk,
    memory: &'t mut Memory<'r>,
    trial: &'t mut Trial,
}

impl TablePlan {
    /// Tries every rule on the row of a change, as it is after it. Remembered rows are only read.
    pub fn attempt(
        &self,
        change: &NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &mut Desk,
        trial: &mut Trial,
    ) {
        desk.clear();
        let Some(image) = &change.after else { return };
        for view in &self.views {
            trial.noted.clear();
            let pass = Pass { change, step: Step::Inserted, image, before: None };
            Tried { view, pass, desk, memory, trial }.table(image);
        }
    }
}

impl Tried<'_, '_, '_> {
    fn table(mut self, image: &NetImage<'_>) {
        let mut looked = self.nothing();
        let passed = self.view.accepts(image, &mut looked, self.memory, self.desk);
        let repeated = matches!(passed, Ok(true)) && self.repeats(&looked);
        let attempt = self.trial.tables.entry(self.view.alias.clone()).or_default();
        attempt.rows += 1;
        attempt.passed += usize::from(matches!(passed, Ok(true)));
        attempt.repeated += usize::from(repeated);
        let raised =
            self.view.exceptions.iter().map(|raised| (&raised.opened, Some(&raised.lasts)));
        let rules = self.view.rules.iter().map(|rule| (rule, rule.became.as_ref())).chain(raised);
        match passed {
            Ok(false) => {}
            Ok(true) => rules.for_each(|(rule, holds)| self.rule(rule, holds)),
            Err(trouble) => {
                if let Some((rule, _)) = rules.into_iter().next() {
                    self.note(rule, trouble);
                }
            }
        }
    }

    fn nothing(&self) -> LookedRows {
        let mut looked = LookedRows::new();
        looked.resize_with(self.view.slots.len(), Default::default);
        looked
    }

    fn repeats(&mut self, looked: &LookedRows) -> bool {
        let row = self.pass.row(looked, self.desk, None);
        let key = join_cells(&self.view.key, &row).text();
        key.is_some_and(|key| !self.trial.keys.insert((self.view.alias.clone(), key.into())))
    }

    fn rule(&mut self, rule: &RulePlan, condition: Option<&Formula>) {
        let mut looked = self.nothing();
        if !self.look(rule, &rule.guards, &mut looked) {
            return;
        }
        let known = self.view.known_company(&self.pass, &looked, self.desk);
        let row = self.pass.row(&looked, self.desk, known);
        match row.passes(&rule.filter) {
            Ok(false) => return,
            Ok(true) => {}
            Err(failure) => return self.trial.note(rule, &rule.place, &failure),
        }
        self.trial.rules.entry(rule.id.clone()).or_default().passed += 1;
        let state = rule.transition.as_ref().and_then(|transition| transition.trouble(&row));
        let condition = condition.and_then(|condition| row.holds(condition).err());
        for failure in state.into_iter().chain(condition) {
            self.trial.note(rule, &rule.place, &failure);
        }
        let whole = self.look(rule, &rule.slots, &mut looked);
        let whose = company(&self.view.company, &self.pass.row(&looked, self.desk, None).is);
        let known = whose.as_ref().copied().ok();
        if let Err(failure) = whose {
            self.told_once(rule, &rule.place, failure.into(), whole);
        }
        let row = self.pass.row(&looked, self.desk, known);
        self.parts(rule, &row, whole);
    }

    /// Looks up one after the other, so that each one that fails is told. Whether all were found.
    fn look(&mut self, rule: &RulePlan, slots: &[usize], looked: &mut LookedRows) -> bool {
        let (ground, mut whole) = (Ground::Net(self.pass.image), true);
        for slot in slots {
            let unasked = matches!(looked.get(*slot), Some(Looked::Unasked));
            let slot = std::slice::from_ref(slot);
            let found = look_up(&self.view.slots, slot, ground, looked, self.desk, self.memory);
            let Err(trouble) = found else { continue };
            whole = false;
            if unasked {
                self.note(rule, trouble);
            }
        }
        whole
    }

    /// Each value of the event by itself.
    fn parts(&mut self, rule: &RulePlan, row: &Row<'_>, whole: bool) {
        let key = entity_key(rule.key.as_deref(), &self.view.key, row);
        let plant = rule.plant.as_ref().or(self.view.plant.as_ref());
        let plant = plant.map_or(Ok(None), |plant| scope_token(plant, &row.is));
        let number = one(rule.number.as_ref(), row);
        let effective = one(rule.effective.as_ref(), row);
        for field in &rule.fields {
            let (mut out, name) = (Vec::new(), key.as_ref().copied().unwrap_or_default());
            let written =
                FieldWriter::write(&mut out, |writer| field.write(name, row, self.memory, writer));
            if let Err(trouble) = written {
                self.told_once(rule, place_of(field).unwrap_or(&rule.place), trouble, whole);
            }
        }
        let failures = [key.err(), plant.err(), number.err(), effective.err()];
        for failure in failures.into_iter().flatten() {
            self.told_once(rule, &rule.place, failure.into(), whole);
        }
    }

    /// Notes what is wrong with a value, unless it came of a lookup that failed: that is told.
    fn told_once(&mut self, rule: &RulePlan, place: &Place, trouble: Trouble, whole: bool) {
        if let Trouble::Letter(failure) = trouble
            && (whole || failure.reason != Reason::AbsentValue)
        {
            self.trial.note(rule, place, &failure);
        }
    }

    /// Rows that are tried are remembered in memory, which can always be read.
    fn note(&mut self, rule: &RulePlan, trouble: Trouble) {
        if let Trouble::Letter(failure) = trouble {
            self.trial.note(rule, &rule.place, &failure);
        }
    }
}

/// Where a field was written.
fn place_of(field: &Field<Bound>) -> Option<&Place> {
    match &field.shape {
        Shape::One(part) | Shape::Quantity(part, _) | Shape::Money(part, _) => Some(&part.place),
        Shape::List(_) => None,
    }
}
