//! The `erpbridge` command: turns a result into an exit code and prints an error once.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use erpbridge::cli::{Cli, Outcome};

fn main() -> ExitCode {
    match erpbridge::cli::run(Cli::parse()) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _told = writeln!(std::io::stderr(), "erpbridge: {error}");
            Outcome::Failed.exit_code()
        }
    }
}
