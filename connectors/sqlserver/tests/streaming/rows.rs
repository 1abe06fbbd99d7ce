//! What rows look like: operations, images, values that are not told, names.

use erpbridge_test_tds::{Change, Lsn, Value, row};

use crate::lab::{ITEM, Lab};

const ORDER: &str = "id int NOT NULL PRIMARY KEY, state nvarchar(10), memo nvarchar(max)";

#[tokio::test]
async fn the_two_halves_of_an_update_are_one_change() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "a").await;
    let erp = lab.erp();
    erp.transaction().update("dbo.item", row! { "id": 1 }, row! { "note": "b" }).commit().await;
    erp.transaction().delete("dbo.item", row! { "id": 1 }).commit().await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        ["insert item [1|a]", "update item [1|b] was [1|a]", "delete item was [1|b]"]
    );
}

#[tokio::test]
async fn an_update_of_a_key_is_a_delete_and_an_insert() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "a").await;
    let erp = lab.erp();
    erp.transaction().update("dbo.item", row! { "id": 1 }, row! { "id": 2 }).commit().await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        ["insert item [1|a]", "delete item was [1|a]", "insert item [2|a]"]
    );
}

#[tokio::test]
async fn an_update_that_the_server_made_of_two_steps_stays_two() {
    let lab = Lab::of(&["item"]).await;
    let origin = lab.begun().await;
    lab.insert("item", 1, "a").await;
    let (of, set) = (row! { "id": 1 }, row! { "note": "b" });
    lab.erp().transaction().replace("dbo.item", of, set).commit().await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        ["insert item [1|a]", "delete item was [1|a]", "insert item [1|b]"]
    );
}

#[tokio::test]
async fn a_large_value_that_did_not_change_is_absent_and_not_null() {
    let lab = Lab::with("ord", ORDER).await;
    let origin = lab.begun().await;
    let erp = lab.erp();
    let new = row! { "id": 1, "state": "open", "memo": "long" };
    erp.transaction().insert("dbo.ord", new).commit().await;
    let closed = row! { "state": "done" };
    erp.transaction().update("dbo.ord", row! { "id": 1 }, closed).commit().await;
    let emptied = row! { "memo": Value::Null };
    erp.transaction().update("dbo.ord", row! { "id": 1 }, emptied).commit().await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        [
            "insert ord [1|open|long]",
            "update ord [1|done|ABSENT] was [1|open|ABSENT]",
            "update ord [1|done|NULL] was [1|done|long]",
        ]
    );
}

/// The mask is a number whose last byte holds the first eight columns; a column that was dropped
/// keeps its bit.
#[tokio::test]
async fn the_mask_of_many_columns_is_read_from_its_end_with_gaps_kept() {
    let wide: Vec<String> = (2..=12).map(|n| format!("c{n} nvarchar(max)")).collect();
    let columns = format!("id int NOT NULL PRIMARY KEY, {}", wide.join(", "));
    let lab = Lab::with("wide", &columns).await;
    let origin = lab.begun().await;
    let erp = lab.erp();
    let mut new = row! { "id": 1 };
    new.extend((2..=12).map(|n| (format!("c{n}"), Value::from("x"))));
    erp.transaction().insert("dbo.wide", new).commit().await;
    for column in ["c3", "c10"] {
        let set = vec![(column.to_owned(), Value::Null)];
        erp.transaction().update("dbo.wide", row! { "id": 1 }, set).commit().await;
    }
    erp.drop_column("dbo.wide", "c5");
    let set = row! { "c12": Value::Null };
    erp.transaction().update("dbo.wide", row! { "id": 1 }, set).commit().await;

    let mut tail = lab.start(Some(&origin));
    tail.until("four changes", |tail| updates(&tail.texts()).len() == 3).await;
    let nulls: Vec<Vec<usize>> = updates(&tail.texts()).iter().map(|text| nulls(text)).collect();
    assert_eq!(nulls[0], [3]);
    assert_eq!(nulls[1], [10]);
    assert!(nulls[2].contains(&12), "{:?}", tail.texts());
    assert!(!nulls[2].contains(&11), "{:?}", tail.texts());
    tail.stop().await;
}

fn updates(texts: &[String]) -> Vec<String> {
    texts.iter().filter(|text| text.starts_with("update")).cloned().collect()
}

/// Which columns, from 1, of the row after an update are NULL.
fn nulls(text: &str) -> Vec<usize> {
    let row = text.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let cells = row.split('|').zip(1..);
    cells.filter(|(cell, _)| *cell == "NULL").map(|(_, place)| place).collect()
}

#[tokio::test]
async fn old_large_types_are_never_told_before_a_change() {
    let columns = "id int NOT NULL PRIMARY KEY, note text, wide ntext, bytes image, n int";
    let lab = Lab::with("old", columns).await;
    let origin = lab.begun().await;
    let erp = lab.erp();
    let new = row! { "id": 1, "note": "a", "wide": "b", "bytes": vec![1_u8], "n": 1 };
    erp.transaction().insert("dbo.old", new).commit().await;
    let set = row! { "note": "c" };
    erp.transaction().update("dbo.old", row! { "id": 1 }, set).commit().await;
    erp.transaction().delete("dbo.old", row! { "id": 1 }).commit().await;
    assert_eq!(
        lab.lines_after(&origin, 3).await,
        [
            "insert old [1|a|b|\\x01|1]",
            "update old [1|c|ABSENT|ABSENT|1] was [1|ABSENT|ABSENT|ABSENT|1]",
            "delete old was [1|ABSENT|ABSENT|ABSENT|1]",
        ]
    );
}

#[tokio::test]
async fn a_delete_may_tell_null_where_the_table_allows_none() {
    let lab = Lab::with("flag", "id int NOT NULL PRIMARY KEY, closed bit NOT NULL").await;
    let origin = lab.begun().await;
    let new = row! { "id": 7, "closed": false };
    let (file, block, _) = lab.erp().transaction().insert("dbo.flag", new).commit().await.parts();
    lab.erp().write_change(
        "dbo_flag",
        Change {
            start_lsn: Lsn::new(file, block + 800, 9),
            seqval: Lsn::new(file, block + 800, 2),
            command_id: 1,
            operation: 1,
            update_mask: vec![3],
            row: row! { "id": 7, "closed": Value::Null },
        },
    );
    let expected = ["insert flag [7|false]", "delete flag was [7|NULL]"];
    assert_eq!(lab.lines_after(&origin, 2).await, expected);
}

#[tokio::test]
async fn computed_columns_are_left_out_of_the_log() {
    let columns = "id int NOT NULL PRIMARY KEY, price int, total AS CAST(price * 2 AS int), n int";
    let lab = Lab::with("line", columns).await;
    let origin = lab.begun().await;
    let new = row! { "id": 1, "price": 4, "n": 5 };
    lab.erp().transaction().insert("dbo.line", new).commit().await;
    assert_eq!(lab.lines_after(&origin, 1).await, ["insert line [1|4|5]"]);
}

#[tokio::test]
async fn names_may_hold_brackets_quotes_and_blanks() {
    let mut lab = Lab::of(&[]).await;
    lab.erp()
        .create_table("dbo.[Order [Head]] it's]", "[the id] int NOT NULL PRIMARY KEY, [a]]b] int");
    lab.erp().capture("dbo.[Order [Head]] it's]").instance("odd ]'name").enable();
    lab.config.database = "erp".to_owned();
    let origin = lab.begun().await;
    let new = row! { "the id": 1, "a]b": 2 };
    lab.erp().transaction().insert("dbo.[Order [Head]] it's]", new).commit().await;
    assert_eq!(lab.lines_after(&origin, 1).await, ["insert Order [Head] it's [1|2]"]);
}

#[tokio::test]
async fn only_captured_columns_are_read() {
    let lab = Lab::of(&[]).await;
    lab.erp().create_table("dbo.item", "id int NOT NULL PRIMARY KEY, secret int, note nvarchar(9)");
    lab.erp().capture("dbo.item").columns(&["id", "note"]).enable();
    let origin = lab.begun().await;
    let new = row! { "id": 1, "secret": 42, "note": "a" };
    lab.erp().transaction().insert("dbo.item", new).commit().await;
    assert_eq!(lab.lines_after(&origin, 1).await, ["insert item [1|a]"]);
}

#[tokio::test]
async fn tables_nobody_wants_cost_no_query_of_their_changes() {
    let lab = Lab::of(&["item"]).await;
    lab.erp().create_table("audit.trail", ITEM);
    lab.erp().capture("audit.trail").enable();
    let origin = lab.begun().await;
    let both = lab.erp().transaction().insert("audit.trail", row! { "id": 1, "note": "no" });
    both.insert("dbo.item", row! { "id": 1, "note": "yes" }).commit().await;
    assert_eq!(lab.lines_after(&origin, 1).await, ["insert item [1|yes]"]);
    assert!(!lab.tds.requests().iter().any(|one| one.sql.contains("audit_trail_CT")));
}
