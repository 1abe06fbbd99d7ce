//! Follows a `MySQL` or `MariaDB` server by its binary log.
//!
//! The way of the data: [`stream`] brings events from the server, [`binlog`] reads them, `relations`
//! knows the shape of each table at each place of the log, [`assemble`] makes batches of the rows
//! by the plans of [`values`], and `follow` runs this loop. [`source`] brings it all together, and
//! `start` decides where to begin: at a place, or in another server's log by the transactions that
//! are known ([`position`], [`gtid`]).
//!
//! Beside the log everything is SQL: [`session`] opens connections, [`catalog`] knows the tables as
//! they are now, [`check()`] looks for what would go wrong, [`snapshot`] reads what was there before
//! the log, and [`observer`] asks where the log ends and how long it is kept.

pub mod assemble;
mod begin;
pub mod binlog;
pub mod catalog;
mod check;
pub mod config;
mod explore;
mod feedback;
mod follow;
pub mod gtid;
pub mod observer;
mod outlet;
pub mod position;
mod relations;
pub mod retention;
pub mod session;
pub mod shape;
pub mod snapshot;
pub mod source;
mod sql;
pub mod sqlstate;
mod start;
pub mod statement;
pub mod stream;
mod stretch;
mod tls;
mod url;
pub mod values;

pub use check::check;
pub use config::{ConfigError, MysqlConfig};
pub use erpbridge_connector::{Secret, SnapshotMode, TlsConfig, TlsMode};
pub use source::MysqlSource;
