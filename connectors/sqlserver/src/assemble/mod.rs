//! From row changes to batches. Pure: no I/O and no clock, so a replay of the same log makes the
//! same batches.
//!
//! **Where a batch ends.** A batch is handed over at a commit, when it is large enough or when the
//! caller sees that nothing more is waiting. Only a transaction larger than a window is cut inside,
//! by the weight of its wanted rows from its first one on: what came before does not move the cut.
//! A cut is made when the next row arrives, so that the last window is never empty.
//!
//! **What a position covers.** [`Assembler::reached`] grows only when a transaction is complete.
//! Resuming after it therefore repeats whole transactions and omits none. A window of an
//! unfinished transaction carries the position before that transaction.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Position, SourceError, SourceErrorKind, SourceEvent, TableName, TableSchema,
    Transaction,
};

use crate::change_tables::Commit;
use crate::position::Lsn;
use crate::relations::Captured;
use crate::stream::Entry;

mod row;

use row::Row;

/// When a batch ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At a commit, from this size on.
    pub batch_bytes: usize,
    /// Inside a transaction, from this size on.
    pub window_bytes: usize,
    /// No row may be larger.
    pub row_bytes: usize,
}

/// Events in order, on their way to the queue.
pub type Outbox = VecDeque<SourceEvent>;

/// Makes batches of row changes.
pub struct Assembler {
    limits: Limits,
    builder: BatchBuilder,
    open: Option<Open>,
    reached: Lsn,
    /// The position after `reached`.
    resume: Position,
    /// The shape of each table's last row.
    shapes: HashMap<TableName, Arc<TableSchema>>,
}

/// A transaction whose end has not been seen.
#[derive(Debug)]
struct Open {
    commit: Commit,
    /// The ordinal of its last row.
    ordinal: u64,
    /// Weight of the rows since the window began.
    window: usize,
}

impl Assembler {
    /// Begins after `reached`, whose position is `resume`.
    pub fn new(limits: Limits, reached: Lsn, resume: Position) -> Self {
        let shapes = HashMap::new();
        Self { limits, builder: BatchBuilder::new(), open: None, reached, resume, shapes }
    }

    /// Everything up to this place is in the batch or has been handed over.
    pub fn reached(&self) -> Lsn {
        self.reached
    }

    /// Whether the transaction of this commit must be closed before its row can be taken.
    pub fn belongs_elsewhere(&self, commit: Lsn) -> bool {
        self.open.as_ref().is_some_and(|open| open.commit.lsn != commit)
    }

    /// The commit of the open transaction.
    pub fn open_commit(&self) -> Option<&Commit> {
        self.open.as_ref().map(|open| &open.commit)
    }

    /// The open transaction is complete; `resume` is the position after it.
    pub fn complete(&mut self, resume: Position, out: &mut Outbox) {
        let Some(open) = self.open.take() else { return };
        self.builder.complete(resume.clone());
        (self.reached, self.resume) = (open.commit.lsn, resume);
        if self.builder.bytes() >= self.limits.batch_bytes {
            self.hand_over(out);
        }
    }

    /// No row of a wanted table lies between `reached` and this place.
    pub fn vouched(&mut self, lsn: Lsn, resume: Position) {
        if self.open.is_none() && lsn > self.reached {
            (self.reached, self.resume) = (lsn, resume);
        }
    }

    /// Hands over what is there, unless rows of an open transaction are among it.
    pub fn flush(&mut self, out: &mut Outbox) {
        if self.open.is_none() {
            self.hand_over(out);
        }
    }

    /// Takes a row change. Those of a transaction come one after the other.
    pub fn take(
        &mut self,
        commit: &Commit,
        captured: &Captured,
        entry: &Entry,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let row = Row::of(&entry.images);
        if row.weight() > self.limits.row_bytes {
            return Err(too_large(captured, row.weight(), self.limits.row_bytes));
        }
        let table = self.announce(&captured.shape.schema, out);
        let ordinal = self.open_window(commit, entry.ordinal, row.weight(), out);
        let mut images = self.builder.change(&table, row.operation(), ordinal);
        row.write(&captured.shape.columns, &mut images);
        Ok(())
    }

    /// The shape a row of this table has. A new one is told before the first row that has it; it
    /// may overtake rows of the old shape that wait in the same batch, but each row carries its
    /// own shape, so none is misread.
    fn announce(&mut self, schema: &Arc<TableSchema>, out: &mut Outbox) -> Arc<TableSchema> {
        match self.shapes.get(&schema.name) {
            Some(known) if **known == **schema => Arc::clone(known),
            known => {
                if let Some(previous) = known {
                    out.push_back(SourceEvent::SchemaChanged {
                        table: Arc::clone(schema),
                        previous: Some(Arc::clone(previous)),
                    });
                }
                self.shapes.insert(schema.name.clone(), Arc::clone(schema));
                Arc::clone(schema)
            }
        }
    }

    /// Makes sure that the batch ends with the transaction of this commit, in its current window,
    /// and says which ordinal the row gets.
    fn open_window(
        &mut self,
        commit: &Commit,
        wanted: u64,
        weight: usize,
        out: &mut Outbox,
    ) -> u64 {
        let limit = self.limits.window_bytes;
        let Some(open) = &mut self.open else {
            self.builder.begin(transaction(commit, self.resume.clone()));
            self.open = Some(Open { commit: commit.clone(), ordinal: wanted, window: weight });
            return wanted;
        };
        // Two tables never have a change at the same place; if a server says so, both are kept.
        open.ordinal = std::cmp::max(wanted, open.ordinal + 1);
        let ordinal = open.ordinal;
        if open.window > 0 && open.window.saturating_add(weight) > limit {
            open.window = weight;
            self.hand_over(out);
            self.builder.begin(transaction(commit, self.resume.clone()));
        } else {
            open.window = open.window.saturating_add(weight);
        }
        ordinal
    }

    fn hand_over(&mut self, out: &mut Outbox) {
        if !self.builder.is_empty() {
            out.push_back(SourceEvent::Changes(self.builder.finish()));
        }
    }
}

fn transaction(commit: &Commit, resume: Position) -> Transaction {
    Transaction {
        id: commit.id().into(),
        sequence: commit.lsn.sequence(),
        committed_at: commit.at,
        resume,
        complete: false,
        snapshot: false,
        seed: false,
    }
}

fn too_large(captured: &Captured, weight: usize, limit: usize) -> SourceError {
    let table = &captured.shape.schema.name;
    let message = format!("a change of table `{table}` has {weight} bytes, the limit is {limit}");
    SourceError::new(SourceErrorKind::TooLarge, message)
        .with_hint("raise max_row_bytes, or leave the large column out of the capture instance")
}

#[cfg(test)]
mod tests;
