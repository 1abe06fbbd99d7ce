//! The replication connection: I/O only. It knows frames and commands, not what is in a row.
//!
//! **Why our own client.** `tokio-postgres` has no copy-both mode, and the crates that add one
//! hand every message through a task and a channel, with an allocation each. Measured over a
//! million row changes, decoding in place from one receive buffer takes less than half of their
//! user time. It also leaves to us what they decide otherwise: names are quoted, a message has an
//! upper size, reads have a watchdog, and an error keeps its SQLSTATE. What is intricate is not
//! our own: the messages and SCRAM come from `postgres-protocol`, TLS from `rustls`.
//!
//! Protocol: <https://www.postgresql.org/docs/current/protocol-replication.html>

use std::time::Duration;

use bytes::BufMut;
use erpbridge_connector::{SourceError, Timestamp};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message};
use postgres_protocol::message::frontend;

use crate::Lsn;
use crate::config::{LONGEST_NAME, PostgresConfig};
use crate::pgoutput;
use crate::sql::{identifier, literal};

mod login;
mod wire;

use wire::{Wire, broken, server_error, timed_out, undecodable};

/// How long a query of ours may take: all of them read a few rows of the catalogue.
const QUERY_DEADLINE: Duration = Duration::from_secs(30);

/// How long the server gets to read our last words.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(1);

/// A row of an answer: every cell as text, `None` for null.
pub type Row = Vec<Option<String>>;

/// What `IDENTIFY_SYSTEM` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// The cluster.
    pub id: u64,
    /// Its timeline.
    pub timeline: u32,
}

/// How long a slot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until it is dropped.
    Lasting,
    /// As long as the connection that made it.
    Temporary,
}

/// A slot that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlot {
    /// Everything committed after this place is in the slot, everything before in the snapshot.
    pub consistent_point: Lsn,
    /// Other sessions import the snapshot by this name, while this connection stays idle.
    pub snapshot: String,
}

/// What the server sends while it streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message of the output plugin.
    Data {
        /// When it was sent, by the server's clock.
        sent_at: Timestamp,
        /// The message.
        message: &'a [u8],
    },
    /// A sign of life.
    KeepAlive {
        /// Everything before this place has been sent.
        wal_end: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: Timestamp,
        /// Whether the server waits for a status of ours.
        reply_wanted: bool,
    },
    /// A notice or another thing without meaning here.
    Other,
}

/// A connection to the server.
pub struct Connection {
    wire: Wire,
}

impl Connection {
    /// Connects and authenticates within the configured time.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, SourceError> {
        let connecting = Box::pin(async {
            let mut wire = Wire::connect(config).await?;
            login::log_in(&mut wire, config).await?;
            Ok(Self { wire })
        });
        let connected = tokio::time::timeout(config.connect_timeout, connecting).await;
        connected.unwrap_or_else(|_| Err(timed_out(config)))
    }

    /// A connection to a server that a test plays.
    #[cfg(test)]
    pub(crate) fn over(socket: tokio::io::DuplexStream) -> Self {
        Self { wire: wire::over(socket, 1 << 20) }
    }

    /// Runs a statement and returns its rows. `doing` says in an error what was tried. After an
    /// error the connection is of no more use.
    pub async fn query(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>, SourceError> {
        let answer = tokio::time::timeout(QUERY_DEADLINE, self.query_without_deadline(sql, doing));
        answer.await.unwrap_or_else(|_| Err(broken(&format!("{doing}: no answer within 30 s"))))
    }

    async fn query_without_deadline(
        &mut self,
        sql: &str,
        doing: &str,
    ) -> Result<Vec<Row>, SourceError> {
        frontend::query(sql, self.wire.outgoing()).map_err(|e| broken(doing).with_cause(e))?;
        self.wire.send().await?;
        let mut rows = Vec::new();
        loop {
            match self.wire.message().await? {
                Message::DataRow(body) => rows.push(row(&body)?),
                Message::ReadyForQuery(_) => return Ok(rows),
                Message::ErrorResponse(body) => return Err(server_error(&body, doing)),
                Message::RowDescription(_)
                | Message::CommandComplete(_)
                | Message::EmptyQueryResponse => {}
                _ => return Err(undecodable()),
            }
        }
    }

    /// Which cluster answers.
    pub async fn identify_system(&mut self) -> Result<System, SourceError> {
        let rows = self.query("IDENTIFY_SYSTEM", "identify the server").await?;
        let cells: Vec<&str> =
            rows.iter().flatten().map(|cell| cell.as_deref().unwrap_or_default()).collect();
        match cells.as_slice() {
            [id, timeline, ..] => Ok(System { id: number(id)?, timeline: number(timeline)? }),
            _ => Err(undecodable()),
        }
    }

    /// The history of a timeline: one line for each switch before it.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<String, SourceError> {
        let command = format!("TIMELINE_HISTORY {timeline}");
        let rows = self.query(&command, "read the history of the timeline").await?;
        let content = rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten());
        content.ok_or_else(undecodable)
    }

    /// Makes the slot. It waits until every transaction that is open now has ended, and for that
    /// there is no deadline: the caller may drop the call, and with it the connection.
    pub async fn create_slot(&mut self, slot: &str, life: Life) -> Result<NewSlot, SourceError> {
        let command = format!(
            "CREATE_REPLICATION_SLOT {}{} LOGICAL pgoutput (SNAPSHOT 'export')",
            identifier(slot),
            match life {
                Life::Lasting => "",
                Life::Temporary => " TEMPORARY",
            }
        );
        let doing = format!("create the replication slot `{slot}`");
        let rows = self.query_without_deadline(&command, &doing).await?;
        let mut cells = rows.into_iter().flatten().skip(1);
        let consistent_point = cells.next().flatten().ok_or_else(undecodable)?;
        let consistent_point = consistent_point.parse().map_err(|_| undecodable())?;
        let snapshot = cells.next().flatten().ok_or_else(undecodable)?;
        Ok(NewSlot { consistent_point, snapshot })
    }

    /// A name for a temporary slot of this connection, made of a slot's name and the server's
    /// process: the last connection of a bridge that died may still hold one. A name at its
    /// longest is cut, because the server would refuse the result.
    pub async fn name_of_its_own(&mut self, slot: &str) -> Result<String, SourceError> {
        let ask = "SELECT pg_catalog.pg_backend_pid()";
        let rows = self.query(ask, "ask for the server's process").await?;
        let process = rows.into_iter().flatten().flatten().next().ok_or_else(undecodable)?;
        let room = LONGEST_NAME.saturating_sub(process.len() + 1);
        Ok(format!("{}_{process}", slot.chars().take(room).collect::<String>()))
    }

    /// Removes the slot, and with it the log the server keeps for it.
    pub async fn drop_slot(&mut self, slot: &str) -> Result<(), SourceError> {
        let command = format!("DROP_REPLICATION_SLOT {}", identifier(slot));
        self.query(&command, &format!("drop the replication slot `{slot}`")).await.map(drop)
    }

    /// Begins to stream after `after`. From here on only [`Self::fill`], [`Self::event`],
    /// [`Self::send_status`] and [`Self::finish`] make sense.
    pub async fn start_replication(
        &mut self,
        slot: &str,
        publication: &str,
        after: Lsn,
    ) -> Result<(), SourceError> {
        // The list of publications is parsed as identifiers inside a literal: quoted twice.
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL {after} \
             (proto_version '1', publication_names {}, messages 'true')",
            identifier(slot),
            literal(&identifier(publication)),
        );
        let doing = format!("start replication from the slot `{slot}`");
        frontend::query(&command, self.wire.outgoing())
            .map_err(|e| broken(&doing).with_cause(e))?;
        self.wire.send().await?;
        let started = tokio::time::timeout(QUERY_DEADLINE, self.await_copy_both(&doing)).await;
        started.unwrap_or_else(|_| Err(broken(&format!("{doing}: no answer within 30 s"))))
    }

    async fn await_copy_both(&mut self, doing: &str) -> Result<(), SourceError> {
        loop {
            // `postgres-protocol` does not know this one message, so it is looked at by hand.
            if let Some(tag) = self.wire.peek()? {
                if tag == b'W' {
                    self.wire.frame()?;
                    return Ok(());
                }
                match self.wire.message().await? {
                    Message::ErrorResponse(body) => return Err(server_error(&body, doing)),
                    _ => return Err(undecodable()),
                }
            }
            self.wire.fill().await?;
        }
    }

    /// Reads once. Cancel-safe: what has been read is in the buffer.
    pub async fn fill(&mut self) -> Result<(), SourceError> {
        self.wire.fill().await
    }

    /// The next event that is buffered as a whole; none if more must be read.
    pub fn event(&mut self) -> Result<Option<Event<'_>>, SourceError> {
        let Some(frame) = self.wire.frame()? else { return Ok(None) };
        match frame.tag {
            b'd' => copy_data(frame.body).map(Some).ok_or_else(undecodable),
            b'E' => Err(stream_error(frame.body)),
            b'N' | b'S' | b'A' => Ok(Some(Event::Other)),
            b'c' | b'C' | b'Z' => Err(broken("the server ended the stream")),
            _ => Err(undecodable()),
        }
    }

    /// Tells the server that everything before `confirmed` is durable with us; it may forget it.
    pub async fn send_status(
        &mut self,
        confirmed: Lsn,
        now: Timestamp,
        reply_wanted: bool,
    ) -> Result<(), SourceError> {
        let out = self.wire.outgoing();
        out.put_u8(b'd');
        out.put_u32(4 + 34);
        out.put_u8(b'r');
        // Written, flushed and applied are one and the same: anything less than durable is
        // nothing to the server.
        for _ in 0..3 {
            out.put_u64(confirmed.get());
        }
        out.put_i64(pgoutput::server_micros(now));
        out.put_u8(u8::from(reply_wanted));
        self.wire.send().await
    }

    /// Ends the stream. The server must read our last status before the connection is reset, so
    /// what it still sends is read and forgotten until it closes.
    pub async fn finish(mut self) -> Result<(), SourceError> {
        frontend::copy_done(self.wire.outgoing());
        frontend::terminate(self.wire.outgoing());
        self.wire.send().await?;
        let drained = tokio::time::timeout(GOODBYE_DEADLINE, self.wire.drain()).await;
        if drained.is_err() {
            tracing::debug!("the server was still sending when we left");
        }
        Ok(())
    }
}

/// The body of a `CopyData` message while streaming.
fn copy_data(body: &[u8]) -> Option<Event<'_>> {
    let (kind, body) = body.split_first()?;
    let (first, body) = body.split_first_chunk::<8>()?;
    match kind {
        b'w' => {
            let (_wal_end, body) = body.split_first_chunk::<8>()?;
            let (sent_at, message) = body.split_first_chunk::<8>()?;
            let sent_at = pgoutput::timestamp(i64::from_be_bytes(*sent_at));
            Some(Event::Data { sent_at, message })
        }
        b'k' => {
            let (sent_at, body) = body.split_first_chunk::<8>()?;
            Some(Event::KeepAlive {
                wal_end: Lsn::new(u64::from_be_bytes(*first)),
                sent_at: pgoutput::timestamp(i64::from_be_bytes(*sent_at)),
                reply_wanted: *body.first()? == 1,
            })
        }
        _ => None,
    }
}

fn stream_error(body: &[u8]) -> SourceError {
    let mut message = bytes::BytesMut::new();
    message.put_u8(b'E');
    message.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    message.put_slice(body);
    match Message::parse(&mut message) {
        Ok(Some(Message::ErrorResponse(body))) => server_error(&body, "read the log"),
        _ => undecodable(),
    }
}

fn row(body: &DataRowBody) -> Result<Row, SourceError> {
    let buffer = body.buffer();
    let cells = body.ranges().map(|range| {
        Ok(range.and_then(|range| buffer.get(range)).map(|cell| {
            // Names of objects only; client_encoding is pinned to UTF-8.
            String::from_utf8_lossy(cell).into_owned()
        }))
    });
    cells.collect().map_err(|error| undecodable().with_cause(error))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, SourceError> {
    text.parse().map_err(|_| undecodable())
}

#[cfg(test)]
mod tests;
