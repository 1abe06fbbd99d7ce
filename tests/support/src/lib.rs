//! Private servers, fault tools and the oracle, for tests, the demo and the benchmarks.
//!
//! A *guard* ([`Postgres`], [`Mysql`], [`Nats`], [`Bridge`], [`Proxy`]) owns a real process or
//! socket and the directory under it. Nothing here touches a server that was there before, and when
//! a guard is dropped, or the whole test process is killed, nothing of it stays.
//!
//! ```text
//! seed → servers → faults (kill, stop, proxy) → what the stream holds → oracle → verdict
//! ```
//!
//! Every function that can fail returns a [`Failure`], whose text says what was tried and what
//! the server's log says; a test unwraps it, the demo prints it.

mod binaries;
mod bridge;
mod directory;
mod failure;
mod mysql;
mod nats;
pub mod oracle;
mod ports;
mod postgres;
mod process;
mod proxy;
mod seed;
mod service;
mod stream;
mod tasks;
mod tls;
mod tryton;
mod wait;

pub use bridge::{Bridge, get, sample};
pub use directory::Directory;
pub use failure::Failure;
pub use mysql::{Flavour, Mysql, MysqlBuilder};
pub use nats::{Nats, NatsBuilder, NatsVersion};
pub use ports::Port;
pub use postgres::{PASSWORD, Postgres, PostgresBuilder, USER};
pub use process::{Process, Signal, log_tail};
pub use proxy::{Proxy, Way};
pub use seed::Seed;
pub use stream::{StoredMessage, read_stream};
pub use tls::Certificates;
pub use tryton::Tryton;
pub use wait::{wait_for, wait_until};

/// What most operations here return.
pub type Result<T> = std::result::Result<T, Failure>;
