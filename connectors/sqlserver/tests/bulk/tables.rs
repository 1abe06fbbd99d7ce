//! Hundreds of captured tables, of which few change at a time.

use erpbridge_connector::testkit::Tail;
use erpbridge_test_tds::row;

use crate::{server, source};

const TABLES: usize = 300;

/// What a look costs does not grow with the tables: one statement for a hundred of them says which
/// have changed, and only those are read.
#[tokio::test]
async fn three_hundred_tables_are_asked_together_and_only_those_that_changed_are_read() {
    let server = server().await;
    let erp = server.database();
    for number in 1..=TABLES {
        let table = format!("dbo.t{number}");
        erp.create_table(&table, "id int NOT NULL PRIMARY KEY, note nvarchar(20)");
        erp.capture(&table).enable();
    }
    let mut tail = Tail::start(source(&server), None, 64 << 20);
    tail.following().await;
    server.forget_requests();
    let new = row! { "id": 1, "note": "x" };
    let both = erp.transaction().insert("dbo.t299", new.clone()).insert("dbo.t7", new);
    both.commit().await;
    assert_eq!(tail.texts_of(2).await, ["insert t299 [1|x]", "insert t7 [1|x]"]);

    let requests = server.requests();
    let asks = |text: &str| requests.iter().filter(|one| one.sql.contains(text)).count();
    assert_eq!(asks("WHERE EXISTS"), TABLES / 100, "all tables, a hundred at a time");
    assert_eq!(asks("SELECT TOP (@P1) [__$start_lsn]"), 2, "the two that changed");
    tail.stop().await;
}

#[tokio::test]
async fn a_transaction_over_all_of_them_comes_in_its_order() {
    let server = server().await;
    let erp = server.database();
    for number in 0..TABLES {
        let table = format!("dbo.t{number}");
        erp.create_table(&table, "id int NOT NULL PRIMARY KEY, note nvarchar(20)");
        erp.capture(&table).enable();
    }
    let mut tail = Tail::start(source(&server), None, 64 << 20);
    tail.following().await;
    let order = |step: usize| (step * 7) % TABLES;
    let mut transaction = erp.transaction();
    for step in 0..TABLES {
        let new = row! { "id": 1, "note": "x" };
        transaction = transaction.insert(&format!("dbo.t{}", order(step)), new);
    }
    transaction.commit().await;
    let expected: Vec<String> =
        (0..TABLES).map(|step| format!("insert t{} [1|x]", order(step))).collect();
    assert_eq!(tail.texts_of(TABLES).await, expected);
    tail.stop().await;
}
