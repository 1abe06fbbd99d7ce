//! The whole source: it begins, follows the log, and looks again when the stream broke.

use std::sync::Arc;
use std::time::Duration;

use crate::begin::{Begun, begin};
use crate::config::PostgresConfig;
use crate::position::Places;
use crate::stream::Connection;
use crate::stretch::Stretch;
use crate::{catalog, check, explore, start};
use erpbridge_connector::{
    Explored, Explorer, Finding, Phase, Sample, Sampled, Source, SourceContext, SourceError,
    SourceErrorKind, SourceFuture, TableName, TableSchema, TableSelection,
};

/// A `PostgreSQL` database.
pub struct PostgresSource {
    config: PostgresConfig,
    selection: Arc<dyn TableSelection>,
}

/// How long the second look at a slot may take whose stream broke. If the server does not answer,
/// the next start will find out.
const LOOK_DEADLINE: Duration = Duration::from_secs(3);

impl PostgresSource {
    /// Connects to nothing yet.
    pub fn new(config: PostgresConfig, selection: Arc<dyn TableSelection>) -> Self {
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
        match Box::pin(self.follow(begun, context)).await {
            Err(error) if error.kind() == SourceErrorKind::Connection => {
                Err(self.look_again(error).await)
            }
            followed => followed,
        }
    }

    async fn follow(&self, begun: Begun, context: SourceContext) -> Result<(), SourceError> {
        let Begun { connection, server, after, confirmed } = begun;
        let stretch = Stretch {
            config: &self.config,
            selection: &self.selection,
            server: &server,
            connection,
            after,
            confirmed,
            places: Places::Streaming(server.identity),
            until: None,
        };
        stretch.follow(context).await.map(drop)
    }

    /// A slot that grew too far behind is taken away by ending the connection in the same words as
    /// a restart. Only the slot tells them apart.
    async fn look_again(&self, error: SourceError) -> SourceError {
        let looked = async {
            let mut connection = Connection::connect(&self.config).await?;
            start::read_slot(&mut connection, &self.config.slot).await
        };
        match tokio::time::timeout(LOOK_DEADLINE, looked).await {
            Ok(Ok(Some(slot))) if slot.lost.is_some() => {
                start::lost(&self.config, &slot, None).with_cause(error)
            }
            // The server cannot be asked, or has nothing against us: the first error stands.
            _ => error,
        }
    }
}

impl Explorer for PostgresSource {
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

impl Source for PostgresSource {
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
