//! `erpbridge map preview`: what the mapping would publish, on standard output.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use super::{As, CommandError, Live, Outcome, site};
use crate::canonical::{Message, header};
use crate::deadletter::DeadLetter;
use crate::survey::{self, Site};

#[derive(Debug, Args)]
pub(in crate::cli) struct Preview {
    #[command(flatten)]
    live: Live,
    /// Mapping files or directories; those of the configuration if left out.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only this table, as `schema.table`.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// How many rows of each table.
    #[arg(long, default_value_t = 10, value_name = "N")]
    rows: usize,
    /// What is supposed to have happened to them.
    #[arg(long = "as", value_enum, default_value_t)]
    as_if: As,
}

pub(super) async fn run(command: &Preview) -> Result<Outcome, CommandError> {
    let Some(mut site) = site::open(&command.live, &command.paths).await? else {
        return Ok(Outcome::Failed);
    };
    if let Some(table) = &command.table
        && !site.tables().iter().any(|known| known.schema.name.to_string() == *table)
    {
        return Err(CommandError(format!(
            "the mapping reads no table `{table}` of this database\n  name it as `schema.table`"
        )));
    }
    let samples = site.sample(command.rows).await.map_err(|error| site::told(&error))?;
    let wanted = |name: String| command.table.as_ref().is_none_or(|table| *table == name);
    let samples = samples.into_iter().filter(|sample| wanted(sample.table.name.to_string()));
    let samples = samples.collect();
    let preview = survey::preview(&mut site, samples, command.as_if)
        .map_err(|error| CommandError::new(&error, None))?;
    let mut out = io::stdout().lock();
    misfits(&site, &mut out)?;
    show(&preview, &mut out)?;
    Ok(Outcome::Done)
}

/// A table that the mapping does not fit is not shown, and must not be missed in silence.
fn misfits(site: &Site, out: &mut impl Write) -> io::Result<()> {
    for finding in site.misfits() {
        writeln!(out, "left out: {}: {}; {}", finding.subject, finding.problem, finding.mend)?;
    }
    Ok(())
}

fn show(preview: &survey::Preview, out: &mut impl Write) -> io::Result<()> {
    let batch = &preview.batch;
    for message in batch.messages() {
        event(&message, out)?;
    }
    for found in &batch.dead_letters {
        letter(found, out)?;
    }
    let rows: usize = preview.samples.iter().map(|sample| sample.rows.len()).sum();
    let (events, letters) = (batch.messages().count(), batch.dead_letters.len());
    writeln!(out, "{rows} rows: {events} events, {letters} dead letters; nothing was published")
}

fn event(message: &Message<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", message.subject())?;
    for name in [header::TYPE, header::ID] {
        writeln!(out, "  {name}: {}", message.header(name).unwrap_or_default())?;
    }
    let body: Json = serde_json::from_slice(&message.payload()).unwrap_or(Json::Null);
    indented(&body, out)
}

fn letter(letter: &DeadLetter, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "dead letter ({}): {}", letter.reason.as_str(), letter.detail)?;
    indented(&letter.row, out)
}

fn indented(body: &Json, out: &mut impl Write) -> io::Result<()> {
    for line in serde_json::to_string_pretty(body).unwrap_or_default().lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out)
}
