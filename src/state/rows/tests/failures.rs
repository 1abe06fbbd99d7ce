//! What can be wrong with a store, and what is said then.

use std::path::Path;

use super::*;
use crate::state::rows::RowStoreErrorKind;
use crate::state::rows::disk::set_format;

fn failure(directory: &Path) -> RowStoreError {
    match RowStore::open(directory, &tables(), TIGHT) {
        Ok(_) => panic!("the store opened"),
        Err(error) => error,
    }
}

fn one_row(disk: &Disk) -> RowStore {
    let mut store = seeded(disk, TIGHT);
    put_line(&mut store, "1", "a cell that is easily found", Some("PO1"));
    store.commit(&sequence(1));
    settle(&mut store, 1);
    store
}

#[test]
fn a_second_opener_is_told_and_may_have_it_once_the_first_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let store = RowStore::open(directory.path(), &tables(), TIGHT).unwrap();
    let error = failure(directory.path());
    assert_eq!(error.kind, RowStoreErrorKind::InUse);
    assert!(error.to_string().contains("another erpbridge has it open"), "{error}");
    assert!(error.hint().starts_with("stop the other process"));
    close(store).unwrap();
    close(RowStore::open(directory.path(), &tables(), TIGHT).unwrap()).unwrap();
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let photo = directory.path().join("photo.jpg");
    std::fs::write(&photo, "x").unwrap();
    assert_eq!(failure(directory.path()).kind, RowStoreErrorKind::Foreign);
    assert!(photo.exists());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_no_store_is_told_and_left_alone() {
    for content in [&b""[..], b"rows", &[0xA5; 10_000]] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rows.redb");
        std::fs::write(&file, content).unwrap();
        let error = failure(directory.path());
        assert_eq!(error.kind, RowStoreErrorKind::Damaged, "{error}");
        assert!(error.hint().contains("remove the directory"));
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program_is_told() {
    let directory = tempfile::tempdir().unwrap();
    drop(redb::Database::create(directory.path().join("rows.redb")).unwrap());
    assert_eq!(failure(directory.path()).kind, RowStoreErrorKind::Foreign);
}

#[test]
fn a_store_half_made_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        std::fs::write(directory.path().join("rows.redb.new"), "").unwrap();
        close(RowStore::open(directory.path(), &tables(), TIGHT).unwrap()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = failure(&file.join("rows"));
    assert_eq!(error.kind, RowStoreErrorKind::Refused);
    assert!(error.hint().starts_with("check the rights"));
}

#[test]
fn a_later_format_is_told() {
    let disk = Disk::default();
    let db = disk.database(&Blame::new(Path::new("here"))).unwrap();
    set_format(&db, 7).unwrap();
    drop(db);
    let error = open_on(&disk, &tables(), TIGHT).err().unwrap();
    assert_eq!(error.kind, RowStoreErrorKind::Version(7));
    assert!(error.to_string().contains("format 7"));
}

#[test]
fn a_damaged_row_is_an_error_and_not_another_row() {
    let disk = Disk::default();
    close(one_row(&disk)).unwrap();
    disk.damage(b"a cell that is easily found");
    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    let error = store.get(LINES, "1").unwrap_err();
    assert_eq!(error.action, "read");
    assert!(error.source.to_string().contains("they are damaged"), "{}", error.source);
    assert!(store.children(LINES, 0, "PO1", 9).is_err());
    put_line(&mut store, "1", "new", None);
    store.commit(&sequence(2));
    store.settle(Some(&sequence(2)), &position(2));
    let deadline = Instant::now() + DEADLINE;
    while store.flush().is_ok() {
        assert!(Instant::now() < deadline, "a damaged row was written over unseen");
    }
}

#[test]
fn any_damaged_page_is_an_error_or_harmless_and_never_a_panic() {
    let disk = Disk::default();
    close(one_row(&disk)).unwrap();
    for run in [&b"PO1"[..], b"head", b"rows/0", b"format", b"at:1", b"shop/lines", b"index/1"] {
        let disk = disk.after_power_failure(|| true);
        disk.damage(run);
        let Ok(mut store) = open_on(&disk, &tables(), TIGHT) else { continue };
        let found = store.get(LINES, "1");
        let told = !store.unseeded().is_empty();
        assert!(told || matches!(&found, Err(_) | Ok(Some(_))), "silently empty after {run:?}");
        drop(store.children(LINES, 0, "PO1", 9));
    }
}

#[test]
fn a_full_disk_fails_the_store_and_what_was_durable_is_there_when_there_is_room_again() {
    let disk = Disk::default();
    let mut store = one_row(&disk);
    disk.fill(true);
    let large = "x".repeat(500);
    let failed = (2..100_000).find_map(|transaction| {
        let key = transaction.to_string();
        store.put(LINES, &key, &row(&large), &[None]).err()
    });
    assert!(failed.unwrap().source.to_string().ends_with("the disk is full"));
    assert_eq!(store.flush().unwrap_err().kind, RowStoreErrorKind::Full);
    assert_eq!(close(store).unwrap_err().kind, RowStoreErrorKind::Full);
    disk.fill(false);
    let mut store = open_on(&disk, &tables(), TIGHT).unwrap();
    assert_eq!(store.position(), Some(position(1)));
    assert_eq!(get(&mut store, LINES, "1").as_deref(), Some("a cell that is easily found"));
    assert_eq!(get(&mut store, LINES, "2"), None);
    assert_eq!(store.counters().rows.get(), 1);
}

#[test]
fn a_table_the_store_was_not_opened_with_is_an_error() {
    let mut store = seeded(&Disk::default(), TIGHT);
    let other = KeptTable(9);
    assert!(store.get(other, "1").is_err());
    assert!(store.put(other, "1", &row("x"), &[]).is_err());
    assert!(store.children(other, 0, "1", 1).is_err());
}
