//! The same backlog in `MariaDB`'s log.

use std::process::Command;
use std::time::{Duration, Instant};

use erpbridge_test_support::{Flavour, Mysql, Process, wait_until};

use crate::backlog::Database;
use crate::sink::{DEADLINE, Sink};

/// The database has the name of `PostgreSQL`'s schema, so that the very same mapping reads it.
const DATABASE: &str = "public";

/// Whoever reads the log: the bridge and the reference.
const READER: (&str, &str) = ("reader", "reader-secret");

/// A private server with the benchmark's tables, and a bridge that follows it.
pub(crate) struct MariaDb {
    server: Mysql,
    sink: Sink,
    changes: u64,
}

impl MariaDb {
    /// Starts the server, creates the tables, and lets the bridge begin on them while they are empty.
    pub(crate) async fn start() -> Self {
        let server = Mysql::builder(Flavour::MariaDb)
            .setting("innodb_buffer_pool_size", "256M")
            .setting("innodb_log_file_size", "512M")
            .setting("innodb_flush_log_at_trx_commit", "0");
        let server = server.start().await.unwrap();
        let (user, password) = READER;
        server.create_database(DATABASE).await.unwrap();
        server.execute_in(DATABASE, include_str!("schema_mariadb.sql")).await.unwrap();
        server.create_user(user, password).await.unwrap();
        let grant = format!(
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'127.0.0.1';
             GRANT SELECT ON {DATABASE}.* TO '{user}'@'127.0.0.1'"
        );
        server.execute(&grant).await.unwrap();
        let sink = Sink::start().await;
        let begun = Self { server, sink, changes: 0 };
        let bridge = begun.start_bridge();
        begun.wait_following().await;
        begun.sink.stop_bridge(bridge).await;
        begun
    }

    async fn wait_following(&self) {
        let dumps = "SELECT COUNT(*) FROM information_schema.processlist \
                     WHERE command = 'Binlog Dump' AND state LIKE '%sent all%'";
        let following = async || self.server.query::<u64>(dumps).await.unwrap() == [1];
        wait_until("the bridge follows the log", DEADLINE, following).await.unwrap();
    }
}

impl Database for MariaDb {
    const REFERENCE: &str = "mariadb-binlog --raw";

    fn sink(&self) -> &Sink {
        &self.sink
    }

    fn start_bridge(&self) -> Process {
        let (user, password) = READER;
        let url = self.server.url_for(user, password, "");
        self.sink.start_bridge("bench", &format!("mariadb: {{ url: \"{url}\" }}"))
    }

    async fn commit_backlog(&mut self, rows: u64) {
        let call = format!("CALL {DATABASE}.backlog(1, {rows})");
        let changes: Vec<u64> = self.server.query(&call).await.unwrap();
        self.changes = *changes.first().unwrap();
    }

    async fn count_changes(&mut self) -> u64 {
        self.changes
    }

    /// The tool copies the log to files, without a look into it.
    async fn drain(&mut self) -> Duration {
        let folder = tempfile::tempdir().unwrap();
        let (user, password) = READER;
        let mut tool = Command::new("mariadb-binlog");
        tool.args(["--read-from-remote-server", "--raw", "--to-last-log", "--host=127.0.0.1"])
            .arg(format!("--port={}", self.server.port()))
            .args([format!("--user={user}"), format!("--password={password}")])
            .arg(format!("--result-file={}/", folder.path().display()))
            .arg("binlog.000001");
        let start = Instant::now();
        let status = tool.status().unwrap();
        let elapsed = start.elapsed();
        assert!(status.success(), "mariadb-binlog failed: {status}");
        elapsed
    }
}
