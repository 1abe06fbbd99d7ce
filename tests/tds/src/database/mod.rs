//! The database: tables by version, the log, the capture job and what it fills.

mod transaction;

use std::time::Duration;

pub use transaction::Transaction;

use crate::{Lsn, Row};

/// The handle of the database behind a server; clones are the same database.
///
/// Names are `schema.table`, in any case. Every method panics on what SQL Server would refuse,
/// with its words: a test that sets something up wrongly shall not go on.
#[derive(Clone, Debug)]
pub struct Database {}

/// How a table shall be captured; nothing happens before [`Capture::enable`].
#[must_use = "nothing is captured before `enable`"]
#[derive(Debug)]
pub struct Capture<'d> {
    database: &'d Database,
    table: String,
    instance: Option<String>,
    columns: Option<Vec<String>>,
    role: Option<String>,
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
pub struct Locked {}

/// Everything in the database at one moment, its log included.
#[derive(Debug)]
pub struct Backup {}

impl Database {
    /// Makes a table. Columns are as in `CREATE TABLE`: `Code varchar(20) COLLATE
    /// SQL_Latin1_General_CP850_CI_AS NOT NULL, Total AS (Price * Quantity), PRIMARY KEY (Code)`.
    /// An expression of a computed column is not worked out: an insert gives the value.
    pub fn create_table(&self, _name: &str, _columns: &str) {
        unimplemented!()
    }

    /// Drops a table and its capture instances.
    pub fn drop_table(&self, _name: &str) {
        unimplemented!()
    }

    /// `ALTER TABLE … ADD`; existing rows have NULL. Not captured by existing instances.
    pub fn add_column(&self, _table: &str, _column: &str) {
        unimplemented!()
    }

    /// `ALTER TABLE … DROP COLUMN`; captured as NULL from now on.
    pub fn drop_column(&self, _table: &str, _column: &str) {
        unimplemented!()
    }

    /// `ALTER TABLE … ALTER COLUMN`; the change tables follow.
    pub fn alter_column(&self, _table: &str, _column: &str) {
        unimplemented!()
    }

    /// The rows of a table as last committed, in key order.
    pub fn rows(&self, _table: &str) -> Vec<Row> {
        unimplemented!()
    }

    /// `sys.sp_cdc_enable_db`.
    pub fn enable_cdc(&self) {
        unimplemented!()
    }

    /// `sys.sp_cdc_disable_db`: every instance, the schema `cdc` and what is in it are gone.
    pub fn disable_cdc(&self) {
        unimplemented!()
    }

    /// `sys.sp_cdc_enable_table`.
    pub fn capture(&self, table: &str) -> Capture<'_> {
        Capture {
            database: self,
            table: table.to_owned(),
            instance: None,
            columns: None,
            role: None,
        }
    }

    /// `sys.sp_cdc_disable_table` for one instance.
    pub fn release(&self, _instance: &str) {
        unimplemented!()
    }

    /// Begins a transaction.
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::begin(self)
    }

    /// `TRUNCATE TABLE`; SQL Server refuses it for a captured table (error 4711), and so the
    /// answer is whether it was done.
    pub fn truncate(&self, _table: &str) -> bool {
        unimplemented!()
    }

    /// Writes a row into a change table past every rule.
    pub fn write_change(&self, _instance: &str, _change: Change) {
        unimplemented!()
    }

    /// Tells the capture job what to do; what it may capture by that it has captured on return.
    pub fn set_capture(&self, _job: CaptureJob) {
        unimplemented!()
    }

    /// Captures the next so many commits, whatever the job does, and says how many there were.
    pub fn capture_next(&self, _commits: usize) -> usize {
        unimplemented!()
    }

    /// The job failed: a row in `sys.dm_cdc_errors`.
    pub fn capture_failed(&self, _number: i32, _message: &str) {
        unimplemented!()
    }

    /// The entry without a transaction that the job writes every five minutes where nothing
    /// happens; does nothing while the job is stopped.
    pub fn idle(&self) -> Option<Lsn> {
        unimplemented!()
    }

    /// The newest entry of `cdc.lsn_time_mapping`: `sys.fn_cdc_get_max_lsn`.
    pub fn newest(&self) -> Option<Lsn> {
        unimplemented!()
    }

    /// The low-water mark of an instance.
    pub fn low_water(&self, _instance: &str) -> Option<Lsn> {
        unimplemented!()
    }

    /// The cleanup job: no instance keeps a change before this place.
    pub fn clean_up(&self, _before: Lsn) {
        unimplemented!()
    }

    /// `sys.sp_cdc_cleanup_change_table` for one instance.
    pub fn clean_up_instance(&self, _instance: &str, _before: Lsn) {
        unimplemented!()
    }

    /// How long the cleanup job keeps changes, in minutes; only shown.
    pub fn set_retention(&self, _minutes: i64) {
        unimplemented!()
    }

    /// `ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION`; on from the start.
    pub fn allow_snapshot_isolation(&self, _allow: bool) {
        unimplemented!()
    }

    /// Locks a table exclusively, as somebody in the middle of a change does.
    pub fn lock(&self, _table: &str) -> Locked {
        unimplemented!()
    }

    /// Keeps everything as it is now.
    pub fn backup(&self) -> Backup {
        unimplemented!()
    }

    /// Goes back to a backup: another recovery fork, another creation date, older places in the
    /// log; with `keep_cdc` the change tables of the backup, without it none.
    pub fn restore(&self, _backup: &Backup, _keep_cdc: bool) {
        unimplemented!()
    }

    /// Lets the server's clock tell this, in microseconds since 1970 UTC, and stand still.
    pub fn set_clock(&self, _micros: i64) {
        unimplemented!()
    }

    /// Moves the server's clock on.
    pub fn advance_clock(&self, _by: Duration) {
        unimplemented!()
    }
}

impl Capture<'_> {
    /// The instance's name; `<schema>_<table>` if this is not said.
    pub fn instance(self, name: &str) -> Self {
        Self { instance: Some(name.to_owned()), ..self }
    }

    /// The columns; all if this is not said.
    pub fn columns(self, columns: &[&str]) -> Self {
        Self { columns: Some(columns.iter().map(|&name| name.to_owned()).collect()), ..self }
    }

    /// The gating role; none if this is not said.
    pub fn role(self, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..self }
    }

    /// Enables it and gives the place from which on it captures. A third instance of a table is
    /// refused.
    pub fn enable(self) -> Lsn {
        unimplemented!()
    }
}
