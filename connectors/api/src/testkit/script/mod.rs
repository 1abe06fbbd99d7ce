//! A source that plays a script, so that the bridge can be tested without a database.
//!
//! Positions are the numbers of its transactions, from 1. Started after a position it begins
//! with the next transaction, like a database would; a fault strikes once, so that the run after
//! it gets past it. At the end of the script it reports progress and is idle until it is stopped.
//! Seeds stand beside the script: every run begins with those that are asked for.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::cells;
use crate::{
    BatchBuilder, Finding, Operation, Position, Sequence, Source, SourceContext, SourceError,
    SourceErrorKind, SourceFuture, TableName, TableSchema, TableSelection, Timestamp,
};

mod explore;
mod play;

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

/// Rows of a table that is to be remembered.
#[derive(Debug)]
struct Seeds {
    table: Arc<TableSchema>,
    rows: Vec<Change>,
}

/// Who is asked which tables seed; without anybody, all do that have seeds.
#[derive(Default)]
struct Asked(Option<Arc<dyn TableSelection>>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&self.0.is_some()).finish()
    }
}

/// A source that plays a script.
#[derive(Debug, Default)]
pub struct ScriptSource {
    steps: Vec<Step>,
    seeds: Vec<Seeds>,
    asked: Asked,
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

    /// Seeds a table with these rows, one line each, at the beginning of every run that asks for
    /// them.
    #[must_use]
    pub fn seed<'r>(
        mut self,
        table: &Arc<TableSchema>,
        rows: impl IntoIterator<Item = &'r str>,
    ) -> Self {
        let read = |row| Change::new(table, Operation::Read, None, Some(row));
        let rows = rows.into_iter().map(read).collect();
        self.seeds.push(Seeds { table: Arc::clone(table), rows });
        self
    }

    /// Asks this selection at each run which tables seed.
    #[must_use]
    pub fn asking(mut self, selection: Arc<dyn TableSelection>) -> Self {
        self.asked = Asked(Some(selection));
        self
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
}

impl Asked {
    fn seeds(&self, table: &TableName) -> bool {
        self.0.as_ref().is_none_or(|selection| selection.seeds(table))
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
mod tests;
