//! The server: listens, and owns everything that a test drives.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::connection::serve;
use crate::engine::Session;
use crate::fault::Effect;
use crate::wire::request::Asked;
use crate::wire::tls::acceptor;
use crate::{Database, Fault, Login, PASSWORD, ServerFacts, USER, Value};

/// How many requests are kept.
const JOURNAL: usize = 10_000;
/// The first number of a user's session.
const FIRST_SESSION: u16 = 51;

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
    /// The isolation level in force, in lower case.
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
    shared: Arc<Shared>,
    port: u16,
    listening: JoinHandle<()>,
}

/// What all connections know.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) encryption: Encryption,
    pub(crate) tls: Option<TlsAcceptor>,
    faults: Mutex<Vec<Fault>>,
    journal: Mutex<VecDeque<Request>>,
    sessions: Mutex<BTreeMap<u16, Session>>,
    misunderstood: Mutex<Vec<String>>,
    /// Raised by a heal, which lets stalled requests go on.
    heals: watch::Sender<u64>,
    /// Raised to end every connection.
    cuts: watch::Sender<u64>,
    next_session: AtomicU16,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("encryption", &self.encryption).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The first fault that fits a request, counted down.
    pub(crate) fn fault_for(&self, text: &str) -> Option<Effect> {
        self.take_fault(text, |_| true)
    }

    /// The same for a login, which only a fault that names it is meant for.
    pub(crate) fn fault_for_login(&self, user: &str) -> Option<Effect> {
        self.take_fault(&format!("login {user}"), |fault| fault.on.starts_with("login"))
    }

    fn take_fault(&self, text: &str, meant: impl Fn(&Fault) -> bool) -> Option<Effect> {
        let text = text.to_lowercase();
        let mut faults = locked(&self.faults);
        let mut taken = None;
        for fault in faults.iter_mut().filter(|one| meant(one) && text.contains(&one.on)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else {
                fault.times = fault.times.saturating_sub(1);
                taken = Some(fault.effect);
                break;
            }
        }
        faults.retain(|fault| fault.times > 0);
        taken
    }

    /// Waits as long as a fault says.
    pub(crate) async fn suffer(&self, effect: Effect) {
        match effect {
            Effect::Delay(by) => tokio::time::sleep(by).await,
            Effect::Stall => {
                let mut heals = self.heals.subscribe();
                let before = *heals.borrow();
                // The server is gone if this fails, and the connection with it.
                drop(heals.wait_for(|heals| *heals != before).await);
            }
            _ => {}
        }
    }

    pub(crate) fn note(&self, session: &Session, asked: &Asked) {
        let mut journal = locked(&self.journal);
        if journal.len() == JOURNAL {
            journal.pop_front();
        }
        let parameters = asked.parameters.iter().map(|one| (one.name.clone(), one.value.clone()));
        journal.push_back(Request {
            session: session.id,
            sql: asked.sql.clone(),
            parameters: parameters.collect(),
        });
    }

    #[expect(clippy::print_stderr, reason = "whoever reads the failed test shall see it")]
    pub(crate) fn misunderstood(&self, what: &str) {
        eprintln!("the scripted server does not understand: {what}");
        locked(&self.misunderstood).push(what.to_owned());
    }

    pub(crate) fn next_session(&self) -> u16 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn remember(&self, session: &Session) {
        locked(&self.sessions).insert(session.id, session.clone());
    }

    pub(crate) fn knows(&self, session: u16) -> bool {
        locked(&self.sessions).contains_key(&session)
    }

    pub(crate) fn forget(&self, session: u16) {
        locked(&self.sessions).remove(&session);
    }
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
        self.port
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Lets somebody in, or changes what they may do; it holds for sessions that are open, too.
    pub fn login(&self, login: Login) {
        let mut state = self.database.state();
        state.logins.retain(|known| !known.user.eq_ignore_ascii_case(&login.user));
        state.logins.push(login);
    }

    /// Changes what the server says about itself.
    pub fn change_facts(&self, change: impl FnOnce(&mut ServerFacts)) {
        change(&mut self.database.state().facts);
    }

    /// Lays a fault in wait. The first one that fits a request takes it.
    pub fn fault(&self, fault: Fault) {
        locked(&self.shared.faults).push(fault);
    }

    /// Takes all faults away and lets stalled requests go on.
    pub fn heal(&self) {
        locked(&self.shared.faults).clear();
        self.shared.heals.send_modify(|heals| *heals += 1);
    }

    /// How many faults still wait for their requests.
    pub fn faults_left(&self) -> usize {
        locked(&self.shared.faults).len()
    }

    /// Closes every connection, as a restart would; new ones may come.
    pub fn disconnect_all(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The requests of the last 10,000, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.journal).iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        locked(&self.shared.journal).clear();
    }

    /// The sessions that are open now, as they were after their last request.
    pub fn sessions(&self) -> Vec<SessionFacts> {
        let facts = |session: &Session| SessionFacts {
            id: session.id,
            user: session.user.clone(),
            application: session.application.clone(),
            read_only: session.read_only,
            encrypted: session.encrypted,
            open_transactions: session.depth,
            isolation: session.isolation,
            lock_timeout: session.lock_timeout,
            deadlock_priority: session.deadlock_priority,
        };
        locked(&self.shared.sessions).values().map(facts).collect()
    }

    /// What was asked and not understood, with the reason; taking it keeps the drop from
    /// panicking.
    pub fn take_misunderstood(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.shared.misunderstood))
    }
}

impl Drop for TdsServer {
    fn drop(&mut self) {
        self.listening.abort();
        self.disconnect_all();
        let misunderstood = self.take_misunderstood();
        assert!(
            misunderstood.is_empty() || std::thread::panicking(),
            "the scripted server was asked what it does not understand: {misunderstood:#?}"
        );
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
        let strict = self.encryption == Encryption::Strict;
        let tls = self.certificate.map(|(certificate, key)| {
            acceptor(&certificate, &key, strict).expect("the certificate and its key can be read")
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let listener = listener.expect("the port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let database = Database::new(&self.database, self.facts);
        database.state().logins.push(Login::new(USER, PASSWORD).owner());
        let shared = Arc::new(Shared {
            database: database.clone(),
            encryption: self.encryption,
            tls,
            faults: Mutex::default(),
            journal: Mutex::default(),
            sessions: Mutex::default(),
            misunderstood: Mutex::default(),
            heals: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            next_session: AtomicU16::new(FIRST_SESSION),
        });
        #[expect(clippy::disallowed_methods, reason = "the server owns it and aborts it")]
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        TdsServer { database, shared, port, listening }
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let before = *cuts.borrow();
    tokio::select! {
        // What the client has not got yet is lost, which is what a cut is.
        _ = cuts.wait_for(|cuts| *cuts != before) => {}
        // An error here is the client's going, or a fault; both sides know of it.
        _ = serve(stream, shared) => {}
    }
}
