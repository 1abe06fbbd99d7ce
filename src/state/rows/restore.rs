//! What happens when a store is opened: it goes back to the last settled transaction, and to the
//! tables that are kept now.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::TableShape;
use super::disk::{Bytes, Standing, TABLES, UNDO, UndoTable, begin, index_name, rows_name};
use super::error::{DAMAGED, Fault};
use super::record::{Record, Undo};
use super::table::Writing;

/// Changes undone in one transaction, so that memory stays flat however large the transaction was
/// that is undone.
const CHUNK: usize = if cfg!(test) { 7 } else { 10_000 };

/// Undoes the transactions that are not settled, newest change first. Each chunk takes its
/// entries away with it, so that a crash in between leaves the rest to the next start.
pub(super) fn roll_back(db: &Database) -> Result<u64, Fault> {
    let mut undone = 0;
    loop {
        let transaction = begin(db)?;
        let standing = Standing::read(&transaction)?;
        let settled = standing.as_ref().map_or(0, |standing| standing.settled);
        let count = undo_chunk(&transaction, settled)?;
        undone += u64::try_from(count).unwrap_or(u64::MAX);
        if count < CHUNK {
            // Transactions are counted from the beginning again, so nothing may be left that
            // bears a number.
            transaction.delete_table(UNDO)?;
            transaction.open_table(UNDO)?;
            if let Some(mut standing) = standing {
                standing.settled = 0;
                standing.write(&transaction)?;
            }
            transaction.commit()?;
            return Ok(undone);
        }
        transaction.commit()?;
    }
}

fn undo_chunk(transaction: &WriteTransaction, settled: u64) -> Result<usize, Fault> {
    let mut undo = transaction.open_table(UNDO)?;
    let mut tables = BTreeMap::new();
    let mut count = 0;
    while count < CHUNK {
        let Some((transaction_number, bytes)) = last(&mut undo)? else { break };
        if transaction_number <= settled {
            break;
        }
        let change = Undo::decode(&bytes).ok_or(DAMAGED)?;
        let before = match change.before {
            Some(bytes) => Some(Record::decode(change.key, bytes).ok_or(DAMAGED)?),
            None => None,
        };
        let table = match tables.entry(change.table) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(free) => free.insert(Writing::open(transaction, change.table)?),
        };
        table.replace(change.key, before.as_ref())?;
        count += 1;
    }
    for table in tables.into_values() {
        table.finish()?;
    }
    Ok(count)
}

/// Takes the newest entry: the number of its transaction, and the entry.
fn last(undo: &mut UndoTable<'_>) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    let last = undo.pop_last()?;
    Ok(last.map(|(place, bytes)| (place.value().0, bytes.value().to_vec())))
}

/// A table as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adopted {
    /// Its number on disk.
    pub(super) number: u32,
    /// Whether it holds all rows of its table.
    pub(super) seeded: bool,
}

/// Keeps the tables named and shaped like these, if they were seeded to the end; empties or makes
/// the others, and drops those not named.
pub(super) fn adopt(
    transaction: &WriteTransaction,
    tables: &[TableShape],
) -> Result<Vec<Adopted>, Fault> {
    let known = known(transaction)?;
    for (name, (number, ..)) in &known {
        if !tables.iter().any(|table| table.name == *name) {
            delete(transaction, *number)?;
            transaction.open_table(TABLES)?.remove(name.as_str())?;
        }
    }
    let mut next = known.values().map(|(number, ..)| number + 1).max().unwrap_or_default();
    let mut adopted = Vec::with_capacity(tables.len());
    for table in tables {
        let (number, seeded) = match known.get(&table.name) {
            Some((number, shape, true)) if *shape == table.shape => (*number, true),
            Some((number, ..)) => (*number, false),
            None => (next, false),
        };
        if !seeded {
            next = std::cmp::max(next, number + 1);
            delete(transaction, number)?;
            drop(Writing::open(transaction, number)?);
            let entry = (number, table.shape, false);
            transaction.open_table(TABLES)?.insert(table.name.as_str(), entry)?;
        }
        adopted.push(Adopted { number, seeded });
    }
    Ok(adopted)
}

type Known = BTreeMap<String, (u32, u64, bool)>;

fn known(transaction: &WriteTransaction) -> Result<Known, Fault> {
    let tables = transaction.open_table(TABLES)?;
    let entries = tables.iter()?.map(|entry| {
        let (name, entry) = entry?;
        Ok((name.value().to_owned(), entry.value()))
    });
    entries.collect()
}

fn delete(transaction: &WriteTransaction, number: u32) -> Result<(), Fault> {
    transaction.delete_table(TableDefinition::<Bytes, Bytes>::new(&rows_name(number)))?;
    transaction.delete_table(TableDefinition::<Bytes, ()>::new(&index_name(number)))?;
    Ok(())
}

/// Notes that these tables are seeded.
pub(super) fn mark_seeded(transaction: &WriteTransaction, numbers: &[u32]) -> Result<(), Fault> {
    if numbers.is_empty() {
        return Ok(());
    }
    for (name, (number, shape, _)) in known(transaction)? {
        if numbers.contains(&number) {
            let entry = (number, shape, true);
            transaction.open_table(TABLES)?.insert(name.as_str(), entry)?;
        }
    }
    Ok(())
}
