//! What a mapping remembers while one transaction is mapped: the rows as of its end, and those it
//! took away.

use std::collections::{HashMap, HashSet};

use erpbridge_connector::Value;

use super::kept::{KeptRow, KeptTable, Rows, RowsError};
use super::waiting::Ledger;

/// Where links and open exceptions are remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ledgers {
    /// Ancestors, by entity.
    pub(super) links: Option<KeptTable>,
    /// Open exceptions.
    pub(super) exceptions: Option<KeptTable>,
    /// Which company or plant has which subject token.
    pub(super) tokens: Option<KeptTable>,
}

/// The keys a link connects: the row's own, and the other's.
type Ends = (Box<str>, Box<str>);

/// The memory of one transaction.
pub struct Memory<'r> {
    pub(super) rows: &'r mut dyn Rows,
    ledgers: Ledgers,
    /// What waits.
    pub(super) ledger: Ledger,
    /// Rows this transaction removed: events of their parts still need them.
    gone: HashMap<(KeptTable, Box<str>), KeptRow>,
    /// Rows it inserted into tables that others move to, and rows that moved there.
    arrived: HashSet<(Box<str>, Box<str>)>,
    departed: HashSet<(Box<str>, Box<str>)>,
    /// Links that were not there before, by the change and the link.
    fresh: HashMap<(u64, Box<str>), Ends>,
}

impl<'r> Memory<'r> {
    /// The memory of a transaction that is about to be mapped.
    pub(super) fn new(rows: &'r mut dyn Rows, ledgers: Ledgers, ledger: Ledger) -> Self {
        Self {
            rows,
            ledgers,
            ledger,
            gone: HashMap::new(),
            arrived: HashSet::new(),
            departed: HashSet::new(),
            fresh: HashMap::new(),
        }
    }

    /// A row, as it is at the end of the transaction; as it was, if the transaction removed it.
    pub(super) fn get(
        &mut self,
        table: KeptTable,
        key: &str,
    ) -> Result<Option<KeptRow>, RowsError> {
        match self.rows.get(table, key)? {
            None if !self.gone.is_empty() => Ok(self.gone.get(&(table, key.into())).cloned()),
            found => Ok(found),
        }
    }

    /// The rows that point to a row.
    pub(super) fn children(
        &mut self,
        table: KeptTable,
        index: usize,
        parent: &str,
        limit: usize,
    ) -> Result<Vec<(Box<str>, KeptRow)>, RowsError> {
        self.rows.children(table, index, parent, limit)
    }

    /// Remembers a row.
    pub(super) fn put(
        &mut self,
        table: KeptTable,
        key: &str,
        row: &KeptRow,
        parents: &[Option<&str>],
    ) -> Result<(), RowsError> {
        self.rows.put(table, key, row, parents)
    }

    /// Forgets a row, but not before the transaction is mapped.
    pub(super) fn remove(
        &mut self,
        table: KeptTable,
        key: &str,
        was: Option<&KeptRow>,
    ) -> Result<(), RowsError> {
        if let Some(was) = was {
            self.gone.insert((table, key.into()), was.clone());
        }
        self.rows.remove(table, key)
    }

    /// Forgets all rows of a table.
    pub(super) fn clear(&mut self, table: KeptTable, prefix: &str) -> Result<(), RowsError> {
        self.rows.clear(table, prefix)
    }

    /// Notes that a row came to a table that rows move to.
    pub(super) fn arrive(&mut self, arrival: &str, key: &str) {
        self.arrived.insert((arrival.into(), key.into()));
    }

    /// Notes that a row moved there, if it did.
    pub(super) fn depart(&mut self, arrival: &str, key: &str) -> bool {
        let row = (arrival.into(), key.into());
        let moved = self.arrived.contains(&row);
        if moved {
            self.departed.insert(row);
        }
        moved
    }

    /// Whether a row has moved there.
    pub(super) fn moved_away(&self, arrival: &str, key: &str) -> bool {
        !self.departed.is_empty() && self.departed.contains(&(arrival.into(), key.into()))
    }

    /// Whether a row that came to a table only moved there.
    pub(super) fn moved_here(&self, arrival: &str, key: &str) -> bool {
        self.moved_away(arrival, key)
    }

    /// The direct ancestor of an entity, `<entity>/<key>`.
    pub(super) fn parent(&mut self, entity: &str) -> Result<Option<KeptRow>, RowsError> {
        match self.ledgers.links {
            Some(table) => self.rows.get(table, entity),
            None => Ok(None),
        }
    }

    /// Notes an ancestor that the row `holder` tells; whether that is news. What has an ancestor
    /// keeps it, unless the same row tells another.
    pub(super) fn link(
        &mut self,
        child: &str,
        parent: &str,
        holder: &str,
    ) -> Result<bool, RowsError> {
        let Some(table) = self.ledgers.links else { return Ok(false) };
        let row = KeptRow::new([Value::Text(parent), Value::Text(holder)].into_iter());
        if let Some(known) = self.rows.get(table, child)?
            && (known == row || known.get(1, 2) != Value::Text(holder))
        {
            return Ok(false);
        }
        self.rows.put(table, child, &row, &[])?;
        Ok(true)
    }

    /// Notes that a change, told under this ordinal, brought a link that must be told.
    pub(super) fn note_fresh(&mut self, ordinal: u64, link: &str, ends: (&str, &str)) {
        self.fresh.insert((ordinal, link.into()), (ends.0.into(), ends.1.into()));
    }

    /// Takes back some of what was noted of a change: the links, the row's own keys, and the
    /// others'.
    pub(super) fn take_fresh(
        &mut self,
        ordinal: u64,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<(String, String, String)> {
        if self.fresh.is_empty() {
            return Vec::new();
        }
        let own = self.fresh.extract_if(|(of, link), _| *of == ordinal && wanted(link));
        let mut links: Vec<_> =
            own.map(|((_, link), (one, other))| (link.into(), one.into(), other.into())).collect();
        links.sort();
        links
    }

    /// The keys a change's fresh link connects: the row's own, and the other's.
    pub(super) fn fresh(&self, ordinal: u64, link: &str) -> Option<(&str, &str)> {
        if self.fresh.is_empty() {
            return None;
        }
        let (one, other) = self.fresh.get(&(ordinal, link.into()))?;
        Some((one, other))
    }

    /// Whether a subject token is that of this value of a column, or free; then it is now. Who has
    /// it keeps it: which of two was first must not depend on a restart.
    pub(super) fn claim(
        &mut self,
        column: &str,
        token: &str,
        value: &str,
    ) -> Result<bool, RowsError> {
        let Some(table) = self.ledgers.tokens else { return Ok(true) };
        let key = format!("{column}\u{1f}{token}");
        let row = KeptRow::new([Value::Text(value)].into_iter());
        match self.rows.get(table, &key)? {
            Some(known) => Ok(known == row),
            None => self.rows.put(table, &key, &row, &[]).map(|()| true),
        }
    }

    /// Since when an exception is open.
    pub(super) fn opened(&mut self, key: &str) -> Result<Option<KeptRow>, RowsError> {
        match self.ledgers.exceptions {
            Some(table) => self.rows.get(table, key),
            None => Ok(None),
        }
    }

    /// Opens or closes an exception.
    pub(super) fn set_open(&mut self, key: &str, since: Option<&str>) -> Result<(), RowsError> {
        let Some(table) = self.ledgers.exceptions else { return Ok(()) };
        match since {
            Some(since) => {
                let row = KeptRow::new([Value::Text(since)].into_iter());
                self.rows.put(table, key, &row, &[])
            }
            None => self.rows.remove(table, key),
        }
    }
}
