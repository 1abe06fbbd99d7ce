//! A source under a test's eyes, whose every event is a line to compare with.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    ChangeBatch, Column, Image, Operation, Position, Receiver, RowChange, Source, SourceContext,
    SourceError, SourceEvent, SourceStatus, Value, queue,
};

/// How long anything may take that shall happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// One thing that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `insert item [1|a|NULL]`.
    pub text: String,
    /// The commit order of its transaction.
    pub sequence: String,
    /// Its place in the transaction.
    pub ordinal: u64,
    /// The primary key of its table, as the source knows it.
    pub key: Vec<String>,
    /// Which batch of the run held it.
    pub batch: usize,
    /// Whether the batch ends its transaction.
    pub complete: bool,
    /// Where to resume after it.
    pub resume: Position,
}

/// A running source, and a bridge that confirms what it receives; killed on drop.
#[derive(Debug)]
pub struct Tail {
    task: JoinHandle<Result<(), SourceError>>,
    events: Receiver,
    confirmed: Option<watch::Sender<Option<Position>>>,
    stop: CancellationToken,
    /// What the source says about itself.
    pub status: watch::Receiver<SourceStatus>,
    /// What has arrived.
    pub lines: Vec<Line>,
    /// The positions of each progress.
    pub progress: Vec<Position>,
    /// Whether what arrives is confirmed.
    pub confirms: bool,
    /// The newest position received.
    pub at: Option<Position>,
    batches: usize,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tail {
    /// Starts a source after this position, with a queue of so many bytes.
    #[expect(clippy::disallowed_methods, reason = "the task is this guard's own, ended on drop")]
    pub fn start(
        source: impl Source + 'static,
        resume_after: Option<&Position>,
        bytes: usize,
    ) -> Self {
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
    pub async fn receive(&mut self) -> bool {
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
    pub fn confirm(&self, position: &Position) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.send_replace(Some(position.clone()));
        }
    }

    /// Receives until `enough` is content.
    pub async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
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
    pub async fn following(&mut self) -> Position {
        let streaming = |position: &&Position| !position.as_str().starts_with("snapshot:");
        self.until("the log is followed", |tail| tail.progress.iter().any(|p| streaming(&p))).await;
        self.progress.iter().find(streaming).cloned().expect("it has just come")
    }

    /// The newest position received.
    pub fn newest(&self) -> Position {
        let newest = self.confirmed.as_ref().and_then(|confirmed| confirmed.borrow().clone());
        newest.expect("something was received")
    }

    /// Receives so many lines in all, and returns their texts.
    pub async fn texts_of(&mut self, count: usize) -> Vec<String> {
        let what = format!("{count} lines");
        self.until(&what, |tail| tail.lines.len() >= count).await;
        self.texts()
    }

    /// What has arrived so far.
    pub fn texts(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.text.clone()).collect()
    }

    /// Stops the source like a bridge that stores everything it was sent.
    pub async fn stop(mut self) -> Vec<Line> {
        self.stop.cancel();
        let receiving = async { while self.receive().await {} };
        timeout(PATIENCE, receiving).await.expect("the source ends");
        self.result().await.expect("a stopped source has no error");
        std::mem::take(&mut self.lines)
    }

    /// Ends the source like a killed bridge.
    pub async fn kill(mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err_and(|error| error.is_cancelled()));
    }

    /// The error with which the source ends by itself.
    pub async fn ended(mut self) -> SourceError {
        let receiving = async { while self.receive().await {} };
        timeout(PATIENCE, receiving).await.expect("the source ends");
        self.result().await.expect_err("the source ends with an error")
    }

    async fn result(&mut self) -> Result<(), SourceError> {
        self.confirmed = None;
        let ended = timeout(PATIENCE, &mut self.task).await.expect("the source ends");
        ended.expect("the source does not panic")
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
            let column = |column: &Column| format!("{} {}", column.name, column.type_name);
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
