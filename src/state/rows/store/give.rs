//! Giving changes to the writer, and taking notice of what it has written.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};

use tokio::time::timeout;

use super::{Flight, PATIENCE, RowStore, Seeds, place};
use crate::mapping::KeptTable;
use crate::state::rows::counters::count;
use crate::state::rows::error::{RowStoreError, RowStoreErrorKind};
use crate::state::rows::writer::Job;

impl RowStore {
    /// Writes what is settled, all of it.
    pub(super) async fn finish(&mut self) -> Result<(), RowStoreError> {
        self.poll()?;
        loop {
            while self.flight.is_some() {
                self.land().await?;
            }
            self.give(false, true)?;
            if self.flight.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits for the writer without blocking the thread.
    pub(super) async fn land(&mut self) -> Result<(), RowStoreError> {
        let landed = timeout(PATIENCE, self.writer.landed.notified()).await;
        landed.map_err(|_| self.blame.plain("write", RowStoreErrorKind::Stalled))?;
        self.poll()
    }

    /// Keeps the changes in memory within their bound.
    pub(super) fn relieve(&mut self) -> Result<(), RowStoreError> {
        if self.log.bytes() >= self.limits.dirty_bytes / 2 && self.flight.is_none() {
            let enough = self.log.settled_bytes() >= self.log.bytes() / 2;
            self.give(!enough, false)?;
        }
        while self.flight.is_some() && self.dirty_bytes() >= self.limits.dirty_bytes {
            let result = self.writer.results.recv_timeout(PATIENCE);
            self.landed(result.map_err(|error| match error {
                RecvTimeoutError::Timeout => RowStoreErrorKind::Stalled,
                RecvTimeoutError::Disconnected => RowStoreErrorKind::Damaged,
            }))?;
        }
        self.tell_memory();
        Ok(())
    }

    fn tell_memory(&self) {
        self.counters.dirty_bytes.set(count(self.dirty_bytes()));
        self.counters.memory_bytes.set(count(self.hot.bytes()));
    }

    pub(super) fn dirty_bytes(&self) -> usize {
        self.log.bytes() + self.flight.as_ref().map_or(0, |flight| flight.bytes)
    }

    /// Gives the writer what is settled, or everything. All settled changes go along in any case,
    /// so the standing may.
    pub(super) fn give(&mut self, everything: bool, durable: bool) -> Result<(), RowStoreError> {
        let bytes = self.log.bytes();
        let changes = if everything { self.log.take_all() } else { self.log.take_settled() };
        let bytes = bytes - self.log.bytes();
        self.given = changes.last().map_or(self.given, |change| change.number);
        let standing = self.standing.clone().filter(|_| self.standing != self.given_standing);
        let seeded = self.seeded_with(self.given);
        let nothing = changes.is_empty() && standing.is_none() && seeded.is_empty();
        if nothing && !(durable && self.unsynced) {
            return Ok(());
        }
        let changes = Arc::new(changes);
        let job = Job {
            changes: Arc::clone(&changes),
            settled: self.log.settled(),
            standing,
            seeded,
            durable,
        };
        self.given_standing.clone_from(&self.standing);
        self.unsynced = !durable;
        let announces = self.standing.clone().filter(|_| durable);
        self.flight = Some(Flight { changes, bytes, announces });
        let given = self.writer.jobs.try_send(job);
        given.map_err(|_| self.fail(RowStoreErrorKind::Damaged))
    }

    /// The tables whose last seed is among the changes up to this one, if a position has been
    /// settled since; once.
    fn seeded_with(&mut self, newest: u64) -> Vec<u32> {
        match self.seeds {
            Seeds::Settled(last) if last <= newest => {
                self.seeds = Seeds::Complete;
                self.tables.iter().map(|table| table.number).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Takes notice of what the writer has done meanwhile.
    pub(super) fn poll(&mut self) -> Result<(), RowStoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.flight.is_none() {
            return Ok(());
        }
        match self.writer.results.try_recv() {
            Ok(result) => self.landed(Ok(result)),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => self.landed(Err(RowStoreErrorKind::Damaged)),
        }
    }

    fn landed(
        &mut self,
        result: Result<Result<(), RowStoreError>, RowStoreErrorKind>,
    ) -> Result<(), RowStoreError> {
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.failed = Some(error.clone());
                return Err(error);
            }
            Err(kind) => return Err(self.fail(kind)),
        }
        let Some(flight) = self.flight.take() else { return Ok(()) };
        self.reading.renew();
        if let Some(newest) = flight.changes.last() {
            self.on_disk = newest.number;
        }
        for change in flight.changes.iter() {
            if let Some(kept) = self.tables.get_mut(place(KeptTable(change.table))) {
                kept.forget_entries(change);
            }
        }
        self.tell_memory();
        if let Some(standing) = flight.announces {
            self.durable.send_replace(Some(standing.position()));
        }
        Ok(())
    }

    fn fail(&mut self, kind: RowStoreErrorKind) -> RowStoreError {
        let error = self.blame.plain("write", kind);
        self.failed = Some(error.clone());
        error
    }
}
