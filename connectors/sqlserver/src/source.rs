//! The whole source: it begins, then follows the log.

use std::sync::Arc;

use erpbridge_connector::{
    Finding, Phase, Source, SourceContext, SourceError, SourceFuture, TableSchema, TableSelection,
};

use crate::begin::begin;
use crate::config::SqlServerConfig;
use crate::{catalog, check};

/// A SQL Server database.
pub struct SqlServerSource {
    config: SqlServerConfig,
    selection: Arc<dyn TableSelection>,
}

impl SqlServerSource {
    /// Connects to nothing yet.
    pub fn new(config: SqlServerConfig, selection: Arc<dyn TableSelection>) -> Self {
        Self { config, selection }
    }

    async fn run_until_stopped(&self, context: SourceContext) -> Result<(), SourceError> {
        let stop = context.stop.clone();
        let follower = tokio::select! {
            biased;
            // Dropping a beginning loses nothing: it is repeated by the next start.
            () = stop.cancelled() => return Ok(()),
            begun = Box::pin(begin(&self.config, &self.selection, &context)) => begun?,
        };
        context.status.send_modify(|status| status.phase = Phase::Streaming);
        Box::pin(follower.run(context)).await.map(drop)
    }
}

impl Source for SqlServerSource {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        Box::pin(check::check(&self.config, self.selection.as_ref()))
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(catalog::discover(&self.config, self.selection.as_ref()))
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(self.run_until_stopped(context))
    }
}
