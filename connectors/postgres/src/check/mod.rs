//! Everything that would keep the bridge from running, or would hurt the database, at once.
//!
//! First the facts are read ([`facts`]), then each room judges them without asking again. The
//! findings come in the order in which their statements should be run: what a table needs comes
//! before the publication that would otherwise make the table's own updates fail, and the
//! publication before the slot, because a slot never sees a publication that is younger.

mod facts;
mod names;
mod publication;
mod role;
mod server;
mod slot;
mod tables;

use erpbridge_connector::{Finding, SourceError, TableSelection};

use crate::config::PostgresConfig;
use crate::session::connect;

/// Checks server, role, tables, publication and slot. An empty list means: it can run.
///
/// Whether a replication connection is let in can only be told by opening one; that is not done
/// here. Fails only if the server cannot be asked at all.
pub async fn check(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<Finding>, SourceError> {
    let mut findings: Vec<Finding> = config.validate().into_iter().map(misconfigured).collect();
    if !findings.is_empty() {
        return Ok(findings);
    }
    let session = connect(config).await?;
    let facts = facts::read(&session, config, selection).await?;
    session.close().await;
    findings.extend(server::check(&facts, config));
    findings.extend(role::check(&facts, config));
    findings.extend(tables::check(&facts, config));
    findings.extend(publication::check(&facts, config));
    findings.extend(slot::check(&facts, config));
    Ok(findings)
}

fn misconfigured(problem: String) -> Finding {
    Finding::error("configuration", problem, "correct the source's configuration")
}
