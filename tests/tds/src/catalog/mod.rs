//! Names to relations: users' tables, change tables, and the views of the system.
//!
//! A view shows what the user may see, as the metadata of SQL Server does: an object without any
//! permission on it is not there.

mod cdc;
mod information;
mod jobs;
mod keys;
mod objects;
mod principals;
mod server;
mod sessions;

use std::sync::Arc;

use crate::database::cdc::Instance;
use crate::database::state::State;
use crate::engine::{Context, Node, Scan, Source};
use crate::problem::{Problem, Result};
use crate::sql::{Hints, Name};
use crate::value::Value;
use crate::value::kind::{Kind, Type};

pub(crate) use cdc::{TABLES as CDC_TABLES, commits, may_read};
pub(crate) use jobs::{JOBS, job_rows};
pub(crate) use objects::{schemas, type_name};

/// A view: names and types of its columns, and what makes its rows.
pub(crate) type View = (&'static [(&'static str, Kind)], fn(&Context, &State) -> Result<Rows>);
/// The rows of a view.
pub(crate) type Rows = Vec<Vec<Value>>;

/// The view of this name among some.
fn among(views: &'static [(&str, View)], name: &str) -> Option<View> {
    views.iter().find(|(one, _)| *one == name).map(|(_, view)| *view)
}

/// One name to its object: database, schema, object.
struct Full {
    database: String,
    schema: String,
    object: String,
}

impl Full {
    fn of(name: &Name, context: &Context) -> Self {
        let mut parts = name.0.iter().rev().cloned();
        let object = parts.next().unwrap_or_default();
        let schema = parts.next().unwrap_or_else(|| "dbo".to_owned()).to_lowercase();
        let database = parts.next().unwrap_or_else(|| context.name.clone());
        Self { database, schema, object }
    }

    fn invalid(name: &Name) -> Problem {
        Problem::raised(208, format!("Invalid object name '{}'.", name.0.join(".")))
    }
}

/// What a name in FROM means.
pub(crate) fn relation(context: &Context, name: &Name, hints: Hints) -> Result<Scan> {
    let full = Full::of(name, context);
    let here = full.database.eq_ignore_ascii_case(&context.name);
    let object = full.object.to_lowercase();
    match full.schema.as_str() {
        "sys" => {
            let views = [
                objects::view,
                keys::view,
                principals::view,
                server::view,
                sessions::view,
                jobs::view,
            ];
            let found = views.into_iter().find_map(|view| view(&object));
            let view = found.ok_or_else(|| Problem::unknown(format!("sys.{object}")))?;
            made(context, view)
        }
        "information_schema" => {
            let view = information::view(&object);
            made(
                context,
                view.ok_or_else(|| Problem::unknown(format!("INFORMATION_SCHEMA.{object}")))?,
            )
        }
        "dbo" if full.database.eq_ignore_ascii_case("msdb") => {
            let view = jobs::msdb(&object);
            made(context, view.ok_or_else(|| Problem::unknown(format!("msdb.dbo.{object}")))?)
        }
        "cdc" if here => cdc::relation(context, name, &full.object),
        _ if here => table(context, &full, hints).ok_or_else(|| Full::invalid(name))?,
        _ => Err(Full::invalid(name)),
    }
}

/// A user's table, unless there is none.
fn table(context: &Context, full: &Full, hints: Hints) -> Option<Result<Scan>> {
    let state = context.state();
    let table = state.data.table(&full.schema, &full.object)?;
    if let Err(problem) = context.check_select(&table.schema, &table.name) {
        return Some(Err(problem));
    }
    let columns = table.columns.iter().map(|c| (c.column.name.clone(), c.column.of));
    Some(Ok(Scan {
        source: Source::Table(table.id, hints),
        columns: columns.collect(),
        clustered: table.key.clone(),
    }))
}

/// What a function in FROM means.
pub(crate) fn function(context: &Context, name: &Name, arguments: Vec<Node>) -> Result<Scan> {
    let full = Full::of(name, context);
    match (full.schema.as_str(), full.object.to_lowercase().as_str()) {
        ("cdc", _) => cdc::function(context, name, &full.object, arguments),
        ("sys", "fn_my_permissions") => Ok(principals::my_permissions(arguments)),
        _ => Err(Problem::unknown(format!("the table function {}", name.0.join(".")))),
    }
}

fn made(context: &Context, (columns, rows): View) -> Result<Scan> {
    let rows = rows(context, &context.state())?;
    Ok(fixed(columns, rows))
}

/// A scan of rows made for the moment.
fn fixed(columns: &[(&str, Kind)], rows: Rows) -> Scan {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), Type::from(*kind)));
    Scan {
        source: Source::Fixed(Arc::new(rows.into_iter().map(Into::into).collect())),
        columns: columns.collect(),
        clustered: Vec::new(),
    }
}

/// The change tables that the user may see.
fn visible_instances<'s>(
    context: &'s Context,
    state: &'s State,
) -> impl Iterator<Item = &'s Instance> {
    let instances = state.data.cdc.iter().flat_map(|cdc| &cdc.instances);
    instances.filter(|instance| context.may_select("cdc", &instance.change_table()))
}

/// The server's local time, as a `datetime` keeps it.
fn local(state: &State, utc: i64) -> Value {
    Value::Moment(crate::value::calendar::round_datetime(state.local(utc)))
}
