//! The check, with a stand-in for the bridge that makes events of the journal itself.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use erpbridge_demo::check;
use erpbridge_demo::erp::Erp;
use erpbridge_demo::expect::expected_events;
use erpbridge_demo::simulate::{Simulation, Tally};
use erpbridge_test_support::oracle::{NetChange, journal, net_changes};
use erpbridge_test_support::{Nats, NatsVersion};
use serde_json::json;
use tokio_postgres::Client;

const STREAM: &str = "ERP_LEGACY";

struct Scene {
    _erp: Erp,
    _nats: Nats,
    journal: Client,
    events: async_nats::Client,
    tally: Tally,
}

/// Business has been done and nothing was published yet.
async fn scene(actions: u32) -> Scene {
    let (erp, nats) =
        (Erp::start().await.unwrap(), Nats::start(NatsVersion::Current).await.unwrap());
    let (journal, events) = (erp.client().await.unwrap(), nats.client().await.unwrap());
    check::begin(&journal).await.unwrap();
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["erp.>".to_owned()],
        ..Default::default()
    };
    jetstream::new(events.clone()).create_stream(config).await.unwrap();
    let tally = Simulation::run(&erp, 11, actions).await.unwrap();
    Scene { _erp: erp, _nats: nats, journal, events, tally }
}

impl Scene {
    async fn changes(&self) -> Vec<NetChange> {
        net_changes(&journal::read(&self.journal, 0).await.unwrap())
    }

    /// Publishes what the bridge must publish of these changes.
    async fn publish(&self, changes: &[NetChange], rule: &str) {
        let context = jetstream::new(self.events.clone());
        for change in changes {
            for event in expected_events(change) {
                let mut headers = HeaderMap::new();
                let id = format!("legacy:{:016X}:1:{}-{rule}", change.seq, event.event_type);
                headers.insert("ce-id", id);
                headers.insert("ce-type", event.event_type.as_str());
                let name = event.event_type.replace("erpbridge.", "").replace(".v1", "");
                let data = json!({
                    "entity": { "key": event.key, "number": null },
                    "source": { "table": change.table, "transaction": change.transaction },
                });
                let subject = format!("erp.legacy.demo1._.{name}");
                let payload = data.to_string().into();
                let stored = context.publish_with_headers(subject, headers, payload).await;
                stored.unwrap().await.unwrap();
            }
        }
    }

    async fn conclude(&self) -> check::Outcome {
        check::conclude(&self.journal, &self.events, STREAM).await.unwrap()
    }
}

#[tokio::test]
async fn only_committed_transactions_reach_the_journal_and_all_of_them() {
    let scene = scene(300).await;
    let sql = "SELECT count(DISTINCT xid) FROM erpbridge_audit.journal";
    let transactions: i64 = scene.journal.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(u64::try_from(transactions).unwrap(), scene.tally.transactions());
    assert!(scene.tally.rolled_back > 0);
}

#[tokio::test]
async fn every_event_of_the_mapping_is_owed_by_some_change() {
    let changes = scene(1500).await.changes().await;
    let mut owed: Vec<String> =
        changes.iter().flat_map(expected_events).map(|event| event.event_type).collect();
    owed.sort();
    owed.dedup();
    let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/../../mappings/legacy-demo/mapping.yaml");
    let mapping = std::fs::read_to_string(mapping).unwrap();
    let mut emitted: Vec<String> = mapping
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- emit: "))
        .map(|name| format!("erpbridge.{name}.v1"))
        .collect();
    emitted.sort();
    emitted.dedup();
    assert_eq!(owed, emitted);
}

#[tokio::test]
async fn saves_without_an_edit_mean_nothing() {
    let changes = scene(300).await.changes().await;
    let untouched = |change: &&NetChange| {
        let rewritten = change.table == "legacy.poln" && change.before.is_some();
        rewritten && change.after.is_some() && expected_events(change).is_empty()
    };
    assert!(changes.iter().filter(untouched).count() > 20);
}

#[tokio::test]
async fn a_whole_stream_is_clean_and_a_hole_and_a_repeat_are_counted() {
    let scene = scene(60).await;
    let changes = scene.changes().await;
    let (last, rest) = changes.split_last().unwrap();
    scene.publish(rest, "rule").await;
    let outcome = scene.conclude().await;
    let owed = expected_events(last).len();
    assert!(!outcome.is_clean());
    assert!(outcome.last_line().ends_with(&format!(" {owed} missing, 0 duplicates")), "{outcome}");

    scene.publish(std::slice::from_ref(last), "rule").await;
    let outcome = scene.conclude().await;
    assert!(outcome.is_clean(), "{outcome}");
    assert!(outcome.last_line().starts_with("demo: "), "{}", outcome.last_line());
    assert!(outcome.last_line().ends_with(" 0 missing, 0 duplicates"), "{}", outcome.last_line());

    scene.publish(std::slice::from_ref(last), "rule").await;
    let outcome = scene.conclude().await;
    assert!(outcome.last_line().ends_with(&format!(" 0 missing, {owed} duplicates")), "{outcome}");
}

#[tokio::test]
async fn the_bridge_has_drained_when_the_last_change_arrives() {
    let scene = scene(1).await;
    let before = scene.changes().await.len();
    let bridge = async {
        loop {
            let changes = scene.changes().await;
            if let Some(marker) = changes.get(before) {
                return scene.publish(std::slice::from_ref(marker), "rule").await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (drained, ()) = tokio::join!(check::drain(&scene.journal, &scene.events, STREAM), bridge);
    assert!(drained.unwrap());
}
