//! The captured tables as they are followed: which instance feeds which part of the log.
//!
//! A table has one capture instance or, while its shape is being changed, two. Both hold the same
//! changes from where the younger one begins; only their columns differ. So a change belongs to
//! the younger instance from its begin on and to the older one before that: the older one is
//! drained, then the place itself switches, and a replay switches at the same place.
//!
//! # Why nothing is skipped
//!
//! The cleanup moves the begin of an instance forward and says nothing. With every look at the
//! instances, each table that was captured at our position must still have an instance that begins
//! no later than directly behind it ([`Relations::refresh`]). A table that is captured since is
//! told from one whose changes are gone by the position itself: it says when it was made and which
//! instances there were ([`Witness`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use erpbridge_connector::{SourceError, SourceErrorKind, TableName, TableSchema, TableSelection};

use crate::catalog::{self, Instance, Shape};
use crate::change_tables::{ddl_since, newest_ddl};
use crate::position::{Lsn, Witness};
use crate::session::Session;
use crate::start::{ROLE, enable_table};

/// An instance and what its rows are.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The instance as last seen.
    pub instance: Instance,
    /// Changes from here on are in it.
    pub start: Lsn,
    /// What its rows are.
    pub shape: Arc<Shape>,
}

/// A wanted table with the instances that feed it, from the oldest to the newest.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The table.
    pub name: TableName,
    /// Its instances, at least one.
    pub instances: Vec<Captured>,
}

/// All wanted tables that are captured.
#[derive(Debug, Default)]
pub struct Relations {
    tables: Vec<Followed>,
    /// Every instance of the database: when it was made, and its id.
    all: Vec<(i64, i64)>,
    newest_ddl: Option<Lsn>,
    /// The tables whose changes must all be there, each with the place from which on; none before
    /// the first comparison.
    known: Option<HashMap<TableName, Lsn>>,
    /// Wanted tables that are enabled, but capture has not come to their begin.
    unready: Vec<TableName>,
}

impl Relations {
    /// The wanted tables.
    pub fn tables(&self) -> &[Followed] {
        &self.tables
    }

    /// Wanted tables that will be captured, but are not yet.
    pub fn unready(&self) -> &[TableName] {
        &self.unready
    }

    /// What is true at a place of this time.
    pub fn witness(&self, at: i64) -> Witness {
        let there = self.all.iter().filter(|(made, _)| *made <= at).map(|(_, id)| *id);
        Witness { at, instances: fingerprint(there) }
    }

    /// Where every wanted table is captured from: the begin of the last one that came.
    pub fn captured_from(&self) -> Lsn {
        self.tables.iter().filter_map(Followed::begin).max().unwrap_or(Lsn::ZERO)
    }

    /// Looks at the instances again and makes sure that nothing behind `reached` is gone.
    /// `witness` is what was true there, if our position said so.
    pub async fn refresh(
        &mut self,
        session: &mut Session,
        selection: &dyn TableSelection,
        reached: Lsn,
        witness: Option<Witness>,
    ) -> Result<(), SourceError> {
        let seen = self.newest_ddl.unwrap_or(reached);
        self.look(session, selection).await?;
        if self.newest_ddl > Some(seen) {
            self.tell_drift(&ddl_since(session, seen).await?);
        }
        self.nothing_is_gone(reached, witness)
    }

    /// Looks at the instances for the first time, with no position to compare them with: what is
    /// captured now must stay so.
    pub async fn begin(
        &mut self,
        session: &mut Session,
        selection: &dyn TableSelection,
    ) -> Result<(), SourceError> {
        self.look(session, selection).await?;
        let begins = self.tables.iter().filter_map(|table| table.begin().map(|at| (table, at)));
        self.known = Some(begins.map(|(table, at)| (table.name.clone(), at)).collect());
        Ok(())
    }

    async fn look(
        &mut self,
        session: &mut Session,
        selection: &dyn TableSelection,
    ) -> Result<(), SourceError> {
        let instances = catalog::instances(session).await?;
        let ddl = newest_ddl(session).await?;
        let mut shapes = self.take_shapes(ddl);
        let begun = instances.iter().filter(|instance| instance.start.is_some());
        self.all = begun.map(|instance| (instance.made, instance.id)).collect();
        let mut tables: Vec<Followed> = Vec::new();
        self.unready.clear();
        for instance in instances {
            let Some(own_name) = instance.table.clone() else { continue };
            let name = catalog::spelled(own_name, selection);
            if !selection.wants(&name) {
                continue;
            }
            let Some(start) = instance.start else {
                self.unready.push(name);
                continue;
            };
            let shape = match shapes.remove(&instance.id) {
                Some(shape) => shape,
                None => Arc::new(catalog::shape(session, &instance, &name).await?),
            };
            let captured = Captured { instance, start, shape };
            match tables.iter_mut().find(|table| table.name == name) {
                Some(table) => table.instances.push(captured),
                None => tables.push(Followed { name, instances: vec![captured] }),
            }
        }
        self.tables = tables;
        self.newest_ddl = ddl;
        Ok(())
    }

    /// Says which tables were altered: the server goes on without a word, and without the new
    /// columns.
    fn tell_drift(&self, altered: &[(i64, String)]) {
        // Each of two instances has its own entry.
        for (id, statement) in altered.iter().collect::<BTreeSet<_>>() {
            let own = |captured: &Captured| captured.instance.table_id == *id;
            let table = self.tables.iter().find(|table| table.instances.iter().any(own));
            let Some(table) = table else { continue };
            tracing::warn!(
                table = %table.name,
                statement,
                "a captured table was altered: a new column comes only from a second capture \
                 instance, a dropped one comes as NULL; `check` prints the statements"
            );
        }
    }

    /// The shapes known so far; none if a captured table has changed since, because the types of
    /// its change table change with it.
    fn take_shapes(&mut self, ddl: Option<Lsn>) -> HashMap<i64, Arc<Shape>> {
        let tables = std::mem::take(&mut self.tables);
        if ddl != self.newest_ddl {
            return HashMap::new();
        }
        let instances = tables.into_iter().flat_map(|table| table.instances);
        instances.map(|captured| (captured.instance.id, captured.shape)).collect()
    }

    fn nothing_is_gone(
        &mut self,
        reached: Lsn,
        witness: Option<Witness>,
    ) -> Result<(), SourceError> {
        let mut known = match self.known.take() {
            Some(known) => known,
            None => self.known_at(witness)?,
        };
        for (name, from) in &known {
            let table = self.tables.iter().find(|table| table.name == *name);
            let oldest = table.and_then(Followed::begin).ok_or_else(|| released(name))?;
            if oldest > std::cmp::max(reached.next(), *from) {
                return Err(cleaned_up(name, reached, oldest));
            }
        }
        // What is captured since is whole from its begin, which may lie far ahead of us.
        for table in &self.tables {
            if let Some(begin) = table.begin() {
                known.entry(table.name.clone()).or_insert(begin);
            }
        }
        self.known = Some(known);
        Ok(())
    }

    /// The tables that were captured at our position, by what the position says.
    fn known_at(&self, witness: Option<Witness>) -> Result<HashMap<TableName, Lsn>, SourceError> {
        let from = |table: &Followed| (table.name.clone(), Lsn::ZERO);
        let Some(witness) = witness else {
            // A position from a person: everything is taken to have been there.
            return Ok(self.tables.iter().map(from).collect());
        };
        let was_there = |captured: &Captured| captured.instance.made <= witness.at;
        let (known, since): (Vec<_>, Vec<_>) =
            self.tables.iter().partition(|table| table.instances.iter().any(was_there));
        let unchanged = self.witness(witness.at).instances == witness.instances;
        match since.first() {
            Some(table) if !unchanged => Err(captured_anew(&table.name)),
            // It may have been the older of two, or a table nobody wants: only a person can know.
            None if !unchanged => {
                tracing::warn!(
                    "a capture instance has been dropped since our position: a table that is not \
                     captured any more is not followed any more"
                );
                Ok(known.into_iter().map(from).collect())
            }
            _ => Ok(known.into_iter().map(from).collect()),
        }
    }
}

impl Followed {
    /// Where its changes begin.
    fn begin(&self) -> Option<Lsn> {
        self.instances.iter().map(|captured| captured.start).min()
    }

    /// The shape that is in force at a place of the log.
    pub fn schema_at(&self, lsn: Lsn) -> Option<&Arc<TableSchema>> {
        let in_force = self.instances.iter().rev().find(|captured| captured.start <= lsn);
        in_force.or(self.instances.first()).map(|captured| &captured.shape.schema)
    }
}

/// The same for the same instances, in whatever order they come.
fn fingerprint(ids: impl Iterator<Item = i64>) -> u64 {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    fnv(ids.into_iter().flat_map(i64::to_be_bytes))
}

/// FNV-1a, because it is the same in every version of this program.
pub(crate) fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// What helps where changes are gone for good.
pub(crate) const BEGIN_ANEW: &str = "changes since our position cannot be read any more: remove the stored offsets of this source \
     to begin anew with a snapshot";

fn cleaned_up(table: &TableName, reached: Lsn, oldest: Lsn) -> SourceError {
    let message = format!(
        "the changes of `{table}` between our position {reached} and {oldest} have been cleaned up"
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(format!(
        "{BEGIN_ANEW}; and let the server keep changes for longer, for a week with EXEC \
         sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080"
    ))
}

fn released(table: &TableName) -> SourceError {
    let message = format!("`{table}` is not captured any more");
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(format!(
        "{BEGIN_ANEW}, once it is captured again: {}",
        enable_table(table, Some(ROLE))
    ))
}

fn captured_anew(table: &TableName) -> SourceError {
    let message = format!(
        "`{table}` is captured only since after our position, and another capture instance has \
         gone in between"
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(format!(
        "if `{table}` was captured before, {BEGIN_ANEW}; to change what is captured of a table, \
         enable a second instance and drop the first only when the bridge says so"
    ))
}

#[cfg(test)]
mod tests;
