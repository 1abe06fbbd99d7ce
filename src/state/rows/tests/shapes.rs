//! Tables that come, go, and change.

use super::*;

fn store_with_rows(disk: &Disk) -> RowStore {
    let mut store = seeded(disk, TIGHT);
    for key in ["1", "2"] {
        store.put(HEADERS, key, &row("header"), &[]).unwrap();
        put_line(&mut store, key, "line", Some("1"));
    }
    store.commit(&sequence(1));
    settle(&mut store, 1);
    store
}

#[test]
fn a_table_with_another_shape_is_emptied_and_no_other() {
    let disk = Disk::default();
    close(store_with_rows(&disk)).unwrap();
    let tables = [shape("headers", 1), shape("lines", 2)];
    let mut store = open_on(&disk, &tables, TIGHT).unwrap();
    assert_eq!(store.unseeded(), [LINES]);
    assert_eq!(store.position(), Some(position(1)), "the other table still stands there");
    assert_eq!(get(&mut store, HEADERS, "1").as_deref(), Some("header"));
    assert_eq!(get(&mut store, LINES, "1"), None);
    assert_eq!(children(&mut store, "1", 9), []);
    assert_eq!(store.counters().rows.get(), 2);
}

#[test]
fn tables_follow_their_names_and_those_not_named_are_dropped() {
    let disk = Disk::default();
    close(store_with_rows(&disk)).unwrap();
    let tables = [shape("lines", 1), shape("items", 1)];
    let mut store = open_on(&disk, &tables, TIGHT).unwrap();
    assert_eq!(store.unseeded(), [KeptTable(1)]);
    assert_eq!(get(&mut store, KeptTable(0), "2").as_deref(), Some("line"));
    close(store).unwrap();
    let store = open_on(&disk, &super::tables(), TIGHT).unwrap();
    assert_eq!(store.unseeded(), [HEADERS], "it was dropped meanwhile");
}

#[test]
fn seeds_count_only_with_a_position_settled_after_them() {
    let disk = Disk::default();
    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    assert_eq!((store.unseeded(), store.position()), (vec![HEADERS, LINES], None));
    for key in 0..100 {
        put_line(&mut store, &key.to_string(), "seed", Some("1"));
    }
    settle(&mut store, 3);
    store.seeded();
    assert_eq!(store.unseeded(), []);
    close(store).unwrap();

    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    assert_eq!(store.unseeded(), [HEADERS, LINES], "the position was not settled after the seeds");
    assert_eq!((get(&mut store, LINES, "7"), store.counters().rows.get()), (None, 0));
    put_line(&mut store, "7", "seed", Some("1"));
    store.seeded();
    put_line(&mut store, "7", "changed", Some("2"));
    store.commit(&sequence(5));
    settle(&mut store, 4);
    close(store).unwrap();

    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    assert_eq!((store.unseeded(), store.position()), (vec![], Some(position(4))));
    assert_eq!(get(&mut store, LINES, "7").as_deref(), Some("seed"), "5 was not settled");
    assert_eq!(children(&mut store, "1", 9), [("7".to_owned(), "seed".to_owned())]);
    assert_eq!(children(&mut store, "2", 9), []);
}

#[test]
fn a_mark_for_seeds_is_not_lost_when_the_position_stays() {
    let disk = Disk::default();
    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    settle(&mut store, 1);
    store.seeded();
    settle(&mut store, 1);
    close(store).unwrap();
    assert_eq!(open_on(&disk, &tables(), TIGHT).unwrap().unseeded(), []);
}
