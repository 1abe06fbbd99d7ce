//! `make demo`: a made-up ERP at work, the bridge beside it, and what arrives in JetStream.

use std::io::{Write, stderr};
use std::process::ExitCode;

use erpbridge_demo::{settings::Settings, show};
use erpbridge_test_support::Result;

#[tokio::main]
async fn main() -> ExitCode {
    match demo().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            // Nowhere is left to report to if this fails.
            drop(writeln!(stderr(), "demo: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<bool> {
    show::run(&Settings::take()?).await
}
