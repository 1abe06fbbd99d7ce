//! In which order changes come: inside a transaction, across tables, over pages and windows.

use erpbridge_test_tds::{Change, Edition, Lsn, ServerFacts, TdsServer, row};

use crate::lab::{ITEM, Lab};

/// A change as capture would write it, in a transaction behind everything there is.
fn change(lab: &Lab, (command, record): (i32, u16), operation: i32, id: i32) -> Change {
    let (file, block, _) = lab.erp().newest().unwrap().parts();
    Change {
        start_lsn: Lsn::new(file, block + 800, 99),
        seqval: Lsn::new(file, block + 800, record),
        command_id: command,
        operation,
        update_mask: vec![3],
        row: row! { "id": id, "note": "x" },
    }
}

#[tokio::test]
async fn commands_keep_their_order_where_the_sequence_values_do_not() {
    let lab = Lab::of(&["item"]).await;
    lab.insert("item", 100, "first").await;
    let origin = lab.begun().await;
    let changes =
        [change(&lab, (3, 5), 1, 1), change(&lab, (1, 30), 2, 1), change(&lab, (2, 20), 2, 2)];
    for change in changes {
        lab.erp().write_change("dbo_item", change);
    }
    let mut tail = lab.start(Some(&origin));
    assert_eq!(
        tail.texts_of(3).await,
        ["insert item [1|x]", "insert item [2|x]", "delete item was [1|x]"]
    );
    let ordinals: Vec<u64> = tail.stop().await.iter().map(|line| line.ordinal).collect();
    assert!(ordinals.is_sorted_by(|a, b| a < b), "{ordinals:?}");
}

#[tokio::test]
async fn without_command_ids_the_sequence_values_decide() {
    let facts = ServerFacts {
        version: "10.50.6000.34".to_owned(),
        edition: Edition::Enterprise,
        ..ServerFacts::default()
    };
    let lab = Lab::over(TdsServer::builder().facts(facts)).await;
    lab.capture("item", ITEM);
    let origin = lab.begun().await;
    let erp = lab.erp();
    erp.transaction()
        .insert("dbo.item", row! { "id": 1, "note": "a" })
        .update("dbo.item", row! { "id": 1 }, row! { "note": "b" })
        .insert("dbo.item", row! { "id": 2, "note": "c" })
        .commit()
        .await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        ["insert item [1|a]", "update item [1|b] was [1|a]", "insert item [2|c]"]
    );
    let ids = |text: &str| text.contains("[__$command_id]");
    assert!(!lab.tds.requests().iter().any(|one| ids(&one.sql)));
}

#[tokio::test]
async fn the_changes_of_many_tables_come_in_the_order_of_the_transaction() {
    let lab = Lab::of(&["head", "line", "note"]).await;
    let origin = lab.begun().await;
    let mut transaction = lab.erp().transaction();
    for id in 1..=30 {
        let table = ["dbo.head", "dbo.line", "dbo.note"][id % 3];
        let row = row! { "id": i64::try_from(id).unwrap(), "note": "x" };
        transaction = transaction.insert(table, row);
    }
    transaction.commit().await;
    let tables = ["head", "line", "note"];
    let expected: Vec<String> =
        (1..=30).map(|id: usize| format!("insert {} [{id}|x]", tables[id % 3])).collect();
    assert_eq!(lab.lines_after(&origin, 30).await, expected);
}

#[tokio::test]
async fn transactions_come_in_the_order_of_their_commits() {
    let lab = Lab::of(&["item", "other"]).await;
    let origin = lab.begun().await;
    // The one begun first is committed last.
    let early = lab.erp().transaction().insert("dbo.item", row! { "id": 1, "note": "early" });
    let late = lab.erp().transaction().insert("dbo.other", row! { "id": 2, "note": "late" });
    late.commit().await;
    early.insert("dbo.other", row! { "id": 3, "note": "too" }).commit().await;
    let mut tail = lab.start(Some(&origin));
    let texts = tail.texts_of(3).await;
    assert_eq!(texts, ["insert other [2|late]", "insert item [1|early]", "insert other [3|too]"]);
    let sequences: Vec<String> = tail.stop().await.into_iter().map(|l| l.sequence).collect();
    assert!(sequences[0] < sequences[1] && sequences[1] == sequences[2], "{sequences:?}");
}

/// Pages end anywhere: between commands, between records, between the halves of an update.
#[tokio::test]
async fn a_page_that_ends_inside_a_transaction_skips_nothing_and_repeats_nothing() {
    const ROWS: i32 = 5003;
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    let rows = (0..ROWS).map(|id| row! { "id": id, "note": "first" });
    let mut transaction = lab.erp().transaction().insert_all("dbo.item", rows);
    for note in ["second", "third"] {
        transaction = transaction.update("dbo.item", row! {}, row! { "note": note });
    }
    transaction.delete("dbo.item", row! {}).commit().await;

    let mut tail = lab.start(Some(&origin));
    let texts = tail.texts_of(4 * 5003).await;
    let expected = |what: fn(i32) -> String| (0..ROWS).map(what);
    let expected: Vec<String> = expected(|id| format!("insert item [{id}|first]"))
        .chain(expected(|id| format!("update item [{id}|second] was [{id}|first]")))
        .chain(expected(|id| format!("update item [{id}|third] was [{id}|second]")))
        .chain(expected(|id| format!("delete item was [{id}|third]")))
        .collect();
    assert_eq!(texts, expected);
    tail.stop().await;
    let reads = lab.tds.requests();
    let pages = reads.iter().filter(|one| one.sql.contains("[dbo_item_CT]")).count();
    assert!(pages > 3, "the test wants pages to end inside: {pages}");
}

/// A bridge that dies in the middle of a transaction gets it whole again, each change with the
/// same name, so what it has is recognised.
#[tokio::test]
async fn a_transaction_larger_than_a_window_is_cut_and_resumed_with_the_same_names() {
    let mut lab = Lab::of(&["item", "other"]).await;
    lab.config.window_bytes = 1024;
    lab.config.batch_bytes = 1024;
    let origin = lab.begun().await;
    lab.insert("other", 1, "before").await;
    let rows = (0..300).map(|id| row! { "id": id, "note": "row" });
    let others = (0..300).map(|id| row! { "id": 1000 + id, "note": "row" });
    let both = lab.erp().transaction().insert_all("dbo.item", rows);
    both.insert_all("dbo.other", others).commit().await;
    lab.insert("other", 2, "after").await;

    let mut whole = lab.start(Some(&origin));
    whole.texts_of(602).await;
    let whole = whole.stop().await;
    let cut = whole.iter().filter(|line| !line.complete).count();
    assert!(cut > 300, "the windows before the last are of an open transaction: {cut}");

    let mut broken = lab.start_with_room(Some(&origin), 2048);
    broken.texts_of(100).await;
    let position = broken.newest();
    let seen = broken.lines.clone();
    broken.kill().await;
    let mut again = lab.start(Some(&position));
    again.texts_of(601).await;
    let again = again.stop().await;
    let name = |line: &erpbridge_connector::testkit::Line| {
        (line.sequence.clone(), line.ordinal, line.text.clone())
    };
    let all: Vec<_> = whole.iter().map(name).collect();
    assert_eq!(seen.iter().map(name).collect::<Vec<_>>(), all[..seen.len()]);
    assert_eq!(again.iter().map(name).collect::<Vec<_>>(), all[1..], "nothing before, all behind");
}

#[tokio::test]
async fn many_small_transactions_are_read_in_bounded_windows() {
    let mut lab = Lab::of(&["item"]).await;
    lab.config.transactions_per_poll = 7;
    let origin = lab.begun().await;
    for id in 1..=50 {
        lab.insert("item", id, "x").await;
    }
    lab.tds.forget_requests();
    let expected: Vec<String> = (1..=50).map(|id| format!("insert item [{id}|x]")).collect();
    assert_eq!(lab.lines_after(&origin, 50).await, expected);
    let reads = lab.tds.requests();
    let windows = reads.iter().filter(|one| one.sql.contains("[dbo_item_CT]")).count();
    assert!(windows >= 8, "50 transactions by 7: {windows}");
}
