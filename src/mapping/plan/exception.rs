//! Business exceptions: opened when their condition begins to hold, closed when it ceases.
//!
//! Which are open is remembered, so that every opening has its closing and tells since when.
//!
//! An exception with a key of its own is one of the thing with that key, which other rows tell of
//! as well: an over-received line, told by its movements. A row that the rule does not look at,
//! now or before, says nothing of it; and a row that is gone does not take the thing along, so
//! what is looked up says whether the condition still holds.

use super::failure::{Halt, Trouble};
use super::fire::Fired;
use super::look::look_up;
use super::row::Row;
use super::sight::{Ground, LookedRows, Sight};
use super::write::{company, entity_key};
use super::{Pass, RulePlan, View, Work};
use crate::canonical::instant;
use crate::mapping::bind::Formula;
use crate::mapping::file::Step;

/// An exception, bound to its table.
#[derive(Debug)]
pub(in crate::mapping) struct ExceptionPlan {
    /// What must be true.
    pub lasts: Formula,
    /// What must be looked up to know.
    pub guards: Box<[usize]>,
    /// The event of its beginning.
    pub opened: RulePlan,
    /// The event of its end.
    pub closed: RulePlan,
}

impl View {
    /// Opens and closes what the change makes true and untrue.
    pub(super) fn raise(
        &self,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Halt> {
        for raised in &self.exceptions {
            let made = self.raise_one(raised, pass, looked, work);
            self.settle(made, &raised.opened, pass.change, work)?;
        }
        Ok(())
    }

    fn raise_one(
        &self,
        raised: &ExceptionPlan,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<bool, Trouble> {
        let (ground, desk) = (Ground::Net(pass.image), work.desk);
        let Some(lasts) = self.lasts(raised, pass, looked, work)? else { return Ok(false) };
        let row = pass.row(looked, desk, None);
        let key = entity_key(raised.opened.key.as_deref(), &self.key, &row)?;
        let name = desk.copy(&format!("{}{}/{key}", &self.prefix, raised.opened.id));
        let since = work.memory.opened(name)?;
        let rule = match (lasts, &since) {
            (true, None) => &raised.opened,
            (false, Some(_)) => &raised.closed,
            (true, Some(_)) | (false, None) => return Ok(false),
        };
        let begun = instant(pass.change.transaction.committed_at);
        let since = since.as_ref().and_then(|row| row.get(0, 1).text());
        let since = desk.copy(since.unwrap_or(&begun));
        look_up(&self.slots, &rule.slots, ground, looked, desk, work.memory)?;
        let whose = company(&self.company, &pass.row(looked, desk, None).is)?;
        let mut row = pass.row(looked, desk, Some(whose));
        if raised.opened.key.is_some() && row.is_gone() {
            row.step = Step::Updated;
        }
        let fired = Fired { transition: None, since: Some(since) };
        rule.write(self, pass, &row, fired, work)?;
        work.opened.push((name, lasts.then_some(since)));
        Ok(true)
    }

    /// Whether the exception's condition holds as things are now; none if the row says nothing.
    fn lasts(
        &self,
        raised: &ExceptionPlan,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<Option<bool>, Trouble> {
        let gone = matches!(pass.step, Step::Deleted | Step::Moved);
        let of_another = raised.opened.key.is_some();
        if gone && (!of_another || raised.guards.is_empty()) {
            return Ok(Some(false));
        }
        let (ground, desk) = (Ground::Net(pass.image), work.desk);
        for guards in [&raised.guards, &raised.opened.guards] {
            match look_up(&self.slots, guards, ground, looked, desk, work.memory) {
                // It went together with what it was looked up for.
                Err(Trouble::Letter(_)) if gone => return Ok(Some(false)),
                found => found?,
            }
        }
        let known = company(&self.company, &pass.row(looked, desk, None).is).ok();
        let row = pass.row(looked, desk, known);
        let filter = &raised.opened.filter;
        if row.passes(filter)? {
            return Ok(Some(row.holds(&raised.lasts)?));
        }
        let before = row.was.map(|was| Row::alone(Sight { looked: row.is.looked, ..was }));
        // Where the log does not say what it was before, looking once more does no harm.
        let passed = before.is_some_and(|before| before.passes(filter).unwrap_or(true));
        match (of_another, passed) {
            (false, _) => Ok(Some(false)),
            (true, true) => Ok(Some(row.holds(&raised.lasts)?)),
            (true, false) => Ok(None),
        }
    }
}
