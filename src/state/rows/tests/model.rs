//! Any history against a model that keeps every version.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::disk::Disk;
use super::*;

const KEYS: usize = 12;
const PARENTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Put {
        line: bool,
        key: usize,
        cell: u16,
        parent: Option<usize>,
    },
    Remove {
        line: bool,
        key: usize,
    },
    /// All rows, or those whose keys begin with 1.
    Clear {
        line: bool,
        all: bool,
    },
    /// A long transaction, so that it goes to disk before it is complete.
    Many {
        from: usize,
        rows: usize,
        cell: u16,
    },
    Commit,
    /// All but this many of the complete transactions are settled.
    Settle {
        behind: usize,
    },
    Flush,
    Wait,
    Ask {
        key: usize,
        parent: usize,
        limit: usize,
    },
    Close,
    /// The disk dies at the write after so many; power fails when the store notices or at once.
    Crash {
        writes: usize,
        at_once: bool,
        survivors: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS;
    let parent = prop::option::weighted(0.8, 0..PARENTS);
    prop_oneof![
        8 => (any::<bool>(), key.clone(), any::<u16>(), parent)
            .prop_map(|(line, key, cell, parent)| Step::Put { line, key, cell, parent }),
        3 => (any::<bool>(), key.clone()).prop_map(|(line, key)| Step::Remove { line, key }),
        1 => any::<(bool, bool)>().prop_map(|(line, all)| Step::Clear { line, all }),
        2 => (key.clone(), 0_usize..60, any::<u16>())
            .prop_map(|(from, rows, cell)| Step::Many { from, rows, cell }),
        5 => Just(Step::Commit),
        4 => (0_usize..4).prop_map(|behind| Step::Settle { behind }),
        3 => Just(Step::Flush),
        2 => Just(Step::Wait),
        4 => (key, 0..PARENTS, 0_usize..5)
            .prop_map(|(key, parent, limit)| Step::Ask { key, parent, limit }),
        1 => Just(Step::Close),
        2 => (0_usize..40, any::<bool>(), any::<u64>())
            .prop_map(|(writes, at_once, survivors)| Step::Crash { writes, at_once, survivors }),
    ]
}

type Image = (String, Option<String>);
type State = BTreeMap<(KeptTable, String), Image>;

/// What must be true.
#[derive(Default)]
struct Model {
    now: State,
    /// The state after each transaction; the first is that of the seeds.
    versions: Vec<State>,
    settled: usize,
    durable: usize,
}

impl Model {
    fn children(&self, parent: &str, limit: usize) -> Vec<(String, String)> {
        let lines = self.now.iter().filter(|((table, _), _)| *table == LINES);
        let children = lines.filter(|(_, (_, of))| of.as_deref() == Some(parent));
        let found = children.map(|((_, key), (cell, _))| (key.clone(), cell.clone()));
        found.take(limit + 1).collect()
    }
}

struct Run {
    disk: Disk,
    store: RowStore,
    model: Model,
    /// The disk died and the store said so.
    failed: bool,
}

impl Run {
    fn start(seeds: &[Step]) -> Self {
        let disk = Disk::default();
        let store = open_on(&disk, &tables(), TIGHT).unwrap();
        let mut run = Self { disk, store, model: Model::default(), failed: false };
        for seed in seeds {
            if let Step::Put { .. } | Step::Remove { .. } | Step::Many { .. } = seed {
                run.step(seed);
            }
        }
        run.model.versions.push(run.model.now.clone());
        run.store.seeded();
        settle(&mut run.store, 0);
        run
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put { line, key, cell, parent } => {
                let parent = parent.map(|parent| parent.to_string()).filter(|_| *line);
                self.put(if *line { LINES } else { HEADERS }, *key, *cell, parent);
            }
            Step::Remove { line, key } => {
                let table = if *line { LINES } else { HEADERS };
                self.failed |= self.store.remove(table, &key.to_string()).is_err();
                self.model.now.remove(&(table, key.to_string()));
            }
            Step::Clear { line, all } => {
                let table = if *line { LINES } else { HEADERS };
                let prefix = if *all { "" } else { "1" };
                self.failed |= self.store.clear(table, prefix).is_err();
                self.model.now.retain(|(of, key), _| *of != table || !key.starts_with(prefix));
            }
            Step::Many { from, rows, cell } => {
                for key in (*from..KEYS).cycle().take(*rows) {
                    self.put(LINES, key, *cell, Some((key % PARENTS).to_string()));
                }
            }
            Step::Commit => {
                self.store.commit(&sequence(self.model.versions.len()));
                self.model.versions.push(self.model.now.clone());
            }
            Step::Settle { behind } => self.settle(*behind),
            Step::Flush => self.failed |= self.store.flush().is_err(),
            Step::Wait => self.wait(),
            Step::Ask { key, parent, limit } => self.ask(*key, *parent, *limit),
            Step::Close => self.reopen(None),
            Step::Crash { writes, at_once, survivors } => {
                self.disk.die_after(*writes);
                if *at_once {
                    self.reopen(Some(*survivors));
                }
            }
        }
        let durable = self.store.durable().borrow().as_ref().map_or(0, number);
        assert!(durable <= self.model.settled, "durable before it was settled");
        self.model.durable = std::cmp::max(self.model.durable, durable);
        if self.failed {
            self.reopen(Some(self.model.versions.len() as u64));
        }
    }

    fn put(&mut self, table: KeptTable, key: usize, cell: u16, parent: Option<String>) {
        // Cells of very different lengths.
        let cell = "x".repeat(usize::from(cell % 64)) + &cell.to_string();
        let parents = [parent.as_deref()];
        let parents = if table == LINES { &parents[..] } else { &[] };
        let result = self.store.put(table, &key.to_string(), &row(&cell), parents);
        self.failed |= result.is_err();
        self.model.now.insert((table, key.to_string()), (cell, parent));
    }

    fn settle(&mut self, behind: usize) {
        let newest = (self.model.versions.len() - 1).saturating_sub(behind);
        if newest > self.model.settled {
            self.store.settle(Some(&sequence(newest)), &position(newest));
            self.model.settled = newest;
        }
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        let mut durable = self.store.durable();
        self.failed |= self.store.flush().is_err();
        while !self.failed
            && durable.borrow_and_update().as_ref() != Some(&position(self.model.settled))
        {
            assert!(Instant::now() < deadline, "what is settled does not become durable");
            self.failed |= self.store.flush().is_err();
        }
    }

    fn ask(&mut self, key: usize, parent: usize, limit: usize) {
        for table in [HEADERS, LINES] {
            let expected = self.model.now.get(&(table, key.to_string()));
            let expected = expected.map(|(cell, _)| cell.clone());
            assert_eq!(get(&mut self.store, table, &key.to_string()), expected);
        }
        let parent = parent.to_string();
        assert_eq!(children(&mut self.store, &parent, limit), self.model.children(&parent, limit));
    }

    /// Closes the store, or cuts the power, and looks at what the next one finds.
    fn reopen(&mut self, survivors: Option<u64>) {
        let idle = open_on(&Disk::default(), &tables(), TIGHT).unwrap();
        let store = std::mem::replace(&mut self.store, idle);
        let closed = match survivors {
            None => close(store).is_ok(),
            Some(seed) => {
                self.disk.die_after(0);
                let mut bits = seed | 1;
                self.disk = self.disk.after_power_failure(|| {
                    bits = bits.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    bits >> 63 == 1
                });
                drop(close(store));
                false
            }
        };
        self.disk = self.disk.after_power_failure(|| false);
        self.store = open_on(&self.disk, &tables(), TIGHT).unwrap();
        self.failed = false;
        assert_eq!(self.store.unseeded(), []);
        let found = number(&self.store.position().unwrap());
        if closed {
            assert_eq!(found, self.model.settled, "closing makes what is settled durable");
        }
        assert!(found >= self.model.durable, "a durable transaction is lost");
        assert!(found <= self.model.settled, "an unsettled transaction is found");
        assert_eq!(self.store.sequence(), Some(sequence(found)));
        self.model.versions.truncate(found + 1);
        self.model.now = self.model.versions[found].clone();
        (self.model.settled, self.model.durable) = (found, found);
        for key in 0..KEYS {
            self.ask(key, key % PARENTS, KEYS);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_finds_exactly_the_state_of_its_position(
        seeds in prop::collection::vec(step(), 0..12),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut run = Run::start(&seeds);
        for step in &steps {
            run.step(step);
        }
        run.reopen(Some(1));
    }
}
