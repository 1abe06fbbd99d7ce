//! Everything that would keep the bridge from running, or would hurt the database, at once.
//!
//! First the facts are read ([`facts`]), then each room judges them without asking again. The
//! findings come in the order in which their statements should be run.

mod account;
mod facts;
mod log;
mod names;
mod place;
mod role;
mod server;
mod tables;

use erpbridge_connector::{Finding, SourceError, TableSelection};

use crate::config::MysqlConfig;
use crate::session::connect;

pub(crate) use place::check_position;

/// Checks server, log, role and tables. An empty list means: it can run.
///
/// Whether the log is really given out can only be told by asking for it; that is not done here.
/// Fails only if the server cannot be asked at all.
pub async fn check(
    config: &MysqlConfig,
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
    findings.extend(log::check(&facts));
    findings.extend(role::check(&facts, config));
    findings.extend(tables::check(&facts));
    Ok(findings)
}

fn misconfigured(problem: String) -> Finding {
    Finding::error("configuration", problem, "correct the source's configuration")
}
