//! Follows a SQL Server database by its change data capture tables.

pub mod assemble;
mod begin;
pub mod catalog;
pub mod cell;
pub mod change_tables;
mod check;
pub mod config;
pub mod error_number;
mod explore;
pub mod feedback;
pub mod follow;
pub mod observer;
mod outlet;
pub mod position;
pub mod read_so_far;
pub mod relations;
pub mod retention;
pub mod sequence;
pub mod session;
pub mod snapshot;
pub mod source;
mod sql;
pub mod start;
pub mod stream;
pub mod tls;
mod url;
pub mod values;

pub use check::check;
pub use config::{ConfigError, SqlServerConfig, TlsConfig, TlsMode};
pub use erpbridge_connector::{Secret, SnapshotMode};
pub use position::Lsn;
pub use source::SqlServerSource;
