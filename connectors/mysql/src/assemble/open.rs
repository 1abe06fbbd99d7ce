//! The transaction between its beginning and its end.

use erpbridge_connector::{Position, Timestamp, Transaction};

use crate::binlog::{Located, Xid};
use crate::gtid::Gtid;
use crate::position::Coordinates;

/// A transaction whose end has not come.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "five facts that do not depend on each other")]
pub(super) struct Open {
    /// Where it begins: its place in the order.
    pub(super) begins: Coordinates,
    pub(super) gtid: Option<Gtid>,
    pub(super) committed_at: Timestamp,
    /// It ends with a commit, not with its first statement.
    pub(super) explicit: bool,
    /// It will be prepared under this name; its rows are kept.
    pub(super) xid: Option<Xid>,
    /// Its outcome has been sent before.
    pub(super) known: bool,
    /// Row changes so far, wanted or not.
    pub(super) ordinal: u64,
    /// Weight of the rows since the window began.
    pub(super) window: usize,
    /// The window is full; the next wanted row begins another.
    pub(super) cut: bool,
    /// The batch under construction ends with rows of this transaction.
    pub(super) in_batch: bool,
    /// Parts of it have been handed over.
    pub(super) sent: bool,
}

impl Open {
    pub(super) fn new(located: &Located<'_>) -> Self {
        Self {
            begins: Coordinates::new(located.file, located.begins),
            gtid: None,
            committed_at: Timestamp::from_micros(i64::from(located.header.timestamp) * 1_000_000),
            explicit: false,
            xid: None,
            known: false,
            ordinal: 0,
            window: 0,
            cut: false,
            in_batch: false,
            sent: false,
        }
    }

    pub(super) const fn has_rows(&self) -> bool {
        self.ordinal > 0
    }

    /// Counts rows and returns the ordinal of the last. A row that would make the window too heavy
    /// begins the next one.
    pub(super) fn count(&mut self, rows: u64, weight: usize, window_bytes: usize) -> u64 {
        self.ordinal = self.ordinal.saturating_add(rows);
        if self.window > 0 && self.window.saturating_add(weight) > window_bytes {
            self.cut = true;
            self.window = 0;
        }
        self.window = self.window.saturating_add(weight);
        self.ordinal
    }

    /// As the contract describes it, not complete yet.
    pub(super) fn transaction(&self, era: u16, resume: Position) -> Transaction {
        let id = self.gtid.as_ref().map_or_else(|| self.begins.to_string(), ToString::to_string);
        Transaction {
            id: id.into(),
            sequence: self.begins.sequence(era),
            committed_at: self.committed_at,
            resume,
            complete: false,
            snapshot: false,
            seed: false,
        }
    }
}
