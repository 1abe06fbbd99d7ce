//! Reading whole tables: every row as it was at one moment of the log.
//!
//! Several readers look at one [`Moment`], each over its own connection, and read whole tables in
//! the order of their keys, some thousand rows per statement: no statement runs for long, and no
//! lock is held between two. There are two passes ([`Pass`]): seeds, which the bridge remembers,
//! and the snapshot, whose rows become events. At the first start both look at the same moment,
//! seeds first, so that what a snapshot row looks up is of the same instant as the row.
//!
//! # Why nothing is lost or doubled
//!
//! What was committed up to the moment's place is seen, what comes behind it is in the log. Rows
//! carry the sequence just behind that place, so that every later commit is newer, and an ordinal
//! that grows in the order the batches enter the queue (`Outlet`). A new moment shows other rows,
//! so a table that was not read to its end is read again from its start; the tables before it need
//! not be, because the position of every batch tells which they are (`Tally`). How the moments are
//! brought together is told in `begin`. Where no exact moment is to be had, the same holds but for
//! one thing: rows show some commits behind the place already, and the log tells those again.
//!
//! # Why the same text
//!
//! Tables and change tables are asked by the same expressions, and the answers are turned into
//! text by the same code ([`values`](crate::values)).
//!
//! # Why flat memory
//!
//! A reader holds one chunk, and asks for the next when the batches of the last are in the queue.

mod chunks;
mod moment;
mod readers;
mod tally;

use erpbridge_connector::{
    Pass, Position, SourceContext, SourceError, SourceErrorKind, TableName, TableSelection,
    TablesDone, Transaction,
};
use futures_util::future::try_join_all;

pub use moment::{Moment, take};
pub(crate) use tally::{Advance, Tally};

use crate::config::SqlServerConfig;
use crate::outlet::Outlet;
use crate::position::{Identity, Witness};
use crate::read_so_far::{ReadSoFar, fingerprint};
use crate::relations::Relations;
use chunks::Plan;
use readers::Readers;

/// Which tables to read, as of when and what for.
pub struct Reading<'a> {
    /// The database.
    pub config: &'a SqlServerConfig,
    /// The captured tables.
    pub relations: &'a Relations,
    /// What the bridge wants.
    pub selection: &'a dyn TableSelection,
    /// What for.
    pub pass: Pass,
    /// The position its rows carry.
    pub mark: Mark,
}

/// Which position the rows of a pass carry: where to resume once they are durable.
#[derive(Clone, Debug)]
pub enum Mark {
    /// This one.
    Fixed(Position),
    /// The moment's own, with what has been read by then. This has been before, and is not read
    /// again.
    Counted(Identity, ReadSoFar),
}

/// Reads every captured table that the pass wants over the moment's sessions, and says how many
/// they were.
///
/// `Ok` means that all rows have been sent. A stop in between is an error of kind
/// [`SourceErrorKind::Closed`], so that nobody takes an unfinished pass for a finished one.
pub async fn run(
    reading: &Reading<'_>,
    moment: &mut Moment,
    context: &SourceContext,
) -> Result<usize, SourceError> {
    let read = Box::pin(reading.read(moment, context));
    tokio::select! {
        // Rows read but not sent are lost with this branch; the tables will be read anew.
        done = read => done,
        () = context.stop.cancelled() => Err(stopped(reading.pass)),
    }
}

fn stopped(pass: Pass) -> SourceError {
    let what = match pass {
        Pass::Seed => "stopped before all seeds were sent",
        Pass::Snapshot => "stopped before the snapshot was complete",
    };
    SourceError::new(SourceErrorKind::Closed, what)
}

impl Reading<'_> {
    async fn read(
        &self,
        moment: &mut Moment,
        context: &SourceContext,
    ) -> Result<usize, SourceError> {
        let names = wanted(self.relations, self.selection, self.pass);
        let tally = self.tally(moment, &names);
        let mut plans = Vec::new();
        let first = moment.sessions.first_mut();
        let first = first.ok_or_else(|| stopped(self.pass))?;
        for (place, name) in names.iter().enumerate().filter(|(place, _)| !tally.has_read(*place)) {
            let table = self.relations.tables().iter().find(|table| table.name == *name);
            let newest = table.and_then(|table| table.instances.last());
            if let Some(captured) = newest {
                let mut plan = Plan::of(first, captured).await?;
                plan.fingerprint = fingerprint(&names, &plan.schema);
                let behind = tally.behind(plan.fingerprint);
                plan.behind = behind.filter(|key| key.len() == plan.key_len()).map(<[_]>::to_vec);
                plans.push((place, plan));
            }
        }
        // The largest first, because begun last it would be read alone while the others are done.
        plans.sort_by_key(|(_, plan)| std::cmp::Reverse(plan.rows_estimate));
        let total = plans.len();
        let transaction = self.transaction(moment, tally.position());
        let outlet = Outlet::new(context.out.clone(), transaction, tally);
        let readers = Readers::new(self.config, self.pass, plans, outlet, &context.status);
        let sessions = moment.sessions.iter_mut();
        try_join_all(sessions.map(|session| readers.read_tables(session))).await?;
        Ok(total)
    }

    fn tally(&self, moment: &Moment, names: &[TableName]) -> Tally {
        match &self.mark {
            Mark::Fixed(position) => Tally::fixed(position.clone()),
            Mark::Counted(identity, before) => {
                let witness = self.witness(moment);
                let mut read = before.clone();
                read.tables.get_or_insert_with(|| TablesDone::none_of(names));
                Tally::counted(moment.at, witness, *identity, read)
            }
        }
    }

    fn witness(&self, moment: &Moment) -> Witness {
        self.relations.witness(moment.local)
    }

    /// What all rows of the pass belong to.
    fn transaction(&self, moment: &Moment, resume: Position) -> Transaction {
        let seed = self.pass == Pass::Seed;
        Transaction {
            id: if seed { "seed" } else { "snapshot" }.into(),
            sequence: moment.at.sequence_after(),
            committed_at: moment.now,
            resume,
            complete: true,
            snapshot: !seed,
            seed,
        }
    }
}

/// Forgets what has been read of another list of tables, before a change is sent of this one:
/// changes of the tables that are not in it are not sent, so what was read of them is worth nothing.
pub(crate) fn forget_others(read: &mut ReadSoFar, relations: &Relations, names: &[TableName]) {
    let none = TablesDone::none_of(names);
    if read.tables.as_ref().is_some_and(|tables| !tables.same_list(&none)) {
        tracing::warn!("the tables to read are not those of the last start; reading all of them");
        read.tables = None;
    }
    let listed = relations.tables().iter().filter(|table| names.contains(&table.name));
    let newest = listed.filter_map(|table| table.instances.last());
    let tables: Vec<u64> =
        newest.map(|captured| fingerprint(names, &captured.shape.schema)).collect();
    read.parts.retain(&tables);
}

/// The captured tables that a pass reads, in the order of their names.
pub fn wanted(relations: &Relations, selection: &dyn TableSelection, pass: Pass) -> Vec<TableName> {
    let wants = |name: &&TableName| match pass {
        Pass::Seed => selection.seeds(name),
        Pass::Snapshot => selection.snapshots(name),
    };
    let names = relations.tables().iter().map(|table| &table.name);
    let mut names: Vec<TableName> = names.filter(wants).cloned().collect();
    names.sort();
    names
}
