//! What is stored, and which streams and servers are accepted.

use erpbridge::canonical::{EventBatch, header};
use erpbridge::deadletter::{DeadLetter, Reason};
use erpbridge::publish::jetstream::{Credentials, JetStreamPublisher, NatsConfig, check};
use erpbridge::publish::{PublishErrorKind, Publisher};
use erpbridge_connector::Severity;
use erpbridge_test_support::{Nats, NatsVersion};
use serde_json::json;

use super::source::{
    Bridge, DEAD_LETTERS, SOURCE, STREAM, batch_with_large_event, config, expected, header_of, ids,
    messages, position, publisher, sequence,
};

#[tokio::test]
async fn a_batch_is_stored_in_order_with_its_positions() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut bridge = Bridge::new(&nats.address());
        let standing = bridge.claim().await.unwrap();
        assert_eq!((standing.resume_after, standing.published), (None, None));
        bridge.publish(1).await.unwrap();
        bridge.publish(7).await.unwrap();
        assert_eq!(ids(&nats).await, expected(8), "{version:?}");
        let stored = messages(&nats, STREAM).await;
        let last = stored.last().unwrap();
        assert_eq!(header_of(last, header::POSITION).unwrap(), "p8");
        assert_eq!(header_of(last, header::TRANSACTION_LAST).unwrap(), "1");
        let first_of_eight = &stored[stored.len() - 5];
        assert_eq!(header_of(first_of_eight, header::POSITION).unwrap(), "p7");
        assert_eq!(header_of(first_of_eight, header::TRANSACTION_LAST), None);
        let batched = header_of(last, "Nats-Batch-Commit").is_some();
        assert_eq!(batched, version == NatsVersion::Current);
    }
}

#[tokio::test]
async fn a_thousand_events_are_one_batch_and_one_more_is_refused() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut publisher = publisher(&nats.address());
    publisher.claim(None).await.unwrap();
    let settled = |count: u64| {
        let mut batch = EventBatch::new();
        for ordinal in 0..count {
            batch
                .event(ordinal)
                .subject(|subject| subject.extend_from_slice(b"erp.erp1.a"))
                .payload(|payload| payload.extend_from_slice(b"{}"));
        }
        batch.settle(
            &erpbridge_connector::Transaction {
                id: "1".into(),
                sequence: sequence(1),
                committed_at: erpbridge_connector::Timestamp::default(),
                resume: position(1),
                complete: true,
                snapshot: false,
                seed: false,
            },
            count,
        );
        batch.freeze()
    };
    assert_eq!(publisher.publish(&settled(1000)).await.unwrap().stream_sequence, 1001);
    let error = publisher.publish(&settled(1001)).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Setup);
}

fn letter() -> DeadLetter {
    DeadLetter {
        id: "erp1:0A:7:stock.moved".to_owned(),
        table: "public.stock_move".to_owned(),
        rule: Some("stock.moved".to_owned()),
        reason: Reason::UnknownCode,
        detail: "column \"state\": the code is not in the table".to_owned(),
        sequence: sequence(1),
        ordinal: 7,
        position: position(0),
        row: json!({"operation": "insert", "before": null, "after": {"state": "x"}}),
    }
}

#[tokio::test]
async fn a_dead_letter_published_twice_is_stored_once() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut publisher = publisher(&nats.address());
        for _ in 0..2 {
            publisher.claim(None).await.unwrap();
            let mut batch = EventBatch::new();
            batch.dead_letters.push(letter());
            publisher.publish(&batch.freeze()).await.unwrap();
        }
        let stored = messages(&nats, DEAD_LETTERS).await;
        assert_eq!(stored.len(), 1, "{version:?}");
        assert_eq!(header_of(&stored[0], "Erp-Reason").unwrap(), "unknown_code");
        let body: serde_json::Value = serde_json::from_slice(&stored[0].payload).unwrap();
        assert_eq!(body["row"]["after"]["state"], "x");
    }
}

#[tokio::test]
async fn an_event_too_large_for_the_server_becomes_a_dead_letter() {
    let nats = Nats::builder(NatsVersion::Current).max_payload(8192).start().await.unwrap();
    let mut publisher = publisher(&nats.address());
    publisher.claim(None).await.unwrap();
    let published = publisher.publish(&batch_with_large_event(1, 10_000)).await.unwrap();
    assert_eq!(published.too_large, 1);
    assert_eq!(ids(&nats).await.len(), 1);
    let stored = messages(&nats, DEAD_LETTERS).await;
    let body: serde_json::Value = serde_json::from_slice(&stored[0].payload).unwrap();
    assert_eq!(body["reason"], "too_large");
    assert_eq!(body["row"], json!(null));
    // The event before it ends the transaction now.
    let standing = publisher.claim(None).await.unwrap();
    assert_eq!(standing.resume_after, Some(position(1)));
}

#[tokio::test]
async fn a_stream_in_memory_is_refused_and_left_as_it_is() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    let stream = async_nats::jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["erp.erp1.>".to_owned()],
        storage: async_nats::jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    context.create_stream(stream).await.unwrap();
    let error = publisher(&nats.address()).claim(None).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Setup);
    assert!(error.message.contains("storage is memory, not file"), "{}", error.message);
    assert!(error.hint.is_some());
    let findings = check(&config(&nats.address()), &[SOURCE.to_owned()]).await;
    assert!(findings.iter().any(|finding| finding.problem.contains("storage is memory")));
    let left = context.get_stream(STREAM).await.unwrap();
    assert_eq!(left.cached_info().config.subjects, ["erp.erp1.>"]);
}

#[tokio::test]
async fn what_an_existing_stream_lacks_is_added_and_the_rest_is_kept() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    let stream = async_nats::jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["erp.erp1.>".to_owned(), "mine".to_owned()],
        max_bytes: 1_000_000,
        description: Some("made by hand".to_owned()),
        ..Default::default()
    };
    context.create_stream(stream).await.unwrap();
    let findings = check(&config(&nats.address()), &[SOURCE.to_owned()]).await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.problem.contains("max_bytes is 1000000")));
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    bridge.publish(3).await.unwrap();
    let config = context.get_stream(STREAM).await.unwrap().cached_info().config.clone();
    assert_eq!(config.subjects, ["erp.erp1.>", "mine", "erpbridge.erp1.control"]);
    assert_eq!(
        (config.max_bytes, config.description.as_deref()),
        (1_000_000, Some("made by hand"))
    );
    let last = messages(&nats, STREAM).await.pop().unwrap();
    assert!(header_of(&last, "Nats-Batch-Commit").is_some(), "atomic batches are switched on");
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_by_name() {
    let nats = Nats::builder(NatsVersion::Current).without_jetstream().start().await.unwrap();
    let error = publisher(&nats.address()).claim(None).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Setup);
    assert!(error.message.contains("JetStream is not enabled"), "{}", error.message);
    let findings = check(&config(&nats.address()), &[SOURCE.to_owned()]).await;
    assert!(findings.iter().any(|finding| finding.problem == "JetStream is not enabled"));
}

#[tokio::test]
async fn wrong_credentials_are_denied_and_right_ones_let_in() {
    let nats = Nats::builder(NatsVersion::Current).user("bridge", "secret").start().await.unwrap();
    let with = |password: &str| NatsConfig {
        credentials: Credentials::UserPassword {
            user: "bridge".to_owned(),
            password: password.to_owned(),
        },
        ..config(&nats.address())
    };
    let mut wrong = JetStreamPublisher::new(with("wrong"), SOURCE).unwrap();
    let error = wrong.claim(None).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Denied);
    assert!(!format!("{error:?}").contains("wrong"), "no password in an error");
    let mut right = JetStreamPublisher::new(with("secret"), SOURCE).unwrap();
    right.claim(None).await.unwrap();
}

#[tokio::test]
async fn a_user_without_the_right_to_publish_is_denied_at_once() {
    let nats = Nats::builder(NatsVersion::Current)
        .line("authorization { users: [ { user: admin, password: a }, { user: bridge, password: b, permissions: { publish: { deny: [\"erp.>\", \"erpbridge.>\"] } } } ] }")
        .start()
        .await
        .unwrap();
    let config = NatsConfig {
        credentials: Credentials::UserPassword { user: "bridge".into(), password: "b".into() },
        ..config(&nats.address())
    };
    let mut bridge = JetStreamPublisher::new(config.clone(), SOURCE).unwrap();
    let error = bridge.claim(None).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Denied);
    assert!(error.message.contains("erpbridge.erp1.control"), "{}", error.message);
    let findings = check(&config, &[SOURCE.to_owned()]).await;
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
}

/// The permissions as docs/nats.md lists them.
fn documented_permissions() -> Vec<String> {
    let text = include_str!("../../../docs/nats.md");
    let lines = text.lines().skip_while(|line| !line.contains("allow = [")).skip(1);
    let listed = lines.take_while(|line| !line.trim().starts_with(']'));
    listed.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect()
}

#[tokio::test]
async fn the_documented_permissions_are_enough() {
    let allowed = documented_permissions();
    assert!(allowed.len() > 5, "{allowed:?}");
    let nats = Nats::builder(NatsVersion::Current)
        .line(&format!(
            "authorization {{ users: [ {{ user: bridge, password: b, permissions: {{ \
             publish: {{ allow: {allowed:?} }}, subscribe: {{ allow: [\"_INBOX.>\"] }} }} }} ] }}"
        ))
        .start()
        .await
        .unwrap();
    let config = NatsConfig {
        credentials: Credentials::UserPassword { user: "bridge".into(), password: "b".into() },
        ..config(&nats.address())
    };
    let findings = check(&config, &[SOURCE.to_owned()]).await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning), "{findings:?}");
    let mut bridge = Bridge::new(&nats.address());
    bridge.publisher = JetStreamPublisher::new(config, SOURCE).unwrap();
    bridge.claim().await.unwrap();
    let published = bridge.publish(5).await.unwrap();
    bridge.publisher.keep(&bridge.record(published.stream_sequence).unwrap()).await.unwrap();
    bridge.claim().await.unwrap();
    let mut batch = EventBatch::new();
    batch.dead_letters.push(letter());
    bridge.publisher.publish(&batch.freeze()).await.unwrap();
}

#[tokio::test]
async fn a_fit_server_has_only_the_note_on_power_loss() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let sources = ["erp1".to_owned(), "erp2".to_owned()];
    let findings = check(&config(&nats.address()), &sources).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].subject, "replicas");
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    assert!(context.get_stream(STREAM).await.is_err(), "a check changes nothing");
    let old = Nats::start(NatsVersion::Old).await.unwrap();
    let findings = check(&config(&old.address()), &sources).await;
    assert!(findings.iter().any(|finding| finding.subject.starts_with("NATS server 2.9")));
}

#[tokio::test]
async fn two_sources_in_one_stream_are_refused_by_the_check() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut config = config(&nats.address());
    config.stream.name = Some("ERP".to_owned());
    let findings = check(&config, &["erp1".to_owned(), "erp2".to_owned()]).await;
    let told = "several sources would write to it: erp1, erp2";
    assert!(findings.iter().any(|finding| finding.problem == told), "{findings:?}");
}

#[tokio::test]
async fn a_token_lets_in_and_tls_is_checked_against_the_authority() {
    let nats = Nats::builder(NatsVersion::Current).token("hush").with_tls().start().await.unwrap();
    let mut config = NatsConfig {
        servers: vec![nats.url()],
        credentials: Credentials::Token("hush".to_owned()),
        ..config(&nats.address())
    };
    let mut unchecked = JetStreamPublisher::new(config.clone(), SOURCE).unwrap();
    unchecked.claim(None).await.unwrap_err();
    config.tls.ca_file = Some(nats.certificates().unwrap().ca.clone());
    config.tls.required = true;
    let mut checked = JetStreamPublisher::new(config, SOURCE).unwrap();
    checked.claim(None).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_is_a_connection_error() {
    let mut nats = Nats::start(NatsVersion::Current).await.unwrap();
    nats.kill9();
    let error = publisher(&nats.address()).claim(None).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Connection);
}
