//! Links: what came from what. They are remembered as a row's ancestor, so that every event can
//! name the oldest one known.

use erpbridge_connector::Value;

use super::failure::{Failure, Halt, Trouble};
use super::look::look_up;
use super::row::Row;
use super::sight::{Ground, LookedRows};
use super::value::{join, join_cells};
use super::write::{company, scopes};
use super::{Desk, Pass, TablePlan, View, Work};
use crate::canonical::{EventFacts, EventTemplate, write_event};
use crate::mapping::bind::Formula;
use crate::mapping::file::{Pick, Step};
use crate::mapping::kept::RowsError;
use crate::mapping::memory::Memory;
use crate::mapping::net::NetChange;
use crate::mapping::stage::Bound;

/// A link that rows of a table hold.
#[derive(Debug)]
pub(in crate::mapping) struct LinkPlan {
    pub id: Box<str>,
    /// Entity of the row.
    pub from: Box<str>,
    /// The other entity.
    pub to: Box<str>,
    /// Whether the other is the ancestor.
    pub follows: bool,
    pub key: Option<Box<[Pick<Bound>]>>,
    pub by: Box<[Pick<Bound>]>,
    pub condition: Option<Formula>,
    pub slots: Box<[usize]>,
    pub template: EventTemplate,
}

/// A chain of ancestors longer than this is a circle.
const MAX_ANCESTORS: usize = 16;

impl TablePlan {
    /// Remembers what the change links, and which deleted rows have only moved.
    ///
    /// # Errors
    /// If rows cannot be read or remembered.
    pub fn connect(
        &self,
        change: &NetChange<'_>,
        memory: &mut Memory<'_>,
        desk: &mut Desk,
    ) -> Result<(), RowsError> {
        desk.clear();
        let connects = |view: &&View| !view.links.is_empty() || view.moved.is_some();
        for view in self.views.iter().filter(connects) {
            // What waits holds its links in order: later ones when they are told.
            let later = view.is_behind(change, memory, desk)?;
            view.connect(change, later, memory, desk)?;
        }
        Ok(())
    }
}

impl View {
    /// Remembers the links of a change, unless they come later, and whether its row has moved.
    pub(super) fn connect(
        &self,
        change: &NetChange<'_>,
        later: bool,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<(), RowsError> {
        let mut looked = LookedRows::new();
        looked.resize_with(self.slots.len(), Default::default);
        let pass = match self.pass(change, &mut looked, memory, desk) {
            Ok(Some(mut pass)) => {
                self.settle_move(&mut pass, memory, desk);
                pass
            }
            Err(Trouble::Rows(error)) => return Err(error),
            // It is told when the change is applied.
            Ok(None) | Err(Trouble::Letter(_) | Trouble::Wait(_)) => return Ok(()),
        };
        if later || matches!(pass.step, Step::Deleted | Step::Moved) {
            return Ok(());
        }
        for link in &self.links {
            match self.hold(link, &pass, &mut looked, memory, desk) {
                Ok(()) | Err(Trouble::Letter(_) | Trouble::Wait(_)) => {}
                Err(Trouble::Rows(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn hold(
        &self,
        link: &LinkPlan,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        memory: &mut Memory<'_>,
        desk: &Desk,
    ) -> Result<(), Trouble> {
        look_up(&self.slots, &link.slots, Ground::Net(pass.image), looked, desk, memory)?;
        let row = pass.row(looked, desk, None);
        let Some((own, other)) = link.ends(self, &row)? else { return Ok(()) };
        let named = |entity: &str, key: &str| format!("{entity}/{key}");
        let (own_name, other_name) = (named(&link.from, own), named(&link.to, other));
        let (child, parent) =
            if link.follows { (own_name, other_name) } else { (other_name, own_name) };
        let child = desk.prefixed(&self.prefix, desk.copy(&child));
        let holder = format!("{}/{}/{own}", self.alias, link.id);
        let news = memory.link(child, &parent, &holder)?;
        let known_before = pass.step == Step::Updated || !link.follows;
        if news && known_before && pass.step != Step::Read {
            memory.note_fresh(pass.change.told_as(), &link.id, (own, other));
        }
        Ok(())
    }

    /// Tells the links that appeared on entities already known.
    pub(super) fn tell_links(
        &self,
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Halt> {
        for link in &self.links {
            let fresh = work.memory.fresh(pass.change.told_as(), &link.id);
            let Some((own, other)) = fresh else { continue };
            let ends = (work.desk.copy(own), work.desk.copy(other));
            match self.tell(link, ends, pass, looked, work) {
                Ok(()) => work.index += 1,
                Err(Trouble::Rows(error)) => return Err(error.into()),
                Err(Trouble::Wait(awaited)) => return Err(Halt::Wait(awaited)),
                Err(Trouble::Letter(failure)) => {
                    let letter = failure.letter(&link.template, self, None, pass.change);
                    work.out.dead_letters.push(letter);
                }
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        link: &LinkPlan,
        (own, other): (&str, &str),
        pass: &Pass<'_>,
        looked: &mut LookedRows,
        work: &mut Work<'_, '_>,
    ) -> Result<(), Trouble> {
        let (ground, desk) = (Ground::Net(pass.image), work.desk);
        look_up(&self.slots, &link.slots, ground, looked, desk, work.memory)?;
        let row = pass.row(looked, desk, None);
        let company = company(&self.company, &row.is)?;
        let plant = scopes(self, self.plant.as_ref(), company, &row.is, work.memory)?;
        let (one, two) = ((&*link.from, own), (&*link.to, other));
        let (ancestor, descendant) = if link.follows { (two, one) } else { (one, two) };
        let descent = self.descent(descendant.0, descendant.1, work.memory, desk)?;
        let key = desk.copy(&format!("{}/{}", descendant.0, descendant.1));
        let facts = EventFacts {
            company,
            plant,
            entity_key: key,
            number: None,
            aliases: &[],
            transaction: pass.change.transaction,
            ordinal: pass.change.ordinal,
            late: pass.change.late,
            index: work.index,
            operation: row.operation(),
            table: &self.table,
            changed: &["from", "to", "correlationid"],
            transition: None,
            codes: &[],
            extensions: &[],
            effective: None,
            correlation: descent.map(|(root, _)| root),
            causation: descent.map(|(_, parent)| parent),
            replica: false,
        };
        write_event(work.out, &link.template, &facts, |writer| {
            writer.reference("from", ancestor.0, ancestor.1);
            writer.reference("to", descendant.0, descendant.1);
            writer.text("correlationid", descent.map_or(key, |(root, _)| root));
            Ok(())
        })
    }

    /// The oldest ancestor and the direct one, if there are any.
    pub(super) fn descent<'v>(
        &self,
        entity: &str,
        key: &str,
        memory: &mut Memory<'_>,
        desk: &'v Desk,
    ) -> Result<Option<(&'v str, &'v str)>, RowsError> {
        let mut name = desk.copy(&format!("{entity}/{key}"));
        let mut direct = None;
        for _ in 0..MAX_ANCESTORS {
            let child = desk.prefixed(&self.prefix, name);
            let Some(parent) = memory.parent(child)? else { break };
            let Value::Text(parent) = parent.get(0, 2) else { break };
            name = desk.copy(parent);
            direct = direct.or(Some(name));
        }
        Ok(direct.map(|direct| (name, direct)))
    }
}

impl LinkPlan {
    /// The row's own key and the other's, if the row holds a link.
    fn ends<'v>(
        &'v self,
        view: &'v View,
        row: &Row<'v>,
    ) -> Result<Option<(&'v str, &'v str)>, Failure> {
        let holds = self.condition.as_ref().map_or(Ok(true), |condition| row.holds(condition))?;
        let own = match &self.key {
            Some(key) => join(key, row)?,
            None => join_cells(&view.key, row),
        };
        let other = if holds { join(&self.by, row)? } else { Value::Null };
        // No entity has an empty key: a column that is blank leads nowhere.
        let named = |key: Value<'v>| key.text().filter(|key| !key.is_empty());
        Ok(named(own).zip(named(other)))
    }
}
