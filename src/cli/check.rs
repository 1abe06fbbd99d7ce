//! `erpbridge check`: everything that would keep the bridge from running, all at once.

use std::path::Path;
use std::sync::Arc;

use erpbridge_connector::{Finding, Source, SourceError};

use super::{CommandError, Outcome, report};
use crate::bridge::{self, make_source};
use crate::config::{self, Config, SourceConfig};
use crate::error::chain;
use crate::publish::jetstream::{self, NatsConfig};
use crate::state;

pub(super) async fn check(path: &Path) -> Result<Outcome, CommandError> {
    let loaded = config::load(path);
    let mut findings = loaded.findings;
    if let Some(config) = loaded.config {
        check_all(&config, &mut findings).await;
    }
    let broken = report::print(&findings)?;
    Ok(if broken { Outcome::NeedsPerson } else { Outcome::Done })
}

async fn check_all(config: &Config, findings: &mut Vec<Finding>) {
    for source in &config.sources {
        check_source(source, &config.nats, findings).await;
    }
    let sources: Vec<_> = config.sources.iter().map(|source| source.name.clone()).collect();
    findings.extend(jetstream::check(&config.nats, &sources).await);
    findings.extend(state::check(&config.state));
}

async fn check_source(config: &SourceConfig, nats: &NatsConfig, findings: &mut Vec<Finding>) {
    let source = make_source(config, config.mapping.selection(&[]));
    match source.check().await {
        Ok(found) => findings.extend(found),
        // A server that cannot be asked cannot be asked for its tables either.
        Err(error) => return findings.push(unreachable(config, &error)),
    }
    findings.extend(check_tables(config, Arc::clone(&source)).await);
    findings.extend(check_position(config, nats, source.as_ref()).await);
}

/// Whether the database still has the log where the source would go on, and for how long. What
/// keeps NATS from telling where that is, is found with NATS itself.
async fn check_position(
    config: &SourceConfig,
    nats: &NatsConfig,
    source: &dyn Source,
) -> Vec<Finding> {
    let Ok(Some(position)) = jetstream::stored_position(nats, &config.name).await else {
        return Vec::new();
    };
    let found = source.check_position(&position).await;
    found.unwrap_or_else(|error| vec![unreachable(config, &error)])
}

async fn check_tables(config: &SourceConfig, source: Arc<dyn Source>) -> Vec<Finding> {
    let misfits = bridge::misfits(source.as_ref(), config).await;
    misfits.unwrap_or_else(|error| vec![unreachable(config, &error)])
}

fn unreachable(config: &SourceConfig, error: &SourceError) -> Finding {
    let mend = error.hint().unwrap_or("make the server reachable, then check again");
    Finding::error(format!("source \"{}\"", config.name), chain(error), mend)
}
