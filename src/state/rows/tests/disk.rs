//! A disk in memory that can lose its power, fill up, and hold its breath.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::{Database, StorageBackend};

use crate::state::rows::disk::found;
use crate::state::rows::error::{Blame, RowStoreError};

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    content: Vec<u8>,
    /// Writes since the last sync: place, before, after.
    unsynced: Vec<(usize, Vec<u8>, Vec<u8>)>,
    /// Writes that still work; none: all.
    lifetime: Option<usize>,
    /// Bytes it can hold; none: any number.
    room: Option<usize>,
    held: bool,
    syncs: usize,
}

impl Disk {
    /// A database on it, with the head of a store if the disk is new.
    pub(super) fn database(&self, blame: &Blame) -> Result<Database, RowStoreError> {
        let new = self.state().content.is_empty();
        blame.guard("open", || {
            let mut builder = Database::builder();
            builder.set_cache_size(1 << 20);
            let db = builder.create_with_backend(self.clone())?;
            if new {
                found(&db)?;
            }
            Ok(db)
        })
    }

    /// From now on, this many writes work and no more.
    pub(super) fn die_after(&self, writes: usize) {
        self.state().lifetime = Some(writes);
    }

    /// The same disk after a power failure: what was synced is there; of the writes since, those
    /// `survives` says.
    pub(super) fn after_power_failure(&self, mut survives: impl FnMut() -> bool) -> Self {
        let state = self.state();
        let mut content = state.content.clone();
        for (place, before, _) in state.unsynced.iter().rev() {
            patch(&mut content, *place, before);
        }
        for (place, _, after) in &state.unsynced {
            if survives() {
                patch(&mut content, *place, after);
            }
        }
        let disk = Self::default();
        disk.state().content = content;
        disk
    }

    /// The disk cannot grow any more, or can again.
    pub(super) fn fill(&self, full: bool) {
        let mut state = self.state();
        state.room = full.then_some(state.content.len());
    }

    /// Syncs wait from now on, or go on.
    pub(super) fn hold(&self, held: bool) {
        self.state().held = held;
        self.shared.released.notify_all();
    }

    /// Flips the bits of every byte of a run of bytes that is there more than zero times.
    pub(super) fn damage(&self, run: &[u8]) {
        let mut state = self.state();
        let mut places = Vec::new();
        for (place, window) in state.content.windows(run.len()).enumerate() {
            if window == run {
                places.push(place);
            }
        }
        assert!(!places.is_empty(), "what is to be damaged is not on the disk");
        for place in places {
            state.content[place..place + run.len()].iter_mut().for_each(|byte| *byte ^= 0x15);
        }
    }

    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

fn patch(content: &mut Vec<u8>, place: usize, bytes: &[u8]) {
    let end = place + bytes.len();
    content.resize(std::cmp::max(content.len(), end), 0);
    content[place..end].copy_from_slice(bytes);
}

impl State {
    fn write(&mut self) -> Result<(), Error> {
        match &mut self.lifetime {
            None => Ok(()),
            Some(0) => Err(Error::other("the disk is dead")),
            Some(writes) => {
                *writes -= 1;
                Ok(())
            }
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.state().content.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        let start = usize::try_from(offset).unwrap();
        let bytes = state.content.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.write()?;
        let len = usize::try_from(len).unwrap();
        if state.room.is_some_and(|room| len > room) {
            return Err(ErrorKind::StorageFull.into());
        }
        state.content.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let state = self.state();
        let mut state = self.shared.released.wait_while(state, |state| state.held).unwrap();
        state.write()?;
        state.unsynced.clear();
        state.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        state.write()?;
        let start = usize::try_from(offset).unwrap();
        let end = start + data.len();
        if end > state.content.len() {
            state.content.resize(end, 0);
        }
        let before = state.content[start..end].to_vec();
        state.unsynced.push((start, before, data.to_vec()));
        state.content[start..end].copy_from_slice(data);
        Ok(())
    }
}
