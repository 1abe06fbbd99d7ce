//! A connection: the first words, the login, then request after request.
//!
//! Requests run on threads of their own and hand their answer over in pieces; meanwhile the
//! connection listens for the client to take the request back or to go.

use std::io::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Encryption;
use crate::engine::{Batch, Output, Session, Transition};
use crate::fault::Effect;
use crate::problem::{Problem, Raised};
use crate::server::Shared;
use crate::value::Value;
use crate::value::kind::Type;
use crate::wire::login::{self, LoginRequest};
use crate::wire::packet::{
    self, ATTENTION, BATCH, FIRST_SIZE, LOGIN, Message, PRELOGIN, RPC, Writer,
};
use crate::wire::prelogin::{self, Agreed};
use crate::wire::request::{self, Asked};
use crate::wire::tls::Framed;
use crate::wire::tokens;

/// A stream that bytes come from and go to.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Line = Box<dyn Stream>;

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
        self.shared.database.state().end_transaction(self.id);
        self.shared.forget(self.id);
    }
}

/// Pre-login, TLS as agreed, and the login message.
async fn greet(stream: TcpStream, shared: &Shared) -> Result<(Line, LoginRequest, bool)> {
    let tls = || shared.tls.clone().ok_or_else(|| Error::other("no certificate"));
    let mut stream = stream;
    if shared.encryption == Encryption::Strict {
        let mut line: Line = Box::new(tls()?.accept(stream).await?);
        pre_login(&mut line, shared).await?;
        let request = read_login(&mut line).await?;
        return Ok((line, request, true));
    }
    match pre_login(&mut stream, shared).await? {
        Agreed::Clear => {
            let request = read_login(&mut stream).await?;
            Ok((Box::new(stream), request, false))
        }
        agreed => {
            let mut line = tls()?.accept(Framed::new(stream)).await?;
            line.get_mut().0.unframe();
            let request = read_login(&mut line).await?;
            if agreed == Agreed::Login {
                return Ok((Box::new(line.into_inner().0.into_inner()), request, false));
            }
            Ok((Box::new(line), request, true))
        }
    }
}

async fn pre_login(
    line: &mut (impl AsyncRead + AsyncWrite + Unpin),
    shared: &Shared,
) -> Result<Agreed> {
    let message = packet::read(line).await?;
    if message.kind != PRELOGIN {
        return Err(Error::other("a connection that does not begin with pre-login"));
    }
    let wanted = prelogin::wanted(&message.body)?;
    let (encryption, agreed) = prelogin::answer(shared.encryption, wanted);
    let version = shared.database.state().facts.version.clone();
    let mut writer = Writer::new(line, FIRST_SIZE, None);
    writer.write(&prelogin::body(&version, encryption)).await?;
    writer.finish().await?;
    Ok(agreed)
}

async fn read_login(line: &mut (impl AsyncRead + Unpin)) -> Result<LoginRequest> {
    let message = packet::read(line).await?;
    if message.kind != LOGIN {
        return Err(Error::other("no login behind the pre-login"));
    }
    login::read(&message.body)
}

/// Lets the client in, or says why not.
async fn admit(
    mut line: Line,
    shared: &Shared,
    request: LoginRequest,
    encrypted: bool,
) -> Result<(Line, Option<(Session, usize)>)> {
    let size = usize::try_from(request.packet_size).unwrap_or(FIRST_SIZE).clamp(512, 32_767);
    let fault = shared.fault_for(&format!("LOGIN {}", request.user));
    if let Some(Effect::Drop) = fault {
        return Ok((line, None));
    }
    if let Some(effect) = fault {
        shared.suffer(effect).await;
    }
    let refused = match fault {
        Some(Effect::Raise(number)) => Some(Raised::of_fault(number, &request.user)),
        _ => refusal(shared, &request),
    };
    let (name, facts) = {
        let state = shared.database.state();
        (state.data.name.clone(), state.facts.clone())
    };
    let mut writer = Writer::new(&mut line, FIRST_SIZE, fault);
    if let Some(raised) = refused {
        let mut out = Vec::new();
        tokens::error(&mut out, &raised, &facts.name);
        tokens::all_done(&mut out, false, true);
        writer.write(&out).await?;
        writer.finish().await?;
        return Ok((line, None));
    }
    writer.write(&tokens::welcome(&name, size, &facts.version)).await?;
    writer.finish().await?;
    let mut session = Session::new(shared.next_session(), &request.user);
    session.application = request.application;
    session.read_only = request.read_only;
    session.encrypted = encrypted;
    shared.remember(&session);
    Ok((line, Some((session, size))))
}

fn refusal(shared: &Shared, request: &LoginRequest) -> Option<Raised> {
    let state = shared.database.state();
    let known = state.login(&request.user).is_some_and(|login| login.password == request.password);
    if !known {
        return Some(Raised::of_fault(18_456, &request.user));
    }
    let own = &state.data.name;
    let there = request.database.is_empty() || request.database.eq_ignore_ascii_case(own);
    (!there).then(|| Raised::of_fault(4060, &request.database))
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
        let running =
            tokio::task::spawn_blocking(move || work(&shared, &asked, session, &cancelled, sender));
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
