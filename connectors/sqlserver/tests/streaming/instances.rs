//! A table whose shape changes: columns that capture does not know, a second capture instance,
//! and when the first may go.

use erpbridge_connector::SourceErrorKind;
use erpbridge_test_tds::row;

use crate::assert_told;
use crate::lab::{Lab, Said};

/// A table that got a column, and a second instance that captures it.
async fn grown() -> Lab {
    let lab = Lab::of(&["item"]).await;
    lab.insert("item", 1, "old").await;
    lab
}

fn capture_again(lab: &Lab) {
    lab.erp().add_column("dbo.item", "price int");
    lab.erp().capture("dbo.item").instance("dbo_item_2").enable();
}

async fn priced(lab: &Lab, id: i32) {
    let row = row! { "id": id, "note": "new", "price": id * 10 };
    lab.erp().transaction().insert("dbo.item", row).commit().await;
}

#[tokio::test]
async fn a_new_column_does_not_come_before_a_second_instance_captures_it() {
    let lab = grown().await;
    let (mut tail, _) = lab.begin().await;
    lab.erp().add_column("dbo.item", "price int");
    priced(&lab, 2).await;
    assert_eq!(tail.texts_of(1).await, ["insert item [2|new]"]);
    lab.erp().capture("dbo.item").instance("dbo_item_2").enable();
    priced(&lab, 3).await;
    assert_eq!(
        tail.texts_of(3).await[1..],
        ["shape item (id int, note nvarchar(50), price int)", "insert item [3|new|30]"]
    );
    tail.stop().await;
}

/// Both instances hold every change from where the second begins. A change comes once, and a
/// replay goes over at the same place.
#[tokio::test]
async fn the_older_instance_is_drained_and_the_place_decides_when_to_go_over() {
    let lab = grown().await;
    let origin = lab.begun().await;
    lab.insert("item", 2, "before").await;
    capture_again(&lab);
    for id in 3..=5 {
        priced(&lab, id).await;
    }
    let expected = [
        "insert item [2|before]",
        "shape item (id int, note nvarchar(50), price int)",
        "insert item [3|new|30]",
        "insert item [4|new|40]",
        "insert item [5|new|50]",
    ];
    let mut first = lab.start(Some(&origin));
    first.until("all rows", |tail| tail.lines.len() >= 5).await;
    let mut texts = first.texts();
    let first = first.stop().await;
    // A shape may be told before rows of the old one that wait in the same batch.
    texts.sort();
    let mut sorted = expected.map(str::to_owned);
    sorted.sort();
    assert_eq!(texts, sorted);

    let mut again = lab.start(Some(&origin));
    again.until("all rows", |tail| tail.lines.len() >= 5).await;
    let again = again.stop().await;
    assert_eq!(first, again, "the same at a replay");
}

#[tokio::test]
async fn the_older_instance_may_go_when_all_before_the_younger_is_confirmed() {
    let said = Said::listen();
    let lab = grown().await;
    let (mut tail, _) = lab.begin().await;
    tail.confirms = false;
    lab.insert("item", 2, "before").await;
    capture_again(&lab);
    priced(&lab, 3).await;
    tail.until("the new shape", |tail| tail.texts().iter().any(|t| t.contains("|30]"))).await;
    lab.tds.forget_requests();
    priced(&lab, 4).await;
    tail.until("another row", |tail| tail.texts().iter().any(|t| t.contains("|40]"))).await;
    lab.asked("FROM cdc.change_tables").await;
    assert!(!said.text().contains("may be dropped"), "nothing is confirmed: {}", said.text());

    tail.confirms = true;
    priced(&lab, 5).await;
    tail.until("one more", |tail| tail.texts().iter().any(|t| t.contains("|50]"))).await;
    priced(&lab, 6).await;
    tail.until("one more", |tail| tail.texts().iter().any(|t| t.contains("|60]"))).await;
    said.heard("the older capture instance is drained and may be dropped").await;
    let statement = "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = \
                     N'item', @capture_instance = N'dbo_item'";
    assert!(said.text().contains(statement), "{}", said.text());
    assert_eq!(said.text().matches("may be dropped").count(), 1, "said once");

    // Whoever does as told loses nothing.
    lab.erp().release("dbo_item");
    priced(&lab, 7).await;
    tail.until("the last", |tail| tail.texts().iter().any(|t| t.contains("|70]"))).await;
    let position = tail.newest();
    tail.stop().await;
    priced(&lab, 8).await;
    assert_eq!(lab.lines_after(&position, 1).await, ["insert item [8|new|80]"]);
}

#[tokio::test]
async fn an_older_instance_that_went_too_early_is_a_gap() {
    let lab = grown().await;
    let origin = lab.begun().await;
    lab.insert("item", 2, "only the older one has it").await;
    capture_again(&lab);
    lab.erp().release("dbo_item");
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::PositionLost, &["`dbo.item`"]);
}

#[tokio::test]
async fn a_dropped_column_comes_as_null_from_then_on() {
    let lab = Lab::with("item", "id int NOT NULL PRIMARY KEY, a int, b int").await;
    let (mut tail, _) = lab.begin().await;
    let full = row! { "id": 1, "a": 1, "b": 2 };
    lab.erp().transaction().insert("dbo.item", full).commit().await;
    tail.texts_of(1).await;
    lab.erp().drop_column("dbo.item", "a");
    let less = row! { "id": 2, "b": 3 };
    lab.erp().transaction().insert("dbo.item", less).commit().await;
    tail.until("the row without it", |tail| tail.texts().iter().any(|t| t.contains("[2|"))).await;
    assert_eq!(tail.texts()[0], "insert item [1|1|2]");
    assert_eq!(tail.texts().last().unwrap(), "insert item [2|NULL|3]");
    tail.stop().await;
}

#[tokio::test]
async fn a_column_that_gets_another_type_is_told_as_a_new_shape() {
    let lab = Lab::with("item", "id int NOT NULL PRIMARY KEY, n int").await;
    let (mut tail, _) = lab.begin().await;
    lab.erp().transaction().insert("dbo.item", row! { "id": 1, "n": 1 }).commit().await;
    tail.texts_of(1).await;
    lab.erp().alter_column("dbo.item", "n bigint");
    let wide = row! { "id": 2, "n": 5_000_000_000_i64 };
    lab.erp().transaction().insert("dbo.item", wide).commit().await;
    assert_eq!(
        tail.texts_of(3).await[1..],
        ["shape item (id int, n bigint)", "insert item [2|5000000000]"]
    );
    tail.stop().await;
}
