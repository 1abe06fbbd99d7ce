//! What `information_schema` says of a table: what it takes to read its rows in the log.
//!
//! A row in the log is a list of cells without names and with hardly any types: whether a number
//! is signed, which characters a text holds and what an `ENUM`'s third label is stands nowhere
//! beside it (unless `binlog_row_metadata=FULL`). A [`TableShape`] holds all of that, as of one
//! place of the log; it is kept on disk as JSON, and [`TableShape::agrees`] finds out whether it
//! can be the shape of a table as the log announces it.

mod named;
#[cfg(test)]
mod tests;

use std::fmt;

use erpbridge_connector::{Column, ReplicaIdentity, TableName, TableSchema};
use serde::{Deserialize, Serialize};

use crate::binlog::{ColumnMap, Malformed};
use crate::values;

/// A table as it was at one place of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableShape {
    /// The database.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Its columns in their order, generated and invisible ones too: the log holds them all.
    pub columns: Vec<ColumnShape>,
}

/// A column, by `information_schema.columns`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnShape {
    /// `column_name`
    pub name: String,
    /// `data_type`: `varchar`
    pub data_type: String,
    /// `column_type`: `varchar(40)`, `int(10) unsigned`, `enum('a','b')`
    pub column_type: String,
    /// `character_set_name`; none for what is not text.
    pub character_set: Option<String>,
    /// `character_octet_length`
    pub octet_length: Option<u64>,
    /// `datetime_precision`
    pub datetime_precision: Option<u8>,
    /// `is_nullable = 'YES'`
    pub nullable: bool,
    /// Its place in the primary key, from 1.
    pub key: Option<u16>,
    /// Whether it is computed from others, virtual or stored.
    pub generated: bool,
}

impl ColumnShape {
    /// Whether its numbers are unsigned.
    pub fn unsigned(&self) -> bool {
        // An ENUM's labels may hold the word too, but an ENUM has no sign.
        self.column_type.contains("unsigned") && !self.has_labels()
    }

    /// Whether it is an `ENUM` or a `SET`.
    pub fn has_labels(&self) -> bool {
        matches!(self.data_type.as_str(), "enum" | "set")
    }

    /// The labels of an `ENUM` or a `SET`, in their order; none for another type.
    pub fn labels(&self) -> Vec<String> {
        if !self.has_labels() {
            return Vec::new();
        }
        let list = self.column_type.split_once('(').map_or("", |(_, list)| list);
        quoted(list)
    }
}

/// The texts in quotes of `'a','b''c')`; a quote in a text is doubled.
fn quoted(list: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = list.chars().peekable();
    while rest.any(|character| character == '\'') {
        let mut text = String::new();
        while let Some(character) = rest.next() {
            if character == '\'' && rest.next_if_eq(&'\'').is_none() {
                break;
            }
            text.push(character);
        }
        texts.push(text);
    }
    texts
}

impl TableShape {
    /// Its name.
    pub fn name(&self) -> TableName {
        TableName::new(self.schema.clone(), self.table.clone())
    }

    /// As the contract describes a table; `identity` is what old images carry.
    pub fn schema(&self, identity: ReplicaIdentity) -> TableSchema {
        let column = |column: &ColumnShape| Column {
            name: column.name.clone(),
            kind: values::kind(column),
            type_name: column.column_type.clone(),
            missing_in_log: false,
        };
        let mut key: Vec<(u16, usize)> = (0..)
            .zip(&self.columns)
            .filter_map(|(place, column)| Some((column.key?, place)))
            .collect();
        key.sort_unstable();
        TableSchema {
            name: self.name(),
            columns: self.columns.iter().map(column).collect(),
            primary_key: key.into_iter().map(|(_, place)| place).collect(),
            identity,
        }
    }

    /// Whether rows that the log announces with these columns can be read by this shape. A shape
    /// that agrees may still be wrong: two columns of one type that changed places look the same
    /// to the log, unless it names them.
    pub fn agrees(&self, columns: &[ColumnMap<'_>]) -> Result<(), Disagreement> {
        let (known, found) = (self.columns.len(), columns.len());
        if known != found {
            return Err(Disagreement::Columns { known, found });
        }
        for (shape, column) in self.columns.iter().zip(columns) {
            if !values::fits(shape, column) {
                return Err(Disagreement::Type {
                    column: shape.name.clone(),
                    known: shape.column_type.clone(),
                    found: column.kind,
                });
            }
            if let Some(name) = column.name.filter(|name| *name != shape.name) {
                let (known, found) = (shape.name.clone(), name.to_owned());
                return Err(Disagreement::Name { known, found });
            }
        }
        Ok(())
    }
}

/// Why rows cannot be read by a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// The announcement cannot be read.
    #[error("the log's announcement of the table cannot be read")]
    Malformed(#[from] Malformed),
    /// Another number of columns.
    #[error("the log announces {found} columns where {known} are known")]
    Columns {
        /// In the shape.
        known: usize,
        /// In the log.
        found: usize,
    },
    /// Another type.
    #[error("column `{column}` is known as {known}, the log announces type {found}")]
    Type {
        /// The column.
        column: String,
        /// In the shape.
        known: String,
        /// In the log, as the protocol numbers types.
        found: u8,
    },
    /// Another name.
    #[error("the log announces column `{found}` where `{known}` is known")]
    Name {
        /// In the shape.
        known: String,
        /// In the log.
        found: String,
    },
}

impl fmt::Display for TableShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}
