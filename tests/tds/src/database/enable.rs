//! Turning change data capture on and off.

use super::Database;
use super::cdc::{Captured, Cdc, Instance};
use super::state::State;
use super::table::Table;
use crate::Lsn;
use crate::problem::{Problem, Result};

/// How a table shall be captured; nothing happens before [`Capture::enable`].
#[must_use = "nothing is captured before `enable`"]
#[derive(Debug)]
pub struct Capture<'d> {
    database: &'d Database,
    request: Request,
}

/// What `sys.sp_cdc_enable_table` is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) table: String,
    pub(crate) instance: Option<String>,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) role: Option<String>,
}

impl Database {
    /// `sys.sp_cdc_enable_db`.
    pub fn enable_cdc(&self) {
        self.state().enable_cdc().unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// `sys.sp_cdc_disable_db`: every instance, the schema `cdc` and what is in it are gone.
    pub fn disable_cdc(&self) {
        self.state().data.cdc = None;
    }

    /// `sys.sp_cdc_enable_table`.
    pub fn capture(&self, table: &str) -> Capture<'_> {
        Capture {
            database: self,
            request: Request { table: table.to_owned(), ..Request::default() },
        }
    }

    /// `sys.sp_cdc_disable_table` for one instance.
    pub fn release(&self, instance: &str) {
        self.state().release(instance).unwrap_or_else(|problem| panic!("{problem}"));
    }
}

impl Capture<'_> {
    /// The instance's name; `<schema>_<table>` if this is not said.
    pub fn instance(mut self, name: &str) -> Self {
        self.request.instance = Some(name.to_owned());
        self
    }

    /// The columns; all if this is not said.
    pub fn columns(mut self, columns: &[&str]) -> Self {
        self.request.columns = Some(columns.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// The gating role; none if this is not said.
    pub fn role(mut self, role: &str) -> Self {
        self.request.role = Some(role.to_owned());
        self
    }

    /// Enables it and gives the place from which on it captures. A third instance of a table is
    /// refused.
    pub fn enable(self) -> Lsn {
        let enabled = self.database.state().enable(&self.request);
        enabled.unwrap_or_else(|problem| panic!("{problem}"))
    }
}

impl State {
    pub(crate) fn enable_cdc(&mut self) -> Result<()> {
        if !self.has_cdc() {
            return Err(Problem::raised(
                22988,
                "This instance of SQL Server is the Express Edition (64-bit). Change data capture is only available in the Enterprise, Developer, Enterprise Evaluation, and Standard editions.",
            ));
        }
        let now = self.clock.now();
        self.data.cdc.get_or_insert_with(|| Cdc::new(now));
        Ok(())
    }

    /// Whether the edition has it at all: Standard since 2016 SP1.
    pub(crate) fn has_cdc(&self) -> bool {
        let mut parts = self.facts.version.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.nth(1).unwrap_or(0));
        match self.facts.edition {
            crate::Edition::Enterprise | crate::Edition::Azure => true,
            crate::Edition::Standard => version >= (13, 4001),
            crate::Edition::Express => false,
        }
    }

    pub(crate) fn enable(&mut self, request: &Request) -> Result<Lsn> {
        self.data.capture()?;
        let now = self.clock.now();
        let has_command_id = self.has_command_id();
        let (object, start) = (self.data.object_id(), self.data.reserve(1));
        let table = self.data.named(&request.table);
        let name = request.instance.clone();
        let name = name.unwrap_or_else(|| format!("{}_{}", table.schema, table.name));
        if self.data.instances_of(table.id).count() == 2 {
            return Err(Problem::raised(
                22926,
                format!(
                    "Could not create a capture instance because the table already has two capture instances: '{}'. A table can have at most two capture instances.",
                    table.full_name()
                ),
            ));
        }
        let mut instance = Instance::new(&name, (table.id, object), start, now);
        instance.columns = captured(table, request.columns.as_deref())?;
        instance.key = table
            .key
            .iter()
            .filter_map(|&p| Some(table.columns.get(p)?.column.name.clone()))
            .collect();
        instance.role.clone_from(&request.role);
        instance.has_command_id = has_command_id;
        let cdc = self.data.cdc.as_mut().expect("it was just asked for");
        if cdc.instance(&name).is_some() {
            return Err(Problem::raised(
                22926,
                format!(
                    "Could not create a capture instance because the capture instance name '{name}' already exists in the current database."
                ),
            ));
        }
        // What was committed before is read before: the job never captures it for this instance.
        cdc.instances.push(instance);
        Ok(start)
    }

    pub(crate) fn release(&mut self, name: &str) -> Result<()> {
        self.data.capture()?;
        let cdc = self.data.cdc.as_mut().expect("it was just asked for");
        let before = cdc.instances.len();
        cdc.instances.retain(|instance| !instance.name.eq_ignore_ascii_case(name));
        if cdc.instances.len() == before {
            return Err(Problem::raised(
                22960,
                format!(
                    "Change data capture instance '{name}' has not been enabled for the source table."
                ),
            ));
        }
        Ok(())
    }
}

fn captured(table: &Table, wanted: Option<&[String]>) -> Result<Vec<Captured>> {
    for name in wanted.unwrap_or_default() {
        if table.column(name).is_none() {
            let table = table.full_name();
            return Err(Problem::raised(
                22932,
                format!(
                    "Capture instance cannot be created. The column '{name}' is not in the source table '{table}'."
                ),
            ));
        }
    }
    let wants = |name: &str| {
        wanted.is_none_or(|wanted| wanted.iter().any(|one| one.eq_ignore_ascii_case(name)))
    };
    let columns = table.columns.iter().filter(|column| wants(&column.column.name));
    let captured = (1..).zip(columns).map(|(ordinal, column)| Captured {
        id: column.id,
        name: column.column.name.clone(),
        of: column.column.of,
        computed: column.column.computed,
        ordinal,
    });
    Ok(captured.collect())
}
