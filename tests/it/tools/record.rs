//! `map record`: a case of live rows that gives nobody away.

use super::{Desk, MAPPING};

const RECORD: &str = "map record --source desk --config erpbridge.yaml";

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_case_passes_where_it_is_sent_and_gives_nothing_away() {
    let desk = Desk::open().await;
    let (code, text) = desk.type_in(&format!(
        "{RECORD} --table erp.line --where head_id=1 --out mappings/desk/lines.cases.yaml"
    ));
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "2 rows and 1 that they look up",
        "uom: kept if short, as codes",
        "qty: multiplied, as numbers",
        "head_id, pos, item: replaced, as keys and texts",
        "note: left out, not read",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in:\n{text}");
    }
    let file = desk.read("mappings/desk/lines.cases.yaml");
    for secret in ["BOLT", "item: NUT", "10.500", "PO-0001", "S-100", "Nightingale", "note: \""] {
        assert!(!file.contains(secret), "{secret} is in:\n{file}");
    }
    assert!(file.contains("given:") && file.contains("uom: EA"), "{file}");
    let (code, text) = desk.type_in("map test mappings/desk");
    assert!(text.contains("ok      recorded: lines") && code == Some(0), "{text}\n{file}");
    assert_eq!(file.matches("event: procurement.purchaseorderline.added").count(), 2, "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_told_and_nothing_is_written_over() {
    let desk = Desk::open().await;
    for (arguments, told) in [
        ("--table erp.bare --out a.cases.yaml", "reads no table `erp.bare`"),
        ("--table erp.head --where no=1 --out a.cases.yaml", "has no column `no`"),
        ("--table erp.head --where id --out a.cases.yaml", "names no column and value"),
        ("--table erp.head --where id=77 --out a.cases.yaml", "no row of `erp.head` is so"),
        ("--table erp.head --out a.yaml", "is no file of cases"),
    ] {
        let (code, text) = desk.type_in(&format!("{RECORD} {arguments}"));
        assert!(text.contains(told) && code == Some(1), "{arguments}: {text}");
    }
    desk.directory.write("there.cases.yaml", "mine").unwrap();
    let (_, text) = desk.type_in(&format!("{RECORD} --table erp.head --out there.cases.yaml"));
    assert!(text.contains("is there already"), "{text}");
    assert_eq!(desk.read("there.cases.yaml"), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_goes_and_a_new_code_are_recorded_as_they_are() {
    let desk = Desk::open().await;
    let gone = MAPPING.replace(
        "keep: [status]\n    deleted: ignore",
        "keep: [status, co]\n    deleted: physical",
    ) + "  - { emit: procurement.purchaseorder.deleted, on: heads, when: deleted }\n";
    desk.mapping(&gone);
    let (code, text) = desk.type_in(&format!(
        "{RECORD} --table erp.head --where status=280 --as delete --out mappings/desk/gone.cases.yaml"
    ));
    assert_eq!(code, Some(0), "{text}");
    let file = desk.read("mappings/desk/gone.cases.yaml");
    assert!(file.contains("- - delete: erp.head"), "{file}");
    assert!(file.contains("event: procurement.purchaseorder.deleted"), "{file}");
    let (code, text) = desk.type_in(&format!(
        "{RECORD} --table erp.head --where id=3 --out mappings/desk/new.cases.yaml"
    ));
    assert_eq!(code, Some(0), "{text}");
    let file = desk.read("mappings/desk/new.cases.yaml");
    assert!(file.contains("status: 285") && file.contains("reason: unknown_code"), "{file}");
    let (code, text) = desk.type_in("map test mappings/desk");
    assert_eq!(code, Some(0), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_recorded_with_its_lines_and_without_any_too() {
    let desk = Desk::open().await;
    let lines = "fields: { supplier: supplier, required_date: due, lines: { children: lines.head, \
                 sort: pos, fields: { item: item, quantity: { value: qty, unit: { from: uom, code: units } } } } }";
    let listed = MAPPING.replace("fields: { supplier: supplier, required_date: due }", lines);
    assert!(listed.contains("children"));
    desk.mapping(
        &listed
            .replace("\"280\": released", "\"220\": released, \"280\": released")
            .replace("\"220\": draft, ", ""),
    );
    desk.postgres.execute("DELETE FROM erp.line WHERE head_id = 2").await.unwrap();
    for (id, given) in [("1", 2), ("2", 0)] {
        let (code, text) = desk.type_in(&format!(
            "{RECORD} --table erp.head --where id={id} --out mappings/desk/order{id}.cases.yaml"
        ));
        assert!(text.contains(&format!("1 rows and {given} that they look up")), "{text}");
        assert_eq!(code, Some(0), "{text}");
        let file = desk.read(&format!("mappings/desk/order{id}.cases.yaml"));
        assert_eq!(file.matches("- erp.line: {").count(), given, "{file}");
        assert!(file.contains("event: procurement.purchaseorder.released"), "{file}");
    }
    let (code, text) = desk.type_in("map test mappings/desk");
    assert!(text.contains("2 passed, 0 failed") && code == Some(0), "{text}");
}
