//! `erpbridge map`: check, test and write mappings, with a database and without.

mod cases;
mod check;
mod diff;
mod init;
mod preview;
mod record;
mod site;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CommandError, Outcome, report, runtime};
use crate::survey::As;

#[derive(Debug, Subcommand)]
pub(super) enum MapCommand {
    /// Check mapping files: every finding with file, line and column.
    ///
    /// With a source also against its live tables and a sample of their rows.
    Check {
        /// Mapping files, or directories of one mapping each; with a source, those of its
        /// configuration if left out.
        #[arg(required_unless_present = "source", value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        live: MaybeLive,
        /// How many rows of each table are looked at.
        #[arg(long, default_value_t = 200, requires = "source", value_name = "N")]
        rows: usize,
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
    /// Show the events that rows of the live tables would become; nothing is published.
    Preview(preview::Preview),
    /// Write a case of rows of the live tables, masked, so that it can be sent to somebody else.
    Record(record::Record),
    /// Write a first mapping and a first case for tables of a live source, or from a list of columns.
    Init(init::Init),
}

/// A source whose database is looked at.
#[derive(Debug, Args)]
pub(super) struct Live {
    /// The source, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// The same, if one is named.
#[derive(Debug, Args)]
pub(super) struct MaybeLive {
    /// A source whose live tables are looked at, by its name in the configuration.
    #[arg(long, requires = "config", value_name = "NAME")]
    source: Option<String>,
    /// The configuration file.
    #[arg(long, requires = "source", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl MaybeLive {
    fn live(&self) -> Option<Live> {
        let (source, config) = (self.source.clone()?, self.config.clone()?);
        Some(Live { source, config })
    }
}

pub(super) fn run(command: &MapCommand) -> Result<Outcome, CommandError> {
    match command {
        MapCommand::Check { paths, live, rows } => match live.live() {
            None => check::files(paths),
            Some(live) => runtime()?.block_on(check::live(&live, paths, *rows)),
        },
        MapCommand::Test { paths, update: false } => cases::run(paths),
        MapCommand::Test { paths, update: true } => cases::update(paths),
        MapCommand::Init(init) => runtime()?.block_on(init::run(init)),
        MapCommand::Record(record) => runtime()?.block_on(record::run(record)),
        MapCommand::Preview(preview) => runtime()?.block_on(preview::run(preview)),
    }
}
