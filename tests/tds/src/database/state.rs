//! Everything the server knows, behind one lock.

use std::collections::BTreeMap;

use super::cdc::{Cdc, Instance};
use super::clock::Clock;
use super::table::Table;
use crate::problem::{Problem, Result};
use crate::{Login, Lsn, ServerFacts};

/// Everything the server knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) facts: ServerFacts,
    pub(crate) logins: Vec<Login>,
    pub(crate) clock: Clock,
    pub(crate) data: Data,
    pub(crate) locks: Vec<Lock>,
    /// Transactions that clients have open: session, number, and where they begin in the log once
    /// they have written to it.
    pub(crate) open: BTreeMap<u16, OpenTransaction>,
    next_lock: u64,
    /// Two restores of one backup are two forks.
    pub(crate) restores: u8,
    /// `max text repl size (B)`
    pub(crate) largest_value: i64,
}

/// The database itself: what a backup holds.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) id: i32,
    pub(crate) created: i64,
    pub(crate) recovery_fork: [u8; 16],
    /// Where the fork left the one before it.
    pub(crate) forked_at: Option<Lsn>,
    pub(crate) broker: [u8; 16],
    pub(crate) snapshot_isolation: bool,
    pub(crate) tables: Vec<Table>,
    pub(crate) cdc: Option<Cdc>,
    /// Counts commits; versions of rows carry it.
    pub(crate) commits: u64,
    pub(crate) next_object: i32,
    /// The next place in the log.
    log: (u32, u32),
}

/// A lock on a table.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) id: u64,
    pub(crate) table: i32,
    pub(crate) exclusive: bool,
    /// The session; none if a test holds it.
    pub(crate) owner: Option<u16>,
}

/// A transaction a client has open.
#[derive(Clone, Debug)]
pub(crate) struct OpenTransaction {
    pub(crate) number: u64,
    pub(crate) began: Option<Lsn>,
}

impl State {
    pub(crate) fn new(name: &str, facts: ServerFacts) -> Self {
        let clock = Clock::default();
        let data = Data {
            name: name.to_owned(),
            id: 5,
            created: clock.now(),
            recovery_fork: *b"recovery fork  1",
            forked_at: None,
            broker: *b"a broker's guid!",
            snapshot_isolation: true,
            tables: Vec::new(),
            cdc: None,
            commits: 0,
            next_object: 245_575_913,
            log: (0x2a, 0x100),
        };
        Self {
            facts,
            logins: Vec::new(),
            clock,
            data,
            locks: Vec::new(),
            open: BTreeMap::new(),
            next_lock: 0,
            restores: 0,
            largest_value: 65_536,
        }
    }

    /// The server's local time, in units of 100 ns.
    pub(crate) fn local(&self, utc: i64) -> i64 {
        utc + i64::from(self.facts.utc_offset) * 60 * crate::value::calendar::SECOND
    }

    pub(crate) fn lock(&mut self, table: i32, exclusive: bool, owner: Option<u16>) -> u64 {
        self.next_lock += 1;
        self.locks.push(Lock { id: self.next_lock, table, exclusive, owner });
        self.next_lock
    }

    /// Whether somebody other than this session keeps it from reading, or from writing.
    pub(crate) fn blocked(&self, table: i32, session: Option<u16>, writes: bool) -> bool {
        let others = |lock: &&Lock| lock.owner.is_none() || lock.owner != session;
        let mut locks = self.locks.iter().filter(|lock| lock.table == table).filter(others);
        locks.any(|lock| writes || lock.exclusive)
    }

    /// Lets go of what a session's transaction held.
    pub(crate) fn end_transaction(&mut self, session: u16) {
        self.open.remove(&session);
        self.locks.retain(|lock| lock.owner != Some(session));
    }

    pub(crate) fn login(&self, user: &str) -> Option<&Login> {
        self.logins.iter().find(|login| login.user.eq_ignore_ascii_case(user))
    }

    pub(crate) fn login_mut(&mut self, user: &str) -> Option<&mut Login> {
        self.logins.iter_mut().find(|login| login.user.eq_ignore_ascii_case(user))
    }

    /// Whether the version has `__$command_id` in its change tables: since 2012 SP3.
    pub(crate) fn has_command_id(&self) -> bool {
        let mut parts = self.facts.version.split('.').map(|part| part.parse().unwrap_or(0));
        let (major, _, build) = (parts.next(), parts.next(), parts.next());
        (major.unwrap_or(0), build.unwrap_or(0)) >= (11, 6020)
    }
}

impl Data {
    /// A table by its schema and name.
    pub(crate) fn table(&self, schema: &str, name: &str) -> Option<&Table> {
        let fits = |table: &&Table| {
            table.schema.eq_ignore_ascii_case(schema) && table.name.eq_ignore_ascii_case(name)
        };
        self.tables.iter().find(fits)
    }

    /// A table by its full name; panics if there is none, because a test named it.
    pub(crate) fn named(&self, name: &str) -> &Table {
        let (schema, table) = split_name(name);
        let found = self.table(&schema, &table);
        found.unwrap_or_else(|| panic!("there is no table \"{name}\" in the scripted server"))
    }

    pub(crate) fn named_mut(&mut self, name: &str) -> &mut Table {
        let id = self.named(name).id;
        self.by_id_mut(id).expect("it was just found")
    }

    pub(crate) fn by_id(&self, id: i32) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }

    pub(crate) fn by_id_mut(&mut self, id: i32) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.id == id)
    }

    pub(crate) fn object_id(&mut self) -> i32 {
        self.next_object += 16;
        self.next_object
    }

    /// Reserves blocks of the log and gives the first place in them.
    pub(crate) fn reserve(&mut self, blocks: usize) -> Lsn {
        let (file, block) = self.log;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        self.log = match block.checked_add(blocks.saturating_mul(8)) {
            Some(next) if next < 0x00ff_ffff => (file, next),
            _ => (file + 1, 0x10),
        };
        Lsn::new(file, block, 1)
    }

    pub(crate) fn capture(&self) -> Result<&Cdc> {
        self.cdc.as_ref().ok_or_else(|| {
            Problem::raised(22901, format!("The database '{}' is not enabled for Change Data Capture. Ensure that the correct database context is set and retry the operation.", self.name))
        })
    }

    /// The capture instances of a table, the oldest first.
    pub(crate) fn instances_of(&self, table: i32) -> impl Iterator<Item = &Instance> {
        let instances = self.cdc.iter().flat_map(|cdc| &cdc.instances);
        instances.filter(move |instance| instance.source == table)
    }
}

/// Schema and table of a name; without a point it is dbo's. Brackets are taken off.
pub(crate) fn split_name(name: &str) -> (String, String) {
    let (schema, table) = name.split_once('.').unwrap_or(("dbo", name));
    (plain(schema), plain(table))
}

/// An identifier without the brackets around it.
fn plain(name: &str) -> String {
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    inside.map_or_else(|| name.to_owned(), |name| name.replace("]]", "]"))
}
