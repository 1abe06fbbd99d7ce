//! The queue between a source and the bridge, bounded by bytes.
//!
//! A bound in events would mean nothing: one row may be ten bytes or ten megabytes. The sender
//! takes as many permits as the event weighs and waits if they are not there; the receiver gives
//! them back when it drops the [`Queued`] event. An event heavier than the whole bound passes
//! alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::SourceEvent;

/// Beside the bytes: how many events may wait. Progress and schema events weigh little.
const EVENTS: usize = 1024;

/// What an event weighs beyond its rows.
const OVERHEAD: usize = 256;

/// The other side of the queue is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue to the bridge is closed")]
pub struct Closed;

/// Makes a queue that holds events of at most `bytes` bytes together.
pub fn queue(bytes: usize) -> (Sender, Receiver) {
    let bytes = u32::try_from(std::cmp::max(bytes, OVERHEAD)).unwrap_or(u32::MAX);
    let (events, receiver) = mpsc::channel(EVENTS);
    let room = Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS)));
    (Sender { events, room, bytes }, Receiver { events: receiver })
}

/// The source's side.
#[derive(Clone, Debug)]
pub struct Sender {
    events: mpsc::Sender<(SourceEvent, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    bytes: u32,
}

impl Sender {
    /// Sends one event, waiting for room. Cancel-safe: a dropped call has sent nothing, but the
    /// event is dropped with it, so a caller that selects must keep polling the same call.
    pub async fn send(&self, event: SourceEvent) -> Result<(), Closed> {
        let permits = std::cmp::min(weight(&event), self.bytes);
        let room = Arc::clone(&self.room);
        let permit = tokio::select! {
            // Nothing is lost: the other branch only learns that nobody will ever receive.
            permit = room.acquire_many_owned(permits) => permit.map_err(|_| Closed)?,
            () = self.events.closed() => return Err(Closed),
        };
        self.events.send((event, permit)).await.map_err(|_| Closed)
    }

    /// A gauge of the queue that does not keep it open.
    pub fn gauge(&self) -> Gauge {
        Gauge { room: Arc::clone(&self.room), bytes: self.bytes }
    }
}

/// Tells how full a queue is.
#[derive(Clone, Debug)]
pub struct Gauge {
    room: Arc<Semaphore>,
    bytes: u32,
}

impl Gauge {
    /// How many bytes wait in the queue or are being worked on.
    pub fn bytes_waiting(&self) -> usize {
        let whole = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        whole.saturating_sub(self.room.available_permits())
    }
}

fn weight(event: &SourceEvent) -> u32 {
    let bytes = match event {
        SourceEvent::Changes(batch) => batch.bytes().saturating_add(OVERHEAD),
        SourceEvent::Truncated(_)
        | SourceEvent::SchemaChanged { .. }
        | SourceEvent::Seeded
        | SourceEvent::Progress(_) => OVERHEAD,
    };
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The bridge's side.
#[derive(Debug)]
pub struct Receiver {
    events: mpsc::Receiver<(SourceEvent, OwnedSemaphorePermit)>,
}

impl Receiver {
    /// The next event, or `None` when the source has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Queued> {
        let (event, room) = self.events.recv().await?;
        Some(Queued { event, _room: room })
    }

    /// The next event if one waits.
    pub fn try_recv(&mut self) -> Option<Queued> {
        let (event, room) = self.events.try_recv().ok()?;
        Some(Queued { event, _room: room })
    }
}

/// An event taken from the queue; its bytes count until this is dropped.
#[derive(Debug)]
pub struct Queued {
    /// The event.
    pub event: SourceEvent,
    _room: OwnedSemaphorePermit,
}
