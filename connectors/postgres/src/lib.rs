//! Follows a `PostgreSQL` database by logical replication.

pub mod catalog;
mod check;
pub mod config;
mod copy;
mod outlet;
pub mod position;
pub mod session;
pub mod snapshot;
mod sql;
pub mod sqlstate;
pub mod tls;
mod url;
pub mod values;

pub use check::check;
pub use config::{ConfigError, PostgresConfig, Secret, SnapshotMode, TlsConfig, TlsMode};
pub use position::Lsn;
