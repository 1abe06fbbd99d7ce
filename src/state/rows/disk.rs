//! The file, its tables, and the head of the store.
//!
//! | table | holds |
//! |---|---|
//! | `head` | the format, and where the source stands |
//! | `tables` | name of a kept table → its number here, its shape, whether it is seeded |
//! | `rows/<number>` | key → record |
//! | `index/<number>` | index, parent and key → nothing |
//! | `undo` | transaction and place → what a row was before |

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use erpbridge_connector::{Position, Sequence};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::error::{Blame, DAMAGED, Fault, RowStoreError, RowStoreErrorKind};

const FILE: &str = "rows.redb";
/// Under this name the file is made; it gets its own when it is complete.
const UNFINISHED: &str = "rows.redb.new";
/// Raised whenever an older program could misread what this one writes.
const FORMAT: u32 = 1;

/// Bytes by bytes, as most tables are.
pub(super) type Bytes = &'static [u8];

const HEAD: TableDefinition<'_, &str, Bytes> = TableDefinition::new("head");
const FORMAT_KEY: &str = "format";
const STANDING_KEY: &str = "standing";
/// Name → number, shape, seeded.
pub(super) const TABLES: TableDefinition<'_, &str, (u32, u64, bool)> =
    TableDefinition::new("tables");
/// Transaction and place → [`Undo`](super::record::Undo).
pub(super) const UNDO: TableDefinition<'_, (u64, u64), Bytes> = TableDefinition::new("undo");

/// The undo table, open.
pub(super) type UndoTable<'t> = redb::Table<'t, (u64, u64), Bytes>;

pub(super) fn rows_name(number: u32) -> String {
    format!("rows/{number}")
}

pub(super) fn index_name(number: u32) -> String {
    format!("index/{number}")
}

/// Where the source stands: the state on disk, less what can be undone, is that of this place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standing {
    /// Resume after this.
    position: String,
    /// Commit order of the newest settled transaction, if there was one.
    sequence: Option<String>,
    /// What is to be undone are the transactions after this number.
    pub(super) settled: u64,
}

impl Standing {
    pub(super) fn new(position: &Position, sequence: Option<&Sequence>, settled: u64) -> Self {
        let sequence = sequence.map(ToString::to_string);
        Self { position: position.to_string(), sequence, settled }
    }

    pub(super) fn position(&self) -> Position {
        Position::new(self.position.as_str())
    }

    pub(super) fn sequence(&self) -> Option<Sequence> {
        self.sequence.as_deref().map(Sequence::new)
    }

    pub(super) fn read(transaction: &WriteTransaction) -> Result<Option<Self>, Fault> {
        let head = transaction.open_table(HEAD)?;
        let Some(stored) = head.get(STANDING_KEY)? else { return Ok(None) };
        let (sum, text) = stored.value().split_first_chunk().ok_or(DAMAGED)?;
        if u32::from_be_bytes(*sum) != crc32c::crc32c(text) {
            return Err(DAMAGED);
        }
        serde_json::from_slice(text).map(Some).map_err(|_| DAMAGED)
    }

    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let text = serde_json::to_vec(self).expect("a struct of text and numbers is JSON");
        let sealed = [&crc32c::crc32c(&text).to_be_bytes(), text.as_slice()].concat();
        transaction.open_table(HEAD)?.insert(STANDING_KEY, sealed.as_slice())?;
        Ok(())
    }
}

/// A transaction that is on disk when it has been committed, and after which opening is quick even
/// if the process is killed.
pub(super) fn begin(db: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = db.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// The file of a store in this directory.
pub(super) fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// Opens the file in `directory`, or makes one if the directory is empty or not there.
pub(super) fn open(
    directory: &Path,
    cache_bytes: usize,
    blame: &Blame,
) -> Result<Database, RowStoreError> {
    let path = file(directory);
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    match path.try_exists() {
        Ok(true) => {
            // Left by a crash between the two names, or never there.
            let _left = std::fs::remove_file(directory.join(UNFINISHED));
            blame.guard("open", || Ok(builder.open(&path)?))
        }
        Ok(false) => make(directory, &builder, blame),
        Err(error) => Err(blame.io("find", error)),
    }
}

fn make(directory: &Path, builder: &Builder, blame: &Blame) -> Result<Database, RowStoreError> {
    let failed = |error| blame.io("make", error);
    std::fs::create_dir_all(directory).map_err(failed)?;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        if entry.map_err(failed)?.file_name() != UNFINISHED {
            return Err(blame.plain("make", RowStoreErrorKind::Foreign));
        }
    }
    let unfinished = directory.join(UNFINISHED);
    let db = blame.guard("make", || {
        let db = builder.create(&unfinished)?;
        found(&db)?;
        Ok(db)
    })?;
    // A link, not a renaming: it fails if somebody else has just made the store.
    match std::fs::hard_link(&unfinished, file(directory)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(blame.plain("make", RowStoreErrorKind::InUse));
        }
        Err(error) => return Err(failed(error)),
    }
    std::fs::remove_file(&unfinished).map_err(failed)?;
    std::fs::File::open(directory).and_then(|own| own.sync_all()).map_err(failed)?;
    Ok(db)
}

/// Writes the head of a new store.
pub(super) fn found(db: &Database) -> Result<(), Fault> {
    let transaction = begin(db)?;
    transaction.open_table(HEAD)?.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
    transaction.open_table(TABLES)?;
    transaction.open_table(UNDO)?;
    Ok(transaction.commit()?)
}

/// Whether this is a store of ours, in a format that is known.
pub(super) fn check_format(db: &Database) -> Result<(), Fault> {
    let transaction = db.begin_read()?;
    let head = match transaction.open_table(HEAD) {
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return Err(Fault::Kind(RowStoreErrorKind::Foreign));
        }
        head => head?,
    };
    let format = head.get(FORMAT_KEY)?.ok_or(DAMAGED)?;
    match format.value().try_into().map(u32::from_be_bytes) {
        Ok(FORMAT) => Ok(()),
        Ok(other) => Err(Fault::Kind(RowStoreErrorKind::Version(other))),
        Err(_) => Err(DAMAGED),
    }
}

/// Writes a format that is not known, as a later version would.
#[cfg(test)]
pub(super) fn set_format(db: &Database, format: u32) -> Result<(), Fault> {
    let transaction = begin(db)?;
    transaction.open_table(HEAD)?.insert(FORMAT_KEY, format.to_be_bytes().as_slice())?;
    Ok(transaction.commit()?)
}
