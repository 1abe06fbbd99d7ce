//! Changes that wait for a row they look up: a document whose parent is written later, possibly in
//! a later transaction.
//!
//! **What waits.** A net change, under one alias, as soon as one of its rules meets a lookup with
//! `missing: wait` whose row is not there: none of its events is told then. Every later change of
//! the same row waits behind it, whatever it needs. So per row nothing is ever overtaken: either a
//! row has nothing waiting, or everything new of it goes to the end of what waits. (Its image is
//! remembered at once, as every row's is; its links are, until something of the row waits.)
//!
//! **When it is told.** At the end of the transaction that brings the row waited for, behind that
//! transaction's own events, in the order in which the changes were made. A change that then lacks
//! another row waits on, and what is behind it with it. A change that has waited too long, by the
//! source's clock, is tried once more with nothing left to wait for: what still lacks the row is a
//! dead letter, and the next change of its row comes to the front. The same happens at once where
//! more than [`MAX_WAITING`] changes wait. Rows found by a snapshot do not wait: all there is to
//! look up is there before them.
//!
//! **Ids and order.** An event told late keeps the id, the time and the transaction of its change;
//! of the transaction that releases it it has the place in the order ([`Late`]): ordinals above all
//! that a log can have, counted over the changes released. So "everything up to this order key is
//! stored" stays one comparison, and a release is cut into publish units like anything else.
//!
//! **Why a crash changes nothing.** What waits lies in a ledger among the remembered rows. It is
//! changed by the mapping of a transaction and by nothing else, and becomes durable with the
//! position behind that transaction, or not at all. A restart finds the ledger and the rows as of
//! one position and maps the log from there; mapping depends on nothing but rows, ledger and log
//! (the time is that of the commits); so the same changes wait, the same are released with the same
//! transaction, and what the stream has already is recognised by its order and only the ledger
//! follows. Two things can make a start see more than the run before it did: rows that were seeded
//! anew, and a mapping that was edited. Therefore the first transaction of a run looks through the
//! ledger once ([`Memory::sweep`]): for changes whose row is there by now, and, if the mapping is
//! another one, through all. After an ordinary restart there are none of either.
//!
//! **What it costs.** Nothing is asked while nothing waits, except how many do. The ledger's indexes
//! find what waits for a row, what waits of a row, what may be released, and what has waited
//! longest; none of them looks at more than it finds.

mod entry;
mod ledger;

pub(super) use self::entry::Entry;
pub use self::entry::Waiter;
#[cfg(doc)]
use self::ledger::MAX_WAITING;
pub use self::ledger::Waiting;
pub(super) use self::ledger::{INDEXES, Ledger, Waits};
use super::file::Patience;
use super::kept::KeptTable;
#[cfg(doc)]
use crate::canonical::Late;
#[cfg(doc)]
use crate::mapping::Memory;

/// The row a change waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    /// Where it will be remembered.
    pub(super) table: KeptTable,
    /// Under which key.
    pub(super) key: Box<str>,
    /// How long the change waits.
    pub(super) patience: Patience,
}
