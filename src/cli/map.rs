//! `erpbridge map`: check and test mapping files without a database.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use super::{CommandError, Outcome, report};
use crate::mapping::{Mapping, cases};
use crate::pipeline;

#[derive(Debug, Subcommand)]
pub(super) enum MapCommand {
    /// Check mapping files: every finding with file, line and column.
    Check {
        /// Mapping files, or directories of one mapping each.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Run the cases beside the mappings: rows in, events out.
    Test {
        /// Directories of mappings with their `*.cases.yaml`, or one above them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Write what came out as what is expected, to be reviewed as a diff.
        #[arg(long)]
        update: bool,
    },
}

pub(super) fn run(command: &MapCommand) -> Result<Outcome, CommandError> {
    match command {
        MapCommand::Check { paths } => check(paths),
        MapCommand::Test { paths, update } => test(paths, *update),
    }
}

fn check(paths: &[PathBuf]) -> Result<Outcome, CommandError> {
    let findings = match Mapping::load(paths) {
        Ok(mapping) => mapping.warnings().to_vec(),
        Err(findings) => findings,
    };
    let broken = report::print(&findings)?;
    Ok(if broken { Outcome::Failed } else { Outcome::Done })
}
