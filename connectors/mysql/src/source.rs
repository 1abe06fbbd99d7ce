//! The whole source: it begins, and follows the log.

use std::sync::Arc;

use erpbridge_connector::{
    Explored, Explorer, Finding, Phase, Position, Sample, Sampled, Source, SourceContext,
    SourceError, SourceFuture, TableName, TableSchema, TableSelection,
};

use crate::begin::{Begun, begin};
use crate::config::MysqlConfig;
use crate::position::Places;
use crate::stretch::Stretch;
use crate::{catalog, check, explore};

/// A `MySQL` or `MariaDB` server.
pub struct MysqlSource {
    config: MysqlConfig,
    selection: Arc<dyn TableSelection>,
}

impl MysqlSource {
    /// Connects to nothing yet.
    pub fn new(config: MysqlConfig, selection: Arc<dyn TableSelection>) -> Self {
        Self { config, selection }
    }

    async fn run_until_stopped(&self, context: SourceContext) -> Result<(), SourceError> {
        let stop = context.stop.clone();
        let (config, selection) = (&self.config, &self.selection);
        let begun = tokio::select! {
            biased;
            // Dropping a beginning loses nothing: whatever it left half done is found and
            // repeated by the next start.
            () = stop.cancelled() => return Ok(()),
            begun = Box::pin(begin(config, selection, &context)) => begun?,
        };
        context.status.send_modify(|status| status.phase = Phase::Streaming);
        let Begun { server, route, resume, history } = begun;
        let after = &route.reached.at;
        tracing::info!(source = %config.source, %after, "following the log");
        let places = Places::Streaming(route.identity);
        let until = None;
        let server = &server;
        let stretch = Stretch { config, selection, server, route, resume, history, places, until };
        Box::pin(stretch.follow(context)).await.map(drop)
    }
}

impl Explorer for MysqlSource {
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

impl Source for MysqlSource {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        Box::pin(check::check(&self.config, self.selection.as_ref()))
    }

    fn check_position<'a>(
        &'a self,
        position: &'a Position,
    ) -> SourceFuture<'a, Result<Vec<Finding>, SourceError>> {
        Box::pin(check::check_position(&self.config, position))
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        Box::pin(catalog::discover(&self.config, self.selection.as_ref()))
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(self.run_until_stopped(context))
    }
}
