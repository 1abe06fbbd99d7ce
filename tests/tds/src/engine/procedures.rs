//! System procedures.

use super::context::is_owner;
use super::scripts;
use super::statement::Batch;
use crate::CaptureJob;
use crate::catalog::{JOBS, job_rows, may_read};
use crate::database::cdc::Instance;
use crate::database::state::State;
use crate::problem::{Problem, Result};
use crate::sql::{Expression, Name, Statement};
use crate::value::Value;
use crate::value::calendar::round_datetime;
use crate::value::kind::{Kind, Type};

/// An argument, with the name it was given.
type Argument = (Option<String>, Expression);
type Rows = Vec<Vec<Value>>;

/// Calls a procedure.
pub(super) fn execute(batch: &mut Batch<'_>, name: &Name, arguments: &[Argument]) -> Result<()> {
    let last = name.0.last().map(|last| last.to_lowercase()).unwrap_or_default();
    let given = Given::read(batch, arguments)?;
    match last.as_str() {
        "sp_cdc_enable_db" => {
            owner(batch)?;
            batch.database.state().enable_cdc()?;
        }
        "sp_cdc_disable_db" => {
            owner(batch)?;
            batch.database.state().data.cdc = None;
        }
        "sp_cdc_enable_table" => {
            owner(batch)?;
            enable_table(batch, &given)?;
        }
        "sp_cdc_disable_table" => {
            owner(batch)?;
            let instance = given.text("@capture_instance").unwrap_or_default();
            batch.database.state().release(&instance)?;
        }
        "sp_cdc_help_jobs" => {
            owner(batch)?;
            let rows = job_rows(&batch.database.state());
            return give(batch, JOBS, &rows);
        }
        "sp_cdc_help_change_data_capture" => return help(batch, &given),
        "sp_cdc_get_ddl_history" => return ddl_history(batch, &given),
        "sp_cdc_change_job" => {
            owner(batch)?;
            change_job(batch, &given)?;
        }
        "sp_configure" => {
            owner(batch)?;
            configure(batch, &given)?;
        }
        "sp_cdc_start_job" => run_job(batch, &given, CaptureJob::Running)?,
        "sp_cdc_stop_job" => run_job(batch, &given, CaptureJob::Stopped)?,
        "sp_cdc_add_job" => owner(batch)?,
        "sp_addrolemember" => {
            let role = given.place(0).unwrap_or_default();
            let member = given.place(1).unwrap_or_default();
            scripts::run(batch, &Statement::AddMember { role, member })?;
        }
        _ => return Err(Problem::unknown(format!("EXEC {}", name.0.join(".")))),
    }
    batch.output.done(None)
}

/// Starts or stops the capture job; the cleanup job runs when a test says so.
fn run_job(batch: &mut Batch<'_>, given: &Given, job: CaptureJob) -> Result<()> {
    owner(batch)?;
    if given.text("@job_type").is_none_or(|kind| kind.eq_ignore_ascii_case("capture")) {
        batch.database.set_capture(job);
    }
    Ok(())
}

/// The values a procedure was given, by name or place.
struct Given(Vec<(Option<String>, Value)>);

impl Given {
    fn read(batch: &mut Batch<'_>, arguments: &[Argument]) -> Result<Self> {
        let mut given = Vec::new();
        for (name, expression) in arguments {
            given.push((name.clone(), batch.value(expression, Kind::NVarChar(None).into())?));
        }
        Ok(Self(given))
    }

    fn text(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(one, _)| one.as_deref() == Some(name));
        match found {
            Some((_, Value::Text(text))) => Some(text.as_ref().to_owned()),
            _ => None,
        }
    }

    /// The one in this place, if it has no name.
    fn place(&self, place: usize) -> Option<String> {
        match self.0.get(place) {
            Some((None, Value::Text(text))) => Some(text.as_ref().to_owned()),
            _ => None,
        }
    }

    /// By name, or the first one without.
    fn first(&self, name: &str) -> Option<String> {
        self.text(name).or_else(|| self.place(0))
    }
}

fn owner(batch: &mut Batch<'_>) -> Result<()> {
    let context = batch.context()?;
    if is_owner(&context.login) {
        return Ok(());
    }
    Err(Problem::raised(
        22904,
        "Caller is not authorized to initiate the requested action. DBO privileges are required.",
    ))
}

fn give(batch: &mut Batch<'_>, columns: &[(&str, Kind)], rows: &[Vec<Value>]) -> Result<()> {
    let columns: Vec<(String, Type)> =
        columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).into())).collect();
    batch.output.columns(&columns)?;
    for row in rows {
        batch.output.row(row)?;
    }
    batch.output.done(u64::try_from(rows.len()).ok())
}

fn enable_table(batch: &mut Batch<'_>, given: &Given) -> Result<()> {
    let schema = given.text("@source_schema").unwrap_or_default();
    let name = given.text("@source_name").unwrap_or_default();
    let mut state = batch.database.state();
    if state.data.table(&schema, &name).is_none() {
        return Err(Problem::raised(
            22931,
            format!(
                "Source table '{schema}.{name}' does not exist in the current database. Ensure that the correct database context is set. Specify a valid schema and table name for the database."
            ),
        ));
    }
    let listed = given.text("@captured_column_list").map(|list| {
        list.split(',').map(|one| one.trim().trim_matches(['[', ']']).to_owned()).collect()
    });
    let request = crate::database::Enable {
        table: format!("{schema}.{name}"),
        instance: given.text("@capture_instance"),
        columns: listed,
        role: given.text("@role_name"),
    };
    state.enable(&request).map(|_| ())
}

fn change_job(batch: &mut Batch<'_>, given: &Given) -> Result<()> {
    let minutes = given.text("@retention").and_then(|minutes| minutes.parse().ok());
    let mut state = batch.database.state();
    state.data.capture()?;
    if let (Some(minutes), Some(cdc)) = (minutes, &mut state.data.cdc) {
        cdc.retention = minutes;
    }
    Ok(())
}

/// Only one option is known; it is in use at once, and RECONFIGURE changes nothing more.
fn configure(batch: &mut Batch<'_>, given: &Given) -> Result<()> {
    let option = given.place(0).unwrap_or_default();
    let value = given.place(1).and_then(|value| value.parse().ok());
    match value.filter(|_| option.starts_with("max text repl size")) {
        Some(value) => batch.database.state().largest_value = value,
        None => return Err(Problem::unknown(format!("sp_configure '{option}'"))),
    }
    Ok(())
}

/// The instances that the user may read; nothing for others, and no error.
fn help(batch: &mut Batch<'_>, given: &Given) -> Result<()> {
    const COLUMNS: &[(&str, Kind)] = &[
        ("source_schema", Kind::NAME),
        ("source_table", Kind::NAME),
        ("capture_instance", Kind::NAME),
        ("object_id", Kind::Int),
        ("source_object_id", Kind::Int),
        ("start_lsn", Kind::Binary(10)),
        ("end_lsn", Kind::Binary(10)),
        ("supports_net_changes", Kind::Bit),
        ("has_drop_pending", Kind::Bit),
        ("role_name", Kind::NAME),
        ("index_name", Kind::NAME),
        ("filegroup_name", Kind::NAME),
        ("create_date", Kind::DateTime),
        ("index_column_list", Kind::NVarChar(None)),
        ("captured_column_list", Kind::NVarChar(None)),
    ];
    let wanted = (given.text("@source_schema"), given.text("@source_name"));
    let context = batch.context()?;
    let state = batch.database.state();
    let cdc = state.data.capture()?;
    let readable = cdc.instances.iter().filter(|instance| may_read(&context, &state, instance));
    let rows: Rows = readable.filter_map(|instance| described(&state, instance, &wanted)).collect();
    drop(state);
    give(batch, COLUMNS, &rows)
}

fn described(
    state: &State,
    instance: &Instance,
    (schema, name): &(Option<String>, Option<String>),
) -> Option<Vec<Value>> {
    let table = state.data.by_id(instance.source)?;
    let fits = |wanted: &Option<String>, own: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(own))
    };
    if !fits(schema, &table.schema) || !fits(name, &table.name) {
        return None;
    }
    let list = |names: &mut dyn Iterator<Item = &String>| {
        names.map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ")
    };
    Some(vec![
        table.schema.as_str().into(),
        table.name.as_str().into(),
        instance.name.as_str().into(),
        instance.object.into(),
        instance.source.into(),
        instance.start_lsn.into(),
        Value::Null,
        Value::Bit(!instance.key.is_empty()),
        Value::Null,
        instance.role.as_deref().into(),
        Value::Null,
        Value::Null,
        Value::Moment(round_datetime(state.local(instance.created))),
        list(&mut instance.key.iter()).into(),
        list(&mut instance.columns.iter().map(|column| &column.name)).into(),
    ])
}

fn ddl_history(batch: &mut Batch<'_>, given: &Given) -> Result<()> {
    const COLUMNS: &[(&str, Kind)] = &[
        ("source_schema", Kind::NAME),
        ("source_table", Kind::NAME),
        ("capture_instance", Kind::NAME),
        ("required_column_update", Kind::Bit),
        ("ddl_command", Kind::NVarChar(None)),
        ("ddl_lsn", Kind::Binary(10)),
        ("ddl_time", Kind::DateTime),
    ];
    let name = given.first("@capture_instance").unwrap_or_default();
    let context = batch.context()?;
    let state = batch.database.state();
    let cdc = state.data.capture()?;
    let instance = cdc.instance(&name).filter(|one| may_read(&context, &state, one));
    let instance = instance.ok_or_else(|| {
        Problem::raised(22981, format!("Object does not exist or access is denied: '{name}'."))
    })?;
    let table = state.data.by_id(instance.source);
    let rows: Rows = cdc
        .ddl
        .iter()
        .filter(|ddl| ddl.object == instance.object)
        .map(|ddl| {
            vec![
                table.map(|table| table.schema.as_str()).into(),
                table.map(|table| table.name.as_str()).into(),
                instance.name.as_str().into(),
                Value::Bit(ddl.retyped),
                ddl.command.as_str().into(),
                ddl.lsn.into(),
                Value::Moment(round_datetime(state.local(ddl.at))),
            ]
        })
        .collect();
    drop(state);
    give(batch, COLUMNS, &rows)
}
