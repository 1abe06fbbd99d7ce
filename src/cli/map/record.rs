//! `erpbridge map record`: a case of live rows, masked, to be kept or sent to somebody else.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use erpbridge_connector::{Explored, Sample};

use super::{As, CommandError, Live, Outcome, cases, report, site};
use crate::mapping::cases as files;
use crate::survey::{self, Recording, Site};

#[derive(Debug, Args)]
pub(in crate::cli) struct Record {
    #[command(flatten)]
    live: Live,
    /// The table, as `schema.table`.
    #[arg(long, value_name = "TABLE")]
    table: String,
    /// Only rows with this value; may be given for several columns. Any rows if left out.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// At most so many rows.
    #[arg(long, default_value_t = 3, value_name = "N")]
    limit: usize,
    /// What is supposed to have happened to them.
    #[arg(long = "as", value_enum, default_value_t)]
    as_if: As,
    /// The file to write: `mappings/shop/late.cases.yaml`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Mapping files or directories; those of the configuration if left out.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) async fn run(command: &Record) -> Result<Outcome, CommandError> {
    let name = case_name(command)?;
    let Some(mut site) = site::open(&command.live, &command.paths).await? else {
        return Ok(Outcome::Failed);
    };
    let asked = asked(command, &site)?;
    let samples = site.rows(&asked).await.map_err(|error| site::told(&error))?;
    if samples.iter().all(|sample| sample.rows.is_empty()) {
        let problem = format!("no row of `{}` is so", command.table);
        return Err(CommandError(format!("{problem}\n  see the values of `--where`")));
    }
    let given = site.looked_up().await.map_err(|error| site::told(&error))?;
    let recording = survey::record(&name, &samples, &given, &site, command.as_if);
    let file = command.out.display().to_string();
    match files::fill(&file, &recording.text, site.mapping(), cases::convert) {
        Ok(text) => write(command, &text)?,
        Err(findings) => {
            report::print(&findings)?;
            return Ok(Outcome::Failed);
        }
    }
    tell(command, &recording)?;
    Ok(Outcome::Done)
}

/// The file's name without its endings.
fn case_name(command: &Record) -> Result<String, CommandError> {
    let name = command.out.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.strip_suffix(".cases.yaml") {
        Some(stem) if !stem.is_empty() => Ok(format!("recorded: {stem}")),
        _ => Err(CommandError(format!(
            "`{}` is no file of cases\n  name it `<name>.cases.yaml`",
            command.out.display()
        ))),
    }
}

fn asked(command: &Record, site: &Site) -> Result<Sample, CommandError> {
    let known = |table: &&Explored| table.schema.name.to_string() == command.table;
    let Some(table) = site.tables().iter().find(known) else {
        let problem = format!("the mapping reads no table `{}` of this database", command.table);
        return Err(CommandError(format!("{problem}\n  name it as `schema.table`")));
    };
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for filter in &command.filters {
        let Some((column, value)) = filter.split_once('=') else {
            let problem = format!("`{filter}` names no column and value");
            return Err(CommandError(format!("{problem}\n  write `--where order_no=4711`")));
        };
        if table.schema.column(column).is_none() {
            let problem = format!("table `{}` has no column `{column}`", command.table);
            return Err(CommandError(format!("{problem}\n  name it as the database spells it")));
        }
        columns.push(column.to_owned());
        values.push(value.to_owned());
    }
    let name = table.schema.name.clone();
    Ok(if columns.is_empty() {
        Sample::any(name, command.limit)
    } else {
        Sample::with(name, columns, vec![values], command.limit)
    })
}

/// Nothing that is there is written over.
fn write(command: &Record, text: &str) -> Result<(), CommandError> {
    if command.out.exists() {
        let file = command.out.display();
        return Err(CommandError(format!("{file} is there already\n  name another file")));
    }
    if let Some(directory) = command.out.parent() {
        fs::create_dir_all(directory)?;
    }
    Ok(fs::write(&command.out, text)?)
}

fn tell(command: &Record, recording: &Recording) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (rows, given) = recording.rows;
    writeln!(out, "written: {}, {rows} rows and {given} that they look up", command.out.display())?;
    for masked in &recording.masked {
        writeln!(out, "{}", masked.table)?;
        for sentence in masked.sentences() {
            writeln!(out, "  {sentence}")?;
        }
    }
    writeln!(out, "read the file before you send it to anybody")
}
