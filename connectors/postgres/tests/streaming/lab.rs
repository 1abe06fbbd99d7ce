//! A database, a source over it, and somebody at the other end of the queue.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Position, SourceError, TableName, TableSelection};
use erpbridge_postgres::{PostgresConfig, PostgresSource, SnapshotMode};
use erpbridge_test_support::{Postgres, PostgresBuilder, wait_for, wait_until};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// How long anything may take that shall happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The server most tests share, each with a database of its own. It dies with this process, and
/// the next one clears away what is left.
async fn shared() -> Arc<Postgres> {
    static SHARED: OnceCell<Arc<Postgres>> = OnceCell::const_new();
    let start = async || Arc::new(server().start().await.unwrap());
    Arc::clone(SHARED.get_or_init(start).await)
}

/// A server of the kind all tests use.
pub(crate) fn server() -> PostgresBuilder {
    Postgres::builder().setting("max_replication_slots", "60").setting("max_wal_senders", "60")
}

/// Every table of some schemas, of which some seed and some are not read.
struct Selected {
    schemas: &'static [&'static str],
    seeds: &'static [&'static str],
    unread: &'static [&'static str],
}

impl TableSelection for Selected {
    fn wants(&self, table: &TableName) -> bool {
        self.schemas.contains(&table.schema.as_str())
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

/// One database with one source, which reads the tables of the schema `public`.
pub(crate) struct Lab {
    pub(crate) client: Client,
    pub(crate) config: PostgresConfig,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) schemas: &'static [&'static str],
    /// Tables that seed.
    pub(crate) seeds: &'static [&'static str],
    /// Tables that the snapshot leaves out.
    pub(crate) unread: &'static [&'static str],
}

impl Lab {
    /// A new database of this name on the shared server, prepared by these statements.
    pub(crate) async fn new(name: &str, sql: &str) -> Self {
        let postgres = shared().await;
        postgres.create_database(name).await.unwrap();
        Self::over(postgres, name, sql).await
    }

    /// The database `postgres` of a server of its own.
    pub(crate) async fn alone(builder: PostgresBuilder, sql: &str) -> Self {
        Self::over(Arc::new(builder.start().await.unwrap()), "postgres", sql).await
    }

    /// An existing database.
    pub(crate) async fn over(postgres: Arc<Postgres>, database: &str, sql: &str) -> Self {
        let client = postgres.client_of(database).await.unwrap();
        let mut config = PostgresConfig::from_url(database, &postgres.url(database)).unwrap();
        config.snapshot = SnapshotMode::Never;
        let (seeds, unread): (&[&str], &[&str]) = (&[], &[]);
        let lab = Self { client, config, postgres, schemas: &["public"], seeds, unread };
        lab.run(sql).await;
        lab
    }

    /// Runs statements; together they are one transaction unless they say otherwise.
    pub(crate) async fn run(&self, sql: &str) {
        let ran = self.client.batch_execute(sql).await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first cell a query finds, as text.
    pub(crate) async fn ask(&self, sql: &str) -> Option<String> {
        let wrapped = format!("SELECT x::text FROM ({sql}) AS asked (x)");
        let rows = self.client.query(&wrapped, &[]).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error:?}")).first().and_then(|row| row.get(0))
    }

    /// What the server says of our slot; nothing if there is none.
    pub(crate) async fn slot(&self, column: &str) -> Option<String> {
        let slot = &self.config.slot;
        let sql = format!("SELECT {column} FROM pg_replication_slots WHERE slot_name = '{slot}'");
        self.ask(&sql).await
    }

    /// Waits until nobody reads from the slot.
    pub(crate) async fn slot_is_free(&self) {
        let free = async || self.slot("active").await.as_deref() == Some("false");
        wait_until("the slot is free", PATIENCE, free).await.unwrap();
    }

    /// Waits until nobody reads from the slot, or there is none.
    pub(crate) async fn nobody_reads(&self) {
        let free = async || self.slot("active").await.as_deref() != Some("true");
        wait_until("nobody holds the slot", PATIENCE, free).await.unwrap();
    }

    /// Waits until the slot has confirmed everything up to this place of the log.
    pub(crate) async fn slot_reaches(&self, lsn: &str) {
        let behind = format!("confirmed_flush_lsn >= '{lsn}'");
        let reached = async || self.slot(&behind).await.as_deref() == Some("true");
        wait_until("the slot has moved on", PATIENCE, reached).await.unwrap();
    }

    /// Starts the source.
    pub(crate) fn start(&self, resume_after: Option<&Position>) -> Tail {
        self.start_with_room(resume_after, 64 << 20)
    }

    /// Starts the source with a queue of so many bytes.
    pub(crate) fn start_with_room(&self, resume_after: Option<&Position>, bytes: usize) -> Tail {
        let Self { schemas, seeds, unread, .. } = *self;
        let selection = Arc::new(Selected { schemas, seeds, unread });
        Tail::start(PostgresSource::new(self.config.clone(), selection), resume_after, bytes)
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
        self.slot_is_free().await;
        origin
    }

    /// The error with which the source refuses to run.
    pub(crate) async fn refused(&self, resume_after: Option<&Position>) -> SourceError {
        self.start(resume_after).ended().await
    }
}

/// The process that reads from our slot.
pub(crate) async fn reader(lab: &Lab) -> String {
    let pid = async || lab.slot("active_pid").await;
    wait_for("the slot is read", PATIENCE, pid).await.unwrap()
}
