//! What a transaction looks like.

use std::time::Duration;

use erpbridge_connector::testkit::Line;
use erpbridge_test_support::wait_until;

use crate::lab::{Lab, PATIENCE, server};

const TABLES: &str = "CREATE TABLE a (id int PRIMARY KEY, note text);
    CREATE TABLE b (id int PRIMARY KEY, note text);
    CREATE SCHEMA unwanted; CREATE TABLE unwanted.c (id int PRIMARY KEY, note text);
    CREATE PUBLICATION erpbridge FOR TABLE a, b, unwanted.c";

#[tokio::test]
async fn a_truncate_names_its_tables_at_its_place_in_the_transaction() {
    let lab = Lab::new("truncated", TABLES).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO a VALUES (1); TRUNCATE a, unwanted.c, b; INSERT INTO b VALUES (2)").await;
    lab.run("TRUNCATE unwanted.c").await;
    lab.run("INSERT INTO a VALUES (3)").await;
    let expected = ["insert a [1|NULL]", "truncate a, b", "insert b [2|NULL]", "insert a [3|NULL]"];
    assert_eq!(tail.texts_of(4).await, expected);
    let lines = tail.stop().await;
    let ordinals: Vec<u64> = lines.iter().map(|line| line.ordinal).collect();
    assert_eq!(ordinals, [1, 2, 3, 1]);
    assert!(lines[..3].iter().all(|line| line.sequence == lines[0].sequence));
}

#[tokio::test]
async fn logical_messages_are_passed_over() {
    let lab = Lab::new("messages", TABLES).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("SELECT pg_logical_emit_message(false, 'other', 'outside')").await;
    lab.run(
        "INSERT INTO a VALUES (1); SELECT pg_logical_emit_message(true, 'other', 'inside');
         SELECT pg_logical_emit_message(false, 'other', repeat('x', 100000));
         INSERT INTO a VALUES (2)",
    )
    .await;
    lab.run("SELECT pg_logical_emit_message(true, 'other', 'alone')").await;
    lab.run("INSERT INTO a VALUES (3)").await;
    tail.texts_of(3).await;
    let lines = tail.stop().await;
    let seen: Vec<(&str, u64)> =
        lines.iter().map(|line| (line.text.as_str(), line.ordinal)).collect();
    let expected = [("insert a [1|NULL]", 1), ("insert a [2|NULL]", 2), ("insert a [3|NULL]", 1)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_was_rolled_back_leaves_no_trace() {
    let lab = Lab::new("rolled_back", TABLES).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("BEGIN; INSERT INTO a VALUES (1); ROLLBACK").await;
    lab.run(
        "BEGIN; INSERT INTO a VALUES (2); SAVEPOINT s; INSERT INTO a VALUES (3); ROLLBACK TO s;
         INSERT INTO a VALUES (4); COMMIT",
    )
    .await;
    tail.texts_of(2).await;
    let lines = tail.stop().await;
    let seen: Vec<(&str, u64)> =
        lines.iter().map(|line| (line.text.as_str(), line.ordinal)).collect();
    assert_eq!(seen, [("insert a [2|NULL]", 1), ("insert a [4|NULL]", 2)]);
}

#[tokio::test]
async fn a_prepared_transaction_comes_when_it_is_committed_and_holds_up_a_first_start() {
    let builder = server().setting("max_prepared_transactions", "5");
    let lab = Lab::alone(builder, TABLES).await;
    lab.run("BEGIN; INSERT INTO a VALUES (0); PREPARE TRANSACTION 'early'").await;
    let mut waiting = lab.start(None);
    waiting.until("a trace of the start", |tail| !tail.progress.is_empty()).await;
    let trace = waiting.progress[0].clone();
    let waits = async || lab.slot("active").await.as_deref() == Some("true");
    wait_until("the slot is being made", PATIENCE, waits).await.unwrap();
    // A stop is heeded, although the server may go on to make the slot for nobody.
    let stopped = tokio::time::timeout(Duration::from_secs(5), waiting.stop());
    assert!(stopped.await.unwrap().is_empty());

    lab.run("COMMIT PREPARED 'early'").await;
    lab.nobody_reads().await;
    let mut tail = lab.start(Some(&trace));
    tail.following().await;

    lab.run("BEGIN; INSERT INTO a VALUES (1); PREPARE TRANSACTION 'late'").await;
    lab.run("INSERT INTO a VALUES (2)").await;
    assert_eq!(tail.texts_of(1).await, ["insert a [2|NULL]"]);
    lab.run("COMMIT PREPARED 'late'").await;
    assert_eq!(tail.texts_of(2).await, ["insert a [2|NULL]", "insert a [1|NULL]"]);
    lab.run("BEGIN; INSERT INTO a VALUES (3); PREPARE TRANSACTION 'never'").await;
    lab.run("ROLLBACK PREPARED 'never'").await;
    lab.run("INSERT INTO a VALUES (4)").await;
    assert_eq!(tail.texts_of(3).await[2], "insert a [4|NULL]");
    tail.stop().await;
}

/// The first ordinal of each window of the transaction with this order.
fn cuts(lines: &[Line], sequence: &str) -> Vec<u64> {
    let mut cuts: Vec<(usize, u64)> = lines
        .iter()
        .filter(|line| line.sequence == sequence)
        .map(|line| (line.batch, line.ordinal))
        .collect();
    cuts.dedup_by_key(|(batch, _)| *batch);
    cuts.into_iter().map(|(_, ordinal)| ordinal).collect()
}

#[tokio::test]
async fn a_large_transaction_is_cut_at_the_same_rows_at_every_replay() {
    const ROWS: usize = 400;
    let mut lab = Lab::new("windows", TABLES).await;
    lab.config.window_bytes = 4096;
    lab.config.batch_bytes = 3000;
    let origin = lab.begun().await;
    for id in 1..=5 {
        lab.run(&format!("INSERT INTO b VALUES ({id}, repeat('y', {}))", 300 * id)).await;
    }
    lab.run(&format!(
        "DO $$ BEGIN FOR n IN 1..{ROWS} LOOP
           INSERT INTO a VALUES (n, repeat('x', n % 97));
           IF n % 3 = 0 THEN INSERT INTO unwanted.c VALUES (n, repeat('z', n % 89)); END IF;
         END LOOP; END $$"
    ))
    .await;
    lab.run("INSERT INTO b VALUES (6)").await;

    let mut first = lab.start(Some(&origin));
    first.confirms = false;
    first.texts_of(5 + ROWS + 1).await;
    let before = first.lines[4].resume.clone();
    let sequence = first.lines[5].sequence.clone();
    let first_lines = std::mem::take(&mut first.lines);
    first.kill().await;
    lab.slot_is_free().await;
    let expected = cuts(&first_lines, &sequence);
    assert!(expected.len() > 5, "{expected:?}");
    // Only the last window completes the transaction; the others resume before it.
    let windows = &first_lines[5..5 + ROWS];
    let last = windows.last().unwrap().batch;
    assert!(windows.iter().all(|line| line.complete == (line.batch == last)));
    assert!(windows.iter().all(|line| line.complete || line.resume == before));

    // Again from before everything, and from just before the transaction.
    for (start, skipped) in [(&origin, 0), (&before, 5)] {
        let mut again = lab.start(Some(start));
        again.confirms = false;
        again.texts_of(5 + ROWS + 1 - skipped).await;
        assert_eq!(cuts(&again.lines, &sequence), expected);
        let texts: Vec<&str> = first_lines[skipped..].iter().map(|l| l.text.as_str()).collect();
        assert_eq!(again.texts(), texts);
        again.kill().await;
        lab.slot_is_free().await;
    }
}

#[tokio::test]
async fn what_a_subscription_brings_arrives_like_any_other_change() {
    let lab = Lab::alone(server(), TABLES).await;
    lab.postgres.create_database("hub").await.unwrap();
    let hub = "CREATE TABLE a (id int PRIMARY KEY, note text); CREATE PUBLICATION out FOR TABLE a";
    lab.postgres.execute_in("hub", hub).await.unwrap();
    let slot = "SELECT pg_create_logical_replication_slot('fills', 'pgoutput')";
    lab.postgres.execute_in("hub", slot).await.unwrap();
    let (mut tail, _) = lab.begin().await;
    lab.run(&format!(
        "CREATE SUBSCRIPTION fills CONNECTION 'host={} port={} user=postgres dbname=hub' \
         PUBLICATION out WITH (create_slot = false, copy_data = false)",
        lab.postgres.socket().display(),
        lab.postgres.port()
    ))
    .await;
    let written = "INSERT INTO a VALUES (1, 'there'); UPDATE a SET note = 'here'";
    lab.postgres.execute_in("hub", written).await.unwrap();
    assert_eq!(tail.texts_of(2).await, ["insert a [1|there]", "update a [1|here]"]);
    lab.run("INSERT INTO a VALUES (2)").await;
    assert_eq!(tail.texts_of(3).await[2], "insert a [2|NULL]");
    tail.stop().await;
}
