//! The same commands on a database of another make.

use erpbridge_test_support::{Directory, Flavour, Mysql};

use super::type_in;

const TABLES: &str = "
    CREATE DATABASE shop;
    CREATE TABLE shop.purchase_orders (id INT PRIMARY KEY, order_no VARCHAR(20), vendor_id INT,
      state VARCHAR(12), order_date DATE, due INT, total DECIMAL(12,2), currency CHAR(3),
      remark VARCHAR(80));
    INSERT INTO shop.purchase_orders VALUES
      (101, 'PO-0101', 7, 'draft', '2026-01-15', 20260131, 1250.50, 'EUR', 'ring Mrs Nightingale'),
      (102, 'PO-0102', 9, 'sent', '2026-01-16', 0, 99.00, 'EUR', NULL);";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_mariadb_is_mapped_checked_shown_and_recorded() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    for statement in TABLES.split_inclusive(';') {
        server.execute(statement).await.unwrap();
    }
    let directory = Directory::new("desk-mariadb").unwrap();
    let config = format!(
        "sources:\n  - name: desk\n    mysql: {{ url: \"{}\" }}\n    mappings: mappings/desk\n",
        server.url("")
    );
    directory.write("erpbridge.yaml", &config).unwrap();
    let live = "--source desk --config erpbridge.yaml";
    let record = format!(
        "map record {live} --table shop.purchase_orders --where id=102 --out mappings/desk/sent.cases.yaml"
    );
    for (command, parts) in [
        (
            format!("map init mappings/desk --table shop.purchase_orders {live}"),
            &["guessed: field `required_date` comes from column `due`"][..],
        ),
        ("map test mappings/desk".to_owned(), &["1 passed, 0 failed"]),
        (format!("map check {live}"), &["0 errors, 0 warnings"]),
        (
            format!("map preview {live}"),
            &["\"required_date\": \"2026-01-31\"", "2 rows: 2 events, 0 dead letters"],
        ),
        (record, &["remark: left out, not read", "total: multiplied, as numbers"]),
        ("map test mappings/desk".to_owned(), &["2 passed, 0 failed"]),
    ] {
        let (code, text) = type_in(&directory, &command);
        for part in parts {
            assert!(text.contains(part), "\"{part}\" is not in what {command} says:\n{text}");
        }
        assert_eq!(code, Some(0), "{command}: {text}");
    }
}
