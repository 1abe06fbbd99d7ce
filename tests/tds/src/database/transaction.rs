//! A transaction of a test.

use super::Database;
use crate::{Lsn, Row};

/// An open transaction. Each step is one statement: it writes its records to the log as it is
/// called, so two transactions can be open and interleave, and the one that commits first comes
/// first although its records may be younger. Nothing is visible before the commit.
#[must_use = "nothing happens before `commit`"]
#[derive(Debug)]
pub struct Transaction<'d> {
    database: &'d Database,
}

impl<'d> Transaction<'d> {
    pub(super) fn begin(database: &'d Database) -> Self {
        Self { database }
    }

    /// INSERT of one row.
    pub fn insert(self, _table: &str, _row: Row) -> Self {
        unimplemented!()
    }

    /// INSERT of many rows by one statement.
    pub fn insert_all(self, _table: &str, _rows: impl IntoIterator<Item = Row>) -> Self {
        unimplemented!()
    }

    /// UPDATE of the rows with these cells (all, if there are none). Rows whose key changes are
    /// captured as delete and insert, as SQL Server does; others as before and after images.
    pub fn update(self, _table: &str, _of: Row, _set: Row) -> Self {
        unimplemented!()
    }

    /// The same, captured as delete and insert though no key changes: a deferred update, a MERGE.
    pub fn replace(self, _table: &str, _of: Row, _set: Row) -> Self {
        unimplemented!()
    }

    /// DELETE of the rows with these cells (all, if there are none).
    pub fn delete(self, _table: &str, _of: Row) -> Self {
        unimplemented!()
    }

    /// Commits, as soon as nobody locks a table it wrote to. Returns the commit's place; panics
    /// on a duplicate key and on a value its column does not take.
    pub async fn commit(self) -> Lsn {
        unimplemented!()
    }
}
