//! A source running under a test's eyes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    ChangeBatch, Image, Operation, Position, Progress, Receiver, STOP_DEADLINE, Sequence, Source,
    SourceContext, SourceError, SourceErrorKind, SourceEvent, SourceStatus, TableName, TableSchema,
    Value, queue,
};

/// How long a source may take to tell what has happened in the database.
const PATIENCE: Duration = Duration::from_mins(1);
/// How soon a source is started again while its server still holds what the last run had.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// A row change as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenChange {
    /// The table.
    pub table: TableName,
    /// What happened.
    pub operation: Operation,
    /// Commit order of its transaction.
    pub sequence: Sequence,
    /// Its place in the transaction.
    pub ordinal: u64,
    /// Where to resume after its transaction, or before it if the batch does not end it.
    pub resume: Position,
    /// Whether it was found by a snapshot.
    pub snapshot: bool,
    /// Whether it is only to be remembered.
    pub seed: bool,
    /// The row after, else before: NULL and absent cells are none.
    pub row: Vec<Option<String>>,
    /// The shape of the row.
    pub schema: Arc<TableSchema>,
}

impl SeenChange {
    /// The cell of a column; none if there is no such column or text.
    pub fn cell(&self, column: &str) -> Option<&str> {
        self.row.get(self.schema.column(column)?)?.as_deref()
    }

    /// What orders it and names its events.
    pub fn order(&self) -> (&Sequence, u64) {
        (&self.sequence, self.ordinal)
    }
}

/// Everything a run sent, in order.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The row changes, seeds among them.
    pub changes: Vec<SeenChange>,
    /// Each progress, with the number of row changes sent before it.
    pub progress: Vec<(Progress, usize)>,
    /// For each word that all seeds are sent, the number of row changes sent before it.
    pub seeded: Vec<usize>,
}

impl Seen {
    /// The newest position after which nothing seen so far has to come again.
    pub fn last_progress(&self) -> Option<&Progress> {
        self.progress.last().map(|(progress, _)| progress)
    }

    fn add(&mut self, event: &SourceEvent) {
        match event {
            SourceEvent::Changes(batch) => self.changes.extend(changes(batch)),
            SourceEvent::Progress(progress) => {
                self.progress.push((progress.clone(), self.changes.len()));
            }
            SourceEvent::Seeded => self.seeded.push(self.changes.len()),
            SourceEvent::Truncated(_) | SourceEvent::SchemaChanged { .. } => {}
        }
    }
}

fn changes(batch: &ChangeBatch) -> impl Iterator<Item = SeenChange> {
    batch.changes().map(|change| SeenChange {
        table: change.table().name.clone(),
        operation: change.operation(),
        sequence: change.transaction().sequence.clone(),
        ordinal: change.ordinal(),
        resume: change.transaction().resume.clone(),
        snapshot: change.transaction().snapshot,
        seed: change.transaction().seed,
        row: change.after().or_else(|| change.before()).map(row).unwrap_or_default(),
        schema: Arc::clone(change.table()),
    })
}

fn row(image: Image<'_>) -> Vec<Option<String>> {
    image.values().map(Value::text).map(|text| text.map(str::to_owned)).collect()
}

/// Runs a source, again while its server is busy: a session that was just killed may still hold
/// the source's place in the log, and the bridge would try again too. Nothing was sent then.
async fn run_when_free(
    source: Box<dyn Source>,
    context: impl Fn() -> SourceContext,
) -> Result<(), SourceError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match source.run(context()).await {
            Err(error) if error.kind() == SourceErrorKind::Busy && Instant::now() < end => {
                sleep(BUSY_PAUSE).await;
            }
            ended => return ended,
        }
    }
}

/// A running source; killed on drop.
#[derive(Debug)]
pub struct Run {
    task: JoinHandle<Result<(), SourceError>>,
    events: Receiver,
    /// Gone once it is stopping: the confirming side may go before everything is confirmed.
    confirmed: Option<watch::Sender<Option<Position>>>,
    stop: CancellationToken,
    status: watch::Receiver<SourceStatus>,
    seen: Seen,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Run {
    /// Starts a source after this position, with a queue of so many bytes.
    #[expect(clippy::disallowed_methods, reason = "the task is this guard's own, ended on drop")]
    pub fn start(source: Box<dyn Source>, resume_after: Option<Position>, bytes: usize) -> Self {
        let (out, events) = queue(bytes);
        let (confirmed, confirmations) = watch::channel(resume_after.clone());
        let (status, states) = watch::channel(SourceStatus::default());
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = tokio::spawn(async move {
            let context = || SourceContext {
                resume_after: resume_after.clone(),
                out: out.clone(),
                confirmed: confirmations.clone(),
                stop: stopping.clone(),
                status: status.clone(),
            };
            run_when_free(source, context).await
        });
        let confirmed = Some(confirmed);
        Self { task, events, confirmed, stop, status: states, seen: Seen::default() }
    }

    /// Everything received so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What the source says about itself.
    pub fn status(&self) -> SourceStatus {
        self.status.borrow().clone()
    }

    /// Whether the source has ended, which it must not before it is stopped.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Tells the source that everything up to here is durable.
    pub fn confirm(&self, position: &Position) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.send_replace(Some(position.clone()));
        }
    }

    /// Receives until `enough` is content.
    pub async fn until(&mut self, what: &str, enough: impl Fn(&Seen) -> bool) -> &Seen {
        let end = Instant::now() + PATIENCE;
        while !enough(&self.seen) {
            let Ok(received) = timeout_at(end, self.events.recv()).await else {
                panic!("waited {PATIENCE:?} in vain: {what}; seen: {:?}", self.seen)
            };
            match received {
                Some(queued) => self.seen.add(&queued.event),
                None => panic!("the source ended before {what}: {:?}", self.ended().await),
            }
        }
        &self.seen
    }

    /// Receives until so many row changes are there.
    pub async fn until_changes(&mut self, count: usize) -> &Seen {
        let what = format!("{count} row changes came");
        self.until(&what, |seen| seen.changes.len() >= count).await
    }

    /// Receives until progress is reported behind everything seen.
    pub async fn until_progress(&mut self) -> Progress {
        let whole = |seen: &Seen| {
            seen.progress.last().is_some_and(|(_, before)| *before == seen.changes.len())
        };
        let seen = self.until("progress behind the last change", whole).await;
        seen.last_progress().cloned().expect("there is one")
    }

    /// Stops the source without receiving or confirming anything more, and checks that it
    /// returns in time. What waits in the queue is lost, as when a bridge fails.
    pub async fn stop(mut self) {
        let begun = Instant::now();
        self.confirmed = None;
        self.stop.cancel();
        let Ok(ended) = timeout(STOP_DEADLINE, &mut self.task).await else {
            panic!("the source still runs {:?} after it was told to stop", begun.elapsed());
        };
        ended.expect("the source does not panic").expect("a stopped source has no error");
    }

    /// Waits until the source ends by itself, and returns the error it ended with, if any.
    pub async fn ended(&mut self) -> Option<SourceError> {
        let ended = timeout(PATIENCE, &mut self.task).await.expect("the source ends by itself");
        ended.expect("the source does not panic").err()
    }
}
