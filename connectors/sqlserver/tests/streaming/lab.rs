//! A database, a source over it, and somebody at the other end of the queue.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Position, SourceError, TableName, TableSelection};
use erpbridge_sqlserver::{Secret, SnapshotMode, SqlServerConfig, SqlServerSource};
use erpbridge_test_support::wait_until;
use erpbridge_test_tds::{Database, PASSWORD, TdsServer, TdsServerBuilder, USER, row};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// How long anything may take that shall happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A table like most: a key and a text.
pub(crate) const ITEM: &str = "id int NOT NULL PRIMARY KEY, note nvarchar(50)";

/// Every table of the schema `dbo`, of which some seed and some are not read.
struct Selected {
    seeds: &'static [&'static str],
    unread: &'static [&'static str],
}

impl TableSelection for Selected {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == "dbo"
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

/// One server with one source, which reads the tables of the schema `dbo` and makes no snapshot.
pub(crate) struct Lab {
    pub(crate) tds: TdsServer,
    pub(crate) config: SqlServerConfig,
    /// Tables that seed.
    pub(crate) seeds: &'static [&'static str],
    /// Tables that the snapshot leaves out.
    pub(crate) unread: &'static [&'static str],
}

impl Lab {
    /// A database that captures these tables, all of the usual columns.
    pub(crate) async fn of(tables: &[&str]) -> Self {
        let lab = Self::over(TdsServer::builder()).await;
        for table in tables {
            lab.capture(table, ITEM);
        }
        lab
    }

    /// A database that captures one table of these columns.
    pub(crate) async fn with(table: &str, columns: &str) -> Self {
        let lab = Self::of(&[]).await;
        lab.capture(table, columns);
        lab
    }

    /// A database on a server like this, which captures no table yet.
    pub(crate) async fn over(server: TdsServerBuilder) -> Self {
        let tds = server.start().await;
        tds.database().enable_cdc();
        let url = format!("sqlserver://{USER}@127.0.0.1:{}/ERP", tds.port());
        let mut config = SqlServerConfig::from_url("north", &url).unwrap();
        config.password = Some(Secret::new(PASSWORD));
        config.snapshot = SnapshotMode::Never;
        config.poll_interval = Duration::from_millis(50);
        Self { tds, config, seeds: &[], unread: &[] }
    }

    /// The database, as the ERP has it.
    pub(crate) fn erp(&self) -> &Database {
        self.tds.database()
    }

    /// Makes and captures a table of the schema `dbo`.
    pub(crate) fn capture(&self, table: &str, columns: &str) {
        let table = format!("dbo.{table}");
        self.erp().create_table(&table, columns);
        self.erp().capture(&table).enable();
    }

    /// Commits a row of a table of the usual columns.
    pub(crate) async fn insert(&self, table: &str, id: i64, note: &str) -> erpbridge_test_tds::Lsn {
        let row = row! { "id": id, "note": note };
        self.erp().transaction().insert(&format!("dbo.{table}"), row).commit().await
    }

    /// The source.
    pub(crate) fn source(&self) -> SqlServerSource {
        let selection = Selected { seeds: self.seeds, unread: self.unread };
        SqlServerSource::new(self.config.clone(), Arc::new(selection))
    }

    /// Starts the source.
    pub(crate) fn start(&self, resume_after: Option<&Position>) -> Tail {
        self.start_with_room(resume_after, 64 << 20)
    }

    /// Starts the source with a queue of so many bytes.
    pub(crate) fn start_with_room(&self, resume_after: Option<&Position>, bytes: usize) -> Tail {
        Tail::start(self.source(), resume_after, bytes)
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

    /// What a source sends that resumes after this position.
    pub(crate) async fn lines_after(&self, position: &Position, count: usize) -> Vec<String> {
        let mut tail = self.start(Some(position));
        let texts = tail.texts_of(count).await;
        tail.stop().await;
        texts
    }

    /// The error with which the source refuses to run.
    pub(crate) async fn refused(&self, resume_after: Option<&Position>) -> SourceError {
        self.start(resume_after).ended().await
    }

    /// Waits until a request with this in its text has been made since the requests were last
    /// forgotten.
    pub(crate) async fn asked(&self, text: &str) {
        let text = text.to_lowercase();
        let seen =
            async || self.tds.requests().iter().any(|one| one.sql.to_lowercase().contains(&text));
        wait_until("the server is asked", PATIENCE, seen).await.unwrap();
    }

    /// Waits until no fault is left.
    pub(crate) async fn faults_are_spent(&self) {
        let spent = async || self.tds.faults_left() == 0;
        wait_until("the faults have struck", PATIENCE, spent).await.unwrap();
    }
}

/// What is said to the log by this thread, which a test's tasks never leave.
#[derive(Clone)]
pub(crate) struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    _guard: Arc<DefaultGuard>,
}

/// The end of the log that is written to.
#[derive(Clone)]
struct Pen(Arc<Mutex<Vec<u8>>>);

impl Write for Pen {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Pen {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Said {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let pen = Pen(Arc::clone(&bytes));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(pen).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        Self { bytes, _guard: Arc::new(guard) }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Waits until these words are said.
    pub(crate) async fn heard(&self, words: &str) {
        let said = async || self.text().contains(words);
        let heard = wait_until("it is said", PATIENCE, said).await;
        assert!(heard.is_ok(), "\"{words}\" was not said: {}", self.text());
    }
}
