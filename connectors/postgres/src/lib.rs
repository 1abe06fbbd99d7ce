//! Follows a `PostgreSQL` database by logical replication.
//!
//! The way of the data: [`stream`] brings bytes from the server, [`pgoutput`] reads them as
//! messages, [`relations`] knows the tables they speak of, [`assemble`] makes batches of them,
//! and [`follow`] runs this loop; [`feedback`] tells the server what it may forget. [`source`]
//! brings it all together and [`start`] decides where to begin.
//!
//! Beside the stream everything is SQL: [`session`] opens connections, [`catalog`] knows the
//! tables as they are now, [`check()`] looks for what would go wrong, [`snapshot`] reads what was
//! there before the log, [`observer`] asks where the log ends, and `explore` looks around for the
//! tools.

pub mod assemble;
mod begin;
pub mod catalog;
mod check;
pub mod config;
mod copy;
mod explore;
pub mod feedback;
pub mod follow;
pub mod observer;
mod outlet;
pub mod pgoutput;
pub mod position;
pub mod relations;
pub mod session;
pub mod snapshot;
pub mod source;
mod sql;
pub mod sqlstate;
pub mod start;
pub mod stream;
mod stretch;
pub mod tls;
mod url;
pub mod values;

pub use check::check;
pub use config::{ConfigError, PostgresConfig};
pub use erpbridge_connector::{Secret, SnapshotMode, TlsConfig, TlsMode};
pub use position::Lsn;
pub use source::PostgresSource;
