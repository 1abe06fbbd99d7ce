//! A source that plays a script, so that the bridge can be tested without a database.
//!
//! Positions are the numbers of its transactions, from 1. Started after a position it begins
//! with the next transaction, like a database would; a fault strikes once, so that the run after
//! it gets past it. At the end of the script it reports progress and is idle until it is stopped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cells;
use crate::{
    BatchBuilder, Finding, Operation, Phase, Position, Progress, Sender, Sequence, Source,
    SourceContext, SourceError, SourceErrorKind, SourceEvent, SourceFuture, TableSchema, Timestamp,
    Transaction, Truncated,
};

/// The first transaction is committed one second after this moment: 2026-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// One row change of a script.
#[derive(Clone, Debug)]
pub struct Change {
    table: Option<Arc<TableSchema>>,
    operation: Operation,
    before: Option<String>,
    after: Option<String>,
}

impl Change {
    /// A row that came; rows are lines as [`cells`] reads them.
    pub fn insert(table: &Arc<TableSchema>, after: &str) -> Self {
        Self::new(table, Operation::Insert, None, Some(after))
    }

    /// A row that changed, of which the log carries only how it is now.
    pub fn update(table: &Arc<TableSchema>, after: &str) -> Self {
        Self::new(table, Operation::Update, None, Some(after))
    }

    /// A row that changed, with what the log carries of it before.
    pub fn update_from(table: &Arc<TableSchema>, before: &str, after: &str) -> Self {
        Self::new(table, Operation::Update, Some(before), Some(after))
    }

    /// A row that went.
    pub fn delete(table: &Arc<TableSchema>, before: &str) -> Self {
        Self::new(table, Operation::Delete, Some(before), None)
    }

    /// A row of a table nobody asked for: it only counts in the ordinals.
    pub fn unwanted() -> Self {
        Self { table: None, operation: Operation::Insert, before: None, after: None }
    }

    fn new(
        table: &Arc<TableSchema>,
        operation: Operation,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Self {
        let table = Some(Arc::clone(table));
        let owned = |line: Option<&str>| line.map(str::to_owned);
        Self { table, operation, before: owned(before), after: owned(after) }
    }
}

/// Holds a script at one place until it is opened.
#[derive(Clone, Debug, Default)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every run pass, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

#[derive(Debug)]
enum Step {
    Transaction { changes: Vec<Change>, window: usize, snapshot: bool },
    Truncate(Vec<Arc<TableSchema>>),
    Schema { table: Arc<TableSchema>, previous: Option<Arc<TableSchema>> },
    Progress,
    Wait(Gate),
    Fail { kind: SourceErrorKind, message: String, struck: AtomicBool },
}

/// A source that plays a script.
#[derive(Debug, Default)]
pub struct ScriptSource {
    steps: Vec<Step>,
    tables: Vec<Arc<TableSchema>>,
    findings: Vec<Finding>,
    ignores_stop: bool,
    runs: AtomicUsize,
    acknowledged: Mutex<Option<Position>>,
}

impl ScriptSource {
    /// A script without steps over these tables.
    pub fn new(tables: impl IntoIterator<Item = Arc<TableSchema>>) -> Self {
        Self { tables: tables.into_iter().collect(), ..Self::default() }
    }

    /// Commits one transaction, sent as one batch.
    #[must_use]
    pub fn transaction(self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.windowed(usize::MAX, changes)
    }

    /// Commits one transaction that is sent in batches of at most `window` row changes.
    #[must_use]
    pub fn windowed(self, window: usize, changes: impl IntoIterator<Item = Change>) -> Self {
        let changes = changes.into_iter().collect();
        self.step(Step::Transaction { changes, window, snapshot: false })
    }

    /// Finds rows of a table in a snapshot, one line each.
    #[must_use]
    pub fn snapshot<'r>(
        self,
        table: &Arc<TableSchema>,
        rows: impl IntoIterator<Item = &'r str>,
    ) -> Self {
        let read = |row| Change::new(table, Operation::Read, None, Some(row));
        let changes = rows.into_iter().map(read).collect();
        self.step(Step::Transaction { changes, window: usize::MAX, snapshot: true })
    }

    /// Truncates tables in a transaction of its own.
    #[must_use]
    pub fn truncate(self, tables: impl IntoIterator<Item = Arc<TableSchema>>) -> Self {
        self.step(Step::Truncate(tables.into_iter().collect()))
    }

    /// Announces a table's shape.
    #[must_use]
    pub fn schema(self, table: &Arc<TableSchema>, previous: Option<&Arc<TableSchema>>) -> Self {
        self.step(Step::Schema { table: Arc::clone(table), previous: previous.cloned() })
    }

    /// Says that everything up to here has been sent.
    #[must_use]
    pub fn progress(self) -> Self {
        self.step(Step::Progress)
    }

    /// Waits until the gate is open.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Fails, once.
    #[must_use]
    pub fn fail(self, kind: SourceErrorKind, message: &str) -> Self {
        self.step(Step::Fail { kind, message: message.to_owned(), struck: AtomicBool::new(false) })
    }

    /// Lets `check` find this.
    #[must_use]
    pub fn finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Goes on when told to stop, for ever.
    #[must_use]
    pub fn ignores_stop(mut self) -> Self {
        self.ignores_stop = true;
        self
    }

    /// How often it was started.
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// The newest position confirmed to it, which a database would now forget everything before.
    pub fn acknowledged(&self) -> Option<Position> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The position after the transaction with this number, from 1.
    pub fn position(number: u64) -> Position {
        Position::new(number.to_string())
    }

    /// The commit order of the transaction with this number.
    pub fn sequence(number: u64) -> Sequence {
        Sequence::new(format!("{number:016X}"))
    }

    /// When the transaction with this number was committed.
    pub fn committed_at(number: u64) -> Timestamp {
        let seconds = EPOCH_SECONDS.saturating_add_unsigned(number);
        Timestamp::from_micros(seconds.saturating_mul(1_000_000))
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn acknowledge(&self, position: Option<Position>) {
        *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    async fn play(&self, context: SourceContext) -> Result<(), SourceError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let SourceContext { resume_after, out, confirmed, stop, status } = context;
        let number = number_of(resume_after.as_ref());
        let mut run =
            Playing { source: self, out, confirmed, stop, after: number, begun: 0, sent: number };
        status.send_modify(|status| status.phase = Phase::Streaming);
        match run.steps().await {
            Err(End::Failed(error)) => Err(error),
            Ok(()) | Err(End::Stopped) => {
                run.settle().await;
                Ok(())
            }
        }
    }
}

/// Why a run ends before its script.
enum End {
    Stopped,
    Failed(SourceError),
}

/// One run of a script.
struct Playing<'s> {
    source: &'s ScriptSource,
    out: Sender,
    confirmed: watch::Receiver<Option<Position>>,
    stop: CancellationToken,
    /// The transaction it resumes after.
    after: u64,
    /// The last transaction of the script that was looked at.
    begun: u64,
    /// The last transaction that was sent whole, now or before.
    sent: u64,
}

impl Playing<'_> {
    async fn steps(&mut self) -> Result<(), End> {
        for step in &self.source.steps {
            self.step(step).await?;
        }
        self.progress().await?;
        // The script is over; like an idle database, it waits to be stopped.
        self.stopped_or(std::future::pending()).await
    }

    async fn step(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Transaction { changes, window, snapshot } => {
                self.transaction(changes, *window, *snapshot).await
            }
            Step::Truncate(tables) => self.truncate(tables).await,
            Step::Schema { table, previous } => {
                let (table, previous) = (Arc::clone(table), previous.clone());
                self.send(SourceEvent::SchemaChanged { table, previous }).await
            }
            Step::Progress => self.progress().await,
            Step::Wait(gate) => {
                let mut open = gate.0.subscribe();
                self.stopped_or(async { drop(open.wait_for(|open| *open).await) }).await
            }
            Step::Fail { kind, message, struck } if !struck.swap(true, Ordering::SeqCst) => {
                Err(End::Failed(SourceError::new(*kind, message)))
            }
            Step::Fail { .. } => Ok(()),
        }
    }

    async fn transaction(
        &mut self,
        changes: &[Change],
        window: usize,
        snapshot: bool,
    ) -> Result<(), End> {
        if !self.begin() {
            return Ok(());
        }
        let windows = changes.chunks(std::cmp::max(window, 1));
        let last = windows.len().saturating_sub(1);
        let mut ordinal = 0;
        for (place, window) in windows.enumerate() {
            let mut batch = BatchBuilder::new();
            batch.begin(self.open(snapshot));
            for change in window {
                ordinal += 1;
                change.write(&mut batch, ordinal);
            }
            if place == last {
                batch.complete(ScriptSource::position(self.begun));
            }
            self.send(SourceEvent::Changes(batch.finish())).await?;
        }
        self.sent = self.begun;
        Ok(())
    }

    async fn truncate(&mut self, tables: &[Arc<TableSchema>]) -> Result<(), End> {
        if !self.begin() {
            return Ok(());
        }
        let resume = ScriptSource::position(self.begun);
        let transaction = Transaction { complete: true, resume, ..self.open(false) };
        let truncated = Truncated { tables: tables.to_vec(), transaction, ordinal: 1 };
        self.send(SourceEvent::Truncated(truncated)).await?;
        self.sent = self.begun;
        Ok(())
    }

    /// Goes to the next transaction of the script; whether it is still to be sent.
    fn begin(&mut self) -> bool {
        self.begun += 1;
        self.begun > self.after
    }

    /// The transaction just begun, not complete: to resume after the one before.
    fn open(&self, snapshot: bool) -> Transaction {
        Transaction {
            id: self.begun.to_string().into(),
            sequence: ScriptSource::sequence(self.begun),
            committed_at: ScriptSource::committed_at(self.begun),
            resume: ScriptSource::position(self.begun.saturating_sub(1)),
            complete: false,
            snapshot,
            seed: false,
        }
    }

    async fn progress(&mut self) -> Result<(), End> {
        let as_of = ScriptSource::committed_at(self.sent);
        let position = ScriptSource::position(self.sent);
        self.send(SourceEvent::Progress(Progress { position, as_of })).await
    }

    async fn send(&mut self, event: SourceEvent) -> Result<(), End> {
        let out = self.out.clone();
        let mut sent = Ok(());
        self.stopped_or(async { sent = out.send(event).await }).await?;
        sent.map_err(|_| End::Failed(closed()))
    }

    /// Waits for `work`, passing on confirmations meanwhile, unless it is stopped. A stop drops
    /// the work: an event not sent yet comes again after the resume position.
    async fn stopped_or(&mut self, work: impl Future<Output = ()>) -> Result<(), End> {
        let mut work = std::pin::pin!(work);
        let mut confirming = true;
        loop {
            self.source.acknowledge(self.confirmed.borrow_and_update().clone());
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.source.ignores_stop => {
                    return Err(End::Stopped);
                }
                () = &mut work => return Ok(()),
                // Only the newest confirmation counts, and it stays in the channel.
                changed = self.confirmed.changed(), if confirming => confirming = changed.is_ok(),
            }
        }
    }

    /// Drops the queue and passes on the confirmation of what was sent, or what there is of it
    /// when the confirming side goes.
    async fn settle(self) {
        let Self { source, out, mut confirmed, sent, .. } = self;
        drop(out);
        let all = |position: &Option<Position>| number_of(position.as_ref()) >= sent;
        drop(confirmed.wait_for(all).await);
        let newest = confirmed.borrow().clone();
        source.acknowledge(newest);
    }
}

impl Change {
    fn write(&self, batch: &mut BatchBuilder, ordinal: u64) {
        let Some(table) = &self.table else { return };
        let mut images = batch.change(table, self.operation, ordinal);
        if let Some(before) = &self.before {
            images.before(cells(before));
        }
        if let Some(after) = &self.after {
            images.after(cells(after));
        }
    }
}

fn number_of(position: Option<&Position>) -> u64 {
    position.map_or(0, |position| position.as_str().parse().expect("a position of a script"))
}

fn closed() -> SourceError {
    SourceError::new(SourceErrorKind::Closed, "cannot send: the queue to the bridge is closed")
}

/// A test keeps one handle to ask it, and gives another to the bridge.
impl Source for Arc<ScriptSource> {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        (**self).check()
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        (**self).discover()
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        (**self).run(context)
    }
}

impl Source for ScriptSource {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        Box::pin(async { Ok(self.findings.clone()) })
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(async { Ok(self.tables.iter().map(|table| (**table).clone()).collect()) })
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(self.play(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Run, table};

    const ROOMY: usize = 1 << 20;

    fn items() -> Arc<TableSchema> {
        table("erp.item(code text key, name text)")
    }

    fn start(source: &Arc<ScriptSource>, after: Option<u64>) -> Run {
        Run::start(Box::new(Arc::clone(source)), after.map(ScriptSource::position), ROOMY)
    }

    #[tokio::test]
    async fn a_script_resumes_after_a_position_with_the_same_order_keys() {
        let items = items();
        let source = Arc::new(
            ScriptSource::new([Arc::clone(&items)])
                .transaction([Change::insert(&items, "A | Bolt")])
                .transaction([Change::unwanted(), Change::update(&items, "A | NULL")])
                .windowed(
                    1,
                    [Change::delete(&items, "A | ABSENT"), Change::insert(&items, "B | Nut")],
                ),
        );
        let mut run = start(&source, None);
        let all = run.until_changes(4).await.changes.clone();
        assert_eq!(all[1].order(), (&ScriptSource::sequence(2), 2));
        let resumes: Vec<&str> = all.iter().map(|change| change.resume.as_str()).collect();
        assert_eq!(resumes, ["1", "2", "2", "3"]);
        run.stop().await;

        let mut run = start(&source, Some(2));
        assert_eq!(run.until_progress().await.position, ScriptSource::position(3));
        assert_eq!(run.seen().changes, all[2..]);
        assert_eq!(source.runs(), 2);
    }

    #[tokio::test]
    async fn a_fault_strikes_once() {
        let items = items();
        let source = Arc::new(
            ScriptSource::new([])
                .transaction([Change::insert(&items, "A | Bolt")])
                .fail(SourceErrorKind::Connection, "cut")
                .transaction([Change::insert(&items, "B | Nut")]),
        );
        let mut first = start(&source, None);
        first.until_changes(1).await;
        assert_eq!(first.ended().await.unwrap().kind(), SourceErrorKind::Connection);
        start(&source, Some(1)).until_changes(1).await;
    }

    #[tokio::test]
    async fn a_closed_gate_holds_the_script_and_a_stop_passes_on_what_was_confirmed() {
        let (items, gate) = (items(), Gate::new());
        let source = Arc::new(
            ScriptSource::new([])
                .transaction([Change::insert(&items, "A | Bolt")])
                .progress()
                .wait(&gate)
                .transaction([Change::insert(&items, "B | Nut")]),
        );
        let mut run = start(&source, None);
        let progress = run.until_progress().await;
        assert_eq!(run.seen().changes.len(), 1);
        gate.open();
        run.until_changes(2).await;
        run.confirm(&progress.position);
        run.stop().await;
        assert_eq!(source.acknowledged(), Some(ScriptSource::position(1)));
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "still runs")]
    async fn a_source_that_ignores_the_stop_is_found_out() {
        let source = Arc::new(ScriptSource::new([]).ignores_stop());
        let mut run = start(&source, None);
        run.until_progress().await;
        run.stop().await;
    }
}
