//! From messages to batches. Pure: no I/O and no clock, so a replay of the same log makes the
//! same batches.
//!
//! **Where a batch ends.** A batch is handed over at a commit, when it is large enough or when
//! the caller sees that nothing more is waiting. Only a transaction larger than a window is cut
//! inside, and the cut depends on that transaction alone: rows are weighed as the log holds them,
//! wanted or not, from the transaction's first row, so neither what came before nor a changed
//! mapping moves it. A cut is made when the next wanted row arrives, so that the last window is
//! never empty.
//!
//! **What a position covers.** [`Assembler::reached`] grows only at a commit and when the server
//! vouches, between two transactions, that it has sent everything before a place. Resuming after
//! it therefore repeats whole transactions and omits none. A window of an unfinished transaction
//! carries the position before that transaction.

use std::collections::VecDeque;
use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Position, SourceError, SourceErrorKind, SourceEvent, TableSelection, Timestamp,
    Transaction, Truncated,
};

use crate::Lsn;
use crate::pgoutput::{Message, Relation};
use crate::position::Places;
use crate::relations::{self, Relations, TableFacts};

mod row;

use row::Row;

/// When a batch ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At a commit, from this size on.
    pub batch_bytes: usize,
    /// Inside a transaction, from this size on.
    pub window_bytes: usize,
}

/// Events in order, on their way to the queue.
pub type Outbox = VecDeque<SourceEvent>;

/// Makes batches of messages.
pub struct Assembler {
    selection: Arc<dyn TableSelection>,
    places: Places,
    limits: Limits,
    relations: Relations,
    builder: BatchBuilder,
    open: Option<Open>,
    reached: Lsn,
    last_commit_at: Option<Timestamp>,
}

/// The transaction between its begin and its commit.
#[derive(Debug)]
struct Open {
    final_lsn: Lsn,
    committed_at: Timestamp,
    xid: u32,
    /// Row changes so far, wanted or not.
    ordinal: u64,
    /// Weight of the rows since the window began.
    window: usize,
    /// The window is full; the next wanted row begins another.
    cut: bool,
    /// The batch under construction ends with rows of this transaction.
    in_batch: bool,
}

impl Assembler {
    /// Begins after `reached`; `places` makes the positions.
    pub fn new(
        selection: Arc<dyn TableSelection>,
        places: Places,
        limits: Limits,
        reached: Lsn,
    ) -> Self {
        Self {
            selection,
            places,
            limits,
            relations: Relations::default(),
            builder: BatchBuilder::new(),
            open: None,
            reached,
            last_commit_at: None,
        }
    }

    /// Whether rows of this table are wanted, so that the catalogue must be asked about it.
    pub fn wants(&self, relation: &Relation<'_>) -> bool {
        self.selection.wants(&relations::name(relation))
    }

    /// Everything before this place is in the batch or has been handed over.
    pub fn reached(&self) -> Lsn {
        self.reached
    }

    /// Everything before this place has been handed over; none while rows wait in the batch.
    pub fn handed_over(&self) -> Option<Lsn> {
        self.builder.is_empty().then_some(self.reached)
    }

    /// When the last complete transaction was committed.
    pub fn last_commit_at(&self) -> Option<Timestamp> {
        self.last_commit_at
    }

    /// Whether no transaction is open.
    pub fn between_transactions(&self) -> bool {
        self.open.is_none()
    }

    /// The server says that it has sent everything before `lsn`. Inside a transaction that is no
    /// news: the place lies before its commit.
    pub fn vouched(&mut self, lsn: Lsn) {
        if self.open.is_none() {
            self.reached = std::cmp::max(self.reached, lsn);
        }
    }

    /// Hands over the complete transactions, unless rows of an open one follow them.
    pub fn flush(&mut self, out: &mut Outbox) {
        if !self.open.as_ref().is_some_and(|open| open.in_batch) {
            self.hand_over(out);
        }
    }

    /// Takes the announcement of a table; `facts` are there if the table is wanted.
    ///
    /// A new shape is told before the first row that has it. Inside a transaction it may overtake
    /// rows of the old shape that wait in the same batch, because a cut here would depend on what
    /// this connection has seen before; each row carries its own shape, so none is misread.
    pub fn announce(
        &mut self,
        relation: &Relation<'_>,
        facts: Option<&TableFacts>,
        out: &mut Outbox,
    ) {
        let Some(facts) = facts else { return self.relations.announce_unwanted(relation) };
        if let Some((table, previous)) = self.relations.announce(relation, facts) {
            self.flush(out);
            out.push_back(SourceEvent::SchemaChanged { table, previous: Some(previous) });
        }
    }

    /// Takes a message that is not an announcement.
    pub fn take(&mut self, message: Message<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        match message {
            Message::Begin { final_lsn, committed_at, xid } => {
                self.begin(final_lsn, committed_at, xid)
            }
            Message::Commit { end_lsn } => self.commit(end_lsn, out),
            Message::Insert { relation, new } => self.row(relation, Row::insert(new), out),
            Message::Update { relation, old, new } => {
                self.row(relation, Row::update(old, new), out)
            }
            Message::Delete { relation, old } => self.row(relation, Row::delete(old), out),
            Message::Truncate { relations } => self.truncate(&relations, out),
            Message::Origin | Message::Type | Message::Logical | Message::Relation(_) => Ok(()),
        }
    }

    fn begin(
        &mut self,
        final_lsn: Lsn,
        committed_at: Timestamp,
        xid: u32,
    ) -> Result<(), SourceError> {
        if self.open.is_some() {
            return Err(disorder("a transaction begins inside another"));
        }
        self.open = Some(Open {
            final_lsn,
            committed_at,
            xid,
            ordinal: 0,
            window: 0,
            cut: false,
            in_batch: false,
        });
        Ok(())
    }

    /// The transaction is complete, so the place after it may be resumed from.
    fn commit(&mut self, end_lsn: Lsn, out: &mut Outbox) -> Result<(), SourceError> {
        let open = self.open.take().ok_or_else(|| disorder("a commit without a transaction"))?;
        self.reached = std::cmp::max(self.reached, end_lsn);
        self.last_commit_at = std::cmp::max(self.last_commit_at, Some(open.committed_at));
        if open.in_batch {
            let resume = self.resume();
            self.builder.complete(resume);
        }
        if self.builder.bytes() >= self.limits.batch_bytes {
            self.hand_over(out);
        }
        Ok(())
    }

    fn row(&mut self, oid: u32, row: Row<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        let open = self.open.as_mut().ok_or_else(|| disorder("a row outside a transaction"))?;
        let ordinal = open.count(row.weight(), self.limits.window_bytes);
        let announced = self.relations.get(oid).ok_or_else(|| unannounced(oid))?;
        if announced.table.is_none() {
            return Ok(());
        }
        self.open_window(out);
        // Looked up again because opening a window needs the whole of `self`.
        let Some((table, key)) = self.relations.wanted(oid) else { return Ok(()) };
        let mut images = self.builder.change(table, row.operation, ordinal);
        row.write(table, key, &mut images)
    }

    /// Makes sure that the batch ends with the open transaction, in its current window.
    fn open_window(&mut self, out: &mut Outbox) {
        let full = self.open.as_ref().is_some_and(|open| open.cut && open.in_batch);
        if full {
            self.hand_over(out);
        }
        let begins = full || self.open.as_ref().is_some_and(|open| !open.in_batch);
        let resume = begins.then(|| self.resume());
        let Some(open) = self.open.as_mut() else { return };
        open.cut = false;
        if let Some(resume) = resume {
            open.in_batch = true;
            self.builder.begin(open.transaction(resume));
        }
    }

    /// TRUNCATE has no rows, so it is an event of its own. It ends the window whether its tables
    /// are wanted or not: the cut belongs to the transaction, not to the mapping.
    fn truncate(&mut self, oids: &[u32], out: &mut Outbox) -> Result<(), SourceError> {
        let resume = self.resume();
        let mut tables = Vec::new();
        for oid in oids {
            let announced = self.relations.get(*oid).ok_or_else(|| unannounced(*oid))?;
            tables.extend(announced.table.clone());
        }
        self.hand_over(out);
        let open =
            self.open.as_mut().ok_or_else(|| disorder("a truncate outside a transaction"))?;
        let ordinal = open.count(0, usize::MAX);
        (open.window, open.cut, open.in_batch) = (0, false, false);
        if !tables.is_empty() {
            let transaction = open.transaction(resume);
            out.push_back(SourceEvent::Truncated(Truncated { tables, transaction, ordinal }));
        }
        Ok(())
    }

    fn hand_over(&mut self, out: &mut Outbox) {
        if !self.builder.is_empty() {
            out.push_back(SourceEvent::Changes(self.builder.finish()));
        }
    }

    fn resume(&self) -> Position {
        self.places.at(self.reached)
    }
}

impl Open {
    /// Counts a row and returns its ordinal. A row that would make the window too heavy begins
    /// the next one.
    fn count(&mut self, weight: usize, window_bytes: usize) -> u64 {
        self.ordinal += 1;
        if self.window > 0 && self.window.saturating_add(weight) > window_bytes {
            self.cut = true;
            self.window = 0;
        }
        self.window = self.window.saturating_add(weight);
        self.ordinal
    }

    fn transaction(&self, resume: Position) -> Transaction {
        Transaction {
            id: self.xid.to_string().into(),
            sequence: self.final_lsn.sequence(),
            committed_at: self.committed_at,
            resume,
            complete: false,
            snapshot: false,
            seed: false,
        }
    }
}

fn disorder(what: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Decode, format!("the log is out of order: {what}"))
}

fn unannounced(oid: u32) -> SourceError {
    let message = format!("the log has a row of table {oid}, which it has not announced");
    SourceError::new(SourceErrorKind::Decode, message)
}

#[cfg(test)]
mod tests;
