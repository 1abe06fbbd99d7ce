//! A scripted server that speaks TDS, with a small CDC database behind it.
//!
//! It stands in for SQL Server where none can be installed. A test commits transactions to a
//! database in memory; a real client connects over TCP, with TLS where asked for, and reads it:
//!
//! ```text
//! test ── Database ──▶ log ── capture job ──▶ change tables ◀── SQL ── TDS ◀── client
//!             └──────▶ tables, by version ◀───────────────────────┘
//! ```
//!
//! It answers because it *understands* the query, not because it knows its text: `sql` reads
//! T-SQL into trees, `engine` runs them over the tables and system views of `database`, with
//! the parameters that were bound. A query beyond that is answered with an error, written down,
//! and fails the test when the [`TdsServer`] is dropped. A permission that was not granted is
//! missed as on a real server: by an error, or by rows that are not shown.
//!
//! Where SQL Server promises nothing, neither does this: rows without an ORDER BY come backwards.
//!
//! What is simplified is said where it is: nobody reads uncommitted rows, a transaction of a test
//! holds locks only where it is told to ([`Database::lock`]), and plans do not exist.
//!
//! ```no_run
//! # async fn example() {
//! use erpbridge_test_tds::{TdsServer, row};
//!
//! let server = TdsServer::start().await;
//! let erp = server.database();
//! erp.create_table("dbo.OPOR", "DocEntry int NOT NULL PRIMARY KEY, DocTotal decimal(19,6)");
//! erp.enable_cdc();
//! erp.capture("dbo.OPOR").enable();
//! let lsn = erp
//!     .transaction()
//!     .insert("dbo.OPOR", row! { "DocEntry": 1, "DocTotal": "12.500000" })
//!     .update("dbo.OPOR", row! { "DocEntry": 1 }, row! { "DocTotal": "13.00" })
//!     .commit()
//!     .await;
//! assert_eq!(erp.newest(), Some(lsn));
//! # }
//! ```

mod admission;
mod catalog;
mod connection;
mod database;
mod engine;
mod facts;
mod fault;
mod login;
mod lsn;
mod problem;
mod server;
mod sql;
mod value;
mod wire;

pub use database::{Backup, Capture, CaptureJob, Change, Database, Locked, Transaction};
pub use facts::{Edition, ServerFacts};
pub use fault::Fault;
pub use login::Login;
pub use lsn::Lsn;
pub use server::{Encryption, Request, SessionFacts, TdsServer, TdsServerBuilder};
pub use value::{Decimal, Row, Value};

/// The login every server knows from the start; it may do everything.
pub const USER: &str = "erpbridge";
/// Its password.
pub const PASSWORD: &str = "Kestrel-42!";
