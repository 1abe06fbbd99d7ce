//! The server: listens, and owns everything that a test drives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Database, Fault, Login, ServerFacts, Value};

/// What the server says about encryption before the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It has none: the client must be content with an open login.
    #[default]
    NotSupported,
    /// For the login; for all if the client asks for it.
    Off,
    /// For all.
    Required,
    /// TLS before the first packet (TDS 8.0).
    Strict,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which session sent it (`@@SPID`).
    pub session: u16,
    /// Its text.
    pub sql: String,
    /// Its parameters, by name, in order.
    pub parameters: Vec<(String, Value)>,
}

/// An open session.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// `@@SPID`.
    pub id: u16,
    /// Who logged in.
    pub user: String,
    /// The name the client gave itself.
    pub application: String,
    /// Whether it said `ApplicationIntent=ReadOnly`.
    pub read_only: bool,
    /// Whether everything it says is encrypted.
    pub encrypted: bool,
    /// `@@TRANCOUNT`.
    pub open_transactions: u32,
    /// The isolation level in force, in capitals.
    pub isolation: &'static str,
    /// `SET LOCK_TIMEOUT`, in milliseconds; -1 waits for ever.
    pub lock_timeout: i64,
    /// `SET DEADLOCK_PRIORITY`: -5 is LOW.
    pub deadlock_priority: i64,
}

/// How a server shall be.
#[derive(Clone, Debug)]
pub struct TdsServerBuilder {
    database: String,
    facts: ServerFacts,
    encryption: Encryption,
    certificate: Option<(PathBuf, PathBuf)>,
    port: u16,
}

/// A listening server. Dropping it closes everything, and panics if it was asked what it does not
/// understand.
#[derive(Debug)]
pub struct TdsServer {
    database: Database,
}

impl TdsServer {
    /// A server with one database, `ERP`, in which nothing is yet.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server that is not like the default.
    pub fn builder() -> TdsServerBuilder {
        TdsServerBuilder {
            database: "ERP".to_owned(),
            facts: ServerFacts::default(),
            encryption: Encryption::NotSupported,
            certificate: None,
            port: 0,
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        unimplemented!()
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Lets somebody in, or changes what they may do; it holds for sessions that are open, too.
    pub fn login(&self, _login: Login) {
        unimplemented!()
    }

    /// Changes what the server says about itself.
    pub fn change_facts(&self, _change: impl FnOnce(&mut ServerFacts)) {
        unimplemented!()
    }

    /// Lays a fault in wait. The first one that fits a request takes it.
    pub fn fault(&self, _fault: Fault) {
        unimplemented!()
    }

    /// Takes all faults away and lets stalled requests go on.
    pub fn heal(&self) {
        unimplemented!()
    }

    /// How many faults still wait for their requests.
    pub fn faults_left(&self) -> usize {
        unimplemented!()
    }

    /// Closes every connection, as a restart would; new ones may come.
    pub fn disconnect_all(&self) {
        unimplemented!()
    }

    /// The requests of the last 10,000, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        unimplemented!()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        unimplemented!()
    }

    /// The sessions that are open now.
    pub fn sessions(&self) -> Vec<SessionFacts> {
        unimplemented!()
    }

    /// What was asked and not understood, with the reason; taking it keeps the drop from
    /// panicking.
    pub fn take_misunderstood(&self) -> Vec<String> {
        unimplemented!()
    }
}

impl TdsServerBuilder {
    /// The name of the database.
    #[must_use]
    pub fn database(self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self }
    }

    /// What the server says about itself.
    #[must_use]
    pub fn facts(self, facts: ServerFacts) -> Self {
        Self { facts, ..self }
    }

    /// How it encrypts, with a certificate and its key in PEM files.
    #[must_use]
    pub fn encryption(self, encryption: Encryption, certificate: &Path, key: &Path) -> Self {
        let certificate = Some((certificate.to_owned(), key.to_owned()));
        Self { encryption, certificate, ..self }
    }

    /// Listens on this port of 127.0.0.1; on any that is free if this is not said.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Starts it. Panics where that fails: a test cannot go on without.
    pub async fn start(self) -> TdsServer {
        unimplemented!()
    }
}

/// How long a blocked commit waits before it panics with the name of who blocks it.
pub(crate) const COMMIT_DEADLINE: Duration = Duration::from_secs(30);
