//! Everything that would keep the bridge from running, or would hurt the database, at once.
//!
//! First the facts are read ([`facts`]), then each room judges them without asking again. What
//! this login may not ask about is no finding by itself, unless the bridge needs it. The findings
//! come in the order in which their statements should be run: a table can be captured only once
//! the database is, and granted only once it is there.

mod capture;
mod facts;
mod server;
mod tables;

use erpbridge_connector::{Finding, SourceError, TableSelection};

use crate::config::SqlServerConfig;
use crate::session::connect;

/// Checks server, capture, tables and rights. An empty list means: it can run.
///
/// Fails only if the server cannot be asked at all.
pub async fn check(
    config: &SqlServerConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<Finding>, SourceError> {
    let mut findings: Vec<Finding> = config.validate().into_iter().map(misconfigured).collect();
    if !findings.is_empty() {
        return Ok(findings);
    }
    let mut session = connect(config).await?;
    let facts = facts::read(&mut session, selection).await?;
    session.close().await;
    findings.extend(server::check(&facts, config));
    findings.extend(capture::check(&facts, config));
    findings.extend(tables::check(&facts, config));
    Ok(findings)
}

fn misconfigured(problem: String) -> Finding {
    Finding::error("configuration", problem, "correct the source's configuration")
}
