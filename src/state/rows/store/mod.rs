//! The store as the pipeline sees it.

mod ask;
mod give;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Position, Sequence};
use redb::Database;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::mapping::KeptTable;
use crate::state::rows::counters::RowCounters;
use crate::state::rows::disk::{self, Standing};
use crate::state::rows::error::{Blame, Fault, RowStoreError, RowStoreErrorKind};
use crate::state::rows::hot::Hot;
use crate::state::rows::log::{Change, Log};
use crate::state::rows::restore::{self, Adopted};
use crate::state::rows::table::Reading;
use crate::state::rows::writer::{Desk, Writer, count_rows};
use crate::state::rows::{Limits, TableShape};

/// How long the disk may take for one transaction.
const PATIENCE: Duration = Duration::from_mins(1);

/// The last images of the rows a source's mappings keep.
pub struct RowStore {
    blame: Blame,
    limits: Limits,
    tables: Vec<Kept>,
    hot: Hot,
    log: Log,
    reading: Reading,
    writer: Writer,
    /// What the writer has and has not written yet.
    flight: Option<Flight>,
    /// Number of the newest change that was given to the writer, and of the newest on disk.
    given: u64,
    on_disk: u64,
    /// Where the source stands, and what of it was given to the writer.
    standing: Option<Standing>,
    given_standing: Option<Standing>,
    /// Whether the writer was given something since it was last told to sync.
    unsynced: bool,
    /// The newest position that is durable.
    durable: watch::Sender<Option<Position>>,
    recovered: Option<Standing>,
    seeds: Seeds,
    counters: Arc<RowCounters>,
    failed: Option<RowStoreError>,
}

/// A kept table.
#[derive(Debug)]
struct Kept {
    /// Its number on disk.
    number: u32,
    /// Whether what is put now are its seeds.
    seeding: bool,
    /// Index entries that are not on disk yet, with the change that made each. What is gone needs
    /// no entry: every row found through an index is looked at before it is given.
    fresh: BTreeMap<Vec<u8>, u64>,
}

#[derive(Debug)]
struct Flight {
    changes: Arc<Vec<Change>>,
    bytes: usize,
    /// What is durable when it has landed.
    announces: Option<Standing>,
}

/// How far the seeds are.
#[derive(Debug, PartialEq, Eq)]
enum Seeds {
    /// All tables were seeded by an earlier run, or by this one.
    Complete,
    /// Tables are being seeded.
    Coming,
    /// All are in, up to this change; no position has been settled since.
    Unsettled(u64),
    /// All are in, up to this change, and the position settled since has them.
    Settled(u64),
}

impl RowStore {
    /// Opens the store in `directory`, or makes it, with the tables that are kept now, in the
    /// order of their [`KeptTable`] numbers. It goes back to the last settled transaction.
    ///
    /// This reads and writes the disk: from an async task, call it where blocking is allowed.
    ///
    /// # Errors
    /// If the store cannot be opened, or what is in the directory is not one.
    pub fn open(
        directory: &Path,
        tables: &[TableShape],
        limits: Limits,
    ) -> Result<Self, RowStoreError> {
        let blame = Blame::new(directory);
        let db = disk::open(directory, limits.cache_bytes - rows_of(limits), &blame)?;
        let file = disk::file(directory);
        let file_bytes = move || std::fs::metadata(&file).ok().map(|found| found.len());
        Self::with(db, blame, tables, limits, Box::new(file_bytes))
    }

    /// A store on an open database.
    pub(super) fn with(
        db: Database,
        blame: Blame,
        tables: &[TableShape],
        limits: Limits,
        file_bytes: Box<dyn Fn() -> Option<u64> + Send>,
    ) -> Result<Self, RowStoreError> {
        let (adopted, recovered, rows) = blame.guard("open", || restore_to(&db, tables))?;
        let numbers: Vec<u32> = adopted.iter().map(|table| table.number).collect();
        let db = Arc::new(db);
        let counters = Arc::new(RowCounters::default());
        counters.rows.set(rows);
        counters.disk_bytes.set(file_bytes().unwrap_or_default());
        let reading = Reading::new(Arc::clone(&db), numbers.clone());
        let desk =
            Desk { db, numbers, counters: Arc::clone(&counters), blame: blame.clone(), file_bytes };
        let complete = adopted.iter().all(|table| table.seeded);
        Ok(Self {
            writer: desk.start()?,
            blame,
            limits,
            tables: adopted.iter().map(Kept::from).collect(),
            hot: Hot::new(rows_of(limits)),
            log: Log::new(),
            reading,
            flight: None,
            given: 0,
            on_disk: 0,
            standing: None,
            given_standing: None,
            unsynced: false,
            durable: watch::Sender::new(recovered.as_ref().map(Standing::position)),
            recovered,
            seeds: if complete { Seeds::Complete } else { Seeds::Coming },
            counters,
            failed: None,
        })
    }

    /// The tables that hold no rows, because they are new, have another shape than before, or were
    /// not seeded to the end. What is put into them is their seed, until [`seeded`](Self::seeded).
    pub fn unseeded(&self) -> Vec<KeptTable> {
        let numbered = (0..).map(KeptTable).zip(&self.tables);
        numbered.filter(|(_, table)| table.seeding).map(|(number, _)| number).collect()
    }

    /// All seeds are in. To be called after the last of them and before the first change of the
    /// log. A restart need not seed again once a position that is settled *after* this call is
    /// durable: that position has the seeds behind it.
    pub fn seeded(&mut self) {
        if self.seeds == Seeds::Coming {
            self.seeds = Seeds::Unsettled(self.log.newest());
            self.tables.iter_mut().for_each(|table| table.seeding = false);
        }
    }

    /// Where the source stood in the state that was found when the store was opened: resume it
    /// here.
    pub fn position(&self) -> Option<Position> {
        self.recovered.as_ref().map(Standing::position)
    }

    /// Commit order of the newest transaction in the state that was found. The rows of one up to
    /// this are known already, should the source send it again.
    pub fn sequence(&self) -> Option<Sequence> {
        self.recovered.as_ref().and_then(Standing::sequence)
    }

    /// Everything put since the last commit belongs to this transaction, which is complete.
    /// Sequences ascend.
    pub fn commit(&mut self, sequence: &Sequence) {
        self.log.commit(sequence);
    }

    /// The stream has acknowledged everything up to here: `sequence` is the newest complete
    /// transaction before `position`, none if there was none since the last call.
    pub fn settle(&mut self, sequence: Option<&Sequence>, position: &Position) {
        if let Some(sequence) = sequence {
            self.log.settle(sequence);
        }
        let known = self.standing.as_ref().or(self.recovered.as_ref());
        let before = known.and_then(Standing::sequence);
        let sequence = sequence.or(before.as_ref());
        self.standing = Some(Standing::new(position, sequence, self.log.settled()));
        if let Seeds::Unsettled(newest) = self.seeds {
            self.seeds = Seeds::Settled(newest);
        }
    }

    /// Starts making what is settled durable, unless the writer is busy. To be called regularly,
    /// about once a second; never waits.
    ///
    /// # Errors
    /// If writing has failed.
    pub fn flush(&mut self) -> Result<(), RowStoreError> {
        self.poll()?;
        if self.flight.is_none() { self.give(false, true) } else { Ok(()) }
    }

    /// The newest position that is on disk: only up to here may the source be told that it can
    /// forget. The channel closes with the store.
    pub fn durable(&self) -> watch::Receiver<Option<Position>> {
        self.durable.subscribe()
    }

    /// What the store tells of itself.
    pub fn counters(&self) -> Arc<RowCounters> {
        Arc::clone(&self.counters)
    }

    /// Waits until there is room for changes in memory. Without it a put waits instead, which
    /// blocks its thread. Cancel-safe.
    ///
    /// # Errors
    /// If writing has failed, or takes too long.
    pub async fn room(&mut self) -> Result<(), RowStoreError> {
        self.poll()?;
        while self.flight.is_some() && self.dirty_bytes() >= self.limits.dirty_bytes / 4 * 3 {
            self.land().await?;
        }
        Ok(())
    }

    /// Makes what is settled durable, and lets go of the file.
    ///
    /// # Errors
    /// If writing fails or takes too long. The next start finds the last durable state.
    pub async fn close(mut self) -> Result<(), RowStoreError> {
        let written = self.finish().await;
        let Self { writer, reading, .. } = self;
        drop((writer.jobs, reading));
        // An error here is the sender dropped: the thread has ended, which is what is waited for.
        let ended = timeout(PATIENCE, writer.ended).await.map(drop);
        written?;
        ended.map_err(|_| self.blame.plain("close", RowStoreErrorKind::Stalled))
    }
}

impl From<&Adopted> for Kept {
    fn from(adopted: &Adopted) -> Self {
        Self { number: adopted.number, seeding: !adopted.seeded, fresh: BTreeMap::new() }
    }
}

/// Memory for rows. The pages of the file get the larger part: searches and the writer need them
/// as well, and a page holds dozens of rows.
fn rows_of(limits: Limits) -> usize {
    limits.cache_bytes / 4
}

fn place(table: KeptTable) -> usize {
    usize::try_from(table.0).unwrap_or(usize::MAX)
}

type Restored = (Vec<Adopted>, Option<Standing>, u64);

fn restore_to(db: &Database, tables: &[TableShape]) -> Result<Restored, Fault> {
    disk::check_format(db)?;
    let undone = restore::roll_back(db)?;
    if undone > 0 {
        tracing::info!(
            changes = undone,
            "remembered rows went back to the last settled transaction"
        );
    }
    let transaction = disk::begin(db)?;
    let standing = Standing::read(&transaction)?;
    let adopted = restore::adopt(&transaction, tables)?;
    transaction.commit()?;
    let numbers: Vec<u32> = adopted.iter().map(|table| table.number).collect();
    let rows = count_rows(db, &numbers)?;
    Ok((adopted, standing, rows))
}
