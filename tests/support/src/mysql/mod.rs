//! A private `MariaDB` or `MySQL` server: its own data directory, port and socket, writing a
//! binary log of rows.
//!
//! It listens on 127.0.0.1 with a password for the code under test, and on a socket in its own
//! directory without one for the test itself. The two flavours are the two ends of what the
//! connector reads: `MariaDB` as Debian has it, and `MySQL` 5.6, which knows neither row metadata
//! nor a position that belongs to a snapshot.

mod files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};

use crate::failure::Tried;
use crate::{Certificates, Port, Process, Result, Signal, wait_until};
use files::Files;

const USER: &str = "root";
const PASSWORD: &str = "superuser-secret";

const START_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// `MariaDB`, as Debian has it.
    MariaDb,
    /// `MySQL` 5.6.24.
    Mysql56,
}

impl Flavour {
    /// Both, for tests that hold for either.
    pub const ALL: [Self; 2] = [Self::MariaDb, Self::Mysql56];
}

/// What the server is to be like.
#[derive(Debug)]
pub struct MysqlBuilder {
    flavour: Flavour,
    settings: BTreeMap<String, String>,
    tls: bool,
}

impl MysqlBuilder {
    fn new(flavour: Flavour) -> Self {
        // Nothing here survives a power failure, and nothing needs to: a killed process loses
        // no write that the kernel has.
        let settings = [
            ("log_bin", "binlog"),
            ("binlog_format", "ROW"),
            ("log_slave_updates", "ON"),
            ("sync_binlog", "0"),
            ("innodb_flush_log_at_trx_commit", "2"),
            ("innodb_buffer_pool_size", "32M"),
            ("innodb_log_file_size", "8M"),
            ("innodb_use_native_aio", "OFF"),
            ("performance_schema", "OFF"),
            ("character_set_server", "utf8mb4"),
            ("bind_address", "127.0.0.1"),
            ("skip_name_resolve", "ON"),
            ("max_connections", "60"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { flavour, settings: settings.map(owned).into(), tls: false }
    }

    /// Sets a server setting, in place of a default or beside them.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Transactions and their log reach the disk, as on a real server.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("sync_binlog", "1").setting("innodb_flush_log_at_trx_commit", "1")
    }

    /// The server has certificates; see [`Mysql::certificates`]. `MySQL` 5.6 then speaks TLS 1.0.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Makes the data directory, starts the server, and returns when it accepts connections.
    pub async fn start(mut self) -> Result<Mysql> {
        let port = Port::reserve()?;
        // Every server of a topology has its own, and no two ports are the same.
        self.settings.entry("server_id".to_owned()).or_insert_with(|| port.number().to_string());
        let files = Files::make(self.flavour, self.tls)?;
        files.configure(&port, &self.settings)?;
        let process = files.launch()?;
        let mut server = Mysql { process, settings: self.settings, port, files };
        server.wait_ready().await?;
        Ok(server)
    }
}

/// A running server; it and its data are gone after drop.
#[derive(Debug)]
pub struct Mysql {
    // Dropped in this order: the process before what it uses.
    process: Process,
    settings: BTreeMap<String, String>,
    port: Port,
    files: Files,
}

impl Mysql {
    /// Starts a server that logs rows.
    pub async fn start(flavour: Flavour) -> Result<Self> {
        Self::builder(flavour).start().await
    }

    /// A server to be described further.
    pub fn builder(flavour: Flavour) -> MysqlBuilder {
        MysqlBuilder::new(flavour)
    }

    /// Which server it is.
    pub fn flavour(&self) -> Flavour {
        self.files.flavour()
    }

    /// The URL of a database for the superuser, over TCP with a password.
    pub fn url(&self, database: &str) -> String {
        self.url_for(USER, PASSWORD, database)
    }

    /// The URL of a database for this user. The parts must need no percent-encoding.
    pub fn url_for(&self, user: &str, password: &str, database: &str) -> String {
        format!("mysql://{user}:{password}@{}/{database}", self.address())
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The socket that asks the superuser for no password.
    pub fn socket(&self) -> PathBuf {
        self.files.socket()
    }

    /// The directory of the databases and the binary log.
    pub fn data(&self) -> PathBuf {
        self.files.data()
    }

    /// The certificates of a server with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.files.certificates()
    }

    /// A superuser's connection without a database, over the socket.
    pub async fn client(&self) -> Result<Conn> {
        connect(self.socket(), None).await
    }

    /// A superuser's connection to this database, over the socket.
    pub async fn client_of(&self, database: &str) -> Result<Conn> {
        connect(self.socket(), Some(database)).await
    }

    /// Runs statements, separated by semicolons, as superuser without a database.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        run(self.client().await?, sql).await
    }

    /// Runs statements, separated by semicolons, in this database as superuser.
    pub async fn execute_in(&self, database: &str, sql: &str) -> Result<()> {
        run(self.client_of(database).await?, sql).await
    }

    /// The rows of a query of the superuser.
    pub async fn query<T: FromRow + Send + 'static>(&self, sql: &str) -> Result<Vec<T>> {
        let mut client = self.client().await?;
        let rows = client.query(sql).await.tried(format_args!("cannot run \"{sql}\""))?;
        client.disconnect().await.tried("cannot disconnect")?;
        Ok(rows)
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        self.execute(&format!("CREATE DATABASE `{name}`")).await
    }

    /// Makes a user with nothing but a login.
    pub async fn create_user(&self, name: &str, password: &str) -> Result<()> {
        self.execute(&format!("CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{password}'")).await
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.settings.insert(name.to_owned(), value.to_owned());
        self.files.configure(&self.port, &self.settings)
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Sends the server a signal: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends it like a crash, or does nothing if it is down.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Ends it in order, cutting all sessions, and returns when it is down.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM);
        self.process.wait(STOP_DEADLINE).await?;
        Ok(())
    }

    /// Stops it if it runs, and starts it on the same port and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.process = self.files.launch()?;
        self.wait_ready().await
    }

    /// A replica of this server from its first log file on, with the same settings.
    pub async fn replica(&self) -> Result<Self> {
        let settings = self.settings.iter().filter(|(name, _)| *name != "server_id");
        let settings = settings.map(|(name, value)| (name.clone(), value.clone())).collect();
        let builder = MysqlBuilder { flavour: self.flavour(), settings, tls: false };
        let replica = builder.start().await?;
        replica
            .execute(&format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, \
                 MASTER_USER = '{USER}', MASTER_PASSWORD = '{PASSWORD}', {}; START SLAVE",
                self.port(),
                self.whole_log(),
            ))
            .await?;
        Ok(replica)
    }

    fn whole_log(&self) -> &'static str {
        let by_gtid = self.settings.get("gtid_mode").is_some_and(|mode| mode == "ON");
        match self.flavour() {
            Flavour::MariaDb => "MASTER_USE_GTID = slave_pos",
            Flavour::Mysql56 if by_gtid => "MASTER_AUTO_POSITION = 1",
            Flavour::Mysql56 => "MASTER_LOG_FILE = 'binlog.000001', MASTER_LOG_POS = 4",
        }
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let socket = self.socket();
        let process = &mut self.process;
        let mut down = false;
        let ready = wait_until("the server accepts connections", START_DEADLINE, async || {
            down = process.exited().is_some();
            down || connect(socket.clone(), None).await.is_ok()
        })
        .await;
        match ready {
            Ok(()) if !down => Ok(()),
            _ => Err(self.process.failure("the server did not start")),
        }
    }
}

async fn connect(socket: PathBuf, database: Option<&str>) -> Result<Conn> {
    let what = format!("cannot connect to \"{}\"", socket.display());
    let options = OptsBuilder::default()
        .user(Some(USER))
        .socket(Some(socket.display().to_string()))
        .db_name(database);
    Conn::new(options).await.tried(what)
}

async fn run(mut client: Conn, sql: &str) -> Result<()> {
    client.query_drop(sql).await.tried(format_args!("cannot run \"{sql}\""))?;
    client.disconnect().await.tried("cannot disconnect")
}

#[cfg(test)]
mod tests;
