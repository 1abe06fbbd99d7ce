//! What the columns of a table are read for.

use erpbridge_connector::{Column, ColumnKind, ReplicaIdentity, TableName, TableSchema};

use crate::mapping::{Mapping, Use};

const MAPPING: &str = r#"
mapping: shop
company: { column: co }
tables:
  orders:
    table: erp.po
    deleted: ignore
    where: { kind: [OP], buyer: { not: null } }
    columns: { due: { date: cyyddd } }
  lines:
    table: erp.line
    deleted: ignore
    company: { column: order.co }
    lookups: { order: { to: orders, by: po, if: 'startsWith(origin, "request,")' } }
codes:
  units: { EA: C62, "*": dead_letter }
events:
  - emit: procurement.purchaseorderline.added
    on: lines
    when: inserted
    if: 'state == "done" && left > 0'
    number: order.no
    fields:
      order: po
      required_date: order.due
      item_description: { expr: 'substr(note, 0, 9)' }
      quantity: { value: qty, unit: { from: uom, code: units } }
"#;

fn table(name: &str, columns: &[&str]) -> TableSchema {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        kind: ColumnKind::Text,
        type_name: "text".to_owned(),
        missing_in_log: false,
    };
    TableSchema {
        name: TableName::new("erp", name),
        columns: columns.iter().map(column).collect(),
        primary_key: vec![0],
        identity: ReplicaIdentity::Full,
    }
}

#[test]
fn a_column_is_known_by_what_it_is_read_for_wherever_it_is_named() {
    let mapping = Mapping::from_texts(&[("m.yaml", MAPPING)]).unwrap();
    let uses = |table: &TableSchema, column: &str| {
        mapping.uses(table).get(column).map(|uses| uses.iter().copied().collect::<Vec<_>>())
    };
    let columns = ["id", "po", "origin", "state", "left", "note", "qty", "uom", "memo"];
    let lines = table("line", &columns);
    for (column, expected) in [
        ("id", Some(vec![Use::Key])),
        ("po", Some(vec![Use::Key])),
        ("state", Some(vec![Use::Compared, Use::Plain])),
        // Zero is no code.
        ("left", Some(vec![Use::Plain])),
        ("note", Some(vec![Use::Plain])),
        ("qty", Some(vec![Use::Number])),
        ("uom", Some(vec![Use::Code])),
        ("memo", None),
    ] {
        assert_eq!(uses(&lines, column), expected, "{column}");
    }
    let orders = table("po", &["id", "co", "no", "kind", "due", "buyer"]);
    assert_eq!(uses(&orders, "no").unwrap()[0], Use::Key);
    assert_eq!(uses(&orders, "due").unwrap()[0], Use::Day);
    assert_eq!(uses(&orders, "kind").unwrap()[0], Use::Code);
    assert_eq!(uses(&orders, "buyer"), Some(vec![Use::Plain]), "only whether it is there");
    assert!(mapping.texts().contains("request,"));
}
