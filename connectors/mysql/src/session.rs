//! One SQL session, with pinned settings.
//!
//! Everything but the log itself is read through sessions: the catalog, the checks, the snapshot.
//! A session is one connection; dropping it hangs up, so no half-read result keeps a server
//! thread busy for longer than its next write.

use std::time::Duration;

use erpbridge_connector::{SourceError, SourceErrorKind};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, IoError, OptsBuilder, Row};

use crate::binlog::Family;
use crate::config::MysqlConfig;
use crate::sqlstate::{DUMP_FAILED, kind_of_errno, of_dump};
use crate::tls;

/// A dead peer is noticed after about two minutes.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// How long a goodbye may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// The largest packet there is: an update of a row carries it twice, and the driver would
/// otherwise take the server's own, smaller limit for ours.
const LARGEST_PACKET: usize = 1 << 30;

/// A session with pinned settings.
pub struct Session {
    conn: Conn,
    family: Family,
    version: (u16, u16, u16),
}

impl Session {
    /// The connection.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// The connection, for good.
    pub(crate) fn into_conn(self) -> Conn {
        self.conn
    }

    /// Whose server it is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The server's version: `(10, 11, 19)`.
    pub fn version(&self) -> (u16, u16, u16) {
        self.version
    }

    /// Whether it calls primaries sources, and its log `BINARY LOG`: `MySQL` since 8.2.
    pub(crate) fn speaks_of_sources(&self) -> bool {
        self.family == Family::MySql && self.version >= (8, 2, 0)
    }

    /// Runs one query and reads its rows. `doing` says for errors what is asked and of what.
    pub(crate) async fn read<T>(
        &mut self,
        doing: &str,
        sql: &str,
        row: impl FnMut(&Row) -> T,
    ) -> Result<Vec<T>, SourceError> {
        let rows: Result<Vec<Row>, _> = self.conn.query(sql).await;
        let rows = rows.map_err(|error| server_error(error, doing))?;
        Ok(rows.iter().map(row).collect())
    }

    /// Runs statements without an answer.
    pub(crate) async fn run(&mut self, doing: &str, sql: &str) -> Result<(), SourceError> {
        self.conn.query_drop(sql).await.map_err(|error| server_error(error, doing))
    }

    /// Says goodbye to the server, but does not wait for ever until the last byte is out.
    pub async fn close(self) {
        drop(tokio::time::timeout(CLOSE_DEADLINE, self.conn.disconnect()).await);
    }
}

/// Opens a session within the configured time.
pub async fn connect(config: &MysqlConfig) -> Result<Session, SourceError> {
    let opening = tokio::time::timeout(config.connect_timeout, Box::pin(open(config)));
    opening.await.unwrap_or_else(|_| Err(timed_out(config)))
}

async fn open(config: &MysqlConfig) -> Result<Session, SourceError> {
    let conn = Conn::new(options(config)?).await;
    let conn = conn.map_err(|error| not_connected(config, error))?;
    let version = conn.server_version();
    let mut session = Session { conn, family: Family::MySql, version };
    let doing = "ask for the server's version";
    let named = session.read(doing, "SELECT VERSION()", |row| row.get::<String, _>(0)).await?;
    if named.into_iter().flatten().any(|version| version.contains("MariaDB")) {
        session.family = Family::MariaDb;
    }
    session.run("pin the session's settings", SETTINGS).await?;
    if let Some(limit) = statement_limit(&session) {
        session.run("lift the limit of a statement", &format!("SET SESSION {limit} = 0")).await?;
    }
    Ok(session)
}

/// How the server calls the time a statement may take, if it knows such a limit.
fn statement_limit(session: &Session) -> Option<&'static str> {
    match session.family {
        Family::MariaDb if session.version >= (10, 1, 1) => Some("max_statement_time"),
        Family::MySql if session.version >= (5, 7, 8) => Some("max_execution_time"),
        _ => None,
    }
}

/// The server or the user may have them otherwise. `time_zone`: a TIMESTAMP prints in it.
/// `sql_mode`: what a quote and a backslash mean, and whether CHAR is padded. Texts come as the bytes
/// of their own columns, as in the log, without being converted on the way. The others are limits
/// that are meant for people: one of them cuts answers short without a word.
const SETTINGS: &str = "SET SESSION time_zone = '+00:00', sql_mode = '', \
                        character_set_results = NULL, \
                        sql_select_limit = 18446744073709551615, sql_big_selects = 1";

fn options(config: &MysqlConfig) -> Result<OptsBuilder, SourceError> {
    Ok(OptsBuilder::default()
        .ip_or_hostname(&config.host)
        .tcp_port(config.port)
        .user(Some(&config.user))
        .pass(config.password.as_ref().map(crate::Secret::expose))
        .db_name(config.database.as_ref())
        .ssl_opts(tls::options(&config.tls)?)
        .tcp_keepalive(Some(KEEPALIVE))
        .prefer_socket(false)
        .max_allowed_packet(Some(LARGEST_PACKET))
        .stmt_cache_size(0))
}

fn timed_out(config: &MysqlConfig) -> SourceError {
    let message =
        format!("connect to {}: no answer within {:.0?}", address(config), config.connect_timeout);
    SourceError::new(SourceErrorKind::Connection, message)
        .with_hint("look whether a firewall drops packets to this address")
}

fn address(config: &MysqlConfig) -> String {
    let MysqlConfig { host, port, user, .. } = config;
    format!("`{host}` port {port} as `{user}`")
}

fn not_connected(config: &MysqlConfig, error: mysql_async::Error) -> SourceError {
    let hint = connect_hint(config, &error);
    let error = server_error(error, &format!("connect to {}", address(config)));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What a person can do about a connection that did not come about.
fn connect_hint(config: &MysqlConfig, error: &mysql_async::Error) -> Option<String> {
    let plugin_hint = |plugin: &str| {
        format!(
            "the server authenticates `{}` by {plugin}, which is not spoken here: run ALTER USER \
             '{}'@'…' IDENTIFIED WITH caching_sha2_password BY '…' (before 8.0: \
             mysql_native_password; MariaDB: ed25519)",
            config.user, config.user
        )
    };
    Some(match error {
        mysql_async::Error::Server(told) => return refused_hint(config, told.code),
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => plugin_hint(name),
        mysql_async::Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            plugin_hint("mysql_old_password")
        }
        mysql_async::Error::Driver(DriverError::CleartextPluginDisabled) => {
            plugin_hint("mysql_clear_password")
        }
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "the server has no TLS: turn it on there (ssl_cert and ssl_key), or set \
             ssl-mode=disabled where nobody can listen"
                .to_owned()
        }
        mysql_async::Error::Io(error) => return tls::failed(error).1.map(str::to_owned),
        _ => return None,
    })
}

fn refused_hint(config: &MysqlConfig, code: u16) -> Option<String> {
    let MysqlConfig { user, database, .. } = config;
    Some(match code {
        1045 | 1698 => format!(
            "the password is wrong, or the server takes another entry for `{user}`: an anonymous \
             user for this host goes before '{user}'@'%'; make the user for this very host"
        ),
        1130 => format!("the server lets no user in from this machine: CREATE USER '{user}'@'…'"),
        1044 => format!(
            "grant `{user}` something in database `{}`, or leave the database out of the URL",
            database.as_deref().unwrap_or_default()
        ),
        1049 => "there is no database of this name: correct the URL, or leave it out".to_owned(),
        1129 => {
            "too many connections from this machine broke off: run FLUSH HOSTS there".to_owned()
        }
        3159 => "the server wants TLS: set ssl-mode=verify_identity".to_owned(),
        1820 | 1862 => format!("the password of `{user}` has expired: run ALTER USER"),
        _ => return None,
    })
}

/// An error of the server or on the way to it. `doing` says what was tried on which object.
///
/// The server's words are repeated, but not those about a value, which quote it.
pub fn server_error(error: mysql_async::Error, doing: &str) -> SourceError {
    match error {
        mysql_async::Error::Server(told) if told.code == DUMP_FAILED => of_dump(&told.message),
        mysql_async::Error::Server(told) => {
            let kind = kind_of_errno(told.code);
            let why = match kind {
                SourceErrorKind::Decode => "a value was refused",
                _ => &told.message,
            };
            SourceError::new(kind, format!("{doing}: {why} (error {})", told.code))
        }
        mysql_async::Error::Driver(error) => driver_error(error, doing),
        mysql_async::Error::Io(IoError::Io(error)) => {
            let (kind, _) = tls::failed(&error);
            SourceError::new(kind, doing).with_cause(error)
        }
        mysql_async::Error::Io(IoError::Tls(error)) => {
            let message = format!("{doing}: TLS cannot be set up");
            SourceError::new(SourceErrorKind::Setup, message).with_cause(error)
        }
        other => SourceError::new(SourceErrorKind::Setup, doing).with_cause(other),
    }
}

fn driver_error(error: DriverError, doing: &str) -> SourceError {
    let kind = match &error {
        DriverError::ConnectionClosed | DriverError::PoolDisconnected => {
            SourceErrorKind::Connection
        }
        DriverError::UnknownAuthPlugin { .. }
        | DriverError::MysqlOldPasswordDisabled
        | DriverError::CleartextPluginDisabled => SourceErrorKind::Authentication,
        DriverError::NoClientSslFlagFromServer | DriverError::NoKeyFound => SourceErrorKind::Setup,
        DriverError::PacketTooLarge => SourceErrorKind::TooLarge,
        // Its words would print what the server sent.
        DriverError::UnexpectedPacket { .. } => {
            let message = format!("{doing}: the server's answer makes no sense");
            return SourceError::new(SourceErrorKind::Decode, message);
        }
        _ => SourceErrorKind::Decode,
    };
    SourceError::new(kind, doing).with_cause(error)
}
