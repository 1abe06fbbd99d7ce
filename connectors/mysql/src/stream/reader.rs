//! The task that receives events and hands them over in handfuls.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};
use futures_util::{FutureExt, StreamExt};
use mysql_async::binlog::events::Event;
use mysql_async::{BinlogStream, DriverError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{HEARTBEAT, Purpose};
use crate::session::server_error;

/// After so much silence the server is given up: it would have sent a sign of life.
const SILENCE: Duration = Duration::from_secs(5 * HEARTBEAT.as_secs() + 5);

/// A handful of events ends at this size, or with the one event that is larger.
const HANDFUL_BYTES: usize = 256 << 10;

/// So many events at most are in a handful: small ones weigh more than their bytes.
const HANDFUL_EVENTS: usize = 1024;

/// So many handfuls wait to be decoded.
const WAITING: usize = 2;

type Handful = Result<Vec<Event>, SourceError>;

/// Receives events; dropping it ends the connection.
pub(super) struct Reader {
    received: mpsc::Receiver<Handful>,
    task: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(stream: BinlogStream, purpose: Purpose) -> Self {
        let (out, received) = mpsc::channel(WAITING);
        #[expect(clippy::disallowed_methods, reason = "the reader owns and aborts it")]
        let task = tokio::spawn(receive(stream, purpose, out));
        Self { received, task }
    }

    /// More events; `None` at the end of the log. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, SourceError> {
        if let Some(handful) = self.received.recv().await {
            return handful.map(Some);
        }
        match (&mut self.task).await {
            Ok(()) => Ok(None),
            // Framing panics at a packet that ends too soon.
            Err(lost) => Err(SourceError::new(
                SourceErrorKind::Connection,
                "the server's packets could not be taken apart",
            )
            .with_cause(lost)),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(mut stream: BinlogStream, purpose: Purpose, out: mpsc::Sender<Handful>) {
    loop {
        let (events, end) = gather(&mut stream).await;
        if !events.is_empty() && out.send(Ok(events)).await.is_err() {
            return;
        }
        let Some(end) = end else { continue };
        let error = match end {
            End::Failed(error) => error,
            End::Log if purpose == Purpose::Look => return,
            // A dump that the server ends, ends without a word on old servers.
            End::Log => SourceError::new(SourceErrorKind::Connection, "the server ended the log"),
        };
        // If nobody waits for it, nobody needs it.
        drop(out.send(Err(error)).await);
        return;
    }
}

enum End {
    Log,
    Failed(SourceError),
}

/// Waits for one event and takes whatever else is there.
async fn gather(stream: &mut BinlogStream) -> (Vec<Event>, Option<End>) {
    let mut events = Vec::new();
    let mut bytes = 0;
    let Ok(mut next) = tokio::time::timeout(SILENCE, stream.next()).await else {
        let message = format!("the server has said nothing for {} s", SILENCE.as_secs());
        let silent = SourceError::new(SourceErrorKind::Connection, message);
        return (events, Some(End::Failed(silent)));
    };
    loop {
        match next {
            None => return (events, Some(End::Log)),
            Some(Err(error)) => return (events, Some(End::Failed(broken(error)))),
            Some(Ok(event)) => {
                bytes += event.data().len();
                events.push(event);
            }
        }
        if bytes >= HANDFUL_BYTES || events.len() >= HANDFUL_EVENTS {
            return (events, None);
        }
        match stream.next().now_or_never() {
            Some(more) => next = more,
            None => return (events, None),
        }
    }
}

fn broken(error: mysql_async::Error) -> SourceError {
    if matches!(&error, mysql_async::Error::Driver(DriverError::PacketTooLarge)) {
        let message = "an event of the log is larger than 1 GiB, which no client can receive";
        return SourceError::new(SourceErrorKind::TooLarge, message)
            .with_hint("take a new snapshot: the log cannot be passed over at this place");
    }
    server_error(error, "read the log")
}
