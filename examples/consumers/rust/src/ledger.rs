//! Stock, and the keys of the events in it, in one file.
//!
//! One line per event, with its key and what it does, is written and synced before the event is
//! acknowledged: key and effect are on disk together or not at all. When the process starts, it
//! reads the lines back; a last line that a crash cut short was not acknowledged, so it is dropped
//! and comes again.
//!
//! Memory and file are bounded: when twice as many keys are held as are to be remembered, the file
//! is written anew with the sums and the younger half. A key older than that can only come again
//! when a source is read anew from the beginning.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

/// What an event does to the stock of an item.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Its idempotency key.
    pub(crate) key: String,
    pub(crate) item: String,
    pub(crate) unit: String,
    pub(crate) quantity: BigDecimal,
}

/// A line of the file: the keys of some events, and what they did together.
#[derive(Default, Deserialize, Serialize)]
struct Entry {
    keys: Vec<String>,
    sums: Vec<(String, String, String)>,
}

/// The stock that survives the process.
pub(crate) struct Ledger {
    path: PathBuf,
    file: File,
    remember: usize,
    keys: HashSet<String>,
    /// The same keys in the order they came.
    order: VecDeque<String>,
    sums: BTreeMap<(String, String), BigDecimal>,
}

impl Ledger {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path, remember: usize) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut ledger = Self {
            path: path.to_owned(),
            file,
            remember,
            keys: HashSet::new(),
            order: VecDeque::new(),
            sums: BTreeMap::new(),
        };
        ledger.read()?;
        sync_directory(path)?;
        Ok(ledger)
    }

    fn read(&mut self) -> io::Result<()> {
        let text = fs::read(&self.path)?;
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if end < text.len() {
            self.file.set_len(u64::try_from(end).unwrap_or(u64::MAX))?;
        }
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // The line that was cut short is the last one, and no JSON.
            let Ok(entry) = serde_json::from_slice(line) else { break };
            self.add(entry)?;
        }
        Ok(())
    }

    fn add(&mut self, entry: Entry) -> io::Result<()> {
        for (item, unit, quantity) in entry.sums {
            let quantity: BigDecimal = quantity.parse().map_err(io::Error::other)?;
            *self.sums.entry((item, unit)).or_default() += quantity;
        }
        for key in entry.keys {
            if self.keys.insert(key.clone()) {
                self.order.push_back(key);
            }
        }
        Ok(())
    }

    /// Stores a batch and returns how many of it were new. After an error nothing of it may be
    /// acknowledged, and the ledger must be opened anew.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) -> io::Result<usize> {
        let mut lines = Vec::new();
        let mut new = 0;
        for change in changes {
            if self.keys.contains(&change.key) {
                continue;
            }
            new += 1;
            let sums = vec![(change.item, change.unit, change.quantity.to_plain_string())];
            let entry = Entry { keys: vec![change.key], sums };
            serde_json::to_writer(&mut lines, &entry)?;
            lines.push(b'\n');
            self.add(entry)?;
        }
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        if self.order.len() >= 2 * self.remember {
            self.compact()?;
        }
        Ok(new)
    }

    fn compact(&mut self) -> io::Result<()> {
        let forgotten = self.order.len() - self.remember;
        for key in self.order.drain(..forgotten) {
            self.keys.remove(&key);
        }
        let entry = Entry { keys: self.order.iter().cloned().collect(), sums: self.stock() };
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        fs::rename(&fresh, &self.path)?;
        sync_directory(&self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }

    /// Item, unit and quantity, sorted.
    pub(crate) fn stock(&self) -> Vec<(String, String, String)> {
        let sums = self.sums.iter();
        sums.map(|((item, unit), sum)| (item.clone(), unit.clone(), sum.to_plain_string()))
            .collect()
    }
}

/// A new name of a file is on disk when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
