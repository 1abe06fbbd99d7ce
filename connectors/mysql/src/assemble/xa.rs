//! XA transactions: their rows wait from `XA PREPARE` to `XA COMMIT`.

use std::collections::HashMap;

use erpbridge_connector::{SourceError, SourceErrorKind};

use super::open::Open;
use super::row::Held;
use super::{Assembler, Coordinates, Located, Outbox, Prepared, Statement, Xid, disorder};

/// The rows of prepared transactions, and of the one that is about to be.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    prepared: HashMap<Xid, Branch>,
    held: Vec<Held>,
    bytes: usize,
}

/// A prepared transaction.
#[derive(Debug)]
struct Branch {
    at: Coordinates,
    rows: Vec<Held>,
    bytes: usize,
}

impl Waiting {
    /// Keeps rows of the open transaction.
    pub(super) fn hold(&mut self, held: Held, most: usize) -> Result<(), SourceError> {
        self.bytes = self.bytes.saturating_add(held.bytes());
        if self.bytes > most {
            let message = format!(
                "prepared XA transactions hold more than {most} bytes of rows that wait for their \
                 commit"
            );
            return Err(SourceError::new(SourceErrorKind::TooLarge, message).with_hint(
                "raise `prepared_bytes`, or end XA transactions that were forgotten: `XA RECOVER` \
                 lists them",
            ));
        }
        self.held.push(held);
        Ok(())
    }

    /// The open transaction is prepared. One whose end is known by now waits without rows.
    fn prepare(&mut self, xid: &Xid, at: Coordinates) {
        let rows = std::mem::take(&mut self.held);
        let bytes = rows.iter().map(Held::bytes).sum();
        self.prepared.insert(xid.clone(), Branch { at, rows, bytes });
    }

    /// The rows of the transaction that ends, if it was prepared since reading began.
    fn end(&mut self, xid: &Xid) -> Option<Branch> {
        let branch = self.prepared.remove(xid)?;
        self.bytes = self.bytes.saturating_sub(branch.bytes);
        Some(branch)
    }

    /// Forgets the rows of the open transaction.
    pub(super) fn drop_held(&mut self) {
        let bytes: usize = self.held.iter().map(Held::bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        self.held.clear();
    }
}

impl Assembler {
    /// The rows of the open transaction are complete. They are kept if they are new or were still
    /// waiting at the place where reading was resumed.
    pub(super) fn prepare(
        &mut self,
        xid: &Xid,
        one_phase: bool,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let open = self.open.take().ok_or_else(|| disorder("a prepare without a transaction"))?;
        if one_phase {
            return self.commit_held(open, located, out);
        }
        let at = open.begins.clone();
        let listed = self.reached.prepared.iter_mut().find(|prepared| {
            prepared.at == at || prepared.gtid.is_some() && prepared.gtid == open.gtid
        });
        match listed {
            // In another server's log it stands elsewhere.
            Some(listed) => listed.at.clone_from(&at),
            None if open.known => self.waiting.drop_held(),
            None => {
                let prepared = Prepared { at: at.clone(), gtid: open.gtid.clone() };
                self.reached.prepared.push(prepared);
            }
        }
        self.waiting.prepare(xid, at);
        self.move_to(located, Some(&open));
        Ok(())
    }

    /// Commits what has just been read, in one phase.
    fn commit_held(
        &mut self,
        open: Open,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let rows = std::mem::take(&mut self.waiting.held);
        self.waiting.bytes = self.waiting.prepared.values().map(|branch| branch.bytes).sum();
        self.open = Some(Open { xid: None, ..open });
        self.replay(&rows, out)?;
        self.commit(located, out)
    }

    /// `XA COMMIT` or `XA ROLLBACK`: the rows that waited are sent, or forgotten.
    pub(super) fn end_prepared(
        &mut self,
        statement: &Statement,
        committed: bool,
        located: &Located<'_>,
        out: &mut Outbox,
    ) -> Result<(), SourceError> {
        let xid = statement.xid().ok_or_else(|| disorder("an XA transaction without a name"))?;
        if self.open.is_none() {
            self.begin(Open::new(located));
        }
        let known = self.open.as_ref().is_some_and(|open| open.known);
        match self.waiting.end(&xid) {
            Some(branch) => {
                self.reached.prepared.retain(|prepared| prepared.at != branch.at);
                if committed && !known {
                    self.replay(&branch.rows, out)?;
                }
            }
            None if committed && !known => return Err(unprepared(located)),
            None => {}
        }
        self.commit(located, out)
    }

    fn replay(&mut self, rows: &[Held], out: &mut Outbox) -> Result<(), SourceError> {
        for held in rows {
            self.held_rows(&held.table, held.rows(), out)?;
        }
        Ok(())
    }
}

fn unprepared(located: &Located<'_>) -> SourceError {
    let message = format!(
        "the XA transaction committed before {}:{} was prepared before reading began, so its rows \
         are unknown",
        located.file, located.ends
    );
    SourceError::new(SourceErrorKind::PositionLost, message)
        .with_hint("take a new snapshot while `XA RECOVER` lists no transaction")
}
