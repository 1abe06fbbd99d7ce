//! Servers killed and connections cut in the middle of things.

use std::time::Duration;

use erpbridge::publish::{PublishErrorKind, Publisher};
use erpbridge_test_support::{Nats, NatsVersion, Proxy, Way};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::source::{Bridge, batch, expected, ids, position};

/// Rounds of kill and restart per version.
const ROUNDS: usize = 6;

/// The seed of this run; set `ERPBRIDGE_SEED` to repeat one.
fn seed() -> u64 {
    let set = std::env::var("ERPBRIDGE_SEED").ok().and_then(|seed| seed.parse().ok());
    set.unwrap_or_else(rand::random)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_batches_leaves_no_gap_and_no_duplicate() {
    let seed = seed();
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let mut random = StdRng::seed_from_u64(seed);
        let mut nats = Nats::start(version).await.unwrap();
        let mut bridge = Bridge::new(&nats.address());
        bridge.claim().await.unwrap();
        for round in 0..ROUNDS {
            let until =
                tokio::time::Instant::now() + Duration::from_millis(random.random_range(5..250));
            let publishing = async {
                loop {
                    let count = random.random_range(1..200);
                    if bridge.publish(count).await.is_err() {
                        return;
                    }
                }
            };
            let killing = async {
                tokio::time::sleep_until(until).await;
                nats.kill9();
            };
            tokio::join!(publishing, killing);
            nats.restart().await.unwrap();
            if round % 2 == 0 {
                // The bridge's machine is gone too.
                bridge = Bridge::new(&nats.address());
            }
            bridge.claim_again().await;
        }
        bridge.publish(3).await.unwrap();
        let (stored, wanted) = (ids(&nats).await, expected(bridge.at));
        assert_eq!(stored.len(), wanted.len(), "{version:?}, ERPBRIDGE_SEED={seed}");
        assert_eq!(stored, wanted, "{version:?}, ERPBRIDGE_SEED={seed}");
    }
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_seen_by_the_next_claim() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let proxy = Proxy::start(&nats.address()).await.unwrap();
        let mut bridge = Bridge::new(&proxy.address());
        bridge.claim().await.unwrap();
        bridge.publish(1).await.unwrap();
        // What goes up arrives; the answer does not come down.
        proxy.stall(Way::Down);
        let stored = async {
            let wait = Duration::from_secs(10);
            let grown = async || ids(&nats).await.len() > expected(1).len();
            erpbridge_test_support::wait_until("the batch is stored", wait, grown).await.unwrap();
            proxy.cut();
        };
        let (published, ()) = tokio::join!(bridge.publish(2), stored);
        assert_eq!(published.unwrap_err().kind, PublishErrorKind::Connection);
        proxy.heal();
        let standing = bridge.claim_again().await;
        if version == NatsVersion::Current {
            assert_eq!(standing.resume_after, Some(position(3)));
        }
        bridge.publish(2).await.unwrap();
        assert_eq!(ids(&nats).await, expected(bridge.at), "{version:?}");
    }
}

#[tokio::test]
async fn a_connection_cut_inside_a_batch_stores_nothing_of_it() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let proxy = Proxy::start(&nats.address()).await.unwrap();
    let mut bridge = Bridge::new(&proxy.address());
    bridge.claim().await.unwrap();
    for bytes in [1, 300, 2_000, 20_000, 60_000] {
        let before = ids(&nats).await;
        proxy.cut_after(Way::Up, bytes);
        let error = bridge.publish(100).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Connection);
        assert_eq!(ids(&nats).await, before, "after {bytes} bytes");
        bridge.claim_again().await;
        bridge.publish(1).await.unwrap();
    }
    assert_eq!(ids(&nats).await, expected(bridge.at));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_after_the_timeout() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let proxy = Proxy::start(&nats.address()).await.unwrap();
    let mut bridge = Bridge::new(&proxy.address());
    bridge.claim().await.unwrap();
    proxy.stall_both();
    let begun = tokio::time::Instant::now();
    let error = bridge.publish(3).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Connection);
    assert!(begun.elapsed() < Duration::from_secs(6));
    // The late batch goes up now, while the next claim is made.
    proxy.heal();
    bridge.claim_again().await;
    bridge.publish(3).await.unwrap();
    assert_eq!(ids(&nats).await, expected(bridge.at));
}

#[tokio::test]
async fn a_publish_that_is_dropped_half_way_asks_for_a_claim() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    let dropped = tokio::time::timeout(Duration::ZERO, bridge.publish(100)).await;
    assert!(dropped.is_err());
    let error = bridge.publisher.publish(&batch(1..=1, None)).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Conflict);
    bridge.claim_again().await;
    bridge.publish(2).await.unwrap();
    assert_eq!(ids(&nats).await, expected(bridge.at));
}
