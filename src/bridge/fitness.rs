//! Whether a database and its mapping are fit for each other and for the bridge.
//!
//! **Before a first start** everything that is found must be mended: a slot on a database that is
//! not ready keeps log for a bridge that never runs, a table published without a replica identity
//! makes the ERP's own updates fail, and a mapping that does not fit is better told before a
//! snapshot of a million rows than after it.
//!
//! **At a later start** it is only told. The log may be hours behind the catalogue, so what does
//! not fit today may fit every row that is still to come. But a table that left the publication
//! is told nowhere else: nothing of it is in the log any more, and nothing is what an idle table
//! looks like.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Finding, Severity, Source, SourceError, SourceErrorKind, TableSchema};

use super::attempt::AttemptError;
use crate::config::SourceConfig;

/// How long the questions may take, all together.
const DEADLINE: Duration = Duration::from_mins(1);

/// Where the mapping does not fit the tables as they are now.
pub async fn misfits(
    source: &dyn Source,
    config: &SourceConfig,
) -> Result<Vec<Finding>, SourceError> {
    let tables = source.discover().await?;
    let tables: Vec<Arc<TableSchema>> = tables.into_iter().map(Arc::new).collect();
    let bound = tables.iter().map(|table| config.mapping.bind(&config.name, table, &tables));
    Ok(bound.filter_map(Result::err).flatten().collect())
}

/// Refuses a first start as long as there is an error.
pub(super) async fn require(
    source: &dyn Source,
    config: &SourceConfig,
) -> Result<(), AttemptError> {
    let errors = errors(source, config).await?;
    if errors.is_empty() { Ok(()) } else { Err(AttemptError::Unfit(errors)) }
}

/// Tells the errors there are. A server that cannot be asked is told by whoever needs it next.
pub(super) async fn tell(source: &dyn Source, config: &SourceConfig) {
    for found in errors(source, config).await.unwrap_or_default() {
        let Finding { subject, problem, mend, sql, .. } = found;
        let (source, sql) = (config.name.as_str(), sql.join("; "));
        tracing::warn!(source, subject, problem, mend, sql, "the database is not as it should be");
    }
}

async fn errors(source: &dyn Source, config: &SourceConfig) -> Result<Vec<Finding>, SourceError> {
    let asking = async {
        let mut findings = source.check().await?;
        findings.extend(misfits(source, config).await?);
        Ok(findings)
    };
    let asked = tokio::time::timeout(DEADLINE, asking).await;
    let mut findings = asked.unwrap_or_else(|_| Err(no_answer()))?;
    findings.retain(|finding| finding.severity == Severity::Error);
    Ok(findings)
}

fn no_answer() -> SourceError {
    let message = format!("check the database: no answer within {} s", DEADLINE.as_secs());
    SourceError::new(SourceErrorKind::Connection, message)
}
