//! What the checks judge, read from the server in a few queries.

use std::time::Duration;

use erpbridge_connector::{
    SourceError, SourceErrorKind, TableName, TableSelection, Timestamp, similar_table,
};

use crate::catalog::{self, CapturedColumn, Instance, TableColumn};
use crate::change_tables::{Commit, newest};
use crate::error_number::INVALID_OBJECT;
use crate::session::{Parameter, Row, Session, told};
use crate::{retention, sql};

/// The whole picture.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) server: Server,
    pub(super) capture: Capture,
    /// Whether the Agent runs; none where that is not told.
    pub(super) agent_runs: Option<bool>,
    /// The newest captured commit, and the server's time.
    pub(super) newest: Option<(Commit, Timestamp)>,
    /// How long changes are kept; none where that is not told.
    pub(super) retention: Option<Duration>,
    /// What went wrong with capture lately.
    pub(super) capture_error: Option<CaptureError>,
    /// How many bytes of a large value may be captured; -1 for any number.
    pub(super) largest_value: Option<i64>,
    /// Wanted tables we may see.
    pub(super) tables: Vec<Table>,
    /// Names the mappings use outright and we see no table of, each with the nearest that is.
    pub(super) missing: Vec<(TableName, Option<TableName>)>,
}

/// The server and our login on it.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) version: Vec<u32>,
    /// 2 Standard, 3 Enterprise, 4 Express, 5 Azure SQL Database, 8 a managed instance.
    pub(super) edition: i64,
    pub(super) edition_name: String,
    pub(super) snapshots_allowed: bool,
    /// Whether it may ask for the place of a transaction in the log.
    pub(super) sees_transactions: bool,
    /// The user's name in the database.
    pub(super) user: String,
    /// The login's on the server.
    pub(super) login: String,
}

/// The edition without a server of its own.
pub(super) const AZURE: i64 = 5;

/// What is there of change data capture.
#[derive(Debug, Default)]
pub(super) enum Capture {
    /// Not enabled in this database.
    #[default]
    Off,
    /// We may not read it.
    Hidden,
    /// All instances.
    On(Vec<Instance>),
}

#[derive(Debug)]
pub(super) struct CaptureError {
    pub(super) minutes_ago: i64,
    pub(super) number: i64,
    pub(super) message: String,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: TableName,
    pub(super) columns: Vec<TableColumn>,
    pub(super) key: Vec<String>,
    pub(super) readable: bool,
    /// Its instances from the oldest to the newest, with what the newest captures.
    pub(super) instances: Vec<Instance>,
    pub(super) rights: Vec<Rights>,
    pub(super) captured: Vec<CapturedColumn>,
}

/// What this login may do with an instance of a table, in the order of the instances.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) readable: bool,
    /// Whether it is in the role the instance was enabled for; none where there is no such role.
    pub(super) member: Option<bool>,
}

impl Facts {
    /// Whether this edition in this version has change data capture at all.
    pub(super) fn has_feature(&self) -> bool {
        match self.server.edition {
            // Standard and Web since 2016 SP1.
            2 => self.server.version.as_slice() >= [13, 0, 4001].as_slice(),
            4 => false,
            _ => true,
        }
    }
}

pub(super) async fn read(
    session: &mut Session,
    selection: &dyn TableSelection,
) -> Result<Facts, SourceError> {
    let mut facts = Facts { server: server(session).await?, ..Facts::default() };
    facts.capture = capture(session).await?;
    facts.agent_runs = told_or_not(agent(session).await, session)?.flatten();
    if let Capture::On(instances) = &facts.capture {
        let (tables, missing) = tables(session, selection, instances).await?;
        (facts.tables, facts.missing) = (tables, missing);
        facts.newest = newest(session).await?;
        facts.retention = retention::read(session).await?;
        facts.capture_error = told_or_not(capture_error(session).await, session)?.flatten();
    } else {
        (facts.tables, facts.missing) = tables(session, selection, &[]).await?;
    }
    facts.largest_value = told_or_not(largest_value(session).await, session)?.flatten();
    Ok(facts)
}

/// What the server does not tell us, or does not have, is none.
fn told_or_not<T>(
    answer: Result<T, SourceError>,
    session: &Session,
) -> Result<Option<T>, SourceError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if session.is_usable() => {
            tracing::debug!(%error, "not told");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// <https://learn.microsoft.com/en-us/sql/t-sql/functions/serverproperty-transact-sql>
const SERVER: &str = "
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
       CAST(SERVERPROPERTY('EngineEdition') AS int),
       CAST(SERVERPROPERTY('Edition') AS nvarchar(128)),
       d.snapshot_isolation_state,
       HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE'),
       USER_NAME(), SUSER_SNAME(),
       HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DATABASE STATE')
FROM sys.databases AS d
WHERE d.name = DB_NAME()";

async fn server(session: &mut Session) -> Result<Server, SourceError> {
    let row = session.row("ask the server about itself", SERVER, &[]).await?;
    let Some(row) = row else { return Ok(Server::default()) };
    let edition = row.integer(1).unwrap_or_default();
    let version = row.text(0).unwrap_or_default().split('.');
    Ok(Server {
        version: version.map_while(|part| part.parse().ok()).collect(),
        edition,
        edition_name: row.string(2),
        snapshots_allowed: row.integer(3) == Some(1),
        // The cloud's server is shared, so the right is the database's there.
        sees_transactions: row.flag(if edition == AZURE { 7 } else { 4 }),
        user: row.string(5),
        login: row.string(6),
    })
}

async fn capture(session: &mut Session) -> Result<Capture, SourceError> {
    match catalog::instances(session).await {
        Ok(instances) => Ok(Capture::On(instances)),
        Err(error) if error.kind() == SourceErrorKind::Privilege => Ok(Capture::Hidden),
        Err(error) if is_missing(&error) => {
            // What may not be seen is told as if it were not there.
            Ok(if enabled(session).await? { Capture::Hidden } else { Capture::Off })
        }
        Err(error) => Err(error),
    }
}

fn is_missing(error: &SourceError) -> bool {
    let cause = std::error::Error::source(error).and_then(|c| c.downcast_ref::<SourceError>());
    cause.or(Some(error)).and_then(told) == Some(INVALID_OBJECT)
}

const ENABLED: &str = "SELECT d.is_cdc_enabled FROM sys.databases AS d WHERE d.name = DB_NAME()";

async fn enabled(session: &mut Session) -> Result<bool, SourceError> {
    let row = session.row("ask whether capture is enabled", ENABLED, &[]).await?;
    Ok(row.is_some_and(|row| row.flag(0)))
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/sys-dm-server-services-transact-sql>
const AGENT: &str = "
SELECT s.status FROM sys.dm_server_services AS s WHERE s.servicename LIKE N'SQL Server Agent%'";

async fn agent(session: &mut Session) -> Result<Option<bool>, SourceError> {
    let row = session.row("ask whether the Agent runs", AGENT, &[]).await?;
    Ok(row.and_then(|row| row.integer(0)).map(|status| status == 4))
}

/// <https://learn.microsoft.com/en-us/sql/relational-databases/system-dynamic-management-views/change-data-capture-sys-dm-cdc-errors>
const CAPTURE_ERROR: &str = "
SELECT TOP (1) DATEDIFF(minute, e.entry_time, GETDATE()), e.error_number, e.error_message
FROM sys.dm_cdc_errors AS e
ORDER BY e.entry_time DESC";

async fn capture_error(session: &mut Session) -> Result<Option<CaptureError>, SourceError> {
    let row = session.row("look for errors of capture", CAPTURE_ERROR, &[]).await?;
    Ok(row.map(|row| CaptureError {
        minutes_ago: row.integer(0).unwrap_or_default(),
        number: row.integer(1).unwrap_or_default(),
        message: row.string(2),
    }))
}

/// <https://learn.microsoft.com/en-us/sql/database-engine/configure-windows/configure-the-max-text-repl-size-server-configuration-option>
const LARGEST_VALUE: &str = "
SELECT CAST(c.value_in_use AS int) FROM sys.configurations AS c
WHERE c.name = N'max text repl size (B)'";

async fn largest_value(session: &mut Session) -> Result<Option<i64>, SourceError> {
    let row = session.row("ask how large captured values may be", LARGEST_VALUE, &[]).await?;
    Ok(row.and_then(|row| row.integer(0)))
}

type Missing = Vec<(TableName, Option<TableName>)>;

async fn tables(
    session: &mut Session,
    selection: &dyn TableSelection,
    instances: &[Instance],
) -> Result<(Vec<Table>, Missing), SourceError> {
    let all = catalog::tables(session).await?;
    let mut tables = Vec::new();
    for own_name in &all {
        let name = catalog::spelled(own_name.clone(), selection);
        if selection.wants(&name) {
            tables.push(table(session, own_name, name, instances).await?);
        }
    }
    let mut missing: Missing = Vec::new();
    for name in selection.named() {
        let found = tables.iter().any(|table| table.name == name);
        if !found && !missing.iter().any(|(known, _)| *known == name) {
            let near = similar_table(&name, &all).cloned();
            missing.push((name, near));
        }
    }
    Ok((tables, missing))
}

async fn table(
    session: &mut Session,
    own_name: &TableName,
    name: TableName,
    instances: &[Instance],
) -> Result<Table, SourceError> {
    let own = instances.iter().filter(|instance| instance.table.as_ref() == Some(own_name));
    let instances: Vec<Instance> = own.cloned().collect();
    let captured = match instances.last() {
        Some(newest) => catalog::captured_columns(session, newest).await?,
        None => Vec::new(),
    };
    let mut rights = Vec::new();
    for instance in &instances {
        rights.push(rights_on(session, instance).await?);
    }
    Ok(Table {
        rights,
        columns: catalog::columns(session, own_name).await?,
        key: catalog::primary_key(session, own_name).await?,
        readable: readable(session, own_name).await?,
        name,
        instances,
        captured,
    })
}

/// <https://learn.microsoft.com/en-us/sql/t-sql/functions/has-perms-by-name-transact-sql>
const READABLE: &str = "SELECT HAS_PERMS_BY_NAME(@P1, 'OBJECT', 'SELECT')";

async fn readable(session: &mut Session, table: &TableName) -> Result<bool, SourceError> {
    let doing = format!("ask for our rights on `{table}`");
    let quoted = sql::table(table);
    let row: Option<Row> = session.row(&doing, READABLE, &[Parameter::Text(&quoted)]).await?;
    Ok(row.is_some_and(|row| row.flag(0)))
}

/// <https://learn.microsoft.com/en-us/sql/t-sql/functions/is-member-transact-sql>
const RIGHTS: &str = "
SELECT HAS_PERMS_BY_NAME(@P1, 'OBJECT', 'SELECT'), IS_MEMBER(@P2)";

async fn rights_on(session: &mut Session, instance: &Instance) -> Result<Rights, SourceError> {
    let doing = format!("ask for our rights on instance `{}`", instance.name);
    let changes = sql::change_table(&instance.name);
    let role = instance.role.as_deref();
    let asked = [Parameter::Text(&changes), Parameter::Text(role.unwrap_or_default())];
    let row = session.row(&doing, RIGHTS, &asked).await?;
    let told = |place| row.as_ref().is_some_and(|row| row.flag(place));
    Ok(Rights { readable: told(0), member: role.map(|_| told(1)) })
}
