//! Every type: what the log gives is what SELECT gives, in the contract's spelling.

use std::collections::BTreeMap;
use std::fmt::Write;

use erpbridge_test_support::Flavour;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::lab::Lab;
use super::reading::Log;

/// Cells by table and key.
pub(crate) type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// A type, how SELECT is made to spell its values like the contract, and values to write.
pub(crate) struct Case {
    column: &'static str,
    /// `@` stands for the column.
    select: &'static str,
    values: &'static [&'static str],
}

const fn case(column: &'static str, select: &'static str, values: &'static [&'static str]) -> Case {
    Case { column, select, values }
}

const PLAIN: &str = "@";
const NUMBER: &str = "@ + 0";
const HEX: &str = "CONCAT('\\\\x', LOWER(HEX(@)))";
const TEXT: &str = "CONVERT(@ USING utf8mb4)";
/// Without zeros at the end of the fraction.
const FRACTION: &str =
    "IF(LOCATE('.', @), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM @)), CONCAT(@, ''))";
const MOMENT: &str = "IF(@ = 0, '0000-00-00 00:00:00', \
    CONCAT(IF(LOCATE('.', @), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM @)), @), '+00'))";

const TIMES: &[&str] = &[
    "'00:00:00'",
    "'-00:00:00.1'",
    "'-00:00:01'",
    "'-01:02:03.456789'",
    "'12:34:56.5'",
    "'838:59:59'",
    "'-838:59:59'",
    "'00:00:00.999999'",
    "'-00:00:59.99'",
];
const DATETIMES: &[&str] = &[
    "'2024-02-29 23:59:59.987654'",
    "'1000-01-01 00:00:00'",
    "'9999-12-31 23:59:59'",
    "'0000-00-00 00:00:00'",
    "'2026-00-00 00:00:00'",
    "'1969-12-31 23:59:59.5'",
];
const MOMENTS: &[&str] = &[
    "'2024-02-29 23:59:59.987654'",
    "'1970-01-01 00:00:01'",
    "'2038-01-19 03:14:07'",
    "'0000-00-00 00:00:00'",
    "'2000-12-31 12:00:00.10'",
];

pub(crate) const CASES: &[Case] = &[
    case("TINYINT", PLAIN, &["0", "-1", "127", "-128"]),
    case("TINYINT(1)", PLAIN, &["0", "1", "2", "-1"]),
    case("TINYINT UNSIGNED", PLAIN, &["0", "255", "128"]),
    case("SMALLINT", PLAIN, &["-1", "32767", "-32768"]),
    case("SMALLINT UNSIGNED", PLAIN, &["65535", "32768"]),
    case("MEDIUMINT", PLAIN, &["-1", "8388607", "-8388608", "0"]),
    case("MEDIUMINT UNSIGNED", PLAIN, &["16777215", "8388608"]),
    case("INT", PLAIN, &["-1", "2147483647", "-2147483648"]),
    case("INT UNSIGNED", PLAIN, &["4294967295", "2147483648"]),
    case("INT(6) UNSIGNED ZEROFILL", NUMBER, &["0", "42", "1234567"]),
    case("BIGINT", PLAIN, &["-1", "9223372036854775807", "-9223372036854775808"]),
    case("BIGINT UNSIGNED", PLAIN, &["18446744073709551615", "9223372036854775808"]),
    case("DECIMAL(12,2)", PLAIN, &["0", "-0.01", "9999999999.99", "-9999999999.99", "1.1"]),
    case("DECIMAL(12,4)", PLAIN, &["1.1000", "-1.1", "12345678.9"]),
    case(
        "DECIMAL(65,30)",
        PLAIN,
        &[
            "12345678901234567890123456789012345.123456789012345678901234567890",
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0",
        ],
    ),
    case("DECIMAL(9,9)", PLAIN, &["0.123456789", "-0.000000001", "0"]),
    case("DECIMAL(5,5)", PLAIN, &["0.12345", "-0.99999"]),
    case("DECIMAL(38,0)", PLAIN, &["99999999999999999999999999999999999999", "-1", "1000000000"]),
    case("DECIMAL(10,3) UNSIGNED", PLAIN, &["1234567.891", "0"]),
    case("FLOAT", NUMBER, &["0", "1.5", "-2.25", "1024"]),
    case("DOUBLE", NUMBER, &["0", "0.1", "-2.25", "123456.789"]),
    case("BIT(1)", NUMBER, &["b'0'", "b'1'"]),
    case("BIT(10)", NUMBER, &["b'1000000001'", "b'0'"]),
    case("BIT(64)", NUMBER, &["0xFFFFFFFFFFFFFFFF", "1"]),
    case("YEAR", NUMBER, &["0", "1901", "2155", "2024"]),
    case(
        "DATE",
        PLAIN,
        &["'2024-02-29'", "'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2026-02-00'"],
    ),
    case(
        "TIME",
        PLAIN,
        &["'00:00:00'", "'-00:00:01'", "'838:59:59'", "'-838:59:59'", "'300:00:00'"],
    ),
    case("TIME(1)", FRACTION, TIMES),
    case("TIME(2)", FRACTION, TIMES),
    case("TIME(3)", FRACTION, TIMES),
    case("TIME(4)", FRACTION, TIMES),
    case("TIME(5)", FRACTION, TIMES),
    case("TIME(6)", FRACTION, TIMES),
    case("DATETIME", PLAIN, DATETIMES),
    case("DATETIME(1)", FRACTION, DATETIMES),
    case("DATETIME(3)", FRACTION, DATETIMES),
    case("DATETIME(6)", FRACTION, DATETIMES),
    case("TIMESTAMP", MOMENT, MOMENTS),
    case("TIMESTAMP(2)", MOMENT, MOMENTS),
    case("TIMESTAMP(6)", MOMENT, MOMENTS),
    case("CHAR(5)", TEXT, &["'a'", "''", "'a b  '", "'Grüße'"]),
    case("CHAR(255)", TEXT, &["REPEAT('ß', 255)", "'x'"]),
    case("VARCHAR(40)", TEXT, &["'a  '", "''", "REPEAT('€', 40)", "'😀'"]),
    case("VARCHAR(300)", TEXT, &["REPEAT('x', 300)", "''"]),
    case("TINYTEXT", TEXT, &["REPEAT('x', 255)"]),
    case("TEXT", TEXT, &["REPEAT('x', 70000)", "'line\\nline'"]),
    case("MEDIUMTEXT", TEXT, &["REPEAT('ä', 70000)"]),
    case("LONGTEXT", TEXT, &["REPEAT('x', 70000)", "''"]),
    case("BINARY(4)", HEX, &["'a'", "0x00", "0x41000000", "0xFFFFFFFF"]),
    case("BINARY(255)", HEX, &["0x01"]),
    case("VARBINARY(300)", HEX, &["0x00FF", "''", "REPEAT(0xAA, 300)"]),
    case("TINYBLOB", HEX, &["0x00FF"]),
    case("BLOB", HEX, &["REPEAT(0xAB, 40000)", "''"]),
    case("MEDIUMBLOB", HEX, &["REPEAT(0xAB, 70000)"]),
    case("LONGBLOB", HEX, &["0xDEADBEEF"]),
    case(
        "ENUM('open','it''s','Grün','a,b')",
        TEXT,
        &["'open'", "'it''s'", "'Grün'", "'a,b'", "'none of them'"],
    ),
    case("ENUM('unsigned')", TEXT, &["'unsigned'"]),
    case(
        "SET('a','b','c','d','e','f','g','h','i')",
        TEXT,
        &["''", "'a'", "'b,i'", "'a,b,c,d,e,f,g,h,i'"],
    ),
    case("POINT", HEX, &["POINT(1, 2)"]),
];

pub(crate) const MARIADB: &[Case] = &[
    case(
        "UUID",
        PLAIN,
        &[
            "'00000000-0000-0000-0000-000000000000'",
            "'6ccd780c-baba-1026-9564-5b8c656024db'",
            "'123e4567-e89b-42d3-a456-426614174000'",
            "'01890a5d-ac96-774b-bcce-b302099a8057'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'123e4567-e89b-52d3-a456-426614174000'",
            "'123e4567-e89b-62d3-0456-426614174000'",
            "'123e4567-e89b-12d3-2456-426614170000'",
        ],
    ),
    case("INET4", PLAIN, &["'10.0.0.0'", "'255.255.255.255'", "'0.0.0.0'"]),
    case("INET6", PLAIN, &["'::'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.128'", "'fe80::'"]),
    case("JSON", TEXT, &["'{\"a\": [1, 2.50]}'"]),
    case("VARCHAR(100) COMPRESSED", TEXT, &["REPEAT('abc', 30)", "'x'", "''"]),
    case("TEXT COMPRESSED", TEXT, &["REPEAT('grün ', 3000)", "'x'", "''"]),
    case("BLOB COMPRESSED", HEX, &["REPEAT(0xAB, 3000)", "0x00"]),
];

/// `MariaDB` since 11.5, and 11.7.
pub(crate) const MARIADB_11: &[Case] = &[
    case("TIMESTAMP", MOMENT, &["'2038-01-19 03:14:08'", "'2100-01-02'", "'2106-02-07 06:28:15'"]),
    case("TIMESTAMP(6)", MOMENT, &["'2106-02-07 06:28:15.999999'"]),
    case("VECTOR(3)", HEX, &["VEC_FromText('[1,2.5,-3]')"]),
];

/// `MySQL` 9.7.
pub(crate) const MYSQL: &[Case] = &[
    case(
        "JSON",
        TEXT,
        &[
            "JSON_OBJECT('d', CAST('-12.50' AS DECIMAL(10,2)), 'i', 1, 'n', NULL, 'y', true)",
            "JSON_OBJECT('at', TIMESTAMP'2024-02-29 23:59:58.5', 'on', DATE'2024-02-29')",
            "JSON_ARRAY(TIME'-01:02:03.25', TIME'838:59:59')",
            "JSON_OBJECT('b', CAST('abc' AS BINARY), 'bits', b'101')",
            "JSON_ARRAY(1e0, -1.5e300, 1e15, 1e14, 123456789012345680e0, 1e-5, 1e-15, 1e-16, 0.1e0)",
            "JSON_ARRAY(123456789.125e0, 1e16, 1234567890123456e0, 100000e0, 2.5e-10, -0e0)",
            "JSON_ARRAY(-32768, 32767, 65535, -2147483648, 2147483647, 4294967295)",
            "JSON_ARRAY(-9223372036854775808, 18446744073709551615)",
            r#"JSON_ARRAY('a"b\\c\nd\te', '\r\b', '€😀', CHAR(1 USING utf8mb4), '/')"#,
            "JSON_OBJECT('longer', JSON_OBJECT('b', JSON_ARRAY(), 'a', JSON_OBJECT()))",
            "JSON_ARRAY(REPEAT('x', 70000), 100000, -5, true, JSON_OBJECT('k', 70000))",
            "CAST('null' AS JSON)",
            "CAST('true' AS JSON)",
            r#"CAST('"s"' AS JSON)"#,
        ],
    ),
    case("JSON", TEXT, &["JSON_ARRAY(REPEAT(CAST('x' AS BINARY), 100))"]),
    case("VECTOR(3)", HEX, &["TO_VECTOR('[1,2.5,-3]')"]),
    case("VARCHAR(20) COLLATE utf8mb4_0900_as_cs", TEXT, &["'ä'"]),
];

/// Makes a table of each type and writes the values.
pub(crate) fn statements(cases: &[&Case]) -> String {
    let mut sql = "SET sql_mode = '', time_zone = '+00:00'; SET NAMES utf8mb4;".to_owned();
    for (place, case) in cases.iter().enumerate() {
        write!(sql, "CREATE TABLE t{place} (id INT PRIMARY KEY, v {} NULL);", case.column).unwrap();
        let values = case.values.iter().enumerate().map(|(id, value)| format!("({id}, {value})"));
        let values: Vec<_> = values.chain(["(99, NULL)".to_owned()]).collect();
        write!(sql, "INSERT INTO t{place} VALUES {};", values.join(", ")).unwrap();
    }
    sql
}

/// The cells of each table by its rows' keys, as SELECT tells them.
pub(crate) async fn selected(client: &mut Conn, cases: &[&Case]) -> Tables {
    client.query_drop("SET time_zone = '+00:00'").await.unwrap();
    let mut tables = Tables::new();
    for (place, case) in cases.iter().enumerate() {
        let select = case.select.replace('@', "v");
        let query =
            format!("SELECT CAST(id AS CHAR), CONVERT({select} USING utf8mb4) FROM erp.t{place}");
        let rows: Vec<(String, Option<String>)> = client.query(query).await.unwrap();
        let cells = rows.into_iter().map(|(id, cell)| (id, cell.unwrap_or_else(|| "~".to_owned())));
        tables.insert(format!("t{place}"), cells.collect());
    }
    tables
}

/// The same out of the log, where it differs.
pub(crate) fn wrong(log: &Log, expected: &Tables) -> Vec<String> {
    let mut found = Tables::new();
    for row in &log.rows {
        let cells = row.after.as_ref().unwrap();
        found.entry(row.table.clone()).or_default().insert(cells[0].clone(), cells[1].clone());
    }
    let mut wrong = Vec::new();
    for (table, cells) in expected {
        for (key, cell) in cells {
            let told = found.get(table).and_then(|cells| cells.get(key));
            if told != Some(cell) {
                wrong
                    .push(format!("{table} {key}\n  log:    {told:.200?}\n  select: {cell:.200?}"));
            }
        }
    }
    wrong
}

async fn every_type_is_told_as_select_tells_it(lab: Lab, cases: &[&Case]) {
    lab.run(&statements(cases)).await;
    let log = lab.log().await.unwrap();
    let expected = selected(&mut lab.server.client().await.unwrap(), cases).await;
    let wrong = wrong(&log, &expected);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_type_is_told_as_select_tells_it_on_mariadb() {
    let lab = Lab::start(Flavour::MariaDb, &[]).await;
    let cases: Vec<_> = CASES.iter().chain(MARIADB).collect();
    every_type_is_told_as_select_tells_it(lab, &cases).await;
}

#[tokio::test]
async fn every_type_is_told_as_select_tells_it_on_mysql() {
    let lab = Lab::start(Flavour::Mysql56, &[]).await;
    every_type_is_told_as_select_tells_it(lab, &CASES.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn the_log_alone_is_enough_where_it_names_the_columns() {
    let mut lab = Lab::start(Flavour::MariaDb, &[("binlog_row_metadata", "FULL")]).await;
    lab.by_names = true;
    every_type_is_told_as_select_tells_it(lab, &CASES.iter().collect::<Vec<_>>()).await;
}
