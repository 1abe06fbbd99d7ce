//! Views of the server: databases, services, transactions, and how the capture job does.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::{Rows, View, local};
use crate::database::state::State;
use crate::engine::{Context, is_owner};
use crate::problem::{Problem, Result};
use crate::value::calendar::SECOND;
use crate::value::kind::Kind;
use crate::value::{Decimal, Value};
use crate::{CaptureJob, Edition, Lsn};

const WORD: Kind = Kind::NVarChar(Some(60));
const LSN_TEXT: Kind = Kind::NVarChar(Some(23));
const LSN_NUMBER: Kind = Kind::Decimal(25, 0);

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    ("databases", (DATABASES, databases)),
    (
        "configurations",
        (
            &[
                ("configuration_id", Kind::Int),
                ("name", Kind::NVarChar(Some(35))),
                ("value", Kind::Variant),
                ("value_in_use", Kind::Variant),
            ],
            |_, _| {
                Ok(vec![vec![
                    1536.into(),
                    "max text repl size (B)".into(),
                    65_536.into(),
                    65_536.into(),
                ]])
            },
        ),
    ),
    (
        "database_recovery_status",
        (
            &[
                ("database_id", Kind::Int),
                ("database_guid", Kind::Guid),
                ("family_guid", Kind::Guid),
                ("last_log_backup_lsn", LSN_NUMBER),
                ("recovery_fork_guid", Kind::Guid),
                ("fork_point_lsn", LSN_NUMBER),
                ("first_recovery_fork_guid", Kind::Guid),
            ],
            recovery,
        ),
    ),
    (
        "dm_server_services",
        (
            &[
                ("servicename", Kind::NVarChar(Some(256))),
                ("startup_type_desc", Kind::NVarChar(Some(256))),
                ("status", Kind::Int),
                ("status_desc", Kind::NVarChar(Some(256))),
            ],
            services,
        ),
    ),
    (
        "dm_os_sys_info",
        (&[("sqlserver_start_time", Kind::DateTime)], |context, state| {
            need_server_state(context)?;
            Ok(vec![vec![local(state, state.data.created)]])
        }),
    ),
    ("dm_cdc_log_scan_sessions", (SCANS, scans)),
    (
        "dm_cdc_errors",
        (
            &[
                ("session_id", Kind::Int),
                ("phase_number", Kind::Int),
                ("entry_time", Kind::DateTime),
                ("error_number", Kind::Int),
                ("error_severity", Kind::Int),
                ("error_state", Kind::Int),
                ("error_message", Kind::NVarChar(Some(1024))),
                ("start_lsn", LSN_TEXT),
                ("begin_lsn", LSN_TEXT),
                ("sequence_value", LSN_TEXT),
            ],
            errors,
        ),
    ),
    (
        "dm_tran_database_transactions",
        (
            &[
                ("transaction_id", Kind::BigInt),
                ("database_id", Kind::Int),
                ("database_transaction_begin_time", Kind::DateTime),
                ("database_transaction_type", Kind::Int),
                ("database_transaction_state", Kind::Int),
                ("database_transaction_log_record_count", Kind::BigInt),
                ("database_transaction_begin_lsn", LSN_NUMBER),
                ("database_transaction_last_lsn", LSN_NUMBER),
                ("database_transaction_most_recent_savepoint_lsn", LSN_NUMBER),
            ],
            transactions,
        ),
    ),
    (
        "dm_tran_session_transactions",
        (
            &[
                ("session_id", Kind::Int),
                ("transaction_id", Kind::BigInt),
                ("is_user_transaction", Kind::Bit),
                ("open_transaction_count", Kind::Int),
            ],
            session_transactions,
        ),
    ),
    (
        "dm_tran_current_transaction",
        (
            &[("transaction_id", Kind::BigInt), ("transaction_is_snapshot", Kind::Bit)],
            |context, _| {
                need_database_state(context)?;
                let session = &context.session;
                Ok(vec![vec![
                    Value::Int(session.transaction.cast_signed()),
                    Value::Bit(session.in_snapshot()),
                ]])
            },
        ),
    ),
    (
        "dm_exec_sessions",
        (
            &[
                ("session_id", Kind::SmallInt),
                ("login_name", Kind::NAME),
                ("program_name", Kind::NAME),
                ("transaction_isolation_level", Kind::SmallInt),
                ("lock_timeout", Kind::Int),
                ("deadlock_priority", Kind::Int),
                ("open_transaction_count", Kind::Int),
            ],
            sessions,
        ),
    ),
    (
        "dm_exec_connections",
        (
            &[
                ("session_id", Kind::Int),
                ("encrypt_option", Kind::NVarChar(Some(40))),
                ("auth_scheme", Kind::NVarChar(Some(40))),
                ("net_transport", Kind::NVarChar(Some(40))),
            ],
            connections,
        ),
    ),
    (
        "dm_db_partition_stats",
        (
            &[
                ("object_id", Kind::Int),
                ("index_id", Kind::Int),
                ("partition_number", Kind::Int),
                ("row_count", Kind::BigInt),
            ],
            partition_stats,
        ),
    ),
];

/// A table of msdb by its name in lower case.
pub(super) fn msdb(name: &str) -> Option<View> {
    super::among(MSDB, name)
}

static MSDB: &[(&str, View)] = &[("cdc_jobs", (JOBS, jobs))];

const DATABASES: &[(&str, Kind)] = &[
    ("name", Kind::NAME),
    ("database_id", Kind::Int),
    ("create_date", Kind::DateTime),
    ("compatibility_level", Kind::TinyInt),
    ("collation_name", Kind::NAME),
    ("is_read_only", Kind::Bit),
    ("state", Kind::TinyInt),
    ("state_desc", WORD),
    ("snapshot_isolation_state", Kind::TinyInt),
    ("snapshot_isolation_state_desc", WORD),
    ("is_read_committed_snapshot_on", Kind::Bit),
    ("recovery_model", Kind::TinyInt),
    ("recovery_model_desc", WORD),
    ("service_broker_guid", Kind::Guid),
    ("log_reuse_wait_desc", WORD),
    ("is_cdc_enabled", Kind::Bit),
    ("is_encrypted", Kind::Bit),
    ("replica_id", Kind::Guid),
    ("group_database_id", Kind::Guid),
];

fn databases(context: &Context, state: &State) -> Result<Rows> {
    let data = &state.data;
    let snapshots = data.snapshot_isolation;
    let level = crate::engine::major(&context.facts) * 10;
    let row = |name: &str, id: i32, broker: [u8; 16], cdc: bool| {
        vec![
            name.into(),
            id.into(),
            local(state, data.created),
            level.into(),
            crate::value::collation::Collation::DEFAULT.name().into(),
            Value::Bit(false),
            0.into(),
            "ONLINE".into(),
            i32::from(snapshots).into(),
            if snapshots { "ON" } else { "OFF" }.into(),
            Value::Bit(false),
            1.into(),
            "FULL".into(),
            Value::Guid(broker),
            "NOTHING".into(),
            Value::Bit(cdc),
            Value::Bit(false),
            Value::Null,
            Value::Null,
        ]
    };
    Ok(vec![
        row("master", 1, [0; 16], false),
        row(&data.name, data.id, data.broker, data.cdc.is_some()),
    ])
}

fn recovery(context: &Context, state: &State) -> Result<Rows> {
    // Who may not see it sees no rows.
    if !context.login.view_server_state && !is_owner(&context.login) {
        return Ok(Vec::new());
    }
    let data = &state.data;
    Ok(vec![vec![
        data.id.into(),
        Value::Guid(data.broker),
        Value::Guid(data.broker),
        Value::Null,
        Value::Guid(data.recovery_fork),
        data.fork_point.map_or(Value::Null, number),
        Value::Null,
    ]])
}

fn need_server_state(context: &Context) -> Result<()> {
    if context.login.view_server_state || context.login.owner {
        return Ok(());
    }
    Err(Problem::raised(
        300,
        "VIEW SERVER STATE permission was denied on object 'server', database 'master'.",
    ))
}

fn need_database_state(context: &Context) -> Result<()> {
    let login = &context.login;
    if login.view_database_state || login.view_server_state || is_owner(login) {
        return Ok(());
    }
    let name = &context.name;
    Err(Problem::raised(
        262,
        format!("VIEW DATABASE STATE permission denied in database '{name}'."),
    ))
}

fn services(context: &Context, state: &State) -> Result<Rows> {
    need_server_state(context)?;
    let row = |name: &str, running: bool| {
        let (status, word) = if running { (4, "Running") } else { (1, "Stopped") };
        vec![name.into(), "Automatic".into(), status.into(), word.into()]
    };
    let mut rows = vec![row("SQL Server (MSSQLSERVER)", true)];
    // Express shows an Agent that never runs; Azure has no such view.
    match state.facts.edition {
        Edition::Azure => {
            return Err(Problem::raised(208, "Invalid object name 'sys.dm_server_services'."));
        }
        Edition::Express => rows.push(row("SQL Server Agent (MSSQLSERVER)", false)),
        _ => rows.push(row("SQL Server Agent (MSSQLSERVER)", state.facts.agent_running)),
    }
    Ok(rows)
}

const SCANS: &[(&str, Kind)] = &[
    ("session_id", Kind::Int),
    ("start_time", Kind::DateTime),
    ("end_time", Kind::DateTime),
    ("duration", Kind::BigInt),
    ("scan_phase", Kind::NVarChar(Some(200))),
    ("error_count", Kind::Int),
    ("start_lsn", LSN_TEXT),
    ("current_lsn", LSN_TEXT),
    ("end_lsn", LSN_TEXT),
    ("tran_count", Kind::BigInt),
    ("last_commit_lsn", LSN_TEXT),
    ("last_commit_time", Kind::DateTime),
    ("log_record_count", Kind::BigInt),
    ("command_count", Kind::BigInt),
    ("last_commit_cdc_lsn", LSN_TEXT),
    ("last_commit_cdc_time", Kind::DateTime),
    ("latency", Kind::Int),
    ("empty_scan_count", Kind::Int),
    ("failed_sessions_count", Kind::Int),
];

/// One session since the job began; on a secondary there is none.
fn scans(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let Some(cdc) = state.data.cdc.as_ref().filter(|_| !state.facts.secondary) else {
        return Ok(Vec::new());
    };
    let newest = cdc.mapping.iter().next_back();
    let lsn = newest.map_or(Lsn::ZERO, |(lsn, _)| *lsn).to_string();
    let at = newest.map_or(Value::Null, |(_, entry)| local(state, entry.ended));
    let waiting = cdc.pending.iter().find_map(|logged| match logged {
        crate::database::cdc::Logged::Commit(commit) => Some(commit.ended),
        crate::database::cdc::Logged::Ddl { .. } => None,
    });
    let latency = waiting.map_or(0, |since| (context.now - since) / SECOND);
    let ended =
        if cdc.job == CaptureJob::Stopped { local(state, cdc.scanned) } else { Value::Null };
    let empty = cdc.pending.is_empty();
    let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let zero = "00000000:00000000:0000".to_owned();
    Ok(vec![vec![
        1.into(),
        local(state, cdc.scanned),
        ended,
        1.into(),
        if empty { "Done" } else { "Phase 4" }.into(),
        count(cdc.errors.len()),
        if empty { zero } else { lsn.clone() }.into(),
        lsn.clone().into(),
        lsn.clone().into(),
        count(cdc.mapping.len()),
        lsn.clone().into(),
        at.clone(),
        count(cdc.mapping.len()),
        count(cdc.mapping.len()),
        lsn.into(),
        at,
        Value::Int(latency),
        Value::Int(cdc.scans),
        count(cdc.errors.len()),
    ]])
}

fn errors(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let errors = state.data.cdc.iter().flat_map(|cdc| &cdc.errors);
    let zero = || Value::from("00000000:00000000:0000");
    let row = |error: &crate::database::cdc::CaptureError| {
        vec![
            1.into(),
            7.into(),
            local(state, error.at),
            error.number.into(),
            16.into(),
            1.into(),
            error.message.as_str().into(),
            zero(),
            zero(),
            zero(),
        ]
    };
    Ok(errors.map(row).collect())
}

/// As these views write a place in the log: file × 10^15 + block × 10^5 + record.
fn number(lsn: Lsn) -> Value {
    let (file, block, record) = lsn.parts();
    let digits =
        i128::from(file) * 1_000_000_000_000_000 + i128::from(block) * 100_000 + i128::from(record);
    Value::Decimal(Decimal { digits, scale: 0 })
}

fn transactions(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let row = |open: &crate::database::state::OpenTransaction| {
        let began = open.began.map_or(Value::Null, number);
        vec![
            Value::Int(open.number.cast_signed()),
            state.data.id.into(),
            open.began.map_or(Value::Null, |_| local(state, context.now)),
            if open.began.is_some() { 1 } else { 2 }.into(),
            if open.began.is_some() { 4 } else { 3 }.into(),
            i64::from(open.began.is_some()).into(),
            began.clone(),
            began.clone(),
            began,
        ]
    };
    Ok(state.open.values().map(row).collect())
}

fn session_transactions(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let row = |(session, open): (&u16, &crate::database::state::OpenTransaction)| {
        let number = Value::Int(open.number.cast_signed());
        vec![Value::Int((*session).into()), number, Value::Bit(true), 1.into()]
    };
    Ok(state.open.iter().map(row).collect())
}

/// One sees oneself without any permission; of the others nothing is told here.
fn sessions(context: &Context, _: &State) -> Result<Rows> {
    let session = &context.session;
    let levels =
        ["read uncommitted", "read committed", "repeatable read", "serializable", "snapshot"];
    let level = (1..).zip(levels).find(|(_, level)| *level == session.isolation);
    Ok(vec![vec![
        Value::Int(session.id.into()),
        session.user.as_str().into(),
        session.application.as_str().into(),
        Value::Int(level.map_or(2, |(number, _)| number)),
        Value::Int(session.lock_timeout),
        Value::Int(session.deadlock_priority),
        Value::Int(session.depth.into()),
    ]])
}

fn connections(context: &Context, _: &State) -> Result<Rows> {
    need_server_state(context)?;
    let session = &context.session;
    Ok(vec![vec![
        Value::Int(session.id.into()),
        if session.encrypted { "TRUE" } else { "FALSE" }.into(),
        "SQL".into(),
        "TCP".into(),
    ]])
}

fn partition_stats(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let row = |table: &crate::database::table::Table| {
        let rows = i64::try_from(table.len()).unwrap_or(i64::MAX);
        vec![table.id.into(), i32::from(!table.key.is_empty()).into(), 1.into(), rows.into()]
    };
    Ok(super::objects::visible(context, state).map(row).collect())
}

/// The jobs as `msdb.dbo.cdc_jobs` and `sys.sp_cdc_help_jobs` show them.
pub(crate) const JOBS: &[(&str, Kind)] = &[
    ("database_id", Kind::Int),
    ("job_type", Kind::NVarChar(Some(20))),
    ("job_id", Kind::Guid),
    ("maxtrans", Kind::Int),
    ("maxscans", Kind::Int),
    ("continuous", Kind::Bit),
    ("pollinginterval", Kind::BigInt),
    ("retention", Kind::BigInt),
    ("threshold", Kind::BigInt),
];

fn jobs(context: &Context, state: &State) -> Result<Rows> {
    if state.facts.edition == Edition::Azure {
        return Err(Problem::raised(208, "Invalid object name 'msdb.dbo.cdc_jobs'."));
    }
    if !context.login.msdb && !context.login.owner {
        let user = &context.login.user;
        return Err(Problem::raised(
            916,
            format!(
                "The server principal \"{user}\" is not able to access the database \"msdb\" under the current security context."
            ),
        ));
    }
    Ok(job_rows(state))
}

/// A capture and a cleanup job, once CDC is enabled.
pub(crate) fn job_rows(state: &State) -> Rows {
    let Some(cdc) = &state.data.cdc else { return Vec::new() };
    let row = |kind: &str, id: [u8; 16], numbers: [i64; 6]| {
        let [maxtrans, maxscans, continuous, interval, retention, threshold] = numbers;
        vec![
            state.data.id.into(),
            kind.into(),
            Value::Guid(id),
            maxtrans.into(),
            maxscans.into(),
            Value::Bit(continuous == 1),
            interval.into(),
            retention.into(),
            threshold.into(),
        ]
    };
    vec![
        row("capture", [1; 16], [500, 10, 1, 5, 0, 0]),
        row("cleanup", [2; 16], [0, 0, 0, 0, cdc.retention, 5000]),
    ]
}
