//! From a connected socket to a session that takes commands: start-up and authentication.

use erpbridge_connector::{SourceError, SourceErrorKind};
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::wire::{Wire, code_and_message, server_error, undecodable};
use crate::config::PostgresConfig;
use crate::session;
use crate::tls::SESSION_OPTIONS;

/// Introduces us and waits until the server is ready for a command.
pub(super) async fn log_in(wire: &mut Wire, config: &PostgresConfig) -> Result<(), SourceError> {
    introduce(wire, config).await?;
    authenticate(wire, config).await?;
    loop {
        match wire.message().await? {
            Message::BackendKeyData(_) => {}
            Message::ReadyForQuery(_) => return Ok(()),
            Message::ErrorResponse(body) => return Err(refused(config, &body)),
            _ => return Err(undecodable()),
        }
    }
}

async fn introduce(wire: &mut Wire, config: &PostgresConfig) -> Result<(), SourceError> {
    let name = format!("erpbridge {}", config.source);
    let parameters = [
        ("user", config.user.as_str()),
        ("database", config.database.as_str()),
        ("options", SESSION_OPTIONS),
        ("application_name", name.as_str()),
        ("client_encoding", "UTF8"),
        ("replication", "database"),
    ];
    frontend::startup_message(parameters, wire.outgoing()).map_err(unsendable)?;
    wire.send().await
}

async fn authenticate(wire: &mut Wire, config: &PostgresConfig) -> Result<(), SourceError> {
    match wire.message().await? {
        Message::AuthenticationOk => return Ok(()),
        Message::AuthenticationCleartextPassword => {
            frontend::password_message(password(config)?, wire.outgoing()).map_err(unsendable)?;
            wire.send().await?;
        }
        Message::AuthenticationMd5Password(body) => {
            let hash = md5_hash(config.user.as_bytes(), password(config)?, body.salt());
            frontend::password_message(hash.as_bytes(), wire.outgoing()).map_err(unsendable)?;
            wire.send().await?;
        }
        Message::AuthenticationSasl(body) => scram(wire, config, &body).await?,
        Message::ErrorResponse(body) => return Err(refused(config, &body)),
        _ => {
            return Err(not_spoken("the server asks for a kind of authentication we do not speak"));
        }
    }
    match wire.message().await? {
        Message::AuthenticationOk => Ok(()),
        Message::ErrorResponse(body) => Err(refused(config, &body)),
        _ => Err(undecodable()),
    }
}

/// SCRAM proves the password without sending it; with channel binding it also proves that the
/// TLS session ends at a server that knows it.
async fn scram(
    wire: &mut Wire,
    config: &PostgresConfig,
    offered: &AuthenticationSaslBody,
) -> Result<(), SourceError> {
    let (mechanism, binding) = mechanism(wire.endpoint(), offered)?;
    let mut scram = ScramSha256::new(password(config)?, binding);
    frontend::sasl_initial_response(mechanism, scram.message(), wire.outgoing())
        .map_err(unsendable)?;
    wire.send().await?;
    match wire.message().await? {
        Message::AuthenticationSaslContinue(body) => scram.update(body.data()).map_err(failed)?,
        Message::ErrorResponse(body) => return Err(refused(config, &body)),
        _ => return Err(undecodable()),
    }
    frontend::sasl_response(scram.message(), wire.outgoing()).map_err(unsendable)?;
    wire.send().await?;
    match wire.message().await? {
        Message::AuthenticationSaslFinal(body) => scram.finish(body.data()).map_err(failed),
        Message::ErrorResponse(body) => Err(refused(config, &body)),
        _ => Err(undecodable()),
    }
}

fn mechanism(
    endpoint: Option<Vec<u8>>,
    offered: &AuthenticationSaslBody,
) -> Result<(&'static str, ChannelBinding), SourceError> {
    let offered: Vec<&str> = offered.mechanisms().collect().map_err(failed)?;
    match endpoint {
        Some(endpoint) if offered.contains(&SCRAM_SHA_256_PLUS) => {
            Ok((SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(endpoint)))
        }
        // Saying "I could have" lets the server notice that somebody took its offer away.
        Some(_) if offered.contains(&SCRAM_SHA_256) => {
            Ok((SCRAM_SHA_256, ChannelBinding::unrequested()))
        }
        None if offered.contains(&SCRAM_SHA_256) => {
            Ok((SCRAM_SHA_256, ChannelBinding::unsupported()))
        }
        _ => Err(not_spoken("the server offers no SCRAM mechanism that we speak")),
    }
}

fn password(config: &PostgresConfig) -> Result<&[u8], SourceError> {
    let password = config.password.as_ref().map(|password| password.expose().as_bytes());
    password.ok_or_else(|| {
        let message = format!("the server wants a password for `{}`, none is set", config.user);
        SourceError::new(SourceErrorKind::Authentication, message)
            .with_hint("configure the password, or let the role in without one in pg_hba.conf")
    })
}

fn refused(
    config: &PostgresConfig,
    body: &postgres_protocol::message::backend::ErrorResponseBody,
) -> SourceError {
    let PostgresConfig { host, port, database, user, .. } = config;
    let doing = format!("connect to `{host}` port {port}, database `{database}`, as `{user}`");
    let (code, message) = code_and_message(body);
    match session::connect_hint(config, &code, &message) {
        Some(hint) => session::told(&code, &message, &doing).with_hint(hint),
        None => server_error(body, &doing),
    }
}

fn not_spoken(what: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Authentication, what)
        .with_hint("let the role in by scram-sha-256, md5, password, a certificate or trust")
}

fn failed(error: std::io::Error) -> SourceError {
    SourceError::new(SourceErrorKind::Authentication, "the password exchange failed")
        .with_cause(error)
        .with_hint("the server could not prove that it knows the password: is it the right one?")
}

/// A name with a zero byte, or longer than a message.
fn unsendable(error: std::io::Error) -> SourceError {
    SourceError::new(SourceErrorKind::Setup, "a name or the password cannot be sent to a server")
        .with_cause(error)
}
