//! The checks checked: a database in memory passes them, and each flaw planted in its connector
//! is found by the check that is there for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::{Bench, TypeCase, Write, checks, table};
use crate::{
    BatchBuilder, Closed, Finding, Operation, Position, Progress, Sequence, Source, SourceContext,
    SourceError, SourceErrorKind, SourceEvent, SourceFuture, TableName, TableSchema,
    TableSelection, Timestamp, Transaction, Value,
};

const SILENCE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    ForgetsTheResumePosition,
    CountsWantedRowsOnly,
    TellsProgressEarly,
    TellsNoIdleProgress,
    PadsSnapshotText,
    IgnoresStopWhileSending,
    DiesWhileTheQueueIsFull,
    FindsOnlyTheFirstProblem,
    SeedsAsOfAnotherInstant,
    SeedsOnlyAtTheFirstStart,
    RemembersWhatItSeeded,
}

type Row = Vec<Option<String>>;
/// Table, operation and row of each change.
type Commit = Vec<(TableName, Operation, Row)>;

#[derive(Debug, Default)]
struct Database {
    commits: Mutex<Vec<Commit>>,
    committed: watch::Sender<usize>,
    missing: Mutex<BTreeSet<String>>,
    /// How many seeds have been sent, for a source that wrongly goes on behind them.
    seeded: Mutex<usize>,
}

struct Ledger {
    database: Arc<Database>,
    flaw: Flaw,
}

fn ledger(flaw: Flaw) -> Ledger {
    Ledger { database: Arc::default(), flaw }
}

impl Ledger {
    fn append(&self, commit: Commit) {
        let mut commits = self.database.commits.lock().unwrap();
        commits.push(commit);
        self.database.committed.send_replace(commits.len());
    }
}

impl Bench for Ledger {
    async fn create_table(&self, name: &str) -> TableName {
        TableName::new("main", name)
    }

    async fn create_table_of(&self, name: &str, _: &[TypeCase]) -> TableName {
        TableName::new("main", name)
    }

    async fn commit(&self, writes: &[Write]) {
        let text = |id: &u32| Some(id.to_string());
        let change = |write: &Write| match write {
            Write::Insert(table, id, note) => {
                (table.clone(), Operation::Insert, vec![text(id), Some(note.clone())])
            }
            Write::Update(table, id, note) => {
                (table.clone(), Operation::Update, vec![text(id), Some(note.clone())])
            }
            Write::Delete(table, id) => (table.clone(), Operation::Delete, vec![text(id), None]),
        };
        self.append(writes.iter().map(change).collect());
    }

    async fn insert_values(&self, table: &TableName, id: u32, values: &[&str]) {
        let plain = |value: &&str| (*value != "NULL").then(|| value.trim_matches('\'').to_owned());
        let row = std::iter::once(Some(id.to_string())).chain(values.iter().map(plain)).collect();
        self.append(vec![(table.clone(), Operation::Insert, row)]);
    }

    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source> {
        let database = Arc::clone(&self.database);
        Box::new(LedgerSource { database, selection, flaw: self.flaw })
    }

    fn types(&self) -> Vec<TypeCase> {
        vec![
            TypeCase { declared: "text", values: &[("'a'", Some("a")), ("NULL", None)] },
            TypeCase { declared: "integer", values: &[("1", Some("1"))] },
        ]
    }

    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT
    }

    fn privileges(&self, _: &[TableName]) -> Vec<String> {
        vec!["read".to_owned(), "replicate".to_owned()]
    }

    async fn revoke(&self, privilege: &str) {
        self.database.missing.lock().unwrap().insert(privilege.to_owned());
    }

    async fn mend(&self, statement: &str) {
        self.database.missing.lock().unwrap().remove(statement);
    }
}

struct LedgerSource {
    database: Arc<Database>,
    selection: Arc<dyn TableSelection>,
    flaw: Flaw,
}

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Log,
    Snapshot,
    Seeds,
}

impl LedgerSource {
    fn schema(name: &TableName) -> Arc<TableSchema> {
        let columns = if name.table == "typed" { "c0 text, c1 integer" } else { "note text" };
        table(&format!("{name}(id integer key, {columns})"))
    }

    fn batch(&self, number: usize, commit: &Commit, from: From) -> SourceEvent {
        let mut batch = BatchBuilder::new();
        batch.begin(Transaction {
            id: number.to_string().into(),
            sequence: Sequence::new(format!("{number:08}")),
            committed_at: Timestamp::default(),
            resume: Position::new(number.to_string()),
            complete: true,
            snapshot: from == From::Snapshot,
            seed: from == From::Seeds,
        });
        let wanted_only = self.flaw == Flaw::CountsWantedRowsOnly;
        let mut ordinal = 0;
        for (name, operation, row) in commit {
            let wanted = self.selection.wants(name);
            ordinal += u64::from(wanted || !wanted_only);
            if wanted {
                let cells = row.iter().map(|c| c.as_deref().map_or(Value::Null, Value::Text));
                batch.change(&Self::schema(name), *operation, ordinal).after(cells);
            }
        }
        SourceEvent::Changes(batch.finish())
    }

    /// The rows of all tables after the first `count` commits.
    fn rows(&self, count: usize) -> Commit {
        let mut rows = BTreeMap::new();
        for (name, operation, row) in
            self.database.commits.lock().unwrap()[..count].iter().flatten()
        {
            let key = (name.clone(), row[0].clone());
            match operation {
                Operation::Delete => rows.remove(&key),
                _ => rows.insert(key, row.clone()),
            };
        }
        let padded = |cell: String| match self.flaw {
            Flaw::PadsSnapshotText => format!("{cell} "),
            _ => cell,
        };
        let pad = |mut row: Row| {
            row.iter_mut().skip(1).for_each(|cell| *cell = cell.take().map(padded));
            row
        };
        rows.into_iter().map(|((name, _), row)| (name, Operation::Read, pad(row))).collect()
    }

    async fn send(&self, context: &SourceContext, event: SourceEvent) -> Result<(), SourceError> {
        let sending = context.out.send(event);
        let closed = |_: Closed| SourceError::new(SourceErrorKind::Closed, "closed");
        if self.flaw == Flaw::DiesWhileTheQueueIsFull {
            let late = |_| SourceError::new(SourceErrorKind::Connection, "cut by the server");
            return timeout(SILENCE_LIMIT, sending).await.map_err(late)?.map_err(closed);
        }
        tokio::select! {
            sent = sending => sent.map_err(closed),
            () = context.stop.cancelled(), if self.flaw != Flaw::IgnoresStopWhileSending => Ok(()),
        }
    }

    async fn progress(&self, context: &SourceContext, number: usize) -> Result<(), SourceError> {
        let position = Position::new(number.to_string());
        let as_of = Timestamp::default();
        self.send(context, SourceEvent::Progress(Progress { position, as_of })).await
    }

    async fn seed(&self, context: &SourceContext, count: usize) -> Result<(), SourceError> {
        let early = self.flaw == Flaw::SeedsAsOfAnotherInstant;
        let mut rows = self.rows(if early { count - 1 } else { count });
        rows.retain(|(name, ..)| self.selection.seeds(name));
        if rows.is_empty() {
            return Ok(());
        }
        let sent = *self.database.seeded.lock().unwrap();
        let skipped = if self.flaw == Flaw::RemembersWhatItSeeded { sent } else { 0 };
        for part in rows.get(skipped..).unwrap_or_default().chunks(100) {
            self.send(context, self.batch(count, &part.to_vec(), From::Seeds)).await?;
            *self.database.seeded.lock().unwrap() += part.len();
        }
        self.send(context, SourceEvent::Seeded).await
    }

    async fn snapshot(&self, context: &SourceContext, count: usize) -> Result<(), SourceError> {
        let mut rows = self.rows(count);
        rows.retain(|(name, ..)| self.selection.snapshots(name));
        for part in rows.chunks(100) {
            self.send(context, self.batch(count, &part.to_vec(), From::Snapshot)).await?;
        }
        self.progress(context, count).await
    }

    async fn follow(&self, context: SourceContext) -> Result<(), SourceError> {
        let mut committed = self.database.committed.subscribe();
        let count = *committed.borrow();
        if context.resume_after.is_none() || self.flaw != Flaw::SeedsOnlyAtTheFirstStart {
            self.seed(&context, count).await?;
        }
        let mut at = match &context.resume_after {
            Some(position) if self.flaw != Flaw::ForgetsTheResumePosition => {
                position.as_str().parse().unwrap()
            }
            Some(_) => 0,
            None => {
                self.snapshot(&context, count).await?;
                count
            }
        };
        while !context.stop.is_cancelled() {
            let next = self.database.commits.lock().unwrap().get(at).cloned();
            let Some(commit) = next else {
                tokio::select! {
                    _ = committed.wait_for(|count| *count > at) => continue,
                    () = context.stop.cancelled() => break,
                }
            };
            at += 1;
            self.commit(&context, at, &commit).await?;
        }
        Ok(())
    }

    async fn commit(
        &self,
        context: &SourceContext,
        number: usize,
        commit: &Commit,
    ) -> Result<(), SourceError> {
        if self.flaw == Flaw::TellsProgressEarly {
            self.progress(context, number).await?;
        }
        if commit.iter().any(|(name, ..)| self.selection.wants(name)) {
            self.send(context, self.batch(number, commit, From::Log)).await?;
        } else if self.flaw == Flaw::TellsNoIdleProgress {
            return Ok(());
        }
        self.progress(context, number).await
    }
}

impl Source for LedgerSource {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        let missing = self.database.missing.lock().unwrap().clone();
        let finding =
            |name: String| Finding::error("role", format!("no {name}"), "x").with_sql(name);
        let most = if self.flaw == Flaw::FindsOnlyTheFirstProblem { 1 } else { usize::MAX };
        Box::pin(async move { Ok(missing.into_iter().map(finding).take(most).collect()) })
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(self.follow(context))
    }
}

/// The good connector passes; the flawed one fails with these words. A failing check panics, so
/// time is paused: what it waits for in vain costs nothing.
macro_rules! checked {
    ($check:ident, $flaw:ident, $words:literal) => {
        mod $check {
            use super::*;

            #[tokio::test(start_paused = true)]
            async fn passes() {
                checks::$check(&ledger(Flaw::None)).await;
            }

            #[tokio::test(start_paused = true)]
            #[should_panic(expected = $words)]
            async fn finds_the_flaw() {
                checks::$check(&ledger(Flaw::$flaw)).await;
            }
        }
    };
}

checked!(resumes_after_the_confirmed_position, ForgetsTheResumePosition, "after the third");
checked!(ordinals_depend_on_the_log_alone, CountsWantedRowsOnly, "only one table selected");
checked!(progress_never_comes_before_its_rows, TellsProgressEarly, "in vain: 21 row changes");
checked!(progress_moves_while_nothing_wanted_happens, TellsNoIdleProgress, "in vain: progress");
checked!(snapshot_and_log_give_the_same_text, PadsSnapshotText, "from the seed");
checked!(stops_within_its_deadline, IgnoresStopWhileSending, "still runs");
checked!(answers_while_the_queue_is_full, DiesWhileTheQueueIsFull, "ended while its queue");
checked!(check_lists_every_missing_privilege, FindsOnlyTheFirstProblem, "is not among");
checked!(seeds_are_of_one_instant_and_come_first, SeedsAsOfAnotherInstant, "the instant of the");
checked!(seeds_of_a_later_start_meet_the_log, SeedsOnlyAtTheFirstStart, "behind the last seed");
checked!(an_interrupted_seeding_begins_again, RemembersWhatItSeeded, "every row again");
