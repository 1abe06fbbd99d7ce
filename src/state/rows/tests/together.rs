//! Reading, writing and flushing at the same time, and memory.

use super::*;

const ROOMY: Limits = Limits { cache_bytes: 1 << 20, dirty_bytes: 1 << 20 };

#[test]
fn rows_are_read_and_put_while_the_disk_holds_its_breath() {
    let disk = Disk::default();
    let mut store = seeded(&disk, ROOMY);
    put_line(&mut store, "1", "old", Some("a"));
    put_line(&mut store, "2", "gone", Some("a"));
    store.commit(&sequence(1));
    settle(&mut store, 1);
    let syncs = disk.syncs();
    disk.hold(true);
    put_line(&mut store, "1", "new", Some("b"));
    store.remove(LINES, "2").unwrap();
    store.commit(&sequence(2));
    store.settle(Some(&sequence(2)), &position(2));
    store.flush().unwrap();
    for transaction in 3..200 {
        let key = transaction.to_string();
        put_line(&mut store, &key, "more", Some("b"));
        store.commit(&sequence(transaction));
        store.settle(Some(&sequence(transaction)), &position(transaction));
        store.flush().unwrap();
        assert_eq!(get(&mut store, LINES, "1").as_deref(), Some("new"));
        assert_eq!(get(&mut store, LINES, "2"), None);
        assert_eq!(children(&mut store, "a", 9), []);
        assert_eq!(children(&mut store, "b", 999).len(), transaction - 1);
        assert_eq!(get(&mut store, LINES, "never"), None, "this one is not in memory");
    }
    assert_eq!(disk.syncs(), syncs, "the disk was still holding its breath");
    assert_eq!(*store.durable().borrow(), Some(position(1)));
    disk.hold(false);
    until_durable(&mut store, 199);
}

#[test]
fn memory_is_bounded_when_a_transaction_is_larger_than_it() {
    let disk = Disk::default();
    let mut store = seeded(&disk, TIGHT);
    let counters = store.counters();
    let mut most = 0;
    for key in 0..5_000 {
        put_line(&mut store, &key.to_string(), "one of many", Some("a"));
        most = std::cmp::max(most, counters.dirty_bytes.get() + counters.memory_bytes.get());
    }
    assert!(most < 5 * 10_000, "{most} bytes");
    assert!(counters.undo_bytes.get() > 0, "none of it is settled");
    assert_eq!(children(&mut store, "a", 9_999).len(), 5_000);
    store.commit(&sequence(1));
    settle(&mut store, 1);
    assert_eq!((counters.undo_bytes.get(), counters.rows.get()), (0, 5_000));
    assert_eq!(counters.dirty_bytes.get(), 0);
}

/// A settled change is on its way to a disk that holds its breath.
fn hold_a_flush(disk: &Disk, store: &mut RowStore, transaction: usize) {
    disk.hold(true);
    put_line(store, "held", "x", None);
    store.commit(&sequence(transaction));
    store.settle(Some(&sequence(transaction)), &position(transaction));
    store.flush().unwrap();
}

#[test]
fn a_put_beyond_the_bound_waits_for_the_disk_and_room_waits_before_it() {
    let disk = Disk::default();
    let mut store = seeded(&disk, TIGHT);
    hold_a_flush(&disk, &mut store, 1);
    let mut key = 0_usize;
    while store.counters().dirty_bytes.get() < 5_000 {
        key += 1;
        put_line(&mut store, &key.to_string(), "x", None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let waited = tokio::time::timeout(Duration::from_millis(20), store.room()).await;
        assert!(waited.is_err(), "there was room");
        disk.hold(false);
        tokio::time::timeout(DEADLINE, store.room()).await.unwrap().unwrap();
    });
    assert!(store.counters().flushes.get() > 0);
    hold_a_flush(&disk, &mut store, 2);
    let released = std::thread::spawn({
        let disk = disk.clone();
        move || disk.hold(false)
    });
    for key in 0..200 {
        put_line(&mut store, &key.to_string(), "y", None);
    }
    released.join().unwrap();
    assert!(store.counters().dirty_bytes.get() <= 6_000 + 500);
}

#[test]
fn children_come_in_order_of_their_keys_as_bytes_and_one_more_than_asked_for() {
    let disk = Disk::default();
    let mut store = seeded(&disk, ROOMY);
    for key in ["b", "", "é", "a", "10", "9"] {
        put_line(&mut store, key, key, Some("1"));
    }
    put_line(&mut store, "c", "c", Some("11"));
    let keys = |store: &mut RowStore, limit| {
        children(store, "1", limit).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let expected = ["", "10", "9", "a", "b", "é"];
    assert_eq!(keys(&mut store, 9), expected, "none is on disk");
    store.commit(&sequence(1));
    settle(&mut store, 1);
    assert_eq!(keys(&mut store, 9), expected, "all are on disk");
    put_line(&mut store, "9", "moved", Some("11"));
    put_line(&mut store, "d", "new", Some("1"));
    put_line(&mut store, "a", "again", Some("1"));
    assert_eq!(keys(&mut store, 9), ["", "10", "a", "b", "d", "é"], "some are");
    assert_eq!(keys(&mut store, 2), ["", "10", "a"]);
    assert_eq!(children(&mut store, "11", 9).len(), 2);
}

#[test]
fn counters_tell_hits_misses_and_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = RowStore::open(directory.path(), &tables(), ROOMY).unwrap();
    put_line(&mut store, "1", "x", None);
    store.seeded();
    settle(&mut store, 1);
    let counters = store.counters();
    assert_eq!(counters.rows.get(), 1);
    assert!(counters.disk_bytes.get() > 1_000 && counters.flush_micros.get() > 0);
    close(store).unwrap();
    let mut store = RowStore::open(directory.path(), &tables(), ROOMY).unwrap();
    let counters = store.counters();
    for _ in 0..3 {
        assert!(get(&mut store, LINES, "1").is_some());
    }
    assert_eq!((counters.hits.get(), counters.misses.get(), counters.rows.get()), (2, 1, 1));
}
