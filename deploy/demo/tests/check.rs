//! The check, with a stand-in for the bridge that makes events of the journal itself.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use async_nats::HeaderMap;
use async_nats::jetstream::{self, stream};
use erpbridge_demo::check;
use erpbridge_demo::database::{Client, Source};
use erpbridge_demo::erp::Erp;
use erpbridge_demo::expect::expected_events;
use erpbridge_demo::simulate::{Simulation, Tally};
use erpbridge_test_support::oracle::NetChange;
use erpbridge_test_support::{Nats, NatsVersion};
use serde_json::json;

const STREAM: &str = "ERP_LEGACY";

struct Scene {
    erp: Erp,
    _nats: Nats,
    journal: Client,
    events: async_nats::Client,
    tally: Tally,
}

/// Business has been done and nothing was published yet.
async fn scene(source: Source, actions: u32) -> Scene {
    let (erp, nats) =
        (Erp::start(source).await.unwrap(), Nats::start(NatsVersion::Current).await.unwrap());
    let (mut journal, events) = (erp.client().await.unwrap(), nats.client().await.unwrap());
    check::begin(&mut journal).await.unwrap();
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["erp.>".to_owned()],
        ..Default::default()
    };
    jetstream::new(events.clone()).create_stream(config).await.unwrap();
    let tally = Simulation::run(&erp, 11, actions).await.unwrap();
    Scene { erp, _nats: nats, journal, events, tally }
}

impl Scene {
    async fn changes(&self) -> Vec<NetChange> {
        check::changes(&mut self.erp.client().await.unwrap()).await.unwrap()
    }

    /// Publishes what the bridge must publish of these changes.
    async fn publish(&self, changes: &[NetChange], rule: &str) {
        let context = jetstream::new(self.events.clone());
        for change in changes {
            for event in expected_events(change, self.erp.source()) {
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

    async fn conclude(&mut self) -> check::Outcome {
        check::conclude(&mut self.journal, &self.events, STREAM).await.unwrap()
    }
}

/// Runs a test against both databases.
macro_rules! on_both {
    ($($name:ident => $postgres:ident, $mariadb:ident;)+) => {$(
        #[tokio::test]
        async fn $postgres() {
            $name(Source::Postgres).await;
        }

        #[tokio::test]
        async fn $mariadb() {
            $name(Source::MariaDb).await;
        }
    )+};
}

on_both! {
    journal => only_committed_transactions_reach_the_journal_on_postgres,
        only_committed_transactions_reach_the_journal_on_mariadb;
    owed => every_event_of_the_mapping_is_owed_by_some_change_on_postgres,
        every_event_of_the_mapping_is_owed_by_some_change_on_mariadb;
    saves => saves_without_an_edit_mean_nothing_on_postgres,
        saves_without_an_edit_mean_nothing_on_mariadb;
    counts => a_whole_stream_is_clean_and_a_hole_and_a_repeat_are_counted_on_postgres,
        a_whole_stream_is_clean_and_a_hole_and_a_repeat_are_counted_on_mariadb;
    drains => the_bridge_has_drained_when_the_last_change_arrives_on_postgres,
        the_bridge_has_drained_when_the_last_change_arrives_on_mariadb;
}

/// Only committed transactions, and all of them.
async fn journal(source: Source) {
    let scene = scene(source, 300).await;
    let changes = scene.changes().await;
    let mut told: Vec<&str> = changes.iter().map(|change| change.transaction.as_str()).collect();
    told.sort_unstable();
    told.dedup();
    assert!(told.iter().all(|transaction| !transaction.starts_with("not noted")), "{told:?}");
    // Who adds a row and takes it away in one transaction changes nothing in the end.
    let transactions = usize::try_from(scene.tally.transactions()).unwrap();
    assert!(told.len() <= transactions && told.len() + 5 > transactions);
    assert!(scene.tally.rolled_back > 0);
}

async fn owed(source: Source) {
    let changes = scene(source, 1500).await.changes().await;
    let events = changes.iter().flat_map(|change| expected_events(change, source));
    let mut owed: Vec<String> = events.map(|event| event.event_type).collect();
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

async fn saves(source: Source) {
    let changes = scene(source, 300).await.changes().await;
    let untouched = |change: &&NetChange| {
        let rewritten = change.table == "legacy.poln" && change.before.is_some();
        rewritten && change.after.is_some() && expected_events(change, source).is_empty()
    };
    assert!(changes.iter().filter(untouched).count() > 20);
}

async fn counts(source: Source) {
    let mut scene = scene(source, 60).await;
    let changes = scene.changes().await;
    let owing = |change: &&NetChange| !expected_events(change, source).is_empty();
    let last = changes.iter().rev().find(owing).unwrap();
    let rest: Vec<NetChange> =
        changes.iter().filter(|change| change.seq != last.seq).cloned().collect();
    scene.publish(&rest, "rule").await;
    let outcome = scene.conclude().await;
    let owed = expected_events(last, source).len();
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

async fn drains(source: Source) {
    let scene = scene(source, 1).await;
    let before = scene.changes().await.len();
    let mut client = scene.erp.client().await.unwrap();
    let bridge = async {
        loop {
            let changes = scene.changes().await;
            let noted = |change: &&NetChange| !change.transaction.starts_with("not noted");
            if let Some(marker) = changes.get(before).filter(noted) {
                return scene.publish(std::slice::from_ref(marker), "rule").await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (drained, ()) = tokio::join!(check::drain(&mut client, &scene.events, STREAM), bridge);
    assert!(drained.unwrap());
}
