//! How far a mapping has come. Its structures are written once for both stages:
//! `Filter<Written>` is what a file says, `Filter<Bound>` is what runs.

use std::fmt::Debug;

use super::bind::{self, Cell};
use super::file::{self, ColumnName};

/// A stage: what stands for a column, for an expression and for a list of children.
pub(super) trait Stage: Clone + Debug {
    /// A column of the row, or of a row looked up from it.
    type Column: Clone + Debug;
    /// An expression.
    type Formula: Clone + Debug;
    /// Rows that point to this one.
    type Children: Clone + Debug;
}

/// As a file says it: everything refers to columns by name.
#[derive(Clone, Debug)]
pub(super) struct Written;

impl Stage for Written {
    type Column = ColumnName;
    type Formula = file::Formula;
    type Children = file::Children;
}

/// Bound to a table: names have become places, types have been checked.
#[derive(Clone, Debug)]
pub(super) struct Bound;

impl Stage for Bound {
    type Column = Cell;
    type Formula = bind::Formula;
    type Children = bind::Children;
}
