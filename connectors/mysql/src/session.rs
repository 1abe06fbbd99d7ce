//! One SQL session, with pinned settings.

use erpbridge_connector::{SourceError, SourceErrorKind};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};

use crate::binlog::Family;
use crate::config::MysqlConfig;

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

    /// Says goodbye.
    pub async fn close(self) {
        drop(self.conn.disconnect().await);
    }
}

/// Opens a session within the configured time.
pub async fn connect(config: &MysqlConfig) -> Result<Session, SourceError> {
    let options = mysql_async::Opts::from_url(&config.url).expect("a url");
    let options = OptsBuilder::from_opts(options)
        .prefer_socket(false)
        .max_allowed_packet(Some(1 << 30))
        .stmt_cache_size(0);
    let conn = Conn::new(options).await.map_err(|error| server_error(error, "connect"))?;
    let version = conn.server_version();
    let mut session = Session { conn, family: Family::MySql, version };
    let named = session.read("ask", "SELECT VERSION()", |row| row.get::<String, _>(0)).await?;
    if named.into_iter().flatten().any(|version| version.contains("MariaDB")) {
        session.family = Family::MariaDb;
    }
    session
        .run("pin the session's settings", "SET SESSION time_zone = '+00:00', sql_mode = ''")
        .await?;
    Ok(session)
}

/// An error of the server or on the way to it. `doing` says what was tried on which object.
pub fn server_error(error: mysql_async::Error, doing: &str) -> SourceError {
    let kind = match &error {
        mysql_async::Error::Server(told) => match told.code {
            1205 | 1213 | 1040 | 1412 => SourceErrorKind::Busy,
            1044 | 1142 | 1143 | 1227 | 1370 => SourceErrorKind::Privilege,
            1045 => SourceErrorKind::Authentication,
            _ => SourceErrorKind::Setup,
        },
        _ => SourceErrorKind::Connection,
    };
    SourceError::new(kind, doing.to_owned()).with_cause(error)
}
