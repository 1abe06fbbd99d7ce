//! Business exceptions: opened when their condition begins to hold, closed when it ceases.
//!
//! Which are open is remembered, so that every opening has its closing and tells since when.

use super::failure::{Halt, Trouble};
use super::fire::Fired;
use super::look::look_up;
use super::sight::{Ground, LookedRows};
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
        let lasts = self.lasts(raised, pass, looked, work)?;
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
        let row = pass.row(looked, desk, Some(whose));
        let fired = Fired { transition: None, since: Some(since) };
        rule.write(self, pass, &row, fired, work)?;
        work.opened.push((name, lasts.then_some(since)));
        Ok(true)
    }

    /// Whether the exception's condition holds for the row as it is now.
    fn lasts(
        &self,
        raised: &ExceptionPlan,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<bool, Trouble> {
        if matches!(pass.step, Step::Deleted | Step::Moved) {
            return Ok(false);
        }
        let (ground, desk) = (Ground::Net(pass.image), work.desk);
        for guards in [&raised.guards, &raised.opened.guards] {
            look_up(&self.slots, guards, ground, looked, desk, work.memory)?;
        }
        let known = company(&self.company, &pass.row(looked, desk, None).is).ok();
        let row = pass.row(looked, desk, known);
        Ok(row.passes(&raised.opened.filter)? && row.holds(&raised.lasts)?)
    }
}
