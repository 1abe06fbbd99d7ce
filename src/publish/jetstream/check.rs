//! Everything about NATS that would keep a source from running, found without changing anything.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use bytes::Bytes;
use erpbridge_connector::Finding;

use super::JetStreamPublisher;
use super::config::NatsConfig;
use super::connect::Link;
use super::refusal::{Refusal, code, expect};
use super::stream::{self, Fit, Wanted};
use crate::publish::{PublishError, PublishErrorKind};

/// Less than this makes ordinary documents dead letters.
const SMALL_PAYLOAD_BYTES: usize = 256 * 1024;

/// Checks the server and the streams of `sources`. All findings at once.
pub async fn check(config: &NatsConfig, sources: &[String]) -> Vec<Finding> {
    let mut link = match Link::open(config, "check").await {
        Ok(link) => link,
        Err(error) => return vec![finding("nats.servers", &error)],
    };
    let mut findings = server(&link);
    if !has_jetstream(config).await {
        findings.push(Finding::error(
            format!("NATS server {}", link.server().version),
            "JetStream is not enabled",
            "start the server with `--jetstream` and a storage directory, and enable JetStream \
             for the account of this user",
        ));
        return findings;
    }
    findings.extend(shared_streams(config, sources));
    let mut single = false;
    findings.extend(streams(&mut link, config, Wanted::bucket(config), &mut single).await);
    for source in sources {
        findings.extend(one_source(config, source, &mut single).await);
    }
    findings.extend(single.then(power_loss));
    findings
}

async fn one_source(config: &NatsConfig, source: &str, single: &mut bool) -> Vec<Finding> {
    if let Err(error) = JetStreamPublisher::new(config.clone(), source) {
        return vec![finding(source, &error)];
    }
    let mut findings = Vec::new();
    for wanted in [Wanted::events(config, source), Wanted::dead_letters(config, source)] {
        // A link that was refused something stays refused: each question gets its own.
        match Link::open(config, source).await {
            Ok(mut link) => findings.extend(streams(&mut link, config, wanted, single).await),
            Err(error) => findings.push(finding(source, &error)),
        }
    }
    let publish = match Link::open(config, source).await {
        Ok(mut link) => may_publish(&mut link, source).await,
        Err(error) => Err(error),
    };
    findings.extend(publish.err().map(|error| finding(source, &error)));
    findings
}

/// Asked of the cluster, not of the one server: that may pass requests on. Only a plain no
/// counts; what this user may not ask is found with the streams.
async fn has_jetstream(config: &NatsConfig) -> bool {
    let Ok(mut link) = Link::open(config, "check").await else { return true };
    match link.look::<serde_json::Value>("INFO", &serde_json::json!({})).await {
        Ok(Err(Refusal::NoResponders)) => false,
        Ok(Err(Refusal::Api(error))) => {
            !matches!(error.err_code, code::NOT_ENABLED | code::NOT_ENABLED_FOR_ACCOUNT)
        }
        _ => true,
    }
}

/// Two sources in one stream would take it from each other for ever.
fn shared_streams(config: &NatsConfig, sources: &[String]) -> Vec<Finding> {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in [config.stream_name(source), config.dead_letter_name(source)] {
            owners.entry(name).or_default().push(source);
        }
    }
    let shared = owners.into_iter().filter(|(_, sources)| sources.len() > 1);
    let told = shared.map(|(name, sources)| {
        Finding::error(
            format!("stream {name}"),
            format!("several sources would write to it: {}", sources.join(", ")),
            "give each source a stream of its own: leave `nats.stream.name` out, or set it per \
             source",
        )
    });
    told.collect()
}

fn server(link: &Link) -> Vec<Finding> {
    let server = link.server();
    let mut findings = Vec::new();
    let version = format!("NATS server {}", server.version);
    if !link.is_at_least(2, 10) {
        findings.push(Finding::warning(
            version,
            "servers before 2.10 have known faults in clusters, and events are stored one by one",
            "upgrade to 2.12 or later",
        ));
    } else if !link.is_at_least(2, 12) {
        findings.push(Finding::warning(
            version,
            "it has no atomic batches: events are stored one by one, which is slower, and a \
             transaction becomes visible bit by bit",
            "upgrade to 2.12 or later",
        ));
    }
    if server.max_payload < SMALL_PAYLOAD_BYTES {
        findings.push(Finding::warning(
            "max_payload",
            format!("events above {} bytes become dead letters", server.max_payload),
            "raise `max_payload` in the server's configuration to 1MB",
        ));
    }
    findings
}

/// What is to be said about one stream.
async fn streams(
    link: &mut Link,
    config: &NatsConfig,
    wanted: Wanted,
    single: &mut bool,
) -> Vec<Finding> {
    let name = wanted.name.clone();
    match stream::inspect(link, &wanted).await {
        Ok(Some((fit, unfit))) => {
            *single |= fit.replicas == 1;
            existing(link, &name, &fit, &unfit)
        }
        Ok(None) => {
            *single |= config.stream.replicas == 1;
            let may = stream::may_create(link, &name).await;
            may.err().map(|error| finding(&name, &error)).into_iter().collect()
        }
        Err(error) => vec![finding(&name, &error)],
    }
}

fn existing(link: &Link, name: &str, fit: &Fit, unfit: &[String]) -> Vec<Finding> {
    let subject = format!("stream {name}");
    let unfit = unfit.iter().map(|told| {
        Finding::error(
            subject.clone(),
            format!("it is not fit for the protocol: {told}"),
            "rename or remove the stream, or configure another name",
        )
    });
    let drift = fit.drift.iter().map(|told| {
        Finding::warning(
            subject.clone(),
            told.clone(),
            format!("change one of them, the stream with `nats stream edit {name}`"),
        )
    });
    tracing::debug!(stream = name, atomic = fit.atomic, version = link.server().version, "stream");
    unfit.chain(drift).collect()
}

/// Publishes to a stream that cannot be: the server answers that the subject belongs to another
/// one, or that nobody listens, only after it has let the message in.
async fn may_publish(link: &mut Link, source: &str) -> Result<(), PublishError> {
    let subject = stream::control_subject(source);
    let mut headers = HeaderMap::new();
    headers.insert(expect::STREAM, "erpbridge-check");
    let deadline = link.deadline();
    match link.publish(&subject, headers, Bytes::new(), deadline).await? {
        Err(Refusal::NoResponders) | Ok(_) => Ok(()),
        Err(Refusal::Api(error)) if error.err_code == code::STREAM_NOT_MATCH => Ok(()),
        Err(refusal) => Err(refusal.into_error(format!("cannot publish to \"{subject}\""))),
    }
}

fn power_loss() -> Finding {
    Finding::warning(
        "replicas",
        "a stream with one replica may lose its last unsynced seconds in a power failure \
         (`sync_interval` of the server, 2 minutes unless set)",
        "use three replicas or `sync_interval: always`, or set `nats.confirm_delay` to more than \
         `sync_interval` so that the database still holds what was lost",
    )
}

/// An error of the publisher as a finding.
fn finding(subject: &str, error: &PublishError) -> Finding {
    let cause = error.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let fallback = match error.kind {
        PublishErrorKind::Connection => "start the server, or correct `nats.servers`",
        _ => "see docs/nats.md",
    };
    let mend = error.hint.clone().unwrap_or_else(|| fallback.to_owned());
    Finding::error(subject, format!("{error}{cause}"), mend)
}
