//! `map check --source`: a mapping against the live tables.

use super::{Desk, MAPPING};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sample_shows_is_told_at_its_place_in_the_mapping() {
    let desk = Desk::open().await;
    let (code, text) = desk.type_in("map check --source desk --config erpbridge.yaml");
    for part in [
        // A status and a unit nobody told the mapping of, at their code tables.
        "desk.yaml:16:14",
        "code table `lifecycle` does not know; in the sample: \"285\" (1)",
        "code table `units` does not know; in the sample: \"XX\" (1)",
        // A company of a table, a required field that is empty, and a row without its header.
        "in the sample: \"02\" (1)",
        "field `item` from column `item` has no value, in 1 of 4 sampled rows",
        "lookup `head` found no row of `heads`, in 1 of 4 sampled rows",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in:\n{text}");
    }
    assert!(!text.contains("did not carry"), "what follows of a lookup is not told again: {text}");
    assert!(!text.contains("Nightingale") && !text.contains("Harbour"), "{text}");
    assert_eq!(code, Some(0), "warnings are no failure: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_columns_types_and_keys_that_do_not_fit_are_errors() {
    let desk = Desk::open().await;
    let broken = MAPPING
        .replace("table: erp.head", "table: erp.haed")
        .replace("value: qty", "value: quantity_")
        .replace("line_no: pos", "line_no: { from: item }\n      required_date: { from: qty }")
        + "  - { emit: masterdata.item.upserted, on: bare, when: inserted, fields: { description: b } }\n\
           \x20 - { emit: masterdata.item.upserted, on: company_tables, when: inserted, fields: { description: b } }\n";
    let broken = broken.replace(
        "codes:\n",
        "  bare: { table: erp.bare, deleted: ignore }\n  company_tables: { pattern: 'x_.*', deleted: ignore }\ncodes:\n",
    );
    desk.mapping(&broken);
    let (code, text) = desk.type_in("map check --source desk --config erpbridge.yaml");
    for part in [
        "the database has no table `erp.haed`",
        "did you mean `erp.head`?",
        "no table matches the pattern",
        "table `erp.line` has no column `quantity_`",
        "`qty` (numeric(12,3)) is a number",
        "table `erp.bare` has no primary key",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in:\n{text}");
    }
    assert_eq!(code, Some(1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_by_what_is_no_key_is_found_out_by_kind_and_by_rows() {
    let desk = Desk::open().await;
    desk.mapping(&MAPPING.replace("by: head_id", "by: item"));
    let (_, text) = desk.type_in("map check --source desk --config erpbridge.yaml");
    let kinds = "`item` (character varying(20)) is looked up in `id` of `heads` (integer)";
    assert!(text.contains(kinds), "{text}");
    assert!(text.contains("lookup `head` found no row"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_two_rows_have_is_an_error() {
    let desk = Desk::open().await;
    let keyed = MAPPING.replace("table: erp.line\n", "table: erp.line\n    key: [head_id]\n");
    desk.mapping(&keyed);
    let (code, text) =
        desk.type_in("map check --source desk --config erpbridge.yaml mappings/desk");
    assert!(text.contains("1 of 4 sampled rows have a key that another row has"), "{text}");
    assert_eq!(code, Some(1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_configured_and_a_server_that_is_gone_are_told() {
    let mut desk = Desk::open().await;
    let (code, text) = desk.type_in("map check --source dsek --config erpbridge.yaml");
    assert!(text.contains("there is no source `dsek`") && text.contains("desk"), "{text}");
    assert_eq!(code, Some(1));
    desk.postgres.kill9();
    let (code, text) = desk.type_in("map check --source desk --config erpbridge.yaml");
    assert!(text.contains("connect to"), "{text}");
    assert_eq!(code, Some(1));
}
