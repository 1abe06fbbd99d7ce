//! T-SQL, read into trees: the part of the language that a client of CDC has use for.
//!
//! Words that SQL Server reserves cannot be names without brackets here either, and a condition is
//! not a value: what this reads, SQL Server reads.

mod definition;
mod expression;
mod lexer;
mod parser;
mod query;
mod statement;
mod tree;

pub(crate) use lexer::{Token, tokens};
pub(crate) use parser::Parser;
pub(crate) use tree::{
    Column, Condition, Expression, Hints, Item, Join, Name, Operator, Order, Query, Relation,
    Select, Setting, Statement, SubqueryKind,
};
