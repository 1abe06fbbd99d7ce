//! The capture job: reads the log in commit order and writes change tables.

use super::CaptureJob;
use super::cdc::{Captured, Cdc, Committed, Ddl, Entry, Instance, Logged, RowLogged};
use super::table::Cells;
use crate::value::Value;

impl Cdc {
    /// Does what the job may do by itself.
    pub(crate) fn work(&mut self, now: i64) {
        let keep = match self.job {
            CaptureJob::Running => 0,
            CaptureJob::Stopped => return,
            CaptureJob::Lagging(commits) => commits,
        };
        let waiting = self.commits_pending();
        self.capture(waiting.saturating_sub(keep), now);
        self.scanned = now;
        self.scans += 1;
    }

    fn commits_pending(&self) -> usize {
        self.pending.iter().filter(|logged| matches!(logged, Logged::Commit(_))).count()
    }

    /// Captures so many commits, and what stands in the log between them.
    pub(crate) fn capture(&mut self, commits: usize, now: i64) -> usize {
        let mut captured = 0;
        while let Some(next) = self.pending.front() {
            if matches!(next, Logged::Commit(_)) && captured == commits {
                break;
            }
            match self.pending.pop_front() {
                Some(Logged::Commit(committed)) => {
                    captured += 1;
                    self.write(&committed);
                }
                Some(Logged::Ddl { table, command, lsn, at, retyped }) => {
                    self.note_ddl(table, &command, lsn, at, retyped);
                }
                None => {}
            }
        }
        if captured > 0 {
            self.scanned = now;
        }
        captured
    }

    /// A transaction that changed nothing captured leaves no trace.
    fn write(&mut self, committed: &Committed) {
        let mut seen = false;
        for instance in &mut self.instances {
            // What was committed before it was enabled is not its business.
            if committed.lsn > instance.start_lsn {
                seen |= instance.capture(committed, &mut self.written);
            }
        }
        if seen {
            let entry = Entry {
                written: self.written,
                begun: committed.begun,
                ended: committed.ended,
                transaction: transaction_id(committed.number),
                begin_lsn: committed.begin_lsn,
            };
            self.mapping.insert(committed.lsn, entry);
        }
    }

    fn note_ddl(&mut self, table: i32, command: &str, lsn: crate::Lsn, at: i64, retyped: bool) {
        for instance in self.instances.iter().filter(|instance| instance.source == table) {
            self.ddl.push(Ddl {
                source: table,
                object: instance.object,
                retyped,
                command: command.to_owned(),
                lsn,
                at,
            });
        }
    }
}

/// Ten bytes, never zero.
fn transaction_id(number: u64) -> Vec<u8> {
    let mut id = vec![0, 0];
    id.extend(number.to_be_bytes());
    id
}

impl Instance {
    /// Writes the rows of a transaction; says whether there was one.
    fn capture(&mut self, committed: &Committed, written: &mut u64) -> bool {
        let mut seen = false;
        *written += 1;
        self.writing = *written;
        let source = self.source;
        for change in committed.changes.iter().filter(|change| change.table == source) {
            seen |= self.capture_row(committed, change);
        }
        seen
    }

    fn capture_row(&mut self, committed: &Committed, change: &RowLogged) -> bool {
        let RowLogged { before, after, layout, .. } = change;
        match (before, after) {
            (Some(before), Some(after)) => {
                return self.capture_update(committed, change, before, after);
            }
            (Some(before), None) => {
                let mask = self.mask(|_| true);
                let cells = self.cells(layout, before, |c| c.of.kind.is_legacy_large());
                self.push_change(committed, change, 1, mask, cells);
            }
            (None, Some(after)) => {
                let mask = self.mask(|_| true);
                let cells = self.cells(layout, after, |_| false);
                self.push_change(committed, change, 2, mask, cells);
            }
            (None, None) => return false,
        }
        true
    }

    /// Of large values the log has only what was written; an update that wrote nothing captured
    /// is no change.
    fn capture_update(
        &mut self,
        committed: &Committed,
        change: &RowLogged,
        before: &Cells,
        after: &Cells,
    ) -> bool {
        let layout = &change.layout;
        let differs = |column: &Captured| {
            !column.computed && cell(layout, before, column) != cell(layout, after, column)
        };
        let mask = self.mask(differs);
        if mask.iter().all(|byte| *byte == 0) {
            return false;
        }
        let unwritten = |column: &Captured| column.of.kind.is_large() && !differs(column);
        let old = self.cells(layout, before, |c| unwritten(c) || c.of.kind.is_legacy_large());
        let new = self.cells(layout, after, unwritten);
        self.push_change(committed, change, 3, mask.clone(), old);
        self.push_change(committed, change, 4, mask, new);
        true
    }

    fn cells(
        &self,
        layout: &[i32],
        row: &Cells,
        missing: impl Fn(&Captured) -> bool,
    ) -> Vec<Value> {
        let value = |column: &Captured| {
            let absent = column.computed || missing(column);
            if absent { Value::Null } else { cell(layout, row, column).clone() }
        };
        self.columns.iter().map(value).collect()
    }

    fn push_change(
        &mut self,
        committed: &Committed,
        change: &RowLogged,
        operation: i32,
        mask: Vec<u8>,
        captured: Vec<Value>,
    ) {
        let mut cells = vec![
            committed.lsn.into(),
            Value::Null,
            change.seqval.into(),
            operation.into(),
            mask.into(),
        ];
        cells.extend(captured);
        if self.has_command_id {
            cells.push(change.command.into());
        }
        self.push(cells);
    }
}

/// A captured cell of an image; NULL for a column that was dropped.
fn cell<'r>(layout: &[i32], row: &'r Cells, column: &Captured) -> &'r Value {
    let place = layout.iter().position(|id| *id == column.id);
    place.and_then(|place| row.get(place)).unwrap_or(&Value::Null)
}
