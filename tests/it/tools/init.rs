//! `map init`: a first mapping and a first case, with a database and without.

use super::Desk;

const LIVE: &str = "--source desk --config erpbridge.yaml";

/// Two ERPs of different habits: one that shortens, counts days and leaves out decimal points, and
/// one of today.
const TABLES: &str = "
    CREATE SCHEMA jde;
    CREATE TABLE jde.f4301 (phkcoo char(5), phdoco numeric(8), phdcto char(2), phan8 numeric(8),
      phtrdj numeric(6), phdrqj numeric(6), photot numeric(15), phcrcd char(3), phmcu char(12),
      PRIMARY KEY (phkcoo, phdoco, phdcto));
    INSERT INTO jde.f4301 VALUES ('00001', 4711, 'OP', 4242, 126015, 0, 125050, 'EUR', '   M30');
    CREATE TABLE public.purchase_order_lines (id uuid PRIMARY KEY, order_id uuid NOT NULL,
      position int, product_sku varchar(40), quantity numeric(12,3), unit varchar(8),
      unit_price numeric(12,4), currency char(3), status text, created_at timestamptz);
    INSERT INTO public.purchase_order_lines VALUES
      ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 1, 'BOLT',
       10, 'EA', 1.25, 'EUR', 'open', now()),
      ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000002', 2, 'STEEL',
       2.5, 'KG', 80, 'EUR', 'received', now());";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_codes_are_words_passes_as_it_was_written() {
    let desk = Desk::empty().await;
    desk.postgres.execute(TABLES).await.unwrap();
    let table = "public.purchase_order_lines";
    let (code, text) = desk.type_in(&format!("map init mappings/desk --table {table} {LIVE}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("fill in:"), "{text}");
    let mapping = desk.read("mappings/desk/desk.yaml");
    for line in ["\"KG\": KGM # GUESS", "\"received\": received # GUESS", "line_no: position"] {
        assert!(mapping.contains(line), "{line} is not in:\n{mapping}");
    }
    for command in ["map test mappings/desk".to_owned(), format!("map check {LIVE}")] {
        let (code, text) = desk.type_in(&command);
        assert_eq!(code, Some(0), "{text}\n{mapping}");
    }
    let (_, text) = desk.type_in(&format!("map preview {LIVE}"));
    assert!(text.contains("2 rows: 2 events, 0 dead letters"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_short_names_counted_days_and_whole_amounts_is_understood() {
    let desk = Desk::empty().await;
    desk.postgres.execute(TABLES).await.unwrap();
    let (code, text) = desk.type_in(&format!("map init mappings/desk --table jde.f4301 {LIVE}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("fill in:"), "{text}");
    let mapping = desk.read("mappings/desk/desk.yaml");
    for line in [
        "order_date: { from: phtrdj, date: cyyddd }",
        "supplier: phan8",
        "implied_decimals: 2",
        "phdrqj: { null: [\"0\"] }",
        "plant: { column: phmcu }",
    ] {
        assert!(mapping.contains(line), "{line} is not in:\n{mapping}");
    }
    for command in ["map test mappings/desk".to_owned(), format!("map check {LIVE}")] {
        let (code, text) = desk.type_in(&command);
        assert_eq!(code, Some(0), "{text}\n{mapping}");
    }
    let (_, text) = desk.type_in(&format!("map preview {LIVE}"));
    for part in ["1 rows: 1 events, 0 dead letters", "\"key\": \"00001/4711/OP\"", "2026-01-15"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

/// What happens to a row whose log carries only keys: a column nobody mapped, one that is mapped,
/// an amount without a currency, and the end.
const CASES: &str = r#"
  - name: a column that is not mapped changes
    transactions:
      - - update: erp.po_head
          row: { id: 1, co: 1, supplier: 7, amount: 12, cur: EUR, note: a }
          set: { note: b }
    expect: []
  - name: an amount changes and loses its currency
    transactions:
      - - update: erp.po_head
          row: { id: 2, co: 1, supplier: 7, amount: 12, cur: EUR, note: a }
          set: { amount: 13 }
      - - update: erp.po_head
          row: { id: 2, co: 1, supplier: 7, amount: 13, cur: EUR, note: a }
          set: { cur: "   " }
    expect:
      - event: procurement.purchaseorder.changed
        data: { changed: [total] }
    dead_letters: [ { reason: missing_required } ]
  - name: a row goes
    transactions:
      - - delete: erp.po_head
          row: { id: 3, co: 1, supplier: 7, amount: 12, cur: EUR, note: a }
    expect:
      - event: procurement.purchaseorder.deleted
        data: { before: { supplier: "7" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_without_a_database_remembers_what_the_log_may_not_carry() {
    let desk = Desk::empty().await;
    let columns = "id int, co char(4), supplier int, amount numeric(12,2), cur char(3), note text";
    let command = format!("map init mappings/desk --table erp.po_head --columns \"{columns}\"");
    let (_, text) = desk.type_in(&command);
    assert!(text.contains("guessed: column id is the key of `po_head`: none is marked"), "{text}");
    let cases = desk.read("mappings/desk/desk.cases.yaml") + CASES;
    desk.directory.write("mappings/desk/desk.cases.yaml", &cases).unwrap();
    let (code, text) = desk.type_in("map test mappings/desk");
    assert_eq!(code, Some(0), "{text}");
    let mapping = desk.read("mappings/desk/desk.yaml");
    let forgetful = mapping.replace("    keep: all\n", "    keep: [co]\n");
    desk.directory.write("mappings/desk/desk.yaml", &forgetful).unwrap();
    let (_, text) = desk.type_in("map test mappings/desk");
    let surplus = "procurement.purchaseorder.changed: came, not expected";
    assert!(text.contains(surplus) && text.contains("changed: []"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_table_without_old_rows_is_remembered_or_warned_of() {
    let desk = Desk::empty().await;
    desk.postgres.execute(TABLES).await.unwrap();
    desk.type_in(&format!("map init mappings/desk --table jde.f4301 {LIVE}"));
    let mapping = desk.read("mappings/desk/desk.yaml");
    let forgetful = mapping.replace("    keep: all\n", "    keep: [phmcu]\n");
    assert_ne!(mapping, forgetful);
    let (_, text) = desk.type_in(&format!("map check {LIVE}"));
    assert!(text.contains("0 errors, 0 warnings"), "{text}");
    desk.directory.write("mappings/desk/desk.yaml", &forgetful).unwrap();
    let (code, text) = desk.type_in(&format!("map check {LIVE}"));
    let told = "the log of `jde.f4301` carries only keys of old rows";
    assert!(text.contains(told) && text.contains("`keep: all` on the table"), "{text}");
    assert_eq!(code, Some(0), "{text}");
    desk.postgres.execute("ALTER TABLE jde.f4301 REPLICA IDENTITY FULL").await.unwrap();
    let (_, text) = desk.type_in(&format!("map check {LIVE}"));
    assert!(text.contains("0 errors, 0 warnings"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_begun_is_told_and_nothing_is_written_over() {
    let desk = Desk::open().await;
    for (arguments, told) in [
        (
            "mappings/x --table erp.haed --source desk --config erpbridge.yaml",
            "did you mean `erp.head`?",
        ),
        ("mappings/x --table erp.zz --columns \"id int\"", "`--entity`, one of: "),
        (
            "mappings/x --table erp.zz --columns \"id int\" --entity procurement.goodsreciept",
            "there is no entity `procurement.goodsreciept`; did you mean `procurement.goodsreceipt`?",
        ),
        ("mappings/x --table erp.po --columns \"id int; co char(4)\"", "separated by commas"),
        ("mappings/x --table head --columns \"id int\"", "write `schema.table`"),
        ("mappings/x --table erp.po --columns \"id\"", "has no type"),
        ("mappings/desk --table erp.po --columns \"id int\"", "is there already"),
    ] {
        let (code, text) = desk.type_in(&format!("map init {arguments}"));
        assert!(text.contains(told) && code == Some(1), "{arguments}: {text}");
    }
    assert!(!desk.directory.join("mappings/x").exists());
}
