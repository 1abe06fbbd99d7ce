//! A private PostgreSQL cluster.
//!
//! It listens on 127.0.0.1 with SCRAM passwords (with TLS only, if asked) for the code under
//! test, and on a socket in its own directory without passwords for the test itself.

mod cluster;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::failure::Tried;
use crate::{Certificates, Port, Process, Result, Signal, tasks, wait_until};
use cluster::Cluster;

/// The superuser.
pub const USER: &str = "postgres";
/// The superuser's password.
pub const PASSWORD: &str = "superuser-secret";

const START_DEADLINE: Duration = Duration::from_mins(1);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// What the cluster is to be like.
#[derive(Debug)]
pub struct PostgresBuilder {
    settings: BTreeMap<String, String>,
    tls: bool,
}

impl Default for PostgresBuilder {
    fn default() -> Self {
        // Nothing here survives a power failure, and nothing needs to: a killed process loses
        // no write that the kernel has.
        let settings = [
            ("wal_level", "logical"),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_wal_senders", "20"),
            ("max_replication_slots", "20"),
            ("max_connections", "60"),
            ("shared_buffers", "64MB"),
            ("timezone", "UTC"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { settings: settings.map(owned).into(), tls: false }
    }
}

impl PostgresBuilder {
    /// Sets a server setting, in place of a default or beside them.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Writes reach the disk, as on a real server.
    #[must_use]
    pub fn durable(self) -> Self {
        self.setting("fsync", "on").setting("full_page_writes", "on")
    }

    /// TCP connections must use TLS; see [`Postgres::certificates`].
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Makes the cluster, starts it, and returns when it accepts connections.
    pub async fn start(self) -> Result<Postgres> {
        let port = Port::reserve()?;
        let cluster = Cluster::make(self.tls)?;
        cluster.configure(&port, &self.settings)?;
        let process = cluster.launch()?;
        let mut postgres = Postgres { process, settings: self.settings, port, cluster };
        postgres.wait_ready().await?;
        Ok(postgres)
    }
}

/// A running cluster; it and its data are gone after drop.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: the process before what it uses.
    process: Process,
    settings: BTreeMap<String, String>,
    port: Port,
    cluster: Cluster,
}

impl Postgres {
    /// Starts a cluster with `wal_level = logical` and room for 20 slots.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// A cluster to be described further.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// The URL of a database for the superuser, over TCP with a password.
    pub fn url(&self, database: &str) -> String {
        self.url_for(USER, PASSWORD, database)
    }

    /// The URL of a database for this user. The parts must need no percent-encoding.
    pub fn url_for(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@{}/{database}", self.address())
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The directory of the socket that asks for no password.
    pub fn socket(&self) -> PathBuf {
        self.cluster.socket()
    }

    /// The directory of the server's programs, for `pg_recvlogical` and the like.
    pub fn programs(&self) -> PathBuf {
        self.cluster.programs().to_owned()
    }

    /// The certificates of a cluster with TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.cluster.certificates()
    }

    /// A superuser's connection to the database `postgres`, over the socket.
    pub async fn client(&self) -> Result<Client> {
        self.client_of(USER).await
    }

    /// A superuser's connection to this database, over the socket.
    pub async fn client_of(&self, database: &str) -> Result<Client> {
        connect(&self.socket(), self.port(), database).await
    }

    /// Runs statements in the database `postgres` as superuser.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.execute_in(USER, sql).await
    }

    /// Runs statements in this database as superuser; several without `BEGIN` are one
    /// transaction.
    pub async fn execute_in(&self, database: &str, sql: &str) -> Result<()> {
        let client = self.client_of(database).await?;
        client.batch_execute(sql).await.tried(format_args!("cannot run \"{sql}\""))
    }

    /// Makes an empty database.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        self.execute(&format!("CREATE DATABASE \"{name}\"")).await
    }

    /// Changes a setting and reloads. Settings that need a restart wait for [`Self::restart`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.settings.insert(name.to_owned(), value.to_owned());
        self.cluster.configure(&self.port, &self.settings)?;
        self.process.signal(Signal::HUP);
        Ok(())
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it like a crash, or does nothing if it is down.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Ends it in order, cutting all sessions, and returns when it is down.
    pub async fn stop_fast(&mut self) -> Result<()> {
        self.process.signal(Signal::INT);
        self.process.wait(STOP_DEADLINE).await?;
        Ok(())
    }

    /// Stops it if it runs, and starts it on the same port and data.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop_fast().await?;
        self.process = self.cluster.launch()?;
        self.wait_ready().await
    }

    /// A hot standby of this cluster, on a port of its own and with the same settings.
    pub async fn standby(&self) -> Result<Self> {
        let port = Port::reserve()?;
        let cluster = self.cluster.backup(self.port())?;
        cluster.configure(&port, &self.settings)?;
        let process = cluster.launch()?;
        let settings = self.settings.clone();
        let mut standby = Self { process, settings, port, cluster };
        standby.wait_ready().await?;
        Ok(standby)
    }

    /// Makes a standby a primary and returns when it is one.
    pub async fn promote(&self) -> Result<()> {
        self.execute("SELECT pg_promote()").await?;
        self.wait_primary().await
    }

    /// Stops it and starts it as after a restore to the end of its log: the same data, its slots
    /// included, on a new timeline.
    pub async fn recover(&mut self) -> Result<()> {
        self.stop_fast().await?;
        self.settings.insert("restore_command".to_owned(), "false".to_owned());
        self.cluster.configure(&self.port, &self.settings)?;
        self.cluster.ask_for_recovery()?;
        self.restart().await?;
        self.wait_primary().await
    }

    async fn wait_primary(&self) -> Result<()> {
        wait_until("postgres has left recovery", START_DEADLINE, async || {
            let Ok(client) = self.client().await else { return false };
            let recovering = client.query_one("SELECT pg_is_in_recovery()", &[]).await;
            recovering.is_ok_and(|row| !row.get::<_, bool>(0))
        })
        .await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let (socket, port) = (self.socket(), self.port());
        let process = &mut self.process;
        let mut down = false;
        let ready = wait_until("postgres accepts connections", START_DEADLINE, async || {
            down = process.exited().is_some();
            down || connect(&socket, port, USER).await.is_ok()
        })
        .await;
        match ready {
            Ok(()) if !down => Ok(()),
            _ => Err(self.process.failure("postgres did not start")),
        }
    }
}

async fn connect(socket: &std::path::Path, port: u16, database: &str) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(socket).port(port).user(USER).dbname(database).application_name("test");
    let what = format!("cannot connect to database \"{database}\" on port {port}");
    let (client, connection) = config.connect(NoTls).await.tried(what)?;
    // It ends when the client is dropped or the server goes; the client reports the latter.
    tasks::detach(async { drop(connection.await) });
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(postgres: &Postgres) -> i64 {
        let client = postgres.client().await.unwrap();
        client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_cluster_keeps_its_rows_over_a_crash_and_a_restart() {
        let mut postgres = Postgres::start().await.unwrap();
        let port = postgres.port();
        postgres.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await.unwrap();
        postgres.kill9();
        assert!(postgres.client().await.is_err());
        postgres.restart().await.unwrap();
        assert_eq!(count(&postgres).await, 1);
        postgres.restart().await.unwrap();
        assert_eq!((count(&postgres).await, postgres.port()), (1, port));
    }

    async fn timeline(postgres: &Postgres) -> i32 {
        let client = postgres.client().await.unwrap();
        let sql =
            "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn a_standby_follows_and_can_be_promoted() {
        let primary = Postgres::start().await.unwrap();
        let standby = primary.standby().await.unwrap();
        primary.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await.unwrap();
        wait_until("the row is there", Duration::from_secs(30), async || {
            let client = standby.client().await.unwrap();
            let rows = client.query("SELECT 1 FROM t", &[]).await;
            rows.is_ok_and(|rows| rows.len() == 1)
        })
        .await
        .unwrap();
        standby.promote().await.unwrap();
        standby.execute("INSERT INTO t VALUES (2)").await.unwrap();
        assert_eq!((count(&primary).await, count(&standby).await), (1, 2));
        assert_eq!((timeline(&primary).await, timeline(&standby).await), (1, 2));
    }

    #[tokio::test]
    async fn a_recovered_cluster_has_its_rows_on_a_new_timeline() {
        let mut postgres = Postgres::start().await.unwrap();
        postgres.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await.unwrap();
        postgres.recover().await.unwrap();
        assert_eq!((count(&postgres).await, timeline(&postgres).await), (1, 2));
    }

    #[tokio::test]
    async fn a_dropped_cluster_leaves_neither_process_nor_data() {
        let postgres = Postgres::start().await.unwrap();
        let (socket, address) = (postgres.socket(), postgres.address());
        assert!(socket.exists());
        drop(postgres);
        assert!(!socket.exists());
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn tcp_wants_the_right_password() {
        let postgres = Postgres::start().await.unwrap();
        assert!(tokio_postgres::connect(&postgres.url("postgres"), NoTls).await.is_ok());
        let wrong = postgres.url_for(USER, "wrong", "postgres");
        let error = tokio_postgres::connect(&wrong, NoTls).await.err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28P01");
    }

    #[tokio::test]
    async fn with_tls_a_connection_without_it_is_refused() {
        let postgres = Postgres::builder().with_tls().start().await.unwrap();
        assert!(postgres.certificates().unwrap().ca.exists());
        let plain = tokio_postgres::connect(&postgres.url("postgres"), NoTls).await;
        assert_eq!(plain.err().unwrap().code().unwrap().code(), "28000");
        let mut psql = std::process::Command::new(postgres.programs().join("psql"));
        let ca = postgres.certificates().unwrap().ca.display().to_string();
        let url = postgres.url("postgres") + "?sslmode=verify-full&sslrootcert=" + &ca;
        psql.args(["-Atc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &url]);
        assert_eq!(crate::process::output(psql).unwrap().trim(), "t");
    }

    #[tokio::test]
    async fn a_setting_holds_after_the_reload() {
        let mut postgres = Postgres::builder().setting("work_mem", "1MB").start().await.unwrap();
        postgres.set("work_mem", "2MB").unwrap();
        wait_until("the setting holds", Duration::from_secs(10), async || {
            let client = postgres.client().await.unwrap();
            let row = client.query_one("SHOW work_mem", &[]).await.unwrap();
            row.get::<_, String>(0) == "2MB"
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_start_shows_its_log() {
        let started = Postgres::builder().setting("work_mem", "nonsense").start().await;
        let failure = started.unwrap_err().to_string();
        assert!(failure.contains("work_mem"), "{failure}");
    }
}
