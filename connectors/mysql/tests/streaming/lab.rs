//! A database, a source over it, and somebody at the other end of the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Position, SourceError, TableName, TableSelection};
use erpbridge_mysql::{MysqlConfig, MysqlSource, SnapshotMode};
use erpbridge_test_support::{Directory, Flavour, Mysql, MysqlBuilder};
use mysql_async::Row;
use tokio::sync::Mutex;

/// How long anything may take that shall happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The servers most tests share, each with a database of its own. They die with this process.
async fn shared(flavour: Flavour) -> Arc<Mysql> {
    static SHARED: Mutex<Option<HashMap<Flavour, Arc<Mysql>>>> = Mutex::const_new(None);
    let mut servers = SHARED.lock().await;
    let servers = servers.get_or_insert_default();
    if let Some(server) = servers.get(&flavour) {
        return Arc::clone(server);
    }
    let server = Arc::new(Mysql::start(flavour).await.unwrap());
    servers.insert(flavour, Arc::clone(&server));
    server
}

/// Every table of some databases, of which some seed and some are not read.
struct Selected {
    databases: Vec<String>,
    seeds: &'static [&'static str],
    unread: &'static [&'static str],
}

impl TableSelection for Selected {
    fn wants(&self, table: &TableName) -> bool {
        self.databases.contains(&table.schema) && !table.table.starts_with("scratch")
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }

    fn seeds(&self, table: &TableName) -> bool {
        self.seeds.contains(&table.table.as_str())
    }

    fn snapshots(&self, table: &TableName) -> bool {
        self.wants(table) && !self.unread.contains(&table.table.as_str())
    }
}

/// One database with one source, which reads all its tables but those that begin with `scratch`.
pub(crate) struct Lab {
    pub(crate) server: Arc<Mysql>,
    pub(crate) database: String,
    pub(crate) config: MysqlConfig,
    /// Tables that seed.
    pub(crate) seeds: &'static [&'static str],
    /// Tables that the snapshot leaves out.
    pub(crate) unread: &'static [&'static str],
    _state: Directory,
}

impl Lab {
    /// A new database of this name on a shared server, prepared by these statements.
    pub(crate) async fn new(flavour: Flavour, name: &str, sql: &str) -> Self {
        Self::over(shared(flavour).await, name, sql).await
    }

    /// The database `erp` of a server of its own.
    pub(crate) async fn alone(builder: MysqlBuilder, sql: &str) -> Self {
        Self::over(Arc::new(builder.start().await.unwrap()), "erp", sql).await
    }

    /// A new database.
    pub(crate) async fn over(server: Arc<Mysql>, database: &str, sql: &str) -> Self {
        server.create_database(database).await.unwrap();
        let state = Directory::new("state").unwrap();
        let mut config = MysqlConfig::from_url(database, &server.url(database)).unwrap();
        config.snapshot = SnapshotMode::Never;
        config.shapes_file = Some(state.path().join("shapes.json"));
        let (seeds, unread): (&[&str], &[&str]) = (&[], &[]);
        let database = database.to_owned();
        let lab = Self { server, database, config, seeds, unread, _state: state };
        lab.run(sql).await;
        lab
    }

    /// The same database again, for who writes beside the source.
    pub(crate) fn beside(&self) -> Self {
        Self {
            server: Arc::clone(&self.server),
            database: self.database.clone(),
            config: self.config.clone(),
            seeds: self.seeds,
            unread: self.unread,
            _state: Directory::new("state").unwrap(),
        }
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        if !sql.is_empty() {
            self.server.execute_in(&self.database, sql).await.unwrap();
        }
    }

    /// The first cell a query finds, as text.
    pub(crate) async fn ask(&self, sql: &str) -> Option<String> {
        let rows: Vec<Row> = self.server.query(sql).await.unwrap();
        rows.first().and_then(|row| row.get::<Option<String>, _>(0).flatten())
    }

    /// Where the log ends: the file's number and the offset.
    pub(crate) async fn log_end(&self) -> (u64, u64) {
        let rows: Vec<Row> = self.server.query("SHOW MASTER STATUS").await.unwrap();
        let status = rows.first().unwrap();
        let (file, offset): (String, u64) = (status.get(0).unwrap(), status.get(1).unwrap());
        (file.rsplit_once('.').unwrap().1.parse().unwrap(), offset)
    }

    /// Starts the source.
    pub(crate) fn start(&self, resume_after: Option<&Position>) -> Tail {
        self.start_with_room(resume_after, 64 << 20)
    }

    /// Starts the source with a queue of so many bytes.
    pub(crate) fn start_with_room(&self, resume_after: Option<&Position>, bytes: usize) -> Tail {
        let Self { seeds, unread, .. } = *self;
        let selection = Selected { databases: vec![self.database.clone()], seeds, unread };
        let source = MysqlSource::new(self.config.clone(), Arc::new(selection));
        Tail::start(source, resume_after, bytes)
    }

    /// Starts the source for the first time and follows it to the log; returns its first position.
    pub(crate) async fn begin(&self) -> (Tail, Position) {
        let mut tail = self.start(None);
        let origin = tail.following().await;
        (tail, origin)
    }

    /// Has a source been there before and left this position?
    pub(crate) async fn begun(&self) -> Position {
        let (tail, origin) = self.begin().await;
        tail.stop().await;
        origin
    }

    /// Receives until there is a progress behind everything that was committed before this call.
    pub(crate) async fn caught_up(&self, tail: &mut Tail) {
        let end = self.log_end().await;
        let there = |tail: &Tail| tail.progress.last().is_some_and(|at| place(at) >= end);
        tail.until("everything has come", there).await;
    }

    /// The error with which the source refuses to run.
    pub(crate) async fn refused(&self, resume_after: Option<&Position>) -> SourceError {
        self.start(resume_after).ended().await
    }
}

/// The file's number and the offset of a position.
pub(crate) fn place(position: &Position) -> (u64, u64) {
    let text = position.as_str().trim_start_matches("snapshot:");
    let (file, offset) = text.split(';').next().unwrap().rsplit_once(':').unwrap();
    (file.rsplit_once('.').unwrap().1.parse().unwrap(), offset.parse().unwrap())
}
