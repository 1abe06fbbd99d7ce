//! A connection: request after request, once the client is let in.
//!
//! Requests run on threads of their own and hand their answer over in pieces; meanwhile the
//! connection listens for the client to take the request back or to go.

use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::admission::{Line, admit, greet};
use crate::engine::{Batch, Output, Session, Transition};
use crate::fault::Effect;
use crate::problem::{Problem, Raised};
use crate::server::Shared;
use crate::value::Value;
use crate::value::kind::Type;
use crate::wire::packet::{self, ATTENTION, BATCH, Message, RPC, Writer};
use crate::wire::request::{self, Asked};
use crate::wire::tokens;

/// How much of an answer is handed over at once, and how many pieces may wait.
const PIECE: usize = 32 * 1024;
const PIECES: usize = 4;
/// What is reported where SQL Server would have answered.
const NOT_UNDERSTOOD: u32 = 50_999;

/// Serves one client until it goes.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (line, request, encrypted) = greet(stream, &shared).await?;
    let (mut line, session) = admit(line, &shared, request, encrypted).await?;
    let Some((session, size)) = session else { return line.flush().await };
    let guard = SessionGuard { shared: Arc::clone(&shared), id: session.id };
    let (reader, writer) = split(line);
    let (reader, _reading) = messages(reader);
    let served = Served { shared, reader, writer, size };
    let ended = served.requests(session).await;
    drop(guard);
    ended
}

/// A session that is gone holds nothing any more.
struct SessionGuard {
    shared: Arc<Shared>,
    id: u16,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.shared.forget(self.id);
        self.shared.database.state().end_transaction(self.id);
    }
}

/// Ends the transaction of a session that is gone.
struct Leftovers {
    shared: Arc<Shared>,
    id: u16,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if !self.shared.knows(self.id) {
            self.shared.database.state().end_transaction(self.id);
        }
    }
}

/// What the client sends, read by a task of its own so that nothing is lost while we write. The
/// task goes with the set: a connection is closed only when nobody holds a half of it.
fn messages(mut reader: ReadHalf<Line>) -> (mpsc::Receiver<Message>, JoinSet<()>) {
    let (sender, receiver) = mpsc::channel(2);
    let reading = async move {
        while let Ok(message) = packet::read(&mut reader).await {
            if sender.send(message).await.is_err() {
                return;
            }
        }
    };
    let mut task = JoinSet::new();
    task.spawn(reading);
    (receiver, task)
}

struct Served {
    shared: Arc<Shared>,
    reader: mpsc::Receiver<Message>,
    writer: WriteHalf<Line>,
    size: usize,
}

impl Served {
    async fn requests(mut self, mut session: Session) -> Result<()> {
        while let Some(message) = self.reader.recv().await {
            let asked = match message.kind {
                BATCH => Ok(request::batch(&message.body)?),
                RPC => request::call(&message.body)?,
                ATTENTION => {
                    self.acknowledge().await?;
                    continue;
                }
                kind => Err(format!("a message of the kind 0x{kind:02x}")),
            };
            session = match asked {
                Ok(asked) => self.answer(asked, session).await?,
                Err(unknown) => {
                    self.shared.misunderstood(&unknown);
                    self.refuse(&Raised::new(NOT_UNDERSTOOD, unknown), false).await?;
                    session
                }
            };
            self.shared.remember(&session);
        }
        Ok(())
    }

    /// The client wants nothing more of what it asked.
    async fn acknowledge(&mut self) -> Result<()> {
        let mut out = Vec::new();
        tokens::attention_done(&mut out);
        let mut writer = Writer::new(&mut self.writer, self.size, None);
        writer.write(&out).await?;
        writer.finish().await
    }

    async fn refuse(&mut self, raised: &Raised, call: bool) -> Result<()> {
        let mut out = Vec::new();
        let server = self.shared.database.state().facts.name.clone();
        tokens::error(&mut out, raised, &server);
        tokens::all_done(&mut out, call, true);
        let mut writer = Writer::new(&mut self.writer, self.size, None);
        writer.write(&out).await?;
        writer.finish().await
    }

    /// Runs a request with the fault that waits for it.
    async fn answer(&mut self, asked: Asked, session: Session) -> Result<Session> {
        self.shared.note(&session, &asked);
        let fault = self.shared.fault_for(&asked.sql);
        match fault {
            Some(Effect::Drop) => return Err(Error::other("dropped by a fault")),
            Some(effect @ (Effect::Stall | Effect::Delay(_))) => {
                // Until it is over; a message meanwhile is an attention, or the client going.
                let taken_back = tokio::select! {
                    () = self.shared.suffer(effect) => false,
                    message = self.reader.recv() => match message {
                        Some(_) => true,
                        None => return Err(Error::other("the client went")),
                    },
                };
                if taken_back {
                    self.acknowledge().await?;
                    return Ok(session);
                }
            }
            Some(Effect::Raise(number)) => {
                let mut session = session;
                let raised = Raised::of_fault(number, "");
                self.raise(&raised, &mut session, asked.call).await?;
                return Ok(session);
            }
            _ => {}
        }
        self.run(asked, session, fault).await
    }

    /// Raises the error of a fault; a deadlock ends the transaction.
    async fn raise(&mut self, raised: &Raised, session: &mut Session, call: bool) -> Result<()> {
        let mut out = Vec::new();
        if raised.number == 1205 && session.depth > 0 {
            self.shared.database.state().end_transaction(session.id);
            session.depth = 0;
            session.snapshot = None;
            tokens::transition(&mut out, Transition::RolledBack);
        }
        let server = self.shared.database.state().facts.name.clone();
        tokens::error(&mut out, raised, &server);
        tokens::all_done(&mut out, call, true);
        let mut writer = Writer::new(&mut self.writer, self.size, None);
        writer.write(&out).await?;
        writer.finish().await
    }

    async fn run(
        &mut self,
        asked: Asked,
        session: Session,
        fault: Option<Effect>,
    ) -> Result<Session> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let guard = Cancel(Arc::clone(&cancelled));
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let shared = Arc::clone(&self.shared);
        let running = tokio::task::spawn_blocking(move || {
            // If the client goes meanwhile, nobody else lets go what the request locks after that.
            let guard = Leftovers { shared: Arc::clone(&shared), id: session.id };
            let done = work(&shared, &asked, session, &cancelled, sender);
            drop(guard);
            done
        });
        let mut writer = Writer::new(&mut self.writer, self.size, fault);
        let mut attention = false;
        loop {
            tokio::select! {
                // A piece that was received is written before anything else is looked at.
                piece = pieces.recv() => match piece {
                    Some(piece) if !attention => writer.write(&piece).await?,
                    Some(_) => {}
                    None => break,
                },
                message = self.reader.recv(), if !attention => match message {
                    Some(Message { kind: ATTENTION, .. }) => {
                        attention = true;
                        guard.0.store(true, Ordering::Relaxed);
                    }
                    Some(_) => return Err(Error::other("a request while another is running")),
                    None => return Err(Error::other("the client went")),
                },
            }
        }
        let session = running.await.map_err(Error::other)?;
        if attention {
            let mut out = Vec::new();
            tokens::attention_done(&mut out);
            writer.write(&out).await?;
        }
        writer.finish().await?;
        Ok(session)
    }
}

/// Takes the request back when the connection ends in the middle of it.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a request to its end, on a thread where it may wait.
fn work(
    shared: &Shared,
    asked: &Asked,
    mut session: Session,
    cancelled: &Arc<AtomicBool>,
    sender: mpsc::Sender<Vec<u8>>,
) -> Session {
    let mut answer = Answer { sender, out: Vec::new(), columns: Vec::new(), call: asked.call };
    let batch = Batch::new(&shared.database, &mut session, cancelled, &mut answer);
    let done = batch.run(&asked.sql, &asked.parameters);
    let raised = match done {
        Ok(()) => None,
        Err(Problem::Cancelled) => return session,
        Err(Problem::Raised(raised)) => Some(raised),
        Err(Problem::Misunderstood(why)) => {
            shared.misunderstood(&format!("{why}, in: {}", asked.sql));
            Some(Raised::new(
                NOT_UNDERSTOOD,
                format!("the scripted server does not understand: {why}"),
            ))
        }
    };
    if let Some(raised) = &raised {
        tokens::error(&mut answer.out, raised, &shared.database.state().facts.name.clone());
    }
    tokens::all_done(&mut answer.out, asked.call, raised.is_some());
    // Nobody is there to hear it if this fails.
    drop(answer.hand_over());
    session
}

/// An answer as it grows.
struct Answer {
    sender: mpsc::Sender<Vec<u8>>,
    out: Vec<u8>,
    columns: Vec<(String, Type)>,
    call: bool,
}

impl Answer {
    fn hand_over(&mut self) -> crate::problem::Result<()> {
        let piece = std::mem::take(&mut self.out);
        self.sender.blocking_send(piece).map_err(|_| Problem::Cancelled)
    }
}

impl Output for Answer {
    fn columns(&mut self, columns: &[(String, Type)]) -> crate::problem::Result<()> {
        self.columns = columns.to_vec();
        tokens::columns(&mut self.out, columns)
    }

    fn row(&mut self, row: &[Value]) -> crate::problem::Result<()> {
        let begin = self.out.len();
        let put = tokens::row(&mut self.out, row, &self.columns);
        if put.is_err() {
            // Half a row would be read as something else.
            self.out.truncate(begin);
        }
        put?;
        if self.out.len() < PIECE { Ok(()) } else { self.hand_over() }
    }

    fn done(&mut self, rows: Option<u64>) -> crate::problem::Result<()> {
        tokens::statement_done(&mut self.out, self.call, rows);
        Ok(())
    }

    fn transition(&mut self, transition: Transition) -> crate::problem::Result<()> {
        tokens::transition(&mut self.out, transition);
        Ok(())
    }
}
