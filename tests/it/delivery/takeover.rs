//! Several writers, and what is read back of a stream at a start.

use erpbridge::canonical::header;
use erpbridge::publish::{OrderKey, PublishErrorKind, Publisher};
use erpbridge::state::OffsetStore;
use erpbridge_test_support::{Nats, NatsVersion};

use super::source::{
    Bridge, STREAM, batch, expected, header_of, ids, messages, position, publisher, sequence,
};

#[tokio::test]
async fn when_somebody_else_wrote_nothing_is_stored_and_a_new_claim_goes_on() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut bridge = Bridge::new(&nats.address());
        bridge.claim().await.unwrap();
        bridge.publish(3).await.unwrap();
        let before = messages(&nats, STREAM).await.len();
        let intruder = async_nats::jetstream::new(nats.client().await.unwrap());
        let mut headers = async_nats::HeaderMap::new();
        // Another tool that copies a message with its headers.
        for name in [header::EPOCH, header::POSITION, header::SEQUENCE, header::TRANSACTION_LAST] {
            let last = messages(&nats, STREAM).await.pop().unwrap();
            headers.insert(name, header_of(&last, name).unwrap().as_str());
        }
        let ack = intruder.publish_with_headers("erp.erp1.x", headers, "{}".into()).await.unwrap();
        ack.await.unwrap();
        let error = bridge.publish(4).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Conflict);
        assert_eq!(messages(&nats, STREAM).await.len(), before + 1, "nothing of it is stored");
        bridge.claim().await.unwrap();
        bridge.publish(4).await.unwrap();
        assert_eq!(ids(&nats).await, expected(7), "{version:?}");
    }
}

#[tokio::test]
async fn a_message_of_another_tool_at_the_end_stops_the_bridge_with_a_hint() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    let intruder = async_nats::jetstream::new(nats.client().await.unwrap());
    intruder.publish("erp.erp1.x", "{}".into()).await.unwrap().await.unwrap();
    let error = bridge.claim().await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Contradiction);
    assert!(error.hint.unwrap().contains("nats stream rmm ERP_ERP1 2"));
}

#[tokio::test]
async fn a_takeover_fences_the_writer_before() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut old = Bridge::new(&nats.address());
        old.claim().await.unwrap();
        old.publish(4).await.unwrap();
        let mut new = Bridge::new(&nats.address());
        let standing = new.claim().await.unwrap();
        assert_eq!(standing.resume_after, Some(position(4)));
        let error = old.publish(2).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Conflict);
        let error = old.claim().await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Fenced);
        new.publish(3).await.unwrap();
        assert_eq!(ids(&nats).await, expected(7), "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_from_a_writer_under_load_leaves_no_gap_and_no_duplicate() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut old = Bridge::new(&nats.address());
    old.claim().await.unwrap();
    let writing = async {
        while old.publish(1).await.is_ok() {}
        let error = old.claim().await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Fenced);
    };
    let taking = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let mut new = Bridge::new(&nats.address());
        new.claim().await.unwrap();
        new.publish(5).await.unwrap();
        new.at
    };
    let ((), last) = tokio::join!(writing, taking);
    assert_eq!(ids(&nats).await, expected(last));
}

#[tokio::test]
async fn a_writer_that_was_replaced_cannot_overwrite_the_kept_position() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut old = Bridge::new(&nats.address());
    old.claim().await.unwrap();
    let published = old.publish(3).await.unwrap();
    let stale = old.record(published.stream_sequence).unwrap();
    let mut new = Bridge::new(&nats.address());
    new.claim().await.unwrap();
    let error = old.publisher.keep(&stale).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Conflict);
}

#[tokio::test]
async fn the_position_of_an_idle_source_survives_in_the_bucket() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut bridge = Bridge::new(&nats.address());
        bridge.claim().await.unwrap();
        // Transaction 5 makes no event: the stream's last message stands before it.
        let published = bridge.publish(5).await.unwrap();
        bridge.publisher.keep(&bridge.record(published.stream_sequence).unwrap()).await.unwrap();
        let standing = Bridge::new(&nats.address()).claim().await.unwrap();
        assert_eq!(standing.resume_after, Some(position(5)), "{version:?}");
        assert_eq!(standing.published, Some(OrderKey { sequence: sequence(4), ordinal: 4 }));
        // The claim itself tells it from now on.
        let last = messages(&nats, STREAM).await.pop().unwrap();
        assert_eq!(header_of(&last, header::POSITION).unwrap(), "p5");
    }
}

#[tokio::test]
async fn a_lost_state_directory_costs_one_read_back() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let directory = state.path().join("offsets");
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    bridge.publish(4).await.unwrap();
    let store = OffsetStore::open(&directory).await.unwrap();
    store.save(bridge.local.as_ref().unwrap()).await.unwrap();
    store.close().await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let store = OffsetStore::open(&directory).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.local = store.load(super::source::SOURCE).await.unwrap();
    assert_eq!(bridge.local, None);
    assert_eq!(bridge.claim().await.unwrap().resume_after, Some(position(4)));
    bridge.publish(2).await.unwrap();
    assert_eq!(ids(&nats).await, expected(6));
}

#[tokio::test]
async fn a_stream_whose_last_messages_were_deleted_is_filled_again_from_what_is_left() {
    for version in [NatsVersion::Current, NatsVersion::Old] {
        let nats = Nats::start(version).await.unwrap();
        let mut bridge = Bridge::new(&nats.address());
        bridge.claim().await.unwrap();
        bridge.publish(1).await.unwrap();
        bridge.publish(1).await.unwrap();
        bridge.publish(1).await.unwrap();
        let context = async_nats::jetstream::new(nats.client().await.unwrap());
        let stream = context.get_stream(STREAM).await.unwrap();
        let all = messages(&nats, STREAM).await;
        // Transaction 3 has five events; the copy in the bucket is older than they are.
        for message in all.iter().rev().take(5) {
            stream.delete_message(message.sequence).await.unwrap();
        }
        let mut bridge = Bridge::new(&nats.address());
        assert_eq!(bridge.claim().await.unwrap().resume_after, Some(position(2)));
        // The server still knows the ids of the deleted messages, and takes the new ones for
        // repeats; the next attempt goes without ids.
        let error = bridge.publish(3).await.unwrap_err();
        assert_eq!(error.kind, PublishErrorKind::Conflict);
        bridge.claim().await.unwrap();
        bridge.publish(3).await.unwrap();
        assert_eq!(ids(&nats).await, expected(5), "{version:?}");
    }
}

#[tokio::test]
async fn an_emptied_stream_leaves_the_word_to_the_record() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    bridge.publish(4).await.unwrap();
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    context.get_stream(STREAM).await.unwrap().purge().await.unwrap();
    let standing = bridge.claim().await.unwrap();
    assert_eq!(standing.resume_after, Some(position(4)));
    assert_eq!(standing.shortened_from, None);
}

#[tokio::test]
async fn a_stream_restored_from_a_backup_sends_the_source_back_and_says_so() {
    let mut nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    bridge.publish(4).await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    nats.stop().await.unwrap();
    copy(&nats.store(), backup.path());
    nats.restart().await.unwrap();
    bridge.claim_again().await;
    let published = bridge.publish(10).await.unwrap();
    bridge.publisher.keep(&bridge.record(published.stream_sequence).unwrap()).await.unwrap();
    nats.stop().await.unwrap();
    std::fs::remove_dir_all(nats.store()).unwrap();
    copy(backup.path(), &nats.store());
    nats.restart().await.unwrap();
    let standing = bridge.claim().await.unwrap();
    assert_eq!(standing.resume_after, Some(position(4)));
    assert_eq!(standing.shortened_from, Some(published.stream_sequence));
    bridge.publish(6).await.unwrap();
    assert_eq!(ids(&nats).await, expected(10));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn events_stored_inside_a_row_change_are_not_stored_again() {
    // An old server stores one by one: it can stop between two events of one change.
    let nats = Nats::start(NatsVersion::Old).await.unwrap();
    let mut bridge = Bridge::new(&nats.address());
    bridge.claim().await.unwrap();
    bridge.publish(2).await.unwrap();
    let context = async_nats::jetstream::new(nats.client().await.unwrap());
    let stream = context.get_stream(STREAM).await.unwrap();
    let last = messages(&nats, STREAM).await.pop().unwrap();
    stream.delete_message(last.sequence).await.unwrap();
    // Without the local record: it would tell that the last event had been stored.
    let mut bridge = Bridge::new(&nats.address());
    let standing = bridge.claim().await.unwrap();
    assert_eq!(standing.resume_after, Some(position(1)));
    assert_eq!(standing.published, Some(OrderKey { sequence: sequence(2), ordinal: 1 }));
    // The server still knows the id of the deleted message.
    bridge.publish(2).await.unwrap_err();
    bridge.claim().await.unwrap();
    bridge.publish(2).await.unwrap();
    assert_eq!(ids(&nats).await, expected(3));
}

#[tokio::test]
async fn a_publisher_that_has_not_claimed_refuses() {
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    let mut publisher = publisher(&nats.address());
    let error = publisher.publish(&batch(1..=1, None)).await.unwrap_err();
    assert_eq!(error.kind, PublishErrorKind::Conflict);
}
