//! The bridge's own store.

use std::path::Path;
use std::time::Duration;

use erpbridge::mapping::{KeptRow, KeptTable, Rows};
use erpbridge::state::{Limits, RowStore, TableShape};
use erpbridge_connector::{Position, Sequence, Value};

use super::data::{Data, Entry};
use super::phases::Store;

const LINES: KeptTable = KeptTable(0);

pub(crate) struct Bridge {
    store: RowStore,
    transactions: u64,
}

impl Bridge {
    fn put(&mut self, entry: &Entry) {
        let row = KeptRow::new([Value::Text(&entry.cells), Value::Null].into_iter());
        self.store.put(LINES, &entry.key, &row, &[Some(&entry.parent)]).unwrap();
    }

    fn settle(&mut self) {
        self.transactions += 1;
        let sequence = Sequence::new(format!("{:016}", self.transactions));
        self.store.commit(&sequence);
        let position = Position::new(format!("at:{}", self.transactions));
        self.store.settle(Some(&sequence), &position);
    }
}

impl Store for Bridge {
    const NAME: &'static str = "row-store";

    fn open(directory: &Path, cache_bytes: usize) -> Self {
        let tables = [TableShape { name: "bench/lines".to_owned(), shape: 1 }];
        let limits = Limits { cache_bytes, ..Limits::default() };
        let store = RowStore::open(&directory.join("rows"), &tables, limits).unwrap();
        let position = store.position();
        let number = position.as_ref().and_then(|at| at.as_str().strip_prefix("at:"));
        let transactions = number.map_or(0, |number| number.parse().unwrap());
        Self { store, transactions }
    }

    fn write(&mut self, entries: Vec<Entry>, durable: bool) {
        for entry in &entries {
            self.put(entry);
        }
        if self.store.unseeded().is_empty() {
            self.settle();
        }
        if durable {
            self.store.flush().unwrap();
        }
    }

    fn get(&mut self, key: &str) -> bool {
        self.store.get(LINES, key).unwrap().is_some()
    }

    fn children(&mut self, parent: &str) -> usize {
        self.store.children(LINES, 0, parent, 1_000).unwrap().len()
    }

    fn loaded(&mut self) {
        self.store.seeded();
        self.settle();
        let durable = self.store.durable();
        while durable.borrow().is_none() {
            self.store.flush().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn close(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.store.close()).unwrap();
    }

    fn unsettled(&mut self, data: Data, rows: u64) {
        for number in 0..rows {
            self.put(&data.entry(number, u64::from(u32::MAX)));
        }
        let undo = self.store.counters().undo_bytes.get();
        println!("undo={}", undo / rows);
    }
}
