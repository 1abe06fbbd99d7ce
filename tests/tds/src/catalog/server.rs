//! Views of the server: databases, services, settings.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::{Rows, View, local};
use crate::database::state::State;
use crate::engine::{Context, is_owner};
use crate::problem::{Problem, Result};
use crate::value::kind::Kind;
use crate::value::{Decimal, Value};
use crate::{Edition, Lsn};

const WORD: Kind = Kind::NVarChar(Some(60));
/// A place in the log as a number.
pub(super) const LSN_NUMBER: Kind = Kind::Decimal(25, 0);

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
            |_, state| {
                let value = state.largest_value;
                let name = "max text repl size (B)";
                Ok(vec![vec![1536.into(), name.into(), value.into(), value.into()]])
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
                ("first_recovery_fork_guid", Kind::Guid),
                ("fork_point_lsn", LSN_NUMBER),
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
        Value::Null,
        data.forked_at.map_or(Value::Null, number),
    ]])
}

/// Refuses who has no VIEW SERVER STATE.
pub(super) fn need_server_state(context: &Context) -> Result<()> {
    if context.login.view_server_state || context.login.owner {
        return Ok(());
    }
    Err(Problem::raised(
        300,
        "VIEW SERVER STATE permission was denied on object 'server', database 'master'.",
    ))
}

/// Refuses who has no VIEW DATABASE STATE.
pub(super) fn need_database_state(context: &Context) -> Result<()> {
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

/// As these views write a place in the log: file × 10^15 + block × 10^5 + record.
pub(super) fn number(lsn: Lsn) -> Value {
    let (file, block, record) = lsn.parts();
    let digits =
        i128::from(file) * 1_000_000_000_000_000 + i128::from(block) * 100_000 + i128::from(record);
    Value::Decimal(Decimal { digits, scale: 0 })
}

fn partition_stats(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let row = |table: &crate::database::table::Table| {
        let rows = i64::try_from(table.len()).unwrap_or(i64::MAX);
        vec![table.id.into(), i32::from(!table.key.is_empty()).into(), 1.into(), rows.into()]
    };
    Ok(super::objects::visible(context, state).map(row).collect())
}
