//! Sessions and their transactions.

#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::server::{LSN_NUMBER, need_database_state, need_server_state, number};
use super::{Rows, View, local};
use crate::database::state::{OpenTransaction, State};
use crate::engine::Context;
use crate::problem::Result;
use crate::value::Value;
use crate::value::kind::Kind;

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
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
];

fn transactions(context: &Context, state: &State) -> Result<Rows> {
    need_database_state(context)?;
    let row = |open: &OpenTransaction| {
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
    let row = |(session, open): (&u16, &OpenTransaction)| {
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
