//! `erpbridge offsets`: the local record of where each source stands.
//!
//! The stream is the truth and this record a copy, so that showing it answers "where were we on
//! this machine", and moving it to another machine saves a read-back. It is locked while the
//! bridge runs.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::Subcommand;

use super::{CommandError, ConfigFile, Outcome, report};
use crate::state::{OffsetStore, StateError};
use crate::{clock, config};

#[derive(Debug, Subcommand)]
pub(super) enum OffsetsCommand {
    /// Print where each source stands.
    Show(ConfigFile),
    /// Write the record as JSON to standard output.
    Export(ConfigFile),
    /// Read a record written by `export` and put it in place of this machine's.
    Import {
        #[command(flatten)]
        file: ConfigFile,
        /// The exported file; standard input if it is left out.
        from: Option<PathBuf>,
    },
}

pub(super) async fn run(command: OffsetsCommand) -> Result<Outcome, CommandError> {
    match command {
        OffsetsCommand::Show(file) => with_store(file, show).await,
        OffsetsCommand::Export(file) => with_store(file, export).await,
        OffsetsCommand::Import { file, from } => {
            with_store(file, async |store| import(store, from).await).await
        }
    }
}

async fn with_store(
    file: ConfigFile,
    act: impl AsyncFnOnce(OffsetStore) -> Result<(), CommandError>,
) -> Result<Outcome, CommandError> {
    let loaded = config::load(&file.config);
    let Some(config) = loaded.config else {
        report::print(&loaded.findings)?;
        return Ok(Outcome::NeedsPerson);
    };
    let store = OffsetStore::open(&config.state).await.map_err(|error| told(&error))?;
    act(store).await?;
    Ok(Outcome::Done)
}

async fn show(store: OffsetStore) -> Result<(), CommandError> {
    let records = store.all().await.map_err(|error| told(&error))?;
    let mut out = std::io::stdout().lock();
    if records.is_empty() {
        writeln!(out, "nothing recorded on this machine; the stream knows where it stands")?;
    }
    for record in records {
        writeln!(out, "{}", record.source)?;
        writeln!(out, "  resume after     {}", record.position)?;
        writeln!(out, "  stream sequence  {}", record.stream_sequence)?;
        writeln!(out, "  epoch            {}", record.epoch)?;
        writeln!(out, "  recorded at      {}", clock::display(record.recorded_at))?;
    }
    Ok(())
}

async fn export(store: OffsetStore) -> Result<(), CommandError> {
    let json = store.export().await.map_err(|error| told(&error))?;
    writeln!(std::io::stdout().lock(), "{json}")?;
    Ok(())
}

async fn import(store: OffsetStore, from: Option<PathBuf>) -> Result<(), CommandError> {
    let mut json = String::new();
    match from {
        Some(path) => std::fs::File::open(path)?.read_to_string(&mut json)?,
        None => std::io::stdin().lock().read_to_string(&mut json)?,
    };
    let count = store.import(&json).await.map_err(|error| told(&error))?;
    writeln!(std::io::stdout().lock(), "{count} imported")?;
    Ok(())
}

fn told(error: &StateError) -> CommandError {
    CommandError::new(error, error.hint())
}
