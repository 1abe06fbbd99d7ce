//! The command line: one file per command.
//!
//! Exit codes are promises: 0 done, 1 failed (a retry may help), 2 wrong usage, 78 a person must
//! change something first (configuration, rights, a lost position), so that a supervisor does not
//! start the bridge over and over.

mod check;
mod map;
mod offsets;
mod report;
mod run;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Tails a legacy ERP's database log and publishes canonical events to NATS JetStream.
#[derive(Debug, Parser)]
#[command(name = "erpbridge", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the configured databases until told to stop.
    Run(ConfigFile),
    /// Check configuration, mappings, databases and NATS, and print what mends each finding.
    Check(ConfigFile),
    /// Work with mapping files.
    #[command(subcommand)]
    Map(map::MapCommand),
    /// Look at and move the local record of where each source stands.
    #[command(subcommand)]
    Offsets(offsets::OffsetsCommand),
    /// Print what the bridge promises, for editors and code generators.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// It failed, or found something wrong.
    Failed,
    /// A person must change something first.
    NeedsPerson,
}

impl Outcome {
    /// The promised exit code.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
            Self::NeedsPerson => ExitCode::from(78),
        }
    }
}

/// An error of a command, as the sentence to print.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(String);

impl CommandError {
    /// The whole chain of an error, and a hint under it if there is one.
    fn new(error: &dyn std::error::Error, hint: Option<&str>) -> Self {
        let chain = crate::error::chain(error);
        Self(hint.map_or(chain.clone(), |hint| format!("{chain}\n  {hint}")))
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new(&error, None)
    }
}

/// Runs a command.
///
/// # Errors
/// What to print for a person.
pub fn run(cli: Cli) -> Result<Outcome, CommandError> {
    match cli.command {
        Command::Run(file) => runtime()?.block_on(run::run(&file.config)),
        Command::Check(file) => runtime()?.block_on(check::check(&file.config)),
        Command::Map(command) => map::run(&command),
        Command::Offsets(command) => runtime()?.block_on(offsets::run(command)),
        Command::Schema(command) => schema::run(&command),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CommandError::from)
}
