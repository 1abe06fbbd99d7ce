//! A private NATS server with JetStream.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::binaries::{cache, from_env, on_path};
use crate::failure::Tried;
use crate::process::{command, output};
use crate::{Certificates, Directory, Failure, Port, Process, Result, Signal, wait_until};

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// The first release with atomic batches.
const CURRENT: (u32, u32) = (2, 12);

/// Which of the two supported protocols the server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NatsVersion {
    /// 2.12 or newer: atomic batches.
    #[default]
    Current,
    /// Older: one message at a time.
    Old,
}

impl NatsVersion {
    /// Finds the program: by environment variable, in the project's cache, then on PATH.
    fn program(self) -> Result<PathBuf> {
        let (variable, cached) = match self {
            Self::Current => ("ERPBRIDGE_NATS", "nats-server"),
            Self::Old => ("ERPBRIDGE_NATS_OLD", "nats-server-old"),
        };
        if let Some(program) = from_env(variable)? {
            return Ok(program);
        }
        let mut places =
            std::iter::once(cache().join("bin").join(cached)).chain(on_path("nats-server"));
        places.find(|program| self.fits(program)).ok_or_else(|| {
            Failure::new(format!(
                "found no nats-server for {self:?} (older or newer than 2.12); \
                 run tests/install.sh or set {variable}"
            ))
        })
    }

    fn fits(self, program: &Path) -> bool {
        version_of(program).is_some_and(|version| (version >= CURRENT) == (self == Self::Current))
    }
}

/// Major and minor of `nats-server: v2.15.1`.
fn version_of(program: &Path) -> Option<(u32, u32)> {
    let mut command = Command::new(program);
    command.arg("--version");
    let text = output(command).ok()?;
    let mut numbers = text.trim().rsplit_once('v')?.1.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What the server is to be like.
#[derive(Debug, Default)]
pub struct NatsBuilder {
    version: NatsVersion,
    credentials: Credentials,
    tls: bool,
    without_jetstream: bool,
    jetstream: Vec<String>,
    lines: Vec<String>,
}

#[derive(Clone, Debug, Default)]
enum Credentials {
    #[default]
    None,
    Token(String),
    User(String, String),
}

impl NatsBuilder {
    /// Clients must give this token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.credentials = Credentials::Token(token.to_owned());
        self
    }

    /// Clients must give this user and password.
    #[must_use]
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.credentials = Credentials::User(user.to_owned(), password.to_owned());
        self
    }

    /// Clients must use TLS; see [`Nats::certificates`].
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The server has no JetStream.
    #[must_use]
    pub fn without_jetstream(mut self) -> Self {
        self.without_jetstream = true;
        self
    }

    /// The largest message, in bytes.
    #[must_use]
    pub fn max_payload(self, bytes: usize) -> Self {
        self.line(&format!("max_payload: {bytes}"))
    }

    /// Adds a line to the server's configuration file.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Adds a line to the `jetstream` block, for example `sync_interval: always`.
    #[must_use]
    pub fn jetstream(mut self, line: &str) -> Self {
        self.jetstream.push(line.to_owned());
        self
    }

    /// Starts the server and returns when it accepts connections.
    pub async fn start(self) -> Result<Nats> {
        let program = self.version.program()?;
        let directory = Directory::new("nats")?;
        let port = Port::reserve()?;
        let certificates =
            if self.tls { Some(Certificates::make(directory.path())?) } else { None };
        let text = self.configuration(&port, &directory, certificates.as_ref())?;
        directory.write("nats.conf", &text)?;
        let process = launch(&program, &directory)?;
        let mut nats =
            Nats { process, program, credentials: self.credentials, certificates, port, directory };
        nats.wait_ready().await?;
        Ok(nats)
    }

    fn configuration(
        &self,
        port: &Port,
        directory: &Directory,
        certificates: Option<&Certificates>,
    ) -> Result<String> {
        let mut text = String::new();
        self.write(&mut text, port, directory, certificates).tried("cannot write nats.conf")?;
        Ok(text)
    }

    fn write(
        &self,
        text: &mut String,
        port: &Port,
        directory: &Directory,
        certificates: Option<&Certificates>,
    ) -> std::fmt::Result {
        writeln!(text, "listen: \"{}\"", port.address())?;
        if !self.without_jetstream {
            let store = directory.join("store");
            writeln!(text, "jetstream {{\nstore_dir: \"{}\"", store.display())?;
            self.jetstream.iter().try_for_each(|line| writeln!(text, "{line}"))?;
            writeln!(text, "}}")?;
        }
        match &self.credentials {
            Credentials::None => {}
            Credentials::Token(token) => writeln!(text, "authorization {{ token: \"{token}\" }}")?,
            Credentials::User(user, password) => {
                writeln!(text, "authorization {{ user: \"{user}\", password: \"{password}\" }}")?;
            }
        }
        if let Some(Certificates { certificate, key, .. }) = certificates {
            let (certificate, key) = (certificate.display(), key.display());
            writeln!(text, "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}")?;
        }
        self.lines.iter().try_for_each(|line| writeln!(text, "{line}"))
    }
}

/// A running server; it and its store are gone after drop.
#[derive(Debug)]
pub struct Nats {
    // Dropped in this order: the process before what it uses.
    process: Process,
    program: PathBuf,
    credentials: Credentials,
    certificates: Option<Certificates>,
    port: Port,
    directory: Directory,
}

impl Nats {
    /// Starts a server with JetStream, without credentials or TLS.
    pub async fn start(version: NatsVersion) -> Result<Self> {
        Self::builder(version).start().await
    }

    /// A server to be described further.
    pub fn builder(version: NatsVersion) -> NatsBuilder {
        NatsBuilder { version, ..NatsBuilder::default() }
    }

    /// `nats://127.0.0.1:<port>`, or `tls://…` for a server with TLS; without credentials.
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "tls" } else { "nats" };
        format!("{scheme}://{}", self.address())
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// The certificates of a server with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Where JetStream keeps its files.
    pub fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// A connected client with the server's credentials. (For TLS, connect with your own.)
    pub async fn client(&self) -> Result<async_nats::Client> {
        let options = match &self.credentials {
            Credentials::None => async_nats::ConnectOptions::new(),
            Credentials::Token(token) => async_nats::ConnectOptions::with_token(token.clone()),
            Credentials::User(user, password) => {
                async_nats::ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
        };
        let url = self.url();
        options.connect(&url).await.tried(format_args!("cannot connect to \"{url}\""))
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it like a crash, or does nothing if it is down.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Ends it in order and returns when it is down.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::INT);
        self.process.wait(STOP_DEADLINE).await?;
        Ok(())
    }

    /// Stops it if it runs, and starts it on the same port and store.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.process = launch(&self.program, &self.directory)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let address = self.address();
        let process = &mut self.process;
        let mut down = false;
        let ready = wait_until("nats-server accepts connections", START_DEADLINE, async || {
            down = process.exited().is_some();
            down || greets(&address).await
        })
        .await;
        match ready {
            Ok(()) if !down => Ok(()),
            _ => Err(self.process.failure("nats-server did not start")),
        }
    }
}

fn launch(program: &Path, directory: &Directory) -> Result<Process> {
    let mut command = command(program, None);
    command.arg("-c").arg(directory.join("nats.conf"));
    Process::run(command, &directory.join("nats.log"))
}

/// The server speaks first, before any authentication, and only when JetStream is up.
async fn greets(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO "
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn publish(nats: &Nats) -> u64 {
        let context = async_nats::jetstream::new(nats.client().await.unwrap());
        let stream = async_nats::jetstream::stream::Config {
            name: "T".into(),
            subjects: vec!["t".into()],
            ..Default::default()
        };
        context.get_or_create_stream(stream).await.unwrap();
        context.publish("t", "x".into()).await.unwrap().await.unwrap().sequence
    }

    #[tokio::test]
    async fn both_versions_start_and_keep_their_stream_over_a_crash_and_a_restart() {
        for version in [NatsVersion::Current, NatsVersion::Old] {
            let mut nats = Nats::start(version).await.unwrap();
            assert_eq!(publish(&nats).await, 1);
            nats.kill9();
            nats.restart().await.unwrap();
            assert_eq!(publish(&nats).await, 2);
            nats.restart().await.unwrap();
            assert_eq!(publish(&nats).await, 3);
        }
    }

    #[tokio::test]
    async fn a_dropped_server_leaves_neither_process_nor_store() {
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        let (store, address) = (nats.store(), nats.address());
        publish(&nats).await;
        assert!(store.exists());
        drop(nats);
        assert!(!store.exists());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn credentials_limits_and_missing_jetstream_are_as_asked() {
        let nats = Nats::builder(NatsVersion::Current)
            .user("bridge", "secret")
            .max_payload(4096)
            .without_jetstream()
            .start()
            .await
            .unwrap();
        assert!(async_nats::connect(nats.url()).await.is_err());
        let info = nats.client().await.unwrap().server_info();
        assert_eq!(info.max_payload, 4096);
        assert!(!info.jetstream);
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_shows_its_log() {
        let started = Nats::builder(NatsVersion::Current).line("no_such_option: 1").start().await;
        let failure = started.unwrap_err().to_string();
        assert!(failure.contains("no_such_option"), "{failure}");
    }
}
