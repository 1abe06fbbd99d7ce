//! The ledger of what waits: rows among the remembered ones, with indexes to find them by.

use std::sync::Arc;

use erpbridge_connector::{Timestamp, Value};

use super::entry::State;
use super::{Awaited, Entry, Waiter};
use crate::mapping::file::Patience;
use crate::mapping::kept::{KeptRow, KeptTable, RowsError};
use crate::mapping::memory::Memory;

/// More changes of one source do not wait.
pub(in crate::mapping) const MAX_WAITING: u64 = if cfg!(test) { 1200 } else { 20_000 };
/// So many are looked at in one go.
const CHUNK: usize = if cfg!(test) { 3 } else { 1000 };

/// What waits for a row, by table and key.
const TARGET: usize = 0;
/// What waits of a row, in order.
const ROW: usize = 1;
/// Of these, what may not be released yet.
const HELD: usize = 2;
/// What has come to the front of its row, by its patience.
const PATIENCE: usize = 3;
/// What may be released.
const READY: usize = 4;
/// Everything, in order.
const ALL: usize = 5;
/// How many indexes there are.
pub(in crate::mapping) const INDEXES: usize = 6;

/// How many changes wait; no key of an entry is this short.
const COUNT: &str = "count";
/// Before which time of the source nothing has waited too long.
const DUE: &str = "due";
/// The mappings the entries were last tried with.
const MAPPINGS: &str = "mappings";

/// Where the ledger is, and how its users wait.
#[derive(Clone, Debug, Default)]
pub(in crate::mapping) struct Ledger {
    /// None if nothing is remembered.
    table: Option<KeptTable>,
    /// All patience the mappings have.
    patience: Arc<[Patience]>,
    pub(in crate::mapping) waits: Waits,
    /// Whether every row may have something waiting, not only those whose mapping can wait now.
    any_row: bool,
    /// How many wait, once that was asked.
    count: Option<u64>,
}

/// Whether a change may wait now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mapping) enum Waits {
    /// It may.
    #[default]
    Yes,
    /// It may not, and this is why.
    No(&'static str),
    /// Rows are read that belong to no transaction: the ledger is not touched.
    Seeding,
}

/// What waits, for those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many changes.
    pub changes: u64,
    /// When the oldest of them was committed.
    pub since: Option<Timestamp>,
}

impl Ledger {
    pub(in crate::mapping) fn new(table: Option<KeptTable>, patience: Arc<[Patience]>) -> Self {
        Self { table, patience, ..Self::default() }
    }
}

impl Memory<'_> {
    /// What waits.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn waiting(&mut self) -> Result<Waiting, RowsError> {
        let changes = self.count_waiting()?;
        let oldest = if changes == 0 { None } else { self.first(ALL, "")? };
        let since = oldest.map(|oldest| Timestamp::from_micros(oldest.entry.committed_at));
        Ok(Waiting { changes, since })
    }

    /// How many changes wait.
    pub(in crate::mapping) fn count_waiting(&mut self) -> Result<u64, RowsError> {
        let Some(table) = self.ledger.table else { return Ok(0) };
        if let Some(count) = self.ledger.count {
            return Ok(count);
        }
        let row = self.rows.get(table, COUNT)?;
        let count = row.and_then(|row| row.get(0, 1).text()?.parse().ok()).unwrap_or(0);
        self.ledger.count = Some(count);
        Ok(count)
    }

    fn set_count(&mut self, table: KeptTable, count: u64) -> Result<(), RowsError> {
        self.ledger.count = Some(count);
        self.note(table, COUNT, &count.to_string())
    }

    fn note(&mut self, table: KeptTable, key: &str, text: &str) -> Result<(), RowsError> {
        self.rows.put(table, key, &KeptRow::new([Value::Text(text)].into_iter()), &[])
    }

    /// Says that rows are seeded: what waits is looked through afterwards.
    pub fn seed(&mut self) {
        self.ledger.waits = Waits::Seeding;
    }

    /// Says that the run has not looked through the ledger yet: changes of any row may wait there.
    pub fn expect_any(&mut self) {
        self.ledger.any_row = true;
    }

    /// Whether a row of a table may have something waiting.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn may_wait(&mut self, can_wait: bool) -> Result<bool, RowsError> {
        Ok((can_wait || self.ledger.any_row) && self.count_waiting()? > 0)
    }

    /// Whether something of the row waits.
    pub(in crate::mapping) fn row_waits(&mut self, row: &str) -> Result<bool, RowsError> {
        Ok(self.first(ROW, row)?.is_some())
    }

    /// Sets a change aside: behind what waits of its row, or in front of it. Whether there was room.
    pub(in crate::mapping) fn set_aside(
        &mut self,
        mut entry: Entry,
        awaited: Option<&Awaited>,
    ) -> Result<bool, RowsError> {
        let Some(table) = self.ledger.table else { return Ok(false) };
        let key = entry.key();
        let known = self.rows.get(table, &key)?.is_some();
        let count = self.count_waiting()?;
        if !known && count >= MAX_WAITING {
            return Ok(false);
        }
        match awaited {
            Some(awaited) => entry.wait_for(awaited),
            // What is released at the end of the transaction takes along what comes until then.
            None => match self.first(ROW, &entry.row)? {
                Some(first) if first.entry.state == State::Ready => entry.state = State::Ready,
                _ => entry.state = State::Behind,
            },
        }
        self.write(table, &key, &entry)?;
        if !known {
            self.set_count(table, count + 1)?;
        }
        Ok(true)
    }

    /// A row has come: what waits for it is released at the end of the transaction.
    pub(in crate::mapping) fn come(
        &mut self,
        table: KeptTable,
        key: &str,
    ) -> Result<(), RowsError> {
        if self.ledger.waits == Waits::Seeding || self.count_waiting()? == 0 {
            return Ok(());
        }
        let Some(ledger) = self.ledger.table else { return Ok(()) };
        let target = target(table.0, key);
        loop {
            let waiting = self.rows.children(ledger, TARGET, &target, CHUNK)?;
            if waiting.is_empty() {
                return Ok(());
            }
            for (_, row) in waiting {
                self.ready_row(&decode(&row)?.row)?;
            }
        }
    }

    /// Looks through everything that waits, at the first transaction of a run: rows that were
    /// seeded came with no transaction, and another mapping may want nothing more. `mappings` is
    /// what tells one set of mappings from another.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn sweep(&mut self, mappings: &str) -> Result<(), RowsError> {
        let Some(table) = self.ledger.table else { return Ok(()) };
        let known = self.rows.get(table, MAPPINGS)?;
        let same = known.is_some_and(|row| row.get(0, 1) == Value::Text(mappings));
        if !same {
            self.note(table, MAPPINGS, mappings)?;
        }
        if self.count_waiting()? == 0 {
            return Ok(());
        }
        let all = usize::try_from(MAX_WAITING).unwrap_or(usize::MAX);
        for (_, row) in self.rows.children(table, ALL, "", all)? {
            let entry = decode(&row)?;
            let here = match &entry.state {
                State::For { table, key, .. } if same => {
                    self.rows.get(KeptTable(*table), key)?.is_some()
                }
                _ => !same,
            };
            if here {
                self.ready_row(&entry.row)?;
            }
        }
        Ok(())
    }

    fn ready_row(&mut self, row: &str) -> Result<(), RowsError> {
        let Some(table) = self.ledger.table else { return Ok(()) };
        loop {
            let held = self.rows.children(table, HELD, row, CHUNK)?;
            if held.is_empty() {
                return Ok(());
            }
            for (key, kept) in held {
                let entry = decode(&kept)?.in_state(State::Ready);
                self.write(table, &key, &entry)?;
            }
        }
    }

    /// Some of what may be released, in the order in which it was set aside.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn ready(&mut self) -> Result<Vec<Waiter>, RowsError> {
        let Some(table) = self.ledger.table else { return Ok(Vec::new()) };
        if self.count_waiting()? == 0 {
            return Ok(Vec::new());
        }
        let ready = self.rows.children(table, READY, "", CHUNK)?;
        ready.into_iter().map(waiter).collect()
    }

    /// Some of the changes that have waited too long at this time of the source.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn overdue(&mut self, now: Timestamp) -> Result<Vec<Waiter>, RowsError> {
        let Some(table) = self.ledger.table else { return Ok(Vec::new()) };
        if self.count_waiting()? == 0 || now.as_micros() < self.due(table)? {
            return Ok(Vec::new());
        }
        let (mut overdue, mut next) = (Vec::new(), i64::MAX);
        for patience in Arc::clone(&self.ledger.patience).iter() {
            let waiting = self.rows.children(table, PATIENCE, &patience.0.to_string(), CHUNK)?;
            for found in waiting {
                let waiter = Waiter { patient: false, ..waiter(found)? };
                let due = waiter.entry.committed_at.saturating_add(patience.0);
                if due > now.as_micros() {
                    next = std::cmp::min(next, due);
                    break;
                }
                overdue.push(waiter);
            }
        }
        if overdue.is_empty() {
            self.note(table, DUE, &next.to_string())?;
        }
        Ok(overdue)
    }

    /// Before this time of the source nothing has waited too long.
    fn due(&mut self, table: KeptTable) -> Result<i64, RowsError> {
        let row = self.rows.get(table, DUE)?;
        Ok(row.and_then(|row| row.get(0, 1).text()?.parse().ok()).unwrap_or(i64::MIN))
    }

    /// Whether nothing of its row is before it. What is behind something waits on.
    ///
    /// # Errors
    /// If the ledger cannot be read or written.
    pub fn is_in_front(&mut self, waiter: &Waiter) -> Result<bool, RowsError> {
        let first = self.first(ROW, &waiter.entry.row)?;
        let front = first.is_none_or(|first| first.key == waiter.key);
        if let (false, Some(table)) = (front, self.ledger.table) {
            let entry = waiter.entry.clone().in_state(State::Behind);
            self.write(table, &waiter.key, &entry)?;
        }
        Ok(front)
    }

    /// It waits for another row, with the links that came up when it was tried.
    pub(in crate::mapping) fn wait_on(
        &mut self,
        waiter: &Waiter,
        awaited: &Awaited,
        links: Vec<(String, String, String)>,
    ) -> Result<(), RowsError> {
        let Some(table) = self.ledger.table else { return Ok(()) };
        let mut entry = waiter.entry.clone().with_links(links);
        entry.wait_for(awaited);
        self.write(table, &waiter.key, &entry)
    }

    /// It waits no more, and what is behind it is tried.
    pub(in crate::mapping) fn leave(&mut self, waiter: &Waiter) -> Result<(), RowsError> {
        let Some(table) = self.ledger.table else { return Ok(()) };
        self.rows.remove(table, &waiter.key)?;
        let count = self.count_waiting()?;
        self.set_count(table, count.saturating_sub(1))?;
        self.ready_row(&waiter.entry.row)
    }

    fn first(&mut self, index: usize, parent: &str) -> Result<Option<Waiter>, RowsError> {
        let Some(table) = self.ledger.table else { return Ok(None) };
        let first = self.rows.children(table, index, parent, 0)?.into_iter().next();
        first.map(waiter).transpose()
    }

    fn write(&mut self, table: KeptTable, key: &str, entry: &Entry) -> Result<(), RowsError> {
        let text = serde_json::to_string(entry).map_err(|error| failed("write", error))?;
        let mut parents: [Option<&str>; INDEXES] = [None; INDEXES];
        let (awaited, patience);
        for (index, parent) in [(ROW, entry.row.as_str()), (ALL, "")] {
            set(&mut parents, index, parent);
        }
        match &entry.state {
            State::Behind => set(&mut parents, HELD, &entry.row),
            State::Ready => set(&mut parents, READY, ""),
            State::For { table: of, key, patience: micros } => {
                let due = entry.committed_at.saturating_add(*micros);
                if due < self.due(table)? {
                    self.note(table, DUE, &due.to_string())?;
                }
                (awaited, patience) = (target(*of, key), micros.to_string());
                set(&mut parents, HELD, &entry.row);
                set(&mut parents, TARGET, &awaited);
                set(&mut parents, PATIENCE, &patience);
            }
        }
        let row = KeptRow::new([Value::Text(&text)].into_iter());
        self.rows.put(table, key, &row, &parents)
    }
}

fn set<'p>(parents: &mut [Option<&'p str>], index: usize, parent: &'p str) {
    if let Some(slot) = parents.get_mut(index) {
        *slot = Some(parent);
    }
}

fn target(table: u32, key: &str) -> String {
    format!("{table}\u{1f}{key}")
}

fn waiter((key, row): (Box<str>, KeptRow)) -> Result<Waiter, RowsError> {
    Ok(Waiter { key, entry: decode(&row)?, patient: true })
}

fn decode(row: &KeptRow) -> Result<Entry, RowsError> {
    let text = row.get(0, 1).text().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| failed("read", error))
}

fn failed(action: &'static str, error: serde_json::Error) -> RowsError {
    RowsError { action, source: Box::new(error) }
}
