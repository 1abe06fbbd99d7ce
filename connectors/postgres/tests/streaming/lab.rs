//! A database, a source over it, and somebody at the other end of the queue.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    ChangeBatch, Image, Operation, Position, Receiver, RowChange, Source, SourceContext,
    SourceError, SourceEvent, SourceStatus, TableName, TableSelection, Value, queue,
};
use erpbridge_postgres::{PostgresConfig, PostgresSource, SnapshotMode};
use erpbridge_test_support::{Postgres, PostgresBuilder, wait_for, wait_until};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

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

/// One thing that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `insert item [1|a|NULL]`.
    pub(crate) text: String,
    pub(crate) sequence: String,
    pub(crate) ordinal: u64,
    /// The primary key of its table, as the source knows it.
    pub(crate) key: Vec<String>,
    /// Which batch of the run held it.
    pub(crate) batch: usize,
    pub(crate) complete: bool,
    pub(crate) resume: Position,
}

/// A running source, and a bridge that confirms what it receives.
pub(crate) struct Tail {
    task: JoinHandle<Result<(), SourceError>>,
    events: Receiver,
    confirmed: Option<watch::Sender<Option<Position>>>,
    stop: CancellationToken,
    pub(crate) status: watch::Receiver<SourceStatus>,
    pub(crate) lines: Vec<Line>,
    pub(crate) progress: Vec<Position>,
    pub(crate) confirms: bool,
    /// The newest position received.
    pub(crate) at: Option<Position>,
    batches: usize,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tail {
    #[expect(clippy::disallowed_methods, reason = "the task is this guard's own, ended on drop")]
    fn start(source: PostgresSource, resume_after: Option<&Position>, bytes: usize) -> Self {
        let resume_after = resume_after.cloned();
        let (out, events) = queue(bytes);
        let (confirmed, confirmations) = watch::channel(resume_after.clone());
        let (status, states) = watch::channel(SourceStatus::default());
        let stop = CancellationToken::new();
        let context = SourceContext {
            resume_after,
            out,
            confirmed: confirmations,
            stop: stop.clone(),
            status,
        };
        Self {
            task: tokio::spawn(async move { source.run(context).await }),
            events,
            confirmed: Some(confirmed),
            stop,
            status: states,
            lines: Vec::new(),
            progress: Vec::new(),
            confirms: true,
            at: None,
            batches: 0,
        }
    }

    /// Receives one event and says whether there was one.
    pub(crate) async fn receive(&mut self) -> bool {
        let Some(queued) = self.events.recv().await else { return false };
        let position = match &queued.event {
            SourceEvent::Changes(batch) => {
                self.batches += 1;
                self.lines.extend(lines(batch, self.batches));
                batch.transactions().last().map(|last| last.resume.clone())
            }
            SourceEvent::Progress(progress) => {
                self.progress.push(progress.position.clone());
                Some(progress.position.clone())
            }
            other => {
                self.lines.push(line(other));
                None
            }
        };
        if let Some(position) = position {
            if self.confirms {
                self.confirm(&position);
            }
            self.at = Some(position);
        }
        true
    }

    /// Reports a position as durable.
    pub(crate) fn confirm(&self, position: &Position) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.send_replace(Some(position.clone()));
        }
    }

    /// Receives until `enough` is content.
    pub(crate) async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !enough(self) {
            match timeout_at(end, self.receive()).await {
                Ok(true) => {}
                Ok(false) => panic!("the source ended before {what}: {:?}", self.result().await),
                Err(late) => panic!("waited in vain ({late}): {what}; {:#?}", self.texts()),
            }
        }
    }

    /// Receives until there is a position after which the log is followed.
    pub(crate) async fn following(&mut self) -> Position {
        let streaming = |position: &&Position| !position.as_str().starts_with("snapshot:");
        self.until("the log is followed", |tail| tail.progress.iter().any(|p| streaming(&p))).await;
        self.progress.iter().find(streaming).unwrap().clone()
    }

    /// The newest position received.
    pub(crate) fn newest(&self) -> Position {
        let newest = self.confirmed.as_ref().and_then(|confirmed| confirmed.borrow().clone());
        newest.unwrap()
    }

    /// Receives so many lines in all, and returns their texts.
    pub(crate) async fn texts_of(&mut self, count: usize) -> Vec<String> {
        let what = format!("{count} lines");
        self.until(&what, |tail| tail.lines.len() >= count).await;
        self.texts()
    }

    /// What has arrived so far.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.text.clone()).collect()
    }

    /// Stops the source like a bridge that stores everything it was sent.
    pub(crate) async fn stop(mut self) -> Vec<Line> {
        self.stop.cancel();
        let receiving = async { while self.receive().await {} };
        timeout(PATIENCE, receiving).await.unwrap();
        self.result().await.unwrap();
        std::mem::take(&mut self.lines)
    }

    /// Ends the source like a killed bridge.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|error| error.is_cancelled()));
    }

    /// The error with which the source ends by itself.
    pub(crate) async fn ended(mut self) -> SourceError {
        let receiving = async { while self.receive().await {} };
        timeout(PATIENCE, receiving).await.unwrap();
        self.result().await.expect_err("the source ends with an error")
    }

    async fn result(&mut self) -> Result<(), SourceError> {
        self.confirmed = None;
        timeout(PATIENCE, &mut self.task).await.unwrap().unwrap()
    }
}

fn lines(batch: &ChangeBatch, number: usize) -> impl Iterator<Item = Line> {
    batch.changes().map(move |change| Line {
        text: text(change),
        sequence: change.transaction().sequence.to_string(),
        ordinal: change.ordinal(),
        key: key(change),
        batch: number,
        complete: change.transaction().complete,
        resume: change.transaction().resume.clone(),
    })
}

fn key(change: RowChange<'_>) -> Vec<String> {
    let table = change.table();
    let columns = table.primary_key.iter().filter_map(|place| table.columns.get(*place));
    columns.map(|column| column.name.clone()).collect()
}

fn text(change: RowChange<'_>) -> String {
    let word = match change.operation() {
        Operation::Read if change.transaction().seed => "seed",
        Operation::Read => "read",
        Operation::Insert => "insert",
        Operation::Update => "update",
        Operation::Delete => "delete",
    };
    let before = change.before().map(|image| format!(" was {}", cells(image)));
    let after = change.after().map(|image| format!(" {}", cells(image)));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    format!("{word} {}{after}{before}", change.table().name.table)
}

/// `[1|a|NULL|ABSENT]`; long texts by their length.
fn cells(image: Image<'_>) -> String {
    let cells: Vec<String> = image
        .values()
        .map(|value| match value {
            Value::Absent => "ABSENT".to_owned(),
            Value::Null => "NULL".to_owned(),
            Value::Text(text) if text.len() > 100 => format!("{} bytes", text.len()),
            Value::Text(text) => text.to_owned(),
        })
        .collect();
    format!("[{}]", cells.join("|"))
}

/// `truncate a, b` or `shape item (id integer, note text)`.
fn line(event: &SourceEvent) -> Line {
    let (text, order) = match event {
        SourceEvent::Truncated(truncated) => {
            let names: Vec<&str> = truncated.tables.iter().map(|t| t.name.table.as_str()).collect();
            let order = (truncated.transaction.sequence.to_string(), truncated.ordinal);
            (format!("truncate {}", names.join(", ")), order)
        }
        SourceEvent::SchemaChanged { table, previous } => {
            assert!(previous.as_ref().is_some_and(|previous| previous != table));
            let column = |column: &erpbridge_connector::Column| {
                format!("{} {}", column.name, column.type_name)
            };
            let columns: Vec<String> = table.columns.iter().map(column).collect();
            let text = format!("shape {} ({})", table.name.table, columns.join(", "));
            (text, (String::new(), 0))
        }
        SourceEvent::Seeded => ("seeded".to_owned(), (String::new(), 0)),
        other => panic!("not a line: {other:?}"),
    };
    let (sequence, ordinal) = order;
    Line {
        text,
        sequence,
        ordinal,
        key: Vec::new(),
        batch: 0,
        complete: true,
        resume: Position::new(""),
    }
}

/// The process that reads from our slot.
pub(crate) async fn reader(lab: &Lab) -> String {
    let pid = async || lab.slot("active_pid").await;
    wait_for("the slot is read", PATIENCE, pid).await.unwrap()
}
