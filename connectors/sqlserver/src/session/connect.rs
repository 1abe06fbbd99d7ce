//! How a session is opened: name, socket, encryption, login, settings.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};
use socket2::{SockRef, TcpKeepalive};
use tiberius::{AuthMethod, Client};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::{Driver, Session, failure, told};
use crate::config::{SqlServerConfig, TlsMode};
use crate::sql::identifier;
use crate::tls;

/// A dead peer is noticed after idle + retries × interval: two minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 4;

/// A secondary may send us on to where it wants to be read; once is enough.
const ROUTES: usize = 2;

/// Opens a session within the configured time.
pub async fn connect(config: &SqlServerConfig) -> Result<Session, SourceError> {
    let opening = Box::pin(open(config));
    let driver = tokio::time::timeout(config.connect_timeout, opening)
        .await
        .map_err(|_| timed_out(config))??;
    let mut session = Session::new(driver, config.query_timeout);
    session.run("set up the session", &settings(config)).await?;
    Ok(session)
}

/// What every session sets. Whoever waits for a lock gives up before anybody notices, whoever is
/// in a deadlock with us goes on, long values are not cut, and dates mean the same everywhere.
fn settings(config: &SqlServerConfig) -> String {
    let lock_timeout = config.lock_timeout.as_millis();
    format!(
        "SET LOCK_TIMEOUT {lock_timeout}; SET DEADLOCK_PRIORITY LOW; SET TEXTSIZE 2147483647; \
         SET DATEFORMAT ymd; SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
    )
}

async fn open(config: &SqlServerConfig) -> Result<Driver, SourceError> {
    let (mut host, mut port) = (config.host.clone(), config.port);
    for _ in 0..ROUTES {
        match Box::pin(open_at(config, &host, port)).await? {
            Opened::Here(driver) => return Ok(*driver),
            Opened::Elsewhere(other) => (host, port) = other,
        }
    }
    let message = format!("connect to {}: the server sends us on and on", address(config));
    Err(SourceError::new(SourceErrorKind::Setup, message)
        .with_hint("look at the read-only routing list of the availability group"))
}

/// What a server made of a login.
enum Opened {
    Here(Box<Driver>),
    /// It wants to be read elsewhere.
    Elsewhere((String, u16)),
}

async fn open_at(config: &SqlServerConfig, host: &str, port: u16) -> Result<Opened, SourceError> {
    let driver = driver_config(config, host, port)?;
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.and_then(|stream| keep_alive(&stream).map(|()| stream));
    let stream = stream.map_err(|error| {
        let message = format!("connect to {}", address(config));
        SourceError::new(SourceErrorKind::Connection, message).with_cause(error)
    })?;
    match Box::pin(Client::connect(driver, stream.compat_write())).await {
        Ok(client) => Ok(Opened::Here(Box::new(client))),
        Err(tiberius::error::Error::Routing { host, port }) => Ok(Opened::Elsewhere((host, port))),
        Err(error) => Err(not_connected(config, error)),
    }
}

fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn driver_config(
    config: &SqlServerConfig,
    host: &str,
    port: u16,
) -> Result<tiberius::Config, SourceError> {
    let mut driver = tiberius::Config::new();
    driver.host(host);
    driver.port(port);
    driver.database(&config.database);
    driver.application_name(format!("erpbridge {}", config.source));
    driver.readonly(config.read_only);
    // Deadlines are ours; the library knows only one between two tokens.
    driver.handshake_timeout(None);
    driver.command_timeout(None);
    // Half a surrogate pair, which an ERP leaves behind when it cuts a text to its column, must
    // not make a whole table unreadable.
    driver.lossy_utf16_decoding(true);
    tls::configure(&mut driver, config)?;
    let password = config.password.as_ref().map_or("", |password| password.expose());
    driver.authentication(AuthMethod::sql_server(&config.user, password));
    Ok(driver)
}

fn timed_out(config: &SqlServerConfig) -> SourceError {
    let message =
        format!("connect to {}: no answer within {:.0?}", address(config), config.connect_timeout);
    let hint = match config.tls.mode {
        TlsMode::Disable => {
            "look whether a firewall drops packets to this address, and whether \
                             the server insists on encryption (then set encrypt=required)"
        }
        _ => {
            "look whether a firewall drops packets to this address, and whether the server is \
              too old for TLS 1.2"
        }
    };
    SourceError::new(SourceErrorKind::Connection, message).with_hint(hint)
}

fn address(config: &SqlServerConfig) -> String {
    let SqlServerConfig { host, port, database, user, .. } = config;
    format!("`{host}` port {port}, database `{database}`, as `{user}`")
}

fn not_connected(config: &SqlServerConfig, error: tiberius::error::Error) -> SourceError {
    let local = local_hint(config, &error);
    let error = failure::server_error(error, &format!("connect to {}", address(config)));
    let hint = told(&error).and_then(|number| login_hint(config, number)).or(local);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What a person can do about a login the server refused.
fn login_hint(config: &SqlServerConfig, number: u32) -> Option<String> {
    let SqlServerConfig { user, database, .. } = config;
    Some(match number {
        18_456 => "the login or its password is wrong, or the server takes Windows logins only: \
                   look into the server's error log, which names the state"
            .to_owned(),
        18_470 => format!("the login is disabled, run: ALTER LOGIN {} ENABLE", identifier(user)),
        18_487 | 18_488 => format!("the password has expired: set a new one for \"{user}\""),
        4060 => format!(
            "there is no database \"{database}\" on this server, or \"{user}\" has no user in it: \
             run in it CREATE USER {user} FOR LOGIN {user}",
            user = identifier(user)
        ),
        916 => format!("\"{user}\" has no user in database \"{database}\": create one there"),
        _ => return None,
    })
}

/// What a person can do about an error on our side of the line.
fn local_hint(config: &SqlServerConfig, error: &tiberius::error::Error) -> Option<String> {
    let words = error.to_string();
    let hint = match error {
        tiberius::error::Error::Tls(_)
            if words.contains("NotValidForName") || words.contains("not valid for name") =>
        {
            "the server's certificate does not bear this host among its names: connect by a name \
             it bears, or give that name as host_in_certificate"
        }
        tiberius::error::Error::Tls(_) if words.contains("certificate") => {
            "the server's certificate comes from an authority this machine does not trust, as the \
             one a server makes for itself always does: give the authority's file as ca_file"
        }
        tiberius::error::Error::Tls(_) => {
            "the server offers no TLS 1.2: install the server's updates, or see the README about \
             old servers"
        }
        error if failure::lacks_encryption(error) => {
            "the server has no encryption: install a certificate there, or set encrypt=disable \
             where nobody can listen"
        }
        // A server that forces encryption hangs up on a client without, and says no more.
        tiberius::error::Error::Io { .. } | tiberius::error::Error::Protocol(_)
            if config.tls.mode == TlsMode::Disable =>
        {
            "if this happens at every try, the server insists on encryption: set encrypt=required"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
