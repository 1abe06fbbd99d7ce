//! `map preview`: what would be published, and nothing is.

use super::Desk;

const PREVIEW: &str = "map preview --source desk --config erpbridge.yaml";

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_events_and_dead_letters_with_what_they_look_up() {
    let desk = Desk::open().await;
    let (code, text) = desk.type_in(PREVIEW);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "erp.desk.acme._.procurement.purchaseorder.released",
        "erp.desk.acme._.procurement.purchaseorderline.added",
        "\"supplier\": \"S-200\"",
        "\"required_date\": \"2026-01-02\"",
        // The company of a line is its header's.
        "\"line_no\": \"2\"",
        "dead letter (lookup_miss)",
        "dead letter (unknown_code)",
        "7 rows: 3 events, 3 dead letters; nothing was published",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_can_be_of_one_table_of_few_rows_and_of_another_operation() {
    let desk = Desk::open().await;
    let (_, text) = desk.type_in(&format!("{PREVIEW} --table erp.head --rows 2"));
    assert!(text.contains("2 rows: 1 events, 1 dead letters"), "{text}");
    let (_, text) = desk.type_in(&format!("{PREVIEW} --as read"));
    assert!(text.contains("7 rows: 0 events, 0 dead letters"), "{text}");
    let (code, text) = desk.type_in(&format!("{PREVIEW} --table erp.nothing"));
    assert!(text.contains("reads no table `erp.nothing`"), "{text}");
    assert_eq!(code, Some(1));
}
