//! From events to batches. Pure: no I/O and no clock, so a replay of the same log makes the same
//! batches.
//!
//! **Where a transaction ends.** With `XID`, with the statement `COMMIT`, or with the one statement
//! that stands alone (every change of a shape does). An XA transaction ends twice: its rows come
//! before `XA PREPARE` and mean nothing until `XA COMMIT`, perhaps days and many transactions
//! later. So they are kept, and the position tells where they begin, so that a restart reads them
//! again; what was sent since is recognised then and passed over.
//!
//! **Where a batch ends.** It is handed over at a commit, when it is large enough or when the
//! caller sees that nothing more is waiting. Only a transaction larger than a window is cut inside,
//! and the cut depends on that transaction alone: rows are weighed as the log holds them, wanted or
//! not, from the transaction's first row, so neither what came before nor a changed mapping moves
//! it. A cut is made when the next wanted row arrives, so that the last window is never empty.
//!
//! **What a position covers.** [`Assembler::reached`] moves only at the end of a transaction and at
//! events between two of them. Resuming after it therefore repeats whole transactions and omits
//! none. A window of an unfinished transaction carries the position before that transaction.
//!
//! **Where another server's log is entered.** By identifiers, not by a place: the server leaves out
//! what it is told is known, and says nothing of where that ends. What it sends first, the beginning
//! of a file, may lie far before; so there is no position until its first transaction begins or it
//! says that it has none. And because what is known may still stand behind that place, transactions
//! of `MySQL` are recognised by their identifiers at any time.

use std::collections::VecDeque;
use std::sync::Arc;

use erpbridge_connector::{
    BatchBuilder, Position, ReplicaIdentity, SourceError, SourceErrorKind, SourceEvent, TableName,
    TableSelection, Timestamp,
};

use crate::binlog::{Event, Located, Query, Rows, Standing, Start, Xid};
use crate::gtid::GtidSet;
use crate::position::{Coordinates, Places, Prepared, Reached};
use crate::shape::{Disagreement, TableShape};
use crate::statement::Statement;
use crate::values::Cells;

mod open;
mod row;
mod statements;
mod tables;
mod xa;

pub use tables::Announcement;

use open::Open;
use row::Held;
use tables::Tables;
use xa::Waiting;

/// When a batch ends, and how much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A batch ends at a commit, from this size on.
    pub batch_bytes: usize,
    /// A batch ends inside a transaction, from this size on.
    pub window_bytes: usize,
    /// So many bytes of rows of prepared XA transactions are kept at most.
    pub prepared_bytes: usize,
}

/// Events in order, on their way to the queue.
pub type Outbox = VecDeque<SourceEvent>;

/// What is known already of the log to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// What was committed before this place of the same log: it is read from an earlier place on,
    /// because of prepared transactions.
    Before(Coordinates),
    /// These transactions, wherever they stand: another server's log is entered. The place that
    /// has been reached means nothing there.
    These(GtidSet),
}

/// What the caller must do before the next event.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    On,
    /// A wanted table is announced whose shape is not known: call [`Assembler::announce`].
    Shape(Announcement),
    /// Wanted tables were emptied: call [`Assembler::truncate`] with their shapes.
    Truncated(Vec<TableName>),
    /// A statement may have changed the shapes of wanted tables; all of them are forgotten here.
    Changed(Changed),
}

/// A statement that may have changed the shapes of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The wanted tables it names.
    pub tables: Vec<TableName>,
    /// The beginning of its text.
    pub excerpt: String,
    /// Where it begins.
    pub begins: Coordinates,
    /// Where it ends: shapes valid from here on are to be asked for.
    pub ends: Coordinates,
}

/// Makes batches of events.
pub struct Assembler {
    selection: Arc<dyn TableSelection>,
    places: Places,
    limits: Limits,
    known: Known,
    /// Whether the place reached is one of this log.
    placed: bool,
    tables: Tables,
    builder: BatchBuilder,
    open: Option<Open>,
    waiting: Waiting,
    reached: Reached,
    last_commit_at: Option<Timestamp>,
    cells: (Cells, Cells),
    /// How many bytes each row of an event takes that nobody wants.
    unwanted: Vec<usize>,
}

impl Assembler {
    /// Begins after `reached`; `places` makes the positions.
    pub fn new(
        selection: Arc<dyn TableSelection>,
        places: Places,
        limits: Limits,
        reached: Reached,
        known: Known,
    ) -> Self {
        Self {
            selection,
            places,
            limits,
            placed: !matches!(known, Known::These(_)),
            known,
            tables: Tables::default(),
            builder: BatchBuilder::new(),
            open: None,
            waiting: Waiting::default(),
            reached,
            last_commit_at: None,
            cells: (Cells::default(), Cells::default()),
            unwanted: Vec::new(),
        }
    }

    /// Everything before this place is in the batch or has been handed over.
    pub const fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Everything before this place has been handed over; none while rows wait in the batch, or as
    /// long as the place is not known.
    pub fn handed_over(&self) -> Option<&Reached> {
        (self.placed && self.builder.is_empty()).then_some(&self.reached)
    }

    /// When the last complete transaction was committed.
    pub const fn last_commit_at(&self) -> Option<Timestamp> {
        self.last_commit_at
    }

    /// Whether no transaction is open.
    pub const fn between_transactions(&self) -> bool {
        self.open.is_none()
    }

    /// Hands over the complete transactions, unless rows of an open one follow them.
    pub fn flush(&mut self, out: &mut Outbox) {
        if !self.open.as_ref().is_some_and(|open| open.in_batch) {
            self.hand_over(out);
        }
    }

    /// Takes an event.
    pub fn take(&mut self, located: &Located<'_>, out: &mut Outbox) -> Result<Next, SourceError> {
        match &located.event {
            Event::Rows(rows) => self.rows(*rows, out)?,
            Event::TableMap(map) => {
                if !self.tables.knows(map) {
                    let announcement = Announcement::of(map);
                    if self.selection.wants(&announcement.name) {
                        return Ok(Next::Shape(announcement));
                    }
                    self.tables.pass_over(&announcement);
                }
            }
            Event::Start(start) => self.start(start, located)?,
            Event::Commit => self.commit(located, out)?,
            Event::Query(query) => return self.statement(*query, located, out),
            Event::XaPrepare { xid, one_phase } => self.prepare(xid, *one_phase, located, out)?,
            Event::Format { .. } | Event::Rotate => self.new_file(located, out)?,
            Event::Before(gtids) => self.before(gtids, located),
            Event::Heartbeat => {
                self.placed |= self.open.is_none();
                self.pass(located);
            }
            Event::Other => self.pass(located),
            Event::Payload => {}
            Event::Incident => return Err(incident(located)),
        }
        Ok(Next::On)
    }

    /// Takes the shape of a wanted table that was announced. A new one is told before the first
    /// row that has it. Inside a transaction it may overtake rows of the old shape that wait in the
    /// same batch, because a cut here would depend on what this connection has seen before; each
    /// row carries its own shape, so none is misread.
    pub fn announce(
        &mut self,
        announcement: &Announcement,
        shape: &TableShape,
        identity: ReplicaIdentity,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let change = self
            .tables
            .announce(announcement, shape, identity)
            .map_err(|disagreement| disagrees(announcement, disagreement))?;
        if let Some((table, previous)) = change {
            self.flush(out);
            out.push_back(SourceEvent::SchemaChanged { table, previous: Some(previous) });
        }
        Ok(())
    }

    fn start(&mut self, start: &Start, located: &Located<'_>) -> Result<(), SourceError> {
        if self.open.as_ref().is_some_and(Open::has_rows) {
            return Err(disorder("a transaction begins inside another"));
        }
        let mut open = Open::new(located);
        if !std::mem::replace(&mut self.placed, true) {
            self.reached.at = open.begins.clone();
        }
        open.gtid.clone_from(&start.gtid);
        if let Some(micros) = start.committed_at_micros {
            open.committed_at = Timestamp::from_micros(micros);
        }
        match &start.standing {
            Standing::Transaction => open.explicit = true,
            Standing::Prepared(xid) => (open.explicit, open.xid) = (true, Some(xid.clone())),
            Standing::Unsaid | Standing::Alone | Standing::Completed(_) => {}
        }
        self.begin(open);
        Ok(())
    }

    /// Opens a transaction, and finds out whether its outcome is known.
    fn begin(&mut self, mut open: Open) {
        let named = |gtids: &GtidSet| open.gtid.as_ref().is_some_and(|gtid| gtids.contains(gtid));
        open.known = match &self.known {
            Known::Nothing => false,
            Known::Before(place) => open.begins.order(place).is_lt(),
            Known::These(gtids) => named(gtids),
        };
        // Only a set of MySQL's names each transaction: in a domain of MariaDB's, numbers may lie
        // behind those that came before.
        let exact = self.reached.gtids.as_ref().filter(|gtids| matches!(gtids, GtidSet::MySql(_)));
        open.known |= exact.is_some_and(named);
        self.open = Some(open);
    }

    fn commit(&mut self, located: &Located<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        let open = self.open.take().ok_or_else(|| disorder("a commit without a transaction"))?;
        if open.xid.is_some() {
            return Err(disorder("an XA transaction is committed without its name"));
        }
        self.end(&open, located, out);
        Ok(())
    }

    /// The transaction is complete, so the place after it may be resumed from.
    fn end(&mut self, open: &Open, located: &Located<'_>, out: &mut Outbox) {
        self.move_to(located, Some(open));
        if open.known {
            return;
        }
        self.last_commit_at = std::cmp::max(self.last_commit_at, Some(open.committed_at));
        if open.in_batch {
            let resume = self.resume();
            self.builder.complete(resume);
        }
        if self.builder.bytes() >= self.limits.batch_bytes {
            self.hand_over(out);
        }
    }

    /// Everything before the end of this event is complete; what is read again is behind us.
    fn move_to(&mut self, located: &Located<'_>, ended: Option<&Open>) {
        if let (Some(gtids), Some(gtid)) =
            (&mut self.reached.gtids, ended.and_then(|open| open.gtid.as_ref()))
        {
            // What is read again lies behind the last transaction of its domain.
            if !gtids.contains(gtid) {
                gtids.insert(gtid);
            }
        }
        let behind = match &self.known {
            Known::Before(place) => {
                Coordinates::new(located.file, located.ends).order(place).is_lt()
            }
            Known::Nothing | Known::These(_) => false,
        };
        if behind || !self.placed || located.file.is_empty() {
            return;
        }
        if self.reached.at.file != located.file {
            located.file.clone_into(&mut self.reached.at.file);
        }
        self.reached.at.offset = located.ends;
        self.reached.born = located.born.or(self.reached.born);
    }

    /// An event between two transactions moves the place; inside one it means nothing.
    fn pass(&mut self, located: &Located<'_>) {
        if self.open.is_none() {
            self.move_to(located, None);
        }
    }

    /// A file begins. What was open has no end: the server died while it wrote, and the rows were
    /// never committed.
    fn new_file(&mut self, located: &Located<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        if let Some(open) = self.open.take() {
            self.abandon(&open, located)?;
            self.flush(out);
        }
        if matches!(located.event, Event::Format { .. }) {
            // Numbers of tables begin anew with the server.
            self.tables.forget_numbers();
        }
        self.pass(located);
        Ok(())
    }

    fn abandon(&mut self, open: &Open, located: &Located<'_>) -> Result<(), SourceError> {
        self.waiting.drop_held();
        if open.sent {
            let message = format!(
                "the transaction at {} was rolled back after parts of it had been sent, before {}:{}",
                open.begins, located.file, located.ends
            );
            return Err(SourceError::new(SourceErrorKind::Decode, message)
                .with_hint("take a new snapshot of the tables it changed"));
        }
        if open.in_batch {
            self.builder.abandon();
        }
        Ok(())
    }

    /// The transactions before the place, which stand at the beginning of each file. They are
    /// taken only there, and only if nobody has told them yet.
    fn before(&mut self, gtids: &GtidSet, located: &Located<'_>) {
        if self.reached.gtids.is_none() && self.open.is_none() {
            self.reached.gtids = Some(gtids.clone());
        }
        self.pass(located);
    }

    fn rows(&mut self, rows: Rows<'_>, out: &mut Outbox) -> Result<(), SourceError> {
        let open = self.open.as_ref().ok_or_else(|| disorder("rows outside a transaction"))?;
        let table = self.tables.get(rows.table_id).ok_or_else(|| unannounced(rows.table_id))?;
        if open.xid.is_some() {
            return self.waiting.hold(Held::of(table, rows), self.limits.prepared_bytes);
        }
        self.held_rows(&table, rows, out)
    }

    fn hand_over(&mut self, out: &mut Outbox) {
        if !self.builder.is_empty() {
            out.push_back(SourceEvent::Changes(self.builder.finish()));
        }
    }

    fn resume(&self) -> Position {
        self.places.at(&self.reached)
    }
}

fn disorder(what: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Decode, format!("the log is out of order: {what}"))
}

fn unannounced(table_id: u64) -> SourceError {
    disorder(&format!("rows of table {table_id}, which has not been announced"))
}

fn incident(located: &Located<'_>) -> SourceError {
    let message = format!(
        "the server has lost changes: the log holds an incident before {}:{}",
        located.file, located.ends
    );
    SourceError::new(SourceErrorKind::PositionLost, message).with_hint(
        "take a new snapshot, and look in the server's error log for why it could not write",
    )
}

fn disagrees(announcement: &Announcement, disagreement: Disagreement) -> SourceError {
    let message = format!("the rows of table `{}` cannot be read", announcement.name);
    SourceError::new(SourceErrorKind::Schema, message).with_cause(disagreement).with_hint(
        "the table was altered without a trace in the log, or has a column that cannot be read: \
         see what `check` says of it, and take a new snapshot",
    )
}

#[cfg(test)]
mod tests;
