//! The thread that writes: one job is one transaction on disk, all of it or nothing.
//!
//! A job may hold changes of transactions that are not settled, because memory is bounded and
//! transactions are not. Their rows are written like all others, and in the same transaction on
//! disk what each was before goes to the undo table. So at every moment *rows on disk, less what
//! the undo table takes back* is the state at the standing on disk. When they are settled, a later
//! job moves the standing and drops what could be undone, again in one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use redb::{
    Database, Durability, ReadableDatabase, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};
use tokio::sync::{Notify, oneshot};

use super::counters::{RowCounters, count};
use super::disk::{Bytes, Standing, UNDO, UndoTable, begin, rows_name};
use super::error::{Blame, Fault, RowStoreError};
use super::log::{Change, SEED};
use super::record::Undo;
use super::restore::mark_seeded;
use super::table::Writing;

/// What goes to disk in one transaction.
#[derive(Debug)]
pub(super) struct Job {
    /// In order. The changes of settled transactions that are not on disk are all among them.
    pub(super) changes: Arc<Vec<Change>>,
    /// Transactions up to this number are settled.
    pub(super) settled: u64,
    /// Where the source stands with them; none if it has not moved.
    pub(super) standing: Option<Standing>,
    /// Tables, by their number on disk, that are seeded with this.
    pub(super) seeded: Vec<u32>,
    /// Whether it must be on disk when it is done. Otherwise it only makes room in memory: it is
    /// there for readers, and on disk with the next job that must be; a crash before takes it back
    /// as a whole, and nobody was told of it.
    pub(super) durable: bool,
}

/// The thread as its owner sees it. One job at a time.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) jobs: SyncSender<Job>,
    pub(super) results: Receiver<Result<(), RowStoreError>>,
    /// Told after every result.
    pub(super) landed: Arc<Notify>,
    /// Closed when the thread has ended and let go of the file.
    pub(super) ended: oneshot::Receiver<()>,
}

/// What the thread owns.
pub(super) struct Desk {
    pub(super) db: Arc<Database>,
    /// Numbers on disk of the tables, by their place in the store.
    pub(super) numbers: Vec<u32>,
    pub(super) counters: Arc<RowCounters>,
    pub(super) blame: Blame,
    /// Bytes of the file; none for one that is not a file.
    pub(super) file_bytes: Box<dyn Fn() -> Option<u64> + Send>,
}

impl Desk {
    /// Starts the thread.
    pub(super) fn start(self) -> Result<Writer, RowStoreError> {
        let (jobs, queue) = sync_channel(1);
        let (results_to, results) = channel();
        let (ended_to, ended) = oneshot::channel();
        let landed = Arc::new(Notify::new());
        let told = Arc::clone(&landed);
        let blame = self.blame.clone();
        let run = move || {
            // Dropped last, when the file has been let go.
            let _ended: oneshot::Sender<()> = ended_to;
            self.serve(&queue, &results_to, &told);
        };
        let thread = thread::Builder::new().name("erpbridge-rows".to_owned()).spawn(run);
        thread.map_err(|error| blame.io("start writing", error))?;
        Ok(Writer { jobs, results, landed, ended })
    }

    /// Works until the owner is gone or a job fails: nothing can be written after that.
    fn serve(
        self,
        queue: &Receiver<Job>,
        results: &Sender<Result<(), RowStoreError>>,
        landed: &Notify,
    ) {
        let mut spilled = Spilled::default();
        while let Ok(job) = queue.recv() {
            let start = Instant::now();
            let result = self.blame.guard("write", || self.write(&job, &mut spilled));
            if result.is_ok() {
                self.account(start.elapsed(), &spilled);
            }
            let failed = result.is_err();
            // The owner drops its end first when it goes.
            let gone = results.send(result).is_err();
            landed.notify_one();
            if failed || gone {
                return;
            }
        }
    }

    fn write(&self, job: &Job, spilled: &mut Spilled) -> Result<(), Fault> {
        let mut transaction = begin(&self.db)?;
        if !job.durable {
            transaction.set_durability(Durability::None)?;
        }
        spilled.settled = job.settled;
        let mut order: Vec<&Change> = job.changes.iter().collect();
        // Stable: changes of one row stay in order.
        order.sort_by_key(|change| (change.table, &*change.key));
        let mut undo = transaction.open_table(UNDO)?;
        for changes in order.chunk_by(|one, other| one.table == other.table) {
            self.write_table(&transaction, changes, spilled, &mut undo)?;
        }
        drop(undo);
        if let Some(standing) = &job.standing {
            standing.write(&transaction)?;
            spilled.forget(&transaction)?;
        }
        mark_seeded(&transaction, &job.seeded)?;
        Ok(transaction.commit()?)
    }

    fn write_table(
        &self,
        transaction: &WriteTransaction,
        changes: &[&Change],
        spilled: &mut Spilled,
        undo: &mut UndoTable<'_>,
    ) -> Result<(), Fault> {
        let place = changes.first().and_then(|change| usize::try_from(change.table).ok());
        let Some(number) = place.and_then(|place| self.numbers.get(place)) else { return Ok(()) };
        let mut table = Writing::open(transaction, *number)?;
        for changes in changes.chunk_by(|one, other| one.key == other.key) {
            let Some(newest) = changes.last() else { continue };
            let before = table.replace(newest.key.as_bytes(), newest.record.as_ref())?;
            if newest.transaction > spilled.settled {
                spilled.note(undo, *number, changes, before)?;
            }
        }
        table.finish()?;
        Ok(())
    }

    fn account(&self, elapsed: Duration, spilled: &Spilled) {
        let counters = &self.counters;
        counters.flushes.add(1);
        counters.flush_micros.add(count(elapsed.as_micros()));
        counters.undo_bytes.set(spilled.bytes);
        if let Some(bytes) = (self.file_bytes)() {
            counters.disk_bytes.set(bytes);
        }
        if let Ok(rows) = count_rows(&self.db, &self.numbers) {
            counters.rows.set(rows);
        }
    }
}

/// Rows of these tables on disk.
pub(super) fn count_rows(db: &Database, numbers: &[u32]) -> Result<u64, Fault> {
    let transaction = db.begin_read()?;
    let mut rows = 0;
    for number in numbers {
        let name = rows_name(*number);
        let table = transaction.open_table(TableDefinition::<Bytes, Bytes>::new(&name))?;
        rows += table.len()?;
    }
    Ok(rows)
}

/// What the undo table holds.
#[derive(Debug, Default)]
struct Spilled {
    /// Transactions up to this number are settled and need no notes.
    settled: u64,
    /// The newest transaction with something to undo; none at 0.
    newest: u64,
    bytes: u64,
    /// Entries written so far: the place of the next.
    entries: u64,
    encoded: Vec<u8>,
}

impl Spilled {
    /// Notes what a row was before each transaction that is not settled. Several notes about one
    /// row and transaction do no harm: they are undone newest first, so the oldest has the last
    /// word.
    fn note(
        &mut self,
        undo: &mut UndoTable<'_>,
        table: u32,
        changes: &[&Change],
        before: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let mut before = before.map(<[u8]>::to_vec);
        let mut noted = SEED;
        for change in changes {
            let key = change.key.as_bytes();
            if change.transaction > self.settled && change.transaction != noted {
                Undo { table, key, before: before.as_deref() }.encode(&mut self.encoded);
                undo.insert((change.transaction, self.entries), self.encoded.as_slice())?;
                self.entries += 1;
                self.bytes += count(self.encoded.len());
                self.newest = std::cmp::max(self.newest, change.transaction);
                noted = change.transaction;
            }
            before = change.record.as_ref().map(|record| {
                let mut bytes = Vec::new();
                record.encode(key, &mut bytes);
                bytes
            });
        }
        Ok(())
    }

    /// Drops what belongs to settled transactions: usually all of it, which is quick.
    fn forget(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        if self.newest == 0 {
            return Ok(());
        }
        if self.newest <= self.settled {
            transaction.delete_table(UNDO)?;
            transaction.open_table(UNDO)?;
            (self.newest, self.bytes) = (0, 0);
            return Ok(());
        }
        let mut undo = transaction.open_table(UNDO)?;
        let mut dropped = 0;
        undo.retain_in(..=(self.settled, u64::MAX), |_, bytes| {
            dropped += count(bytes.len());
            false
        })?;
        self.bytes = self.bytes.saturating_sub(dropped);
        Ok(())
    }
}
