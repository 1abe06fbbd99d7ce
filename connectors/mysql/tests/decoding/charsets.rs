//! Character sets: every character a set can hold comes out of the log as the server converts it.

use std::collections::BTreeMap;
use std::fmt::Write;

use erpbridge_test_support::Flavour;

use super::lab::Lab;

const SETS: &[&str] = &[
    "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "cp850",
    "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "tis620", "macroman", "macce", "dec8",
    "hp8", "keybcs2", "armscii8", "geostd8", "ascii", "utf8", "utf8mb4", "ucs2", "utf16",
    "utf16le", "utf32", "sjis", "cp932", "ujis", "eucjpms", "gbk", "gb2312", "big5", "euckr",
];

/// So many characters in a row.
const CHUNK: u32 = 128;

/// Everything up to U+FFFF but control characters, surrogates and what is private.
fn characters() -> impl Iterator<Item = String> {
    let text = |start: u32| -> String {
        (start..start + CHUNK).filter_map(char::from_u32).filter(|c| !c.is_control()).collect()
    };
    let starts = (0x20..0xD800).step_by(128).chain((0xF900..0xFFFE).step_by(128));
    starts.map(text).map(|text| text.replace(['\\', '\''], ""))
}

async fn every_character_is_the_one_the_server_converts_to(flavour: Flavour) {
    let lab = Lab::start(flavour, &[]).await;
    for set in SETS {
        let columns = format!("id INT PRIMARY KEY, v VARCHAR(200) CHARACTER SET {set}");
        let mut sql = format!("CREATE TABLE c_{set} ({columns}); INSERT INTO c_{set} VALUES ");
        for (id, text) in characters().enumerate() {
            let comma = if id == 0 { "" } else { ", " };
            write!(sql, "{comma}({id}, '{text}')").unwrap();
        }
        lab.run(&format!("SET sql_mode = ''; SET NAMES utf8mb4; {sql}")).await;
    }
    let log = lab.log().await.unwrap();
    let mut wrong = Vec::new();
    for set in SETS {
        let table = format!("c_{set}");
        let query = format!("SELECT CAST(id AS CHAR), CONVERT(v USING utf8mb4) FROM erp.{table}");
        let expected: Vec<(String, String)> = lab.server.query(&query).await.unwrap();
        let found: BTreeMap<&str, &str> = log
            .rows
            .iter()
            .filter(|row| row.table == table)
            .map(|row| row.after.as_ref().unwrap())
            .map(|cells| (&*cells[0], &*cells[1]))
            .collect();
        assert!(!expected.is_empty());
        for (id, expected) in &expected {
            let pairs = expected.chars().zip(found[&**id].chars());
            wrong.extend(
                pairs
                    .filter(|(expected, found)| expected != found)
                    .map(|(e, f)| format!("{set} U+{:04X} U+{:04X}", u32::from(e), u32::from(f))),
            );
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong.join("; "));
}

#[tokio::test]
async fn every_character_is_the_one_mariadb_converts_to() {
    every_character_is_the_one_the_server_converts_to(Flavour::MariaDb).await;
}

#[tokio::test]
async fn every_character_is_the_one_mysql_converts_to() {
    every_character_is_the_one_the_server_converts_to(Flavour::Mysql56).await;
}
