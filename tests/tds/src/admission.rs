//! How a client comes in: pre-login, TLS, login.

use std::io::{Error, Result};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::Encryption;
use crate::engine::Session;
use crate::fault::Effect;
use crate::problem::Raised;
use crate::server::Shared;
use crate::wire::login::{self, LoginRequest};
use crate::wire::packet::{self, FIRST_SIZE, LOGIN, PRELOGIN, Writer};
use crate::wire::prelogin::{self, Agreed};
use crate::wire::tls::Framed;
use crate::wire::tokens;

/// A stream that bytes come from and go to.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, however it is encrypted.
pub(crate) type Line = Box<dyn Stream>;

/// Pre-login, TLS as agreed, and the login message.
pub(crate) async fn greet(
    stream: TcpStream,
    shared: &Shared,
) -> Result<(Line, LoginRequest, bool)> {
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
pub(crate) async fn admit(
    mut line: Line,
    shared: &Shared,
    request: LoginRequest,
    encrypted: bool,
) -> Result<(Line, Option<(Session, usize)>)> {
    let size = usize::try_from(request.packet_size).unwrap_or(FIRST_SIZE).clamp(512, 32_767);
    let fault = shared.fault_for_login(&request.user);
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
