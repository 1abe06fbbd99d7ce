//! Runs statements: binds names to tables, evaluates, and hands rows to the session.

mod aggregate;
mod arithmetic;
mod bind;
mod bounds;
mod calls;
mod context;
mod functions;
mod join;
mod metadata;
mod node;
mod output;
mod procedures;
mod relations;
mod run;
mod scan;
mod scripts;
mod session;
mod statement;

pub(crate) use context::{Context, is_owner};
pub(crate) use metadata::major;
pub(crate) use node::Node;
pub(crate) use scan::{Scan, Source};
pub(crate) use session::{Session, Transition};
pub(crate) use statement::{Batch, Output, Parameter};
