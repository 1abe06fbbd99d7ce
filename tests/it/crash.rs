//! `kill -9` at random points under load, with what the database committed as the oracle.
//!
//! People work with the made-up ERP of the demo while the bridge, or NATS, or the database is
//! killed again and again. At the end every committed change must have its events in the stream,
//! once, in order. The seed is printed; `ERPBRIDGE_SEED` replays it.

use std::path::Path;
use std::time::Duration;

use erpbridge_demo::check;
use erpbridge_demo::database::Source;
use erpbridge_demo::erp::Erp;
use erpbridge_demo::simulate::{Pace, Simulation};
use erpbridge_test_support::{
    Bridge, Directory, Nats, NatsVersion, Port, Seed, read_stream, wait_until,
};
use rand::Rng;

use crate::shop::{DEADLINE, validate};

const STREAM: &str = "ERP_LEGACY";

/// The ERP, NATS and the bridge between them.
struct Company {
    bridge: Bridge,
    nats: Nats,
    erp: Erp,
    http: Port,
    _state: Directory,
}

impl Company {
    async fn open(source: Source, version: NatsVersion) -> Self {
        let (erp, nats) = (Erp::start(source).await.unwrap(), Nats::start(version).await.unwrap());
        check::begin(&mut erp.client().await.unwrap()).await.unwrap();
        let (state, http) = (Directory::new("crash").unwrap(), Port::reserve().unwrap());
        let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/legacy-demo");
        let config = format!(
            "sources:\n  - name: legacy\n    {}\n    mappings: [\"{}\"]\n    keep_interval: 200ms\nnats: {{ servers: [\"{}\"] }}\nstate: \"{}\"\nhttp: \
             \"{}\"\n",
            erp.connection(),
            mapping.display(),
            nats.url(),
            state.join("offsets").display(),
            http.address(),
        );
        let mut bridge = Bridge::start(env!("CARGO_BIN_EXE_erpbridge"), &config).unwrap();
        bridge.wait_ready(&http.address(), DEADLINE).await.unwrap();
        wait_snapshot_stored(&nats).await;
        Self { bridge, nats, erp, http, _state: state }
    }

    async fn wait_ready(&mut self) {
        self.bridge.wait_ready(&self.http.address(), DEADLINE).await.unwrap();
    }

    /// Everybody has gone home: what was committed must be what was told.
    async fn conclude(&mut self) {
        let (mut client, nats) =
            (self.erp.client().await.unwrap(), self.nats.client().await.unwrap());
        let drained = check::drain(&mut client, &nats, STREAM).await.unwrap();
        let outcome = check::conclude(&mut client, &nats, STREAM).await.unwrap();
        assert!(drained && outcome.is_clean(), "{outcome}\n{}", self.bridge.log());
        let stored = read_stream(&nats, STREAM).await.unwrap();
        stored.iter().filter(|m| m.subject.starts_with("erp.")).for_each(validate);
        println!("{outcome}\n{}", outcome.last_line());
    }
}

/// Waits until the first reading of the tables can no longer be repeated. What is committed before
/// that may be told as a row of the second reading, and not as what happened to it.
async fn wait_snapshot_stored(nats: &Nats) {
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    let bucket = context.get_stream("KV_erpbridge-offsets").await.unwrap();
    wait_until("the snapshot is stored", DEADLINE, async || {
        let kept = bucket.get_last_raw_message_by_subject("$KV.erpbridge-offsets.legacy").await;
        kept.is_ok_and(|kept| !String::from_utf8_lossy(&kept.payload).contains("snapshot:"))
    })
    .await
    .unwrap();
}

fn pace(seed: &Seed) -> Pace {
    Pace { people: 4, rate: 300, seed: seed.number() }
}

/// The bridge is killed again and again while people work.
async fn survives_kills(source: Source) {
    let seed = Seed::take().unwrap();
    let mut rng = seed.rng();
    let mut company = Company::open(source, NatsVersion::Current).await;
    let simulation = Simulation::start(&company.erp, pace(&seed)).await.unwrap();
    for _ in 0..12 {
        // Chance decides where it is hit: connecting, reading, publishing, settling.
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..1500))).await;
        company.bridge.kill9();
        company.bridge.start_again().unwrap();
    }
    company.wait_ready().await;
    simulation.stop().await.unwrap();
    company.conclude().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_killed_at_random_points_loses_and_doubles_nothing() {
    survives_kills(Source::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_on_mariadb_killed_at_random_points_loses_and_doubles_nothing() {
    survives_kills(Source::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    let seed = Seed::take().unwrap();
    let mut rng = seed.rng();
    let mut company = Company::open(Source::Postgres, NatsVersion::Current).await;
    let simulation = Simulation::start(&company.erp, pace(&seed)).await.unwrap();
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(rng.random_range(200..1500))).await;
        company.nats.kill9();
        company.nats.restart().await.unwrap();
    }
    simulation.stop().await.unwrap();
    company.conclude().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_nats_server_and_a_killed_bridge_lose_and_double_nothing() {
    let seed = Seed::take().unwrap();
    let mut rng = seed.rng();
    let mut company = Company::open(Source::Postgres, NatsVersion::Old).await;
    let simulation = Simulation::start(&company.erp, pace(&seed)).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(rng.random_range(5..1500))).await;
        company.bridge.kill9();
        company.bridge.start_again().unwrap();
    }
    simulation.stop().await.unwrap();
    company.conclude().await;
}
