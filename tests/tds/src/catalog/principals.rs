//! Users, roles and permissions.
#![expect(clippy::unnecessary_wraps, reason = "all views are made by functions of one type")]

use super::{Rows, View};
use crate::Login;
use crate::database::state::State;
use crate::database::table::Cells;
use crate::engine::{Context, Node, Scan, Source};
use crate::problem::{Problem, Result};
use crate::value::Value;
use crate::value::kind::Kind;

/// A view by its name in lower case.
pub(super) fn view(name: &str) -> Option<View> {
    super::among(VIEWS, name)
}

static VIEWS: &[(&str, View)] = &[
    (
        "database_principals",
        (
            &[
                ("name", Kind::NAME),
                ("principal_id", Kind::Int),
                ("type", Kind::Char(1)),
                ("type_desc", Kind::NVarChar(Some(60))),
                ("default_schema_name", Kind::NAME),
                ("is_fixed_role", Kind::Bit),
            ],
            principals,
        ),
    ),
    (
        "database_role_members",
        (&[("role_principal_id", Kind::Int), ("member_principal_id", Kind::Int)], members),
    ),
];

/// Every role that somebody is in or that gates an instance, with its id.
fn roles(state: &State) -> Vec<(String, i32)> {
    let instances = state.data.cdc.iter().flat_map(|cdc| &cdc.instances);
    let gating = instances.filter_map(|instance| instance.role.clone());
    let held = state.logins.iter().flat_map(|login| login.roles.clone());
    let fixed = ["db_owner", "db_datareader"].map(str::to_owned);
    let mut roles: Vec<String> = fixed.into_iter().chain(gating).chain(held).collect();
    roles.sort();
    roles.dedup();
    roles.into_iter().zip(16_384..).collect()
}

fn users(state: &State) -> impl Iterator<Item = (&Login, i32)> {
    state.logins.iter().zip(5..)
}

fn principals(_: &Context, state: &State) -> Result<Rows> {
    let user = |(login, id): (&Login, i32)| {
        vec![
            login.user.as_str().into(),
            id.into(),
            "S".into(),
            "SQL_USER".into(),
            "dbo".into(),
            Value::Bit(false),
        ]
    };
    let role = |(name, id): (String, i32)| {
        let fixed = name.starts_with("db_");
        vec![
            name.into(),
            id.into(),
            "R".into(),
            "DATABASE_ROLE".into(),
            Value::Null,
            Value::Bit(fixed),
        ]
    };
    Ok(users(state).map(user).chain(roles(state).into_iter().map(role)).collect())
}

fn members(_: &Context, state: &State) -> Result<Rows> {
    let roles = roles(state);
    let mut rows = Vec::new();
    for (login, member) in users(state) {
        let held = roles.iter().filter(|(name, _)| login.roles.contains(name));
        rows.extend(held.map(|(_, role)| vec![(*role).into(), member.into()]));
    }
    Ok(rows)
}

/// `sys.fn_my_permissions(securable, class)`
pub(super) fn my_permissions(arguments: Vec<Node>) -> Scan {
    let columns = ["entity_name", "subentity_name", "permission_name"];
    let columns = columns.map(|name| (name.to_owned(), Kind::NAME.into()));
    let source = Source::Function(permissions, String::new(), arguments);
    Scan { source, columns: columns.into(), clustered: Vec::new() }
}

fn permissions(context: &Context, _: &str, arguments: &[Value]) -> Result<Vec<Cells>> {
    let [securable, Value::Text(class)] = arguments else {
        return Err(Problem::unknown("fn_my_permissions of these arguments"));
    };
    let named = match securable {
        Value::Text(name) => name.replace(['[', ']'], ""),
        _ => String::new(),
    };
    let login = &context.login;
    let mut held = Vec::new();
    match class.to_uppercase().as_str() {
        "SERVER" if login.view_server_state || login.owner => held.push("VIEW SERVER STATE"),
        "DATABASE" => {
            held.push("CONNECT");
            if login.view_database_state || login.view_server_state || login.owner {
                held.push("VIEW DATABASE STATE");
            }
        }
        "SCHEMA" if context.may_select(&named, "") => held.push("SELECT"),
        "OBJECT" => {
            let (schema, object) = crate::database::state::split_name(&named);
            if context.may_select(&schema, &object) {
                held.push("SELECT");
            }
        }
        _ => {}
    }
    let row = |permission: &str| -> Cells {
        vec![named.as_str().into(), "".into(), permission.into()].into()
    };
    Ok(held.into_iter().map(row).collect())
}
