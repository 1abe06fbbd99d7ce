//! What a connector's tests bring to the checks: a server, and how to write to it.

use std::sync::Arc;
use std::time::Duration;

use crate::{Explorer, Position, Source, TableName, TableSelection};

/// One row written by a check. Rows are `(id, note)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new row.
    Insert(TableName, u32, String),
    /// Another note for the row.
    Update(TableName, u32, String),
    /// The row goes.
    Delete(TableName, u32),
}

impl Write {
    /// The statement, in SQL that every database understands. Names made by a bench need no
    /// quotes, and notes hold none.
    pub fn sql(&self) -> String {
        match self {
            Self::Insert(table, id, note) => {
                format!("INSERT INTO {table} (id, note) VALUES ({id}, '{note}')")
            }
            Self::Update(table, id, note) => {
                format!("UPDATE {table} SET note = '{note}' WHERE id = {id}")
            }
            Self::Delete(table, id) => format!("DELETE FROM {table} WHERE id = {id}"),
        }
    }
}

/// A type of the database, and values of it that are likely to be read differently.
#[derive(Clone, Copy, Debug)]
pub struct TypeCase {
    /// How a column of it is declared: `numeric(12,4)`.
    pub declared: &'static str,
    /// Values as SQL expressions, each with the canonical text it must give (NULL: none).
    pub values: &'static [(&'static str, Option<&'static str>)],
}

/// A private server with one connector. A bench is used for one check and panics when its
/// server does not do as told.
pub trait Bench: Send + Sync {
    /// Makes an empty table `(id integer PRIMARY KEY, note <long text>)` that a source can
    /// follow, and returns its name, which needs no quotes.
    fn create_table(&self, name: &str) -> impl Future<Output = TableName> + Send;

    /// Makes an empty table `(id integer PRIMARY KEY, c0 …, c1 …)` with one column per type.
    fn create_table_of(
        &self,
        name: &str,
        types: &[TypeCase],
    ) -> impl Future<Output = TableName> + Send;

    /// Commits these writes in one transaction.
    fn commit(&self, writes: &[Write]) -> impl Future<Output = ()> + Send;

    /// Commits one row of a table of types: `values` are SQL expressions in column order.
    fn insert_values(
        &self,
        table: &TableName,
        id: u32,
        values: &[&str],
    ) -> impl Future<Output = ()> + Send;

    /// A source that follows the tables of this selection. Called again, it stands for the same
    /// source started anew: same name, same place in the server's log.
    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source>;

    /// Whether a source resumes after this position by following the log. A connector may leave a
    /// mark before its snapshot, after which it would read the tables.
    fn follows_after(&self, _position: &Position) -> bool {
        true
    }

    /// Every type the connector supports.
    fn types(&self) -> Vec<TypeCase>;

    /// How long the server lives with a client that says nothing. Set it low: a check waits
    /// three times as long.
    fn silence_limit(&self) -> Duration;

    /// The privileges and settings without which a source of these tables cannot run and that
    /// can be taken from it while it may still connect.
    fn privileges(&self, tables: &[TableName]) -> Vec<String>;

    /// Takes one of them away.
    fn revoke(&self, privilege: &str) -> impl Future<Output = ()> + Send;

    /// Runs a statement of a finding, with the rights of an administrator.
    fn mend(&self, statement: &str) -> impl Future<Output = ()> + Send;
}

/// A bench whose database can be looked at.
pub trait Explores: Bench {
    /// An explorer of the server's database, with the rights of the source.
    fn explorer(&self) -> Box<dyn Explorer>;
}
