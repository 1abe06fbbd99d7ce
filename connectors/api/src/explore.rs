//! Looking at a live database without following it: what the tools for mappings ask.
//!
//! Nothing here touches the log, the position or what the bridge remembers, and nothing is as of
//! one instant: every question is answered as things are when it is asked. The database may be
//! the ERP's own, in use, so an explorer reads in a read-only session, gives up after
//! [`EXPLORE_DEADLINE`], waits for no lock for long, and never makes the server sort or read a
//! table to its end for the sake of an order.

use std::sync::Arc;
use std::time::Duration;

use crate::{SourceError, SourceFuture, TableName, TableSchema};

/// How long the server may work on one question.
pub const EXPLORE_DEADLINE: Duration = Duration::from_secs(20);

/// How long a question may wait for a lock that the ERP holds.
pub const EXPLORE_LOCK_WAIT: Duration = Duration::from_secs(2);

/// A sample holds at most so many bytes of text; it ends before a row that would pass this.
pub const SAMPLE_BYTES: usize = 32 << 20;

/// A database that can be looked at.
pub trait Explorer: Send + Sync {
    /// The names of all tables with rows of their own, system tables left out, in order.
    fn names(&self) -> SourceFuture<'_, Result<Vec<TableName>, SourceError>>;

    /// These tables as they are now, in this order; those that do not exist are left out.
    fn describe<'a>(
        &'a self,
        tables: &'a [TableName],
    ) -> SourceFuture<'a, Result<Vec<Explored>, SourceError>>;

    /// Some rows of a table.
    fn sample<'a>(&'a self, asked: &'a Sample) -> SourceFuture<'a, Result<Sampled, SourceError>>;
}

/// A table as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Its shape. Columns that the log would not carry are marked, not left out.
    pub schema: Arc<TableSchema>,
    /// Whether each column may hold NULL, in column order.
    pub nullable: Vec<bool>,
    /// How many rows the server believes it has.
    pub rows_estimate: Option<u64>,
}

/// Which rows of a table are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The table.
    pub table: TableName,
    /// Columns that must be as one of `keys` says; empty for any rows.
    pub columns: Vec<String>,
    /// Values of `columns`, each list in their order, as canonical texts.
    pub keys: Vec<Vec<String>>,
    /// At most so many rows.
    pub limit: usize,
}

impl Sample {
    /// Any rows: the newest by primary key where the database can find them by an index, the
    /// first that come otherwise.
    pub fn any(table: TableName, limit: usize) -> Self {
        Self { table, columns: Vec::new(), keys: Vec::new(), limit }
    }

    /// The rows whose `columns` are as one of `keys` says, in whichever order they come.
    pub fn with(
        table: TableName,
        columns: Vec<String>,
        keys: Vec<Vec<String>>,
        limit: usize,
    ) -> Self {
        Self { table, columns, keys, limit }
    }
}

/// Rows of a table, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The table; a cell belongs to the column in its place.
    pub table: Arc<TableSchema>,
    /// The rows. A cell is the text that the log would carry, or nothing for NULL; columns marked
    /// as missing in the log have their texts here too.
    pub rows: Vec<Vec<Option<String>>>,
}
