//! A database, a source over it, and somebody at the other end of the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{
    ChangeBatch, Image, Operation, Position, Receiver, RowChange, Source, SourceContext,
    SourceError, SourceEvent, SourceStatus, TableName, TableSelection, Value, queue,
};
use erpbridge_mysql::{MysqlConfig, MysqlSource, SnapshotMode};
use erpbridge_test_support::{Directory, Flavour, Mysql, MysqlBuilder};
use mysql_async::Row;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

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
    fn start(source: MysqlSource, resume_after: Option<&Position>, bytes: usize) -> Self {
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

    /// Receives until there is a progress behind everything that was committed before this call.
    pub(crate) async fn caught_up(&mut self, lab: &Lab) {
        let end = lab.log_end().await;
        let there = |tail: &Self| tail.progress.last().is_some_and(|at| place(at) >= end);
        self.until("everything has come", there).await;
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
