//! Seeds, where they are particular to this database.

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Pass, Phase};
use erpbridge_postgres::SnapshotMode;

use erpbridge_test_support::wait_until;

use crate::lab::{Lab, PATIENCE, server};

const TABLES: &str = "
CREATE TABLE kept (id int PRIMARY KEY, note text); CREATE TABLE bare (id int PRIMARY KEY);
CREATE TABLE other (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE kept, bare, other";

#[tokio::test]
async fn seeds_come_without_a_snapshot_and_of_tables_without_rows_too() {
    let mut lab = Lab::new("seed_only", TABLES).await;
    lab.run("INSERT INTO kept VALUES (1, 'a'), (2, NULL); INSERT INTO other VALUES (1)").await;
    lab.seeds = &["kept", "bare"];
    let (tail, origin) = lab.begin().await;
    assert_eq!(tail.texts(), ["seed kept [1|a]", "seed kept [2|NULL]", "seeded"]);
    tail.stop().await;
    lab.slot_is_free().await;

    lab.seeds = &["bare"];
    lab.run("INSERT INTO kept VALUES (3, 'c')").await;
    let mut tail = lab.start(Some(&origin));
    assert_eq!(tail.texts_of(2).await, ["seeded", "insert kept [3|c]"]);
    tail.stop().await;
}

/// A seed names the newest commit it can hold, and where the log goes on.
#[tokio::test]
async fn what_is_committed_after_the_seeds_has_a_greater_sequence() {
    let mut lab = Lab::new("seed_order", TABLES).await;
    lab.seeds = &["kept"];
    let origin = lab.begun().await;
    lab.run("INSERT INTO kept VALUES (1, 'before')").await;
    let mut tail = lab.start(Some(&origin));
    tail.texts_of(3).await;
    lab.run("UPDATE kept SET note = 'after'").await;
    let texts = tail.texts_of(4).await;
    let expected =
        ["seed kept [1|before]", "seeded", "insert kept [1|before]", "update kept [1|after]"];
    assert_eq!(texts, expected);
    let [seed, _, replayed, later] = &tail.lines[..] else { panic!("{texts:?}") };
    assert!(replayed.sequence <= seed.sequence && seed.sequence < later.sequence);
    assert_eq!(seed.resume, origin);
    tail.stop().await;
}

/// A commit that waits for a standby is in the log, and no session sees it. Seeds without it would
/// lack its row for ever, because the log is not read again from before the resume position.
#[tokio::test]
async fn seeds_hold_what_was_sent_even_if_its_commit_still_waits_for_a_standby() {
    let builder = server()
        .setting("synchronous_standby_names", "nobody")
        .setting("synchronous_commit", "local");
    let mut lab = Lab::alone(builder, TABLES).await;
    let writer = lab.postgres.client().await.unwrap();
    let (mut tail, _) = lab.begin().await;
    let writing = async {
        let insert = "SET synchronous_commit = on; INSERT INTO kept VALUES (1, 'sent')";
        writer.batch_execute(insert).await.unwrap();
    };
    let reading = async {
        assert_eq!(tail.texts_of(1).await, ["insert kept [1|sent]"]);
        let at = tail.at.clone();
        tail.stop().await;
        lab.slot_is_free().await;
        assert_eq!(lab.ask("SELECT count(*) FROM kept").await.as_deref(), Some("0"), "not seen");
        lab.seeds = &["kept"];
        let mut tail = lab.start(at.as_ref());
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE temporary";
        let waits = async || lab.ask(slots).await.as_deref() == Some("1");
        wait_until("the seeds wait for the commit", PATIENCE, waits).await.unwrap();
        lab.run("ALTER SYSTEM SET synchronous_standby_names = ''").await;
        lab.run("SELECT pg_reload_conf()").await;
        assert_eq!(tail.texts_of(2).await, ["seed kept [1|sent]", "seeded"]);
        tail.stop().await;
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn the_status_tells_each_pass_and_the_log_kept_meanwhile() {
    let mut lab = Lab::new("seed_status", TABLES).await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.batch_bytes = 1024;
    lab.run("INSERT INTO kept SELECT n, repeat('x', 90) FROM generate_series(1, 2000) n").await;
    (lab.seeds, lab.unread) = (&["kept"], &["other"]);
    let mut tail = lab.start_with_room(None, 4096);
    tail.texts_of(10).await;
    let told = |tail: &Tail| tail.status.borrow().retained_bytes.is_some();
    tail.until("the log kept for us is told", told).await;
    let status = tail.status.borrow().clone();
    assert_eq!(status.phase, Phase::Snapshot);
    let passes: Vec<_> = status.snapshot.iter().map(|t| (t.table.table.clone(), t.pass)).collect();
    assert_eq!(passes, [("kept".to_owned(), Pass::Seed)]);
    assert!((1..2000).contains(&status.snapshot[0].rows), "{status:?}");

    tail.following().await;
    let mut tables: Vec<_> = tail.status.borrow().snapshot.clone();
    tables.sort_by_key(|t| (t.pass == Pass::Snapshot, t.table.clone()));
    let told: Vec<_> =
        tables.iter().map(|t| (t.table.table.as_str(), t.pass, t.rows, t.complete)).collect();
    let expected = [
        ("kept", Pass::Seed, 2000, true),
        ("bare", Pass::Snapshot, 0, true),
        ("kept", Pass::Snapshot, 2000, true),
    ];
    assert_eq!(told, expected);
    tail.stop().await;
}
