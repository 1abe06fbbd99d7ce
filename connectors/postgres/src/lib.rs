//! Follows a `PostgreSQL` database by logical replication.
//!
//! The way of the data: [`stream`] brings bytes from the server, [`pgoutput`] reads them as
//! messages, [`relations`] knows the tables they speak of, [`assemble`] makes batches of them,
//! and [`follow`] runs this loop and tells the server what it may forget. [`source`] decides
//! where to begin.

pub mod assemble;
pub mod config;
pub mod pgoutput;
pub mod position;
pub mod relations;
mod sql;
pub mod sqlstate;
pub mod stream;
pub mod tls;
mod url;
pub mod values;

pub use config::{ConfigError, PostgresConfig, Secret, SnapshotMode, TlsConfig, TlsMode};
pub use position::Lsn;
