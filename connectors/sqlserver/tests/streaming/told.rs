//! What an operator hears before anything is lost.

use std::time::Duration;

use crate::lab::{Lab, Said};

#[tokio::test]
async fn the_time_that_is_left_is_what_the_server_keeps_less_the_age_of_what_is_confirmed() {
    let lab = Lab::of(&["item"]).await;
    lab.erp().set_retention(120);
    let origin = lab.begun().await;
    lab.erp().advance_clock(Duration::from_mins(30));
    lab.insert("item", 1, "late").await;
    let mut tail = lab.start(Some(&origin));
    tail.confirms = false;
    tail.until("the time is told", |tail| tail.status.borrow().log_kept_for.is_some()).await;
    let left = tail.status.borrow().log_kept_for.unwrap();
    assert!((Duration::from_mins(88)..=Duration::from_mins(90)).contains(&left), "{left:?}");
    tail.stop().await;
}

#[tokio::test]
async fn a_captured_table_that_is_altered_is_said_once_per_statement() {
    let lab = Lab::of(&["item"]).await;
    // Two instances, and the statement is written down for each.
    lab.erp().capture("dbo.item").instance("dbo_item_2").enable();
    let (mut tail, _) = lab.begin().await;
    let said = Said::listen();
    lab.erp().add_column("dbo.item", "price int");
    lab.insert("item", 1, "altered").await;
    tail.texts_of(1).await;
    said.heard("a captured table was altered").await;
    assert_eq!(said.text().matches("was altered").count(), 1, "{}", said.text());
    assert!(said.text().contains("dbo.item"), "{}", said.text());
    tail.stop().await;
}
