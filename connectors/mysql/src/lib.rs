//! Follows a `MySQL` or `MariaDB` database by its binary log.

pub mod assemble;
pub mod binlog;
pub mod catalog;
mod check;
pub mod config;
pub mod done;
pub mod gtid;
mod outlet;
pub mod position;
pub mod session;
pub mod shape;
pub mod snapshot;
mod sql;
pub mod sqlstate;
pub mod statement;
pub mod stream;
mod tls;
mod url;
pub mod values;

pub use check::check;
pub use config::{ConfigError, MysqlConfig, Secret, SnapshotMode, TlsConfig, TlsMode};
