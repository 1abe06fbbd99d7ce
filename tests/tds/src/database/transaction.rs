//! A transaction of a test.

use std::sync::Arc;
use std::time::Duration;

use super::Database;
use super::cdc::{Committed, Logged, RowLogged};
use super::state::State;
use super::table::{Cells, Key, Table};
use crate::value::cast::stored;
use crate::value::kind::Kind;
use crate::value::order::compare;
use crate::{Lsn, Row, Value};

/// How many records a block of the log holds here.
const RECORDS: usize = 60_000;
/// How long a blocked commit waits before it panics with the name of the table.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

/// An open transaction. Each step is one statement: it writes its records to the log as it is
/// called, so two transactions can be open and interleave, and the one that commits first comes
/// first although its records may be younger. Nothing is visible before the commit.
#[must_use = "nothing happens before `commit`"]
#[derive(Debug)]
pub struct Transaction<'d> {
    database: &'d Database,
    begun: i64,
    begin_lsn: Lsn,
    steps: Vec<Step>,
}

/// One statement, with the place of its first record.
#[derive(Debug)]
struct Step {
    table: i32,
    first: Lsn,
    what: What,
}

#[derive(Debug)]
enum What {
    Insert(Vec<Row>),
    Update { of: Row, set: Row, apart: bool },
    Delete(Row),
}

impl<'d> Transaction<'d> {
    pub(super) fn begin(database: &'d Database) -> Self {
        let mut state = database.state();
        let (begun, begin_lsn) = (state.clock.now(), state.data.reserve(1));
        drop(state);
        Self { database, begun, begin_lsn, steps: Vec::new() }
    }

    /// INSERT of one row.
    pub fn insert(self, table: &str, row: Row) -> Self {
        self.insert_all(table, [row])
    }

    /// INSERT of many rows by one statement.
    pub fn insert_all(self, table: &str, rows: impl IntoIterator<Item = Row>) -> Self {
        let rows: Vec<Row> = rows.into_iter().collect();
        let count = rows.len();
        self.step(table, What::Insert(rows), Some(count))
    }

    /// UPDATE of the rows with these cells (all, if there are none). Rows whose key changes are
    /// captured as delete and insert, as SQL Server does; others as before and after images.
    pub fn update(self, table: &str, of: Row, set: Row) -> Self {
        self.step(table, What::Update { of, set, apart: false }, None)
    }

    /// The same, captured as delete and insert though no key changes: a deferred update, a MERGE.
    pub fn replace(self, table: &str, of: Row, set: Row) -> Self {
        self.step(table, What::Update { of, set, apart: true }, None)
    }

    /// DELETE of the rows with these cells (all, if there are none).
    pub fn delete(self, table: &str, of: Row) -> Self {
        self.step(table, What::Delete(of), None)
    }

    fn step(mut self, table: &str, what: What, rows: Option<usize>) -> Self {
        let mut state = self.database.state();
        let (id, size) = {
            let table = state.data.named(table);
            (table.id, rows.unwrap_or_else(|| table.at_most()))
        };
        let first = state.data.reserve(size / RECORDS + 1);
        drop(state);
        self.steps.push(Step { table: id, first, what });
        self
    }

    /// Commits, as soon as nobody locks a table it wrote to. Returns the commit's place; panics
    /// on a duplicate key and on a value its column does not take.
    pub async fn commit(self) -> Lsn {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            {
                let mut state = self.database.state();
                let blocked = |step: &&Step| state.blocked(step.table, None, true);
                match self.steps.iter().find(blocked) {
                    None => return apply(&mut state, &self),
                    Some(step) if tokio::time::Instant::now() > end => {
                        let name = state.data.by_id(step.table).map(Table::full_name);
                        panic!("a commit waited {DEADLINE:?} for a lock on {name:?}");
                    }
                    Some(_) => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes everything down, in the tables and in the log, and lets the capture job see it.
fn apply(state: &mut State, transaction: &Transaction<'_>) -> Lsn {
    let lsn = state.data.reserve(1);
    state.data.commits += 1;
    let commit = state.data.commits;
    let mut changes = Vec::new();
    for (number, step) in (1..).zip(&transaction.steps) {
        let table = state.data.by_id_mut(step.table);
        let table = table.expect("a table is not dropped while a transaction writes to it");
        let mut writing = Writing { table, commit, rows: Vec::new() };
        match &step.what {
            What::Insert(rows) => rows.iter().for_each(|row| writing.insert(row)),
            What::Update { of, set, apart } => writing.update(of, set, *apart),
            What::Delete(of) => writing.delete(of),
        }
        changes.extend(logged(writing, number, step.first));
    }
    let now = state.clock.now();
    let Some(cdc) = &mut state.data.cdc else { return lsn };
    let captured = |change: &RowLogged| cdc.instances.iter().any(|i| i.source == change.table);
    changes.retain(captured);
    cdc.pending.push_back(Logged::Commit(Committed {
        lsn,
        begin_lsn: transaction.begin_lsn,
        begun: transaction.begun,
        ended: now,
        number: commit,
        changes,
    }));
    cdc.work(now);
    lsn
}

/// Gives the rows of a statement their places in the log. A row that changes in two steps has one.
fn logged(writing: Writing<'_>, command: i32, first: Lsn) -> Vec<RowLogged> {
    let layout: Arc<[i32]> = writing.table.columns.iter().map(|column| column.id).collect();
    let table = writing.table.id;
    let rows = writing.rows.into_iter().enumerate();
    rows.map(|(place, images)| (nth(first, place), images))
        .flat_map(|(seqval, images)| {
            let layout = Arc::clone(&layout);
            images.into_iter().map(move |(before, after)| RowLogged {
                table,
                seqval,
                command,
                before,
                after,
                layout: Arc::clone(&layout),
            })
        })
        .collect()
}

/// The place of a statement's record.
fn nth(first: Lsn, place: usize) -> Lsn {
    let (file, block, _) = first.parts();
    let further = u32::try_from(place / RECORDS).unwrap_or(u32::MAX).saturating_mul(8);
    let record = u16::try_from(place % RECORDS + 1).unwrap_or(u16::MAX);
    Lsn::new(file, block.saturating_add(further), record)
}

/// The images of one row: one step, or a delete and an insert.
type Images = Vec<(Option<Cells>, Option<Cells>)>;

/// A statement at work on a table.
struct Writing<'t> {
    table: &'t mut Table,
    commit: u64,
    rows: Vec<Images>,
}

impl Writing<'_> {
    fn insert(&mut self, row: &Row) {
        let mut cells = vec![Value::Null; self.table.columns.len()];
        self.set(&mut cells, row);
        self.fill_in(&mut cells, row);
        let key = self.table.key_of(&cells);
        let cells: Cells = cells.into();
        self.put(key, Arc::clone(&cells));
        self.rows.push(vec![(None, Some(cells))]);
    }

    fn update(&mut self, of: &Row, set: &Row, apart: bool) {
        let found = self.find(of);
        // All old keys go before any new one comes: a statement may shift keys.
        let mut changed = Vec::new();
        for (key, before) in found {
            let mut cells = before.to_vec();
            self.set(&mut cells, set);
            let moved = !self.table.key.is_empty() && self.table.key_of(&cells) != key;
            if moved {
                self.table.write(key.clone(), self.commit, None);
            }
            changed.push((key, before, Cells::from(cells), moved));
        }
        for (key, before, after, moved) in changed {
            if moved {
                let key = self.table.key_of(&after);
                self.put(key, Arc::clone(&after));
            } else {
                self.table.write(key, self.commit, Some(Arc::clone(&after)));
            }
            self.rows.push(if moved || apart {
                vec![(Some(before), None), (None, Some(after))]
            } else {
                vec![(Some(before), Some(after))]
            });
        }
    }

    fn delete(&mut self, of: &Row) {
        for (key, before) in self.find(of) {
            self.table.write(key, self.commit, None);
            self.rows.push(vec![(Some(before), None)]);
        }
    }

    fn put(&mut self, key: Key, cells: Cells) {
        assert!(
            self.table.current(&key).is_none(),
            "Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object '{}'.",
            self.table.full_name()
        );
        self.table.write(key, self.commit, Some(cells));
    }

    /// Sets cells as their columns keep them.
    fn set(&self, cells: &mut [Value], row: &Row) {
        for (name, value) in row {
            let table = self.table.full_name();
            let place = self.table.column(name);
            let place = place.unwrap_or_else(|| panic!("{table} has no column \"{name}\""));
            let column = self.table.columns.get(place).expect("it was just found");
            let kept = stored(value, column.column.of);
            let kept = kept.unwrap_or_else(|problem| panic!("{table}.{name}: {problem}"));
            if let Some(cell) = cells.get_mut(place) {
                *cell = kept;
            }
        }
    }

    /// Identities and row versions that were not given, and the check for NULL.
    fn fill_in(&mut self, cells: &mut [Value], row: &Row) {
        for (place, column) in self.table.columns.clone().iter().enumerate() {
            let Some(cell) = cells.get_mut(place) else { continue };
            let column = &column.column;
            let given = row.iter().any(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            if !given && column.identity {
                *cell = Value::Int(self.table.count());
            } else if !given && column.of.kind == Kind::RowVersion {
                *cell = self.table.count().to_be_bytes().as_slice().into();
            } else if *cell == Value::Null && !column.nullable {
                panic!("Cannot insert the value NULL into column '{}'.", column.name);
            }
        }
    }

    /// The rows that have these cells.
    fn find(&mut self, of: &Row) -> Vec<(Key, Cells)> {
        let mut wanted = vec![Value::Null; self.table.columns.len()];
        self.set(&mut wanted, of);
        let named: Vec<usize> = of.iter().filter_map(|(name, _)| self.table.column(name)).collect();
        if !named.is_empty() && named == self.table.key {
            let key = self.table.key_of(&wanted);
            return self.table.current(&key).cloned().map(|row| (key, row)).into_iter().collect();
        }
        let same = |cells: &Cells, place: usize| {
            let (cell, wanted) = (cells.get(place)?, wanted.get(place)?);
            let of = self.table.columns.get(place)?.column.of;
            Some(cell == wanted || compare(cell, wanted, of)?.is_eq())
        };
        let fits = |cells: &Cells| named.iter().all(|place| same(cells, *place) == Some(true));
        let found = self.table.all().filter(|(_, cells)| fits(cells));
        found.map(|(key, cells)| (key.clone(), Arc::clone(cells))).collect()
    }
}
