//! The databases a row store could be built on, each set up for little memory.

use std::path::Path;

use redb::{Durability, ReadableDatabase, TableDefinition};
use sled::Transactional;

use super::data::Entry;
use super::phases::Store;

fn index_key(entry: &Entry) -> String {
    entry.parent.clone() + &entry.key
}

/// Every parent has as many letters, so the rest of an index key is the row's.
fn child(index_key: &[u8], parent: &str) -> String {
    String::from_utf8(index_key.strip_prefix(parent.as_bytes()).unwrap().to_vec()).unwrap()
}

type Bytes = &'static [u8];
const ROWS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("rows");
const INDEX: TableDefinition<'_, Bytes, ()> = TableDefinition::new("index");

pub(crate) struct Redb {
    db: redb::Database,
    read: Option<(redb::ReadOnlyTable<Bytes, Bytes>, redb::ReadOnlyTable<Bytes, ()>)>,
}

impl Redb {
    fn tables(&mut self) -> &(redb::ReadOnlyTable<Bytes, Bytes>, redb::ReadOnlyTable<Bytes, ()>) {
        let db = &self.db;
        self.read.get_or_insert_with(|| {
            let transaction = db.begin_read().unwrap();
            (transaction.open_table(ROWS).unwrap(), transaction.open_table(INDEX).unwrap())
        })
    }
}

impl Store for Redb {
    const NAME: &'static str = "redb";

    fn open(directory: &Path, cache_bytes: usize) -> Self {
        let mut builder = redb::Database::builder();
        let db = builder.set_cache_size(cache_bytes).create(directory.join("rows.redb"));
        Self { db: db.unwrap(), read: None }
    }

    fn write(&mut self, entries: Vec<Entry>, durable: bool) {
        self.read = None;
        let mut transaction = self.db.begin_write().unwrap();
        if durable {
            transaction.set_quick_repair(true);
        } else {
            transaction.set_durability(Durability::None).unwrap();
        }
        {
            let mut rows = transaction.open_table(ROWS).unwrap();
            for entry in &entries {
                rows.insert(entry.key.as_bytes(), entry.cells.as_bytes()).unwrap();
            }
            let mut keys: Vec<String> = entries.iter().map(index_key).collect();
            keys.sort_unstable();
            let mut index = transaction.open_table(INDEX).unwrap();
            for key in keys {
                index.insert(key.as_bytes(), ()).unwrap();
            }
        }
        transaction.commit().unwrap();
    }

    fn get(&mut self, key: &str) -> bool {
        self.tables().0.get(key.as_bytes()).unwrap().is_some()
    }

    fn children(&mut self, parent: &str) -> usize {
        let from = self.tables().1.range(parent.as_bytes()..).unwrap();
        let keys = from.map(|entry| entry.unwrap().0.value().to_vec());
        let keys: Vec<_> = keys.take_while(|key| key.starts_with(parent.as_bytes())).collect();
        keys.iter().filter(|key| self.get(&child(key, parent))).count()
    }

    fn loaded(&mut self) {
        self.write(Vec::new(), true);
    }

    fn close(self) {}
}

pub(crate) struct Fjall {
    db: fjall::Database,
    rows: fjall::Keyspace,
    index: fjall::Keyspace,
}

impl Store for Fjall {
    const NAME: &'static str = "fjall";

    fn open(directory: &Path, cache_bytes: usize) -> Self {
        use fjall::config::{PartitioningPolicy, PinningPolicy};
        let builder = fjall::Database::builder(directory).cache_size(cache_bytes as u64);
        let builder = builder.worker_threads(1).max_journaling_size(64 << 20);
        let db = builder.manual_journal_persist(true).open().unwrap();
        let options = || {
            fjall::KeyspaceCreateOptions::default()
                .max_memtable_size(8 << 20)
                .expect_point_read_hits(true)
                .filter_block_pinning_policy(PinningPolicy::all(false))
                .index_block_pinning_policy(PinningPolicy::all(false))
                .filter_block_partitioning_policy(PartitioningPolicy::all(true))
                .index_block_partitioning_policy(PartitioningPolicy::all(true))
        };
        let rows = db.keyspace("rows", options).unwrap();
        let index = db.keyspace("index", options).unwrap();
        Self { db, rows, index }
    }

    fn write(&mut self, entries: Vec<Entry>, durable: bool) {
        let mut batch = self.db.batch();
        for entry in entries {
            batch.insert(&self.index, index_key(&entry), "");
            batch.insert(&self.rows, entry.key, entry.cells);
        }
        batch.commit().unwrap();
        if durable {
            self.loaded();
        }
    }

    fn get(&mut self, key: &str) -> bool {
        self.rows.get(key).unwrap().is_some()
    }

    fn children(&mut self, parent: &str) -> usize {
        let keys = self.index.prefix(parent).map(|entry| entry.key().unwrap().to_vec());
        let keys: Vec<_> = keys.collect();
        keys.iter().filter(|key| self.get(&child(key, parent))).count()
    }

    fn loaded(&mut self) {
        self.db.persist(fjall::PersistMode::SyncAll).unwrap();
    }

    fn close(mut self) {
        self.loaded();
    }
}

pub(crate) struct Sled {
    db: sled::Db,
    rows: sled::Tree,
    index: sled::Tree,
}

impl Store for Sled {
    const NAME: &'static str = "sled";

    fn open(directory: &Path, cache_bytes: usize) -> Self {
        let config = sled::Config::new().path(directory).cache_capacity(cache_bytes as u64);
        let db = config.mode(sled::Mode::HighThroughput).flush_every_ms(None).open().unwrap();
        let (rows, index) = (db.open_tree("rows").unwrap(), db.open_tree("index").unwrap());
        Self { db, rows, index }
    }

    fn write(&mut self, entries: Vec<Entry>, durable: bool) {
        let (mut rows, mut index) = (sled::Batch::default(), sled::Batch::default());
        for entry in &entries {
            rows.insert(entry.key.as_bytes(), entry.cells.as_bytes());
            index.insert(index_key(entry).as_bytes(), "");
        }
        let work = (&self.rows, &self.index).transaction(|(to_rows, to_index)| {
            to_rows.apply_batch(&rows)?;
            to_index.apply_batch(&index)?;
            Ok::<_, sled::transaction::ConflictableTransactionError<()>>(())
        });
        work.unwrap();
        if durable {
            self.loaded();
        }
    }

    fn get(&mut self, key: &str) -> bool {
        self.rows.get(key).unwrap().is_some()
    }

    fn children(&mut self, parent: &str) -> usize {
        let keys: Vec<_> = self.index.scan_prefix(parent).keys().map(Result::unwrap).collect();
        keys.iter().filter(|key| self.get(&child(key, parent))).count()
    }

    fn loaded(&mut self) {
        self.db.flush().unwrap();
    }

    fn close(mut self) {
        self.loaded();
    }
}
