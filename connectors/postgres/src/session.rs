//! One SQL session: a client and the task that moves its bytes.
//!
//! Everything but the log itself is read through sessions: the catalog, the checks, the snapshot.
//! A session owns its task; dropping the session ends it, so no half-read result keeps a server
//! process busy.

use std::error::Error as StdError;
use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Connection, NoTls, Row, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{self, CertificateError};
use tracing::Instrument;

use crate::config::PostgresConfig;
use crate::sqlstate::kind_of_sqlstate;
use crate::tls;

/// A dead peer is noticed after idle + retries × interval: two minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 4;

/// How long a goodbye may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// What to do about text that is not UTF-8.
pub(crate) const ENCODING_HINT: &str = "the database holds bytes that its encoding does not vouch \
     for (see its server_encoding; SQL_ASCII checks nothing): correct the rows, or convert the \
     database to UTF-8";

/// A session with pinned settings.
pub struct Session {
    client: Option<Client>,
    driver: JoinHandle<()>,
    version: u32,
}

impl Session {
    /// The client; its calls may overlap, the server answers them in order.
    pub fn client(&self) -> &Client {
        self.client.as_ref().expect("the client is taken only by close, which takes the session")
    }

    /// The server's major version: 15 for `15.18`.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Runs one query and reads its rows. `doing` says for errors what is asked and of what.
    pub(crate) async fn read<T, C>(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        row: impl FnMut(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<C, SourceError>
    where
        C: FromIterator<T>,
    {
        let rows = self.client().query(sql, parameters).await;
        let rows = rows.map_err(|error| server_error(error, doing))?;
        let read = rows.iter().map(row).collect::<Result<_, _>>();
        read.map_err(|error| server_error(error, doing))
    }

    /// Says goodbye to the server and waits, but not for ever, until the last byte is out.
    pub async fn close(mut self) {
        drop(self.client.take());
        // The driver ends by itself once its client is gone. How it ended changes nothing any
        // more, and if it does not end, it is aborted with the session.
        drop(tokio::time::timeout(CLOSE_DEADLINE, &mut self.driver).await);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens a session within the configured time.
pub async fn connect(config: &PostgresConfig) -> Result<Session, SourceError> {
    let opening = async {
        if let Some(tls) = tls::client_config(&config.tls)? {
            open(config, SslMode::Require, MakeRustlsConnect::new((*tls).clone())).await
        } else {
            open(config, SslMode::Disable, NoTls).await
        }
    };
    let session = tokio::time::timeout(config.connect_timeout, Box::pin(opening))
        .await
        .map_err(|_| timed_out(config))??;
    lift_transaction_timeout(&session).await?;
    Ok(session)
}

async fn open<C>(
    config: &PostgresConfig,
    ssl_mode: SslMode,
    connector: C,
) -> Result<Session, SourceError>
where
    C: MakeTlsConnect<Socket>,
    C::Stream: Send + 'static,
{
    let opened = driver_config(config, ssl_mode).connect(connector).await;
    let (client, connection) = opened.map_err(|error| not_connected(config, error))?;
    Ok(drive(config, client, connection))
}

fn driver_config(config: &PostgresConfig, ssl_mode: SslMode) -> Config {
    let mut driver = Config::new();
    driver
        .host(&config.host)
        .port(config.port)
        .dbname(&config.database)
        .user(&config.user)
        .application_name(format!("erpbridge {}", config.source))
        .options(tls::SESSION_OPTIONS)
        .ssl_mode(ssl_mode)
        .connect_timeout(config.connect_timeout)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    if let Some(password) = &config.password {
        driver.password(password.expose());
    }
    driver
}

/// Starts the task that moves the session's bytes.
fn drive<S, T>(config: &PostgresConfig, client: Client, connection: Connection<S, T>) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let version = connection.parameter("server_version").map_or(0, major);
    let span = tracing::info_span!("postgres session", source = %config.source);
    let moving = async move {
        if let Err(error) = connection.await {
            // Whoever waits for an answer is told as well; this line is for the others.
            tracing::debug!(%error, "session ended");
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the session owns, names, aborts and joins it")]
    let driver = tokio::spawn(moving.instrument(span));
    Session { client: Some(client), driver, version }
}

/// `15.18 (Debian 15.18-0+deb12u1)` is 15, and so is `15beta2`.
fn major(version: &str) -> u32 {
    let digits = version.find(|character: char| !character.is_ascii_digit());
    version.get(..digits.unwrap_or(version.len())).and_then(|d| d.parse().ok()).unwrap_or(0)
}

/// Since version 17 a whole transaction can be limited in time; older servers refuse the name of
/// the setting at the start, so it cannot be among the pinned ones.
async fn lift_transaction_timeout(session: &Session) -> Result<(), SourceError> {
    if session.version < 17 {
        return Ok(());
    }
    let lifted = session.client().batch_execute("SET transaction_timeout = 0").await;
    lifted.map_err(|error| server_error(error, "lift transaction_timeout"))
}

fn timed_out(config: &PostgresConfig) -> SourceError {
    let message =
        format!("connect to {}: no answer within {:.0?}", address(config), config.connect_timeout);
    SourceError::new(SourceErrorKind::Connection, message)
        .with_hint("look whether a firewall drops packets to this address")
}

fn address(config: &PostgresConfig) -> String {
    let PostgresConfig { host, port, database, user, .. } = config;
    format!("`{host}` port {port}, database `{database}`, as `{user}`")
}

fn not_connected(config: &PostgresConfig, error: tokio_postgres::Error) -> SourceError {
    let hint = match error.as_db_error() {
        Some(told) => connect_hint(config, told.code().code(), told.message()),
        None => local_hint(config, &error),
    };
    let error = server_error(error, &format!("connect to {}", address(config)));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What a person can do about a connection the server refused.
pub(crate) fn connect_hint(config: &PostgresConfig, code: &str, message: &str) -> Option<String> {
    let PostgresConfig { user, database, .. } = config;
    Some(match code {
        "28P01" => {
            "the password is wrong, or the role has none: set it with ALTER ROLE … PASSWORD \
                    and give the same to the bridge"
                .to_owned()
        }
        "28000" if message.contains("no encryption") => {
            "the server wants TLS from this address: set sslmode=verify-full".to_owned()
        }
        "28000" if message.contains("no pg_hba.conf entry") => format!(
            "add a line for role \"{user}\" and this machine's address to the server's pg_hba.conf"
        ),
        "3D000" => format!("there is no database \"{database}\" on this server"),
        // Older servers write it in one word.
        "42501" if message.contains("walsender") || message.contains("WAL sender") => {
            format!("run: ALTER ROLE {} REPLICATION", crate::sql::identifier(user))
        }
        "42501" => format!(
            "run: GRANT CONNECT ON DATABASE {} TO {}",
            crate::sql::identifier(database),
            crate::sql::identifier(user)
        ),
        "08P01" => "connect to the server itself: a connection pooler cannot carry start-up \
                    options or replication"
            .to_owned(),
        _ => return None,
    })
}

/// Errors on our side of the line, which have no code.
fn local_hint(config: &PostgresConfig, error: &tokio_postgres::Error) -> Option<String> {
    if let Some(refused) = refused_certificate(error) {
        return Some(certificate_hint(refused).to_owned());
    }
    let cause = StdError::source(error).map(ToString::to_string).unwrap_or_default();
    if cause.contains("server does not support TLS") {
        let hint = "the server has no TLS: turn it on there (ssl = on), or set sslmode=disable \
                    where nobody can listen";
        return Some(hint.to_owned());
    }
    cause.contains("password missing").then(|| {
        format!("the server wants a password for \"{}\" and none is configured", config.user)
    })
}

/// Why the server's certificate was refused, if that is what went wrong.
fn refused_certificate(error: &tokio_postgres::Error) -> Option<&CertificateError> {
    let cause = StdError::source(error)?.downcast_ref::<std::io::Error>()?;
    match cause.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(refused) => Some(refused),
        _ => None,
    }
}

fn certificate_hint(refused: &CertificateError) -> &'static str {
    match refused {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate does not bear this host among its subject alternative \
             names: connect by a name it bears, or set sslmode=verify-ca"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or this machine's clock is wrong"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server shows an authority's certificate as its own: let an authority issue one \
             for it"
        }
        _ => {
            "the server's certificate comes from an authority this machine does not trust: give \
             its file as sslrootcert"
        }
    }
}

/// An error of the server or on the way to it. `doing` says what was tried on which object.
///
/// The server's message is repeated, its detail is not: details quote row values.
pub fn server_error(error: tokio_postgres::Error, doing: &str) -> SourceError {
    if let Some(told) = error.as_db_error() {
        return self::told(told.code().code(), told.message(), doing);
    }
    let kind = local_kind(&error);
    let message = format!("{doing}: {error}");
    match error.into_source() {
        Some(cause) => SourceError::new(kind, message).with_cause(cause),
        None => SourceError::new(kind, message),
    }
}

/// What the server said, on whichever kind of connection. Of its words about data nothing is
/// repeated, because they quote the data.
pub(crate) fn told(code: &str, message: &str, doing: &str) -> SourceError {
    let kind = kind_of_sqlstate(code);
    // Byte sequences, and characters, that have no place in UTF-8.
    let unconvertible = matches!(code, "22021" | "22P05");
    let why = match kind {
        SourceErrorKind::Decode if unconvertible => "a value cannot be given as UTF-8 text",
        SourceErrorKind::Decode => "a value was refused",
        _ => message,
    };
    let error = SourceError::new(kind, format!("{doing}: {why} (SQLSTATE {code})"));
    if unconvertible { error.with_hint(ENCODING_HINT) } else { error }
}

/// The kind of an error without a code. The driver tells them apart only by their words.
fn local_kind(error: &tokio_postgres::Error) -> SourceErrorKind {
    let words = error.to_string();
    if words.starts_with("error performing TLS handshake") {
        return tls_kind(error);
    }
    match words.as_str() {
        "invalid configuration" | "authentication error" => SourceErrorKind::Authentication,
        "error communicating with the server"
        | "error connecting to server"
        | "connection closed"
        | "timeout waiting for server" => SourceErrorKind::Connection,
        _ => SourceErrorKind::Decode,
    }
}

/// A handshake cut short is the network; a refused certificate stays refused.
fn tls_kind(error: &tokio_postgres::Error) -> SourceErrorKind {
    let cut_short = StdError::source(error)
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
        .is_some_and(|cause| cause.kind() != std::io::ErrorKind::InvalidData);
    if cut_short { SourceErrorKind::Connection } else { SourceErrorKind::Setup }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_what_stands_before_the_first_point() {
        assert_eq!(major("15.18 (Debian 15.18-0+deb12u1)"), 15);
        assert_eq!(major("18beta1"), 18);
        assert_eq!(major("17"), 17);
        assert_eq!(major("EnterpriseDB"), 0);
    }
}
