//! The database: tables by version, the log, the capture job and what it fills.

mod capture;
pub(crate) mod cdc;
mod clock;
mod definition;
mod enable;
pub(crate) mod state;
pub(crate) mod table;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use enable::Capture;
pub(crate) use enable::Request as Enable;
pub use transaction::Transaction;

use self::cdc::{CaptureError, Entry};
use self::state::{Data, State};
use crate::value::cast::stored;
use crate::{Lsn, Row, ServerFacts, Value};

/// The handle of the database behind a server; clones are the same database.
///
/// Names are `schema.table`, in any case. Every method panics on what SQL Server would refuse,
/// with its words: a test that sets something up wrongly shall not go on.
#[derive(Clone, Debug)]
pub struct Database {
    shared: Arc<Mutex<State>>,
}

/// What the capture job does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureJob {
    /// A commit is in the change tables as soon as it has returned.
    #[default]
    Running,
    /// Nothing is captured except by [`Database::capture_next`].
    Stopped,
    /// The last so many commits are not captured yet.
    Lagging(usize),
}

/// One row of a change table, to be written as it is. It need not make sense.
#[derive(Clone, Debug)]
pub struct Change {
    /// `__$start_lsn`
    pub start_lsn: Lsn,
    /// `__$seqval`
    pub seqval: Lsn,
    /// `__$command_id`
    pub command_id: i32,
    /// `__$operation`
    pub operation: i32,
    /// `__$update_mask`
    pub update_mask: Vec<u8>,
    /// The captured columns.
    pub row: Row,
}

/// Somebody else's lock on a table; gone when dropped.
#[derive(Debug)]
pub struct Locked {
    database: Database,
    lock: u64,
}

/// Everything in the database at one moment, its log included.
#[derive(Debug)]
pub struct Backup {
    data: Data,
}

impl Database {
    pub(crate) fn new(name: &str, facts: ServerFacts) -> Self {
        Self { shared: Arc::new(Mutex::new(State::new(name, facts))) }
    }

    /// Everything, for as long as the guard lives. A test that panicked in the middle has failed
    /// anyway.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a table as last committed, in key order.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        let state = self.state();
        let table = state.data.named(table);
        let names: Vec<&String> = table.columns.iter().map(|column| &column.column.name).collect();
        let row = |cells: &[Value]| {
            names.iter().map(|&name| name.clone()).zip(cells.iter().cloned()).collect()
        };
        table.all().map(|(_, cells)| row(cells)).collect()
    }

    /// Begins a transaction.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::begin(self)
    }

    /// Writes a row into a change table past every rule, and its commit into the mapping if that
    /// does not have it.
    pub fn write_change(&self, instance: &str, change: Change) {
        let mut state = self.state();
        let now = state.clock.now();
        let cdc = state.data.cdc.as_mut().expect("CDC is enabled");
        cdc.written += 1;
        let written = cdc.written;
        let entry = Entry {
            written,
            begun: now,
            ended: now,
            transaction: vec![0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xaa],
            begin_lsn: change.start_lsn,
        };
        cdc.mapping.entry(change.start_lsn).or_insert(entry);
        let instance = cdc.instance_mut(instance).expect("the capture instance exists");
        instance.writing = written;
        let mut cells = vec![
            change.start_lsn.into(),
            Value::Null,
            change.seqval.into(),
            change.operation.into(),
            change.update_mask.into(),
        ];
        for column in &instance.columns {
            let given = change.row.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            let value = given.map_or(Value::Null, |(_, value)| value.clone());
            cells.push(stored(&value, column.of).unwrap_or_else(|problem| panic!("{problem}")));
        }
        if instance.has_command_id {
            cells.push(change.command_id.into());
        }
        instance.push(cells);
    }

    /// Tells the capture job what to do; what it may capture by that it has captured on return.
    pub fn set_capture(&self, job: CaptureJob) {
        let mut state = self.state();
        let now = state.clock.now();
        let cdc = state.data.cdc.as_mut().expect("CDC is enabled");
        cdc.job = job;
        cdc.work(now);
    }

    /// Captures the next so many commits, whatever the job does, and says how many there were.
    pub fn capture_next(&self, commits: usize) -> usize {
        let mut state = self.state();
        let now = state.clock.now();
        state.data.cdc.as_mut().expect("CDC is enabled").capture(commits, now)
    }

    /// The job failed: a row in `sys.dm_cdc_errors`.
    pub fn capture_failed(&self, number: i32, message: &str) {
        let mut state = self.state();
        let at = state.clock.now();
        let error = CaptureError { at, number, message: message.to_owned() };
        state.data.cdc.as_mut().expect("CDC is enabled").errors.push(error);
    }

    /// The entry without a transaction that the job writes every five minutes where nothing
    /// happens; does nothing while the job is stopped.
    pub fn idle(&self) -> Option<Lsn> {
        let mut state = self.state();
        let now = state.clock.now();
        let lsn = state.data.reserve(1);
        let cdc = state.data.cdc.as_mut().expect("CDC is enabled");
        if cdc.job == CaptureJob::Stopped || !cdc.pending.is_empty() {
            return None;
        }
        cdc.scanned = now;
        cdc.scans += 1;
        cdc.written += 1;
        let entry = Entry {
            written: cdc.written,
            begun: now,
            ended: now,
            transaction: vec![0],
            begin_lsn: Lsn::ZERO,
        };
        cdc.mapping.insert(lsn, entry);
        Some(lsn)
    }

    /// The newest entry of `cdc.lsn_time_mapping`: `sys.fn_cdc_get_max_lsn`.
    pub fn newest(&self) -> Option<Lsn> {
        self.state().data.cdc.as_ref()?.mapping.keys().next_back().copied()
    }

    /// The transaction of a commit, as `cdc.lsn_time_mapping` has it; none before it is captured,
    /// and for one that changed nothing captured.
    pub fn transaction_id(&self, commit: Lsn) -> Option<Vec<u8>> {
        Some(self.state().data.cdc.as_ref()?.mapping.get(&commit)?.transaction.clone())
    }

    /// The low-water mark of an instance.
    pub fn low_water(&self, instance: &str) -> Option<Lsn> {
        Some(self.state().data.cdc.as_ref()?.instance(instance)?.start_lsn)
    }

    /// The cleanup job: no instance keeps a change before this place.
    pub fn clean_up(&self, before: Lsn) {
        let mut state = self.state();
        let cdc = state.data.cdc.as_mut().expect("CDC is enabled");
        cdc.instances.iter_mut().for_each(|instance| instance.clean_up(before));
        cdc.mapping.retain(|lsn, _| *lsn >= before);
    }

    /// `sys.sp_cdc_cleanup_change_table` for one instance.
    pub fn clean_up_instance(&self, instance: &str, before: Lsn) {
        let mut state = self.state();
        let cdc = state.data.cdc.as_mut().expect("CDC is enabled");
        cdc.instance_mut(instance).expect("the capture instance exists").clean_up(before);
    }

    /// How long the cleanup job keeps changes, in minutes; only shown.
    pub fn set_retention(&self, minutes: i64) {
        self.state().data.cdc.as_mut().expect("CDC is enabled").retention = minutes;
    }

    /// `ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION`; on from the start.
    pub fn allow_snapshot_isolation(&self, allow: bool) {
        self.state().data.snapshot_isolation = allow;
    }

    /// Locks a table exclusively, as somebody in the middle of a change does.
    pub fn lock(&self, table: &str) -> Locked {
        let mut state = self.state();
        let id = state.data.named(table).id;
        let lock = state.lock(id, true, None);
        drop(state);
        Locked { database: self.clone(), lock }
    }

    /// Keeps everything as it is now.
    pub fn backup(&self) -> Backup {
        Backup { data: self.state().data.clone() }
    }

    /// Goes back to a backup: another recovery fork, another creation date, older places in the
    /// log; with `keep_cdc` the change tables of the backup, without it none.
    pub fn restore(&self, backup: &Backup, keep_cdc: bool) {
        let mut state = self.state();
        let mut data = backup.data.clone();
        let [last, ..] = &mut data.recovery_fork;
        *last = last.wrapping_add(1);
        data.forked_at = Some(data.reserve(1));
        data.created = state.clock.now();
        data.commits = std::cmp::max(data.commits, state.data.commits);
        if !keep_cdc {
            data.cdc = None;
        }
        state.restores = state.restores.wrapping_add(1);
        let [.., last] = &mut data.recovery_fork;
        *last = last.wrapping_add(state.restores);
        state.data = data;
    }

    /// Lets the server's clock tell this, in microseconds since 1970 UTC, and stand still.
    pub fn set_clock(&self, micros: i64) {
        self.state().clock.hold(micros);
    }

    /// Moves the server's clock on.
    pub fn advance_clock(&self, by: Duration) {
        self.state().clock.advance(by);
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.database.state().locks.retain(|lock| lock.id != self.lock);
    }
}
