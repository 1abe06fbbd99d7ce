//! The capture and cleanup jobs: what they are told, and how the capture job does.

use super::server::need_database_state;
use super::{Rows, View, local};
use crate::database::state::State;
use crate::engine::Context;
use crate::problem::{Problem, Result};
use crate::value::Value;
use crate::value::calendar::SECOND;
use crate::value::kind::Kind;
use crate::{CaptureJob, Edition, Lsn};

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
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
];

const LSN_TEXT: Kind = Kind::NVarChar(Some(23));

/// A table of msdb by its name in lower case.
pub(super) fn msdb(name: &str) -> Option<View> {
    super::among(MSDB, name)
}

static MSDB: &[(&str, View)] = &[("cdc_jobs", (JOBS, jobs))];

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
