//! The whole source: it begins, then follows the log.

use std::sync::Arc;

use erpbridge_connector::{
    Explored, Explorer, Finding, Phase, Sample, Sampled, Source, SourceContext, SourceError,
    SourceFuture, TableName, TableSchema, TableSelection,
};

use crate::begin::begin;
use crate::config::SqlServerConfig;
use crate::{catalog, check, explore};

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

impl Explorer for SqlServerSource {
    fn names(&self) -> SourceFuture<'_, Result<Vec<TableName>, SourceError>> {
        Box::pin(explore::names(&self.config))
    }

    fn describe<'a>(
        &'a self,
        tables: &'a [TableName],
    ) -> SourceFuture<'a, Result<Vec<Explored>, SourceError>> {
        Box::pin(explore::describe(&self.config, tables))
    }

    fn sample<'a>(&'a self, asked: &'a Sample) -> SourceFuture<'a, Result<Sampled, SourceError>> {
        Box::pin(explore::sample(&self.config, asked))
    }
}
