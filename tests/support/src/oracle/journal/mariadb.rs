//! The journal of a `MariaDB` server.
//!
//! There a transaction has no name before it is committed, and its name in the log, the global
//! identifier, only afterwards. So whoever begins one sets `@erpbridge_transaction` to a token,
//! which the triggers write down, and after the commit notes in `erpbridge_audit.commits` what the
//! token came to be.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde_json::Value;

use super::JournalRow;
use crate::Result;
use crate::failure::Tried;

/// The tables of the journal, in a database of its own: map none of it.
pub const SCHEMA: &str = "
CREATE DATABASE IF NOT EXISTS erpbridge_audit CHARACTER SET utf8mb4;
CREATE TABLE IF NOT EXISTS erpbridge_audit.journal (
    seq          bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    token        bigint unsigned,
    operation    varchar(6) NOT NULL,
    table_name   varchar(200) NOT NULL,
    key_values   longtext NOT NULL,
    before_image longtext,
    after_image  longtext
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS erpbridge_audit.commits (
    token bigint unsigned NOT NULL PRIMARY KEY,
    gtid  varchar(64) NOT NULL
) ENGINE = InnoDB";

const COLUMNS: &str = "
SELECT c.column_name, s.seq_in_index
FROM information_schema.columns c
LEFT JOIN information_schema.statistics s
  ON s.table_schema = c.table_schema AND s.table_name = c.table_name
 AND s.column_name = c.column_name AND s.index_name = 'PRIMARY'
WHERE c.table_schema = ? AND c.table_name = ?
ORDER BY c.ordinal_position";

const READ: &str = "
SELECT j.seq, COALESCE(c.gtid, CONCAT('not noted: ', COALESCE(j.token, 'nobody'))), j.operation,
       j.table_name, j.key_values, j.before_image, j.after_image
FROM erpbridge_audit.journal j LEFT JOIN erpbridge_audit.commits c ON c.token = j.token
WHERE j.seq > ? ORDER BY j.seq";

/// Makes these tables (`database.table`) write into the journal, which must be there.
///
/// An update that changes the key is noted as a delete and an insert. TRUNCATE is not noted.
pub async fn audit(client: &mut Conn, tables: &[&str]) -> Result<()> {
    for table in tables {
        let (schema, name) = table.split_once('.').unwrap_or(("", table));
        let columns: Vec<(String, Option<u32>)> = client
            .exec(COLUMNS, (schema, name))
            .await
            .tried(format_args!("cannot list the columns of \"{table}\""))?;
        for trigger in triggers(table, &columns) {
            client.query_drop(&trigger).await.tried(format_args!("cannot run \"{trigger}\""))?;
        }
    }
    Ok(())
}

fn triggers(table: &str, columns: &[(String, Option<u32>)]) -> [String; 3] {
    let mut key: Vec<_> =
        columns.iter().filter_map(|(name, place)| Some(((*place)?, name))).collect();
    key.sort_unstable();
    let cell = |image: &str, name: &str| format!("CAST({image}.`{name}` AS CHAR)");
    let key = |image: &str| {
        let parts: Vec<String> = key.iter().map(|(_, name)| cell(image, name)).collect();
        format!("JSON_ARRAY({})", parts.join(", "))
    };
    let image = |image: &str| {
        let pair = |(name, _): &(String, Option<u32>)| format!("'{name}', {}", cell(image, name));
        format!("JSON_OBJECT({})", columns.iter().map(pair).collect::<Vec<_>>().join(", "))
    };
    let note = |operation: &str, key: &str, before: &str, after: &str| {
        format!(
            "INSERT INTO erpbridge_audit.journal \
             (token, operation, table_name, key_values, before_image, after_image) VALUES \
             (@erpbridge_transaction, '{operation}', '{table}', {key}, {before}, {after});"
        )
    };
    let trigger = |event: &str, body: &str| {
        let name = table.replacen('.', ".erpbridge_audit_", 1);
        format!(
            "CREATE TRIGGER {name}_{event} AFTER {event} ON {table} FOR EACH ROW BEGIN {body} END"
        )
    };
    let (old_key, new_key, old, new) = (key("OLD"), key("NEW"), image("OLD"), image("NEW"));
    let came = note("INSERT", &new_key, "NULL", &new);
    let went = note("DELETE", &old_key, &old, "NULL");
    let changed = note("UPDATE", &new_key, &old, &new);
    let update = format!("IF {old_key} <> {new_key} THEN {went} {came} ELSE {changed} END IF;");
    [trigger("INSERT", &came), trigger("UPDATE", &update), trigger("DELETE", &went)]
}

/// Everything committed behind `after` (0 for all), in journal order.
pub async fn read(client: &mut Conn, after: i64) -> Result<Vec<JournalRow>> {
    let rows: Vec<Row> = client.exec(READ, (after,)).await.tried("cannot read the journal")?;
    rows.into_iter().map(journal_row).collect()
}

/// A row of the journal, its images as texts.
type Told = (i64, String, String, String, String, Option<String>, Option<String>);

fn journal_row(row: Row) -> Result<JournalRow> {
    let what = "cannot read a row of the journal";
    let told: Told = mysql_async::from_row_opt(row).tried(what)?;
    let (seq, transaction, operation, table, key, before, after) = told;
    let image = |text: Option<String>| -> Result<Option<Value>> {
        text.map(|text| serde_json::from_str(&text)).transpose().tried(what)
    };
    Ok(JournalRow {
        seq,
        transaction,
        operation,
        table,
        key: serde_json::from_str(&key).tried(what)?,
        before: image(before)?,
        after: image(after)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flavour, Mysql};

    const TABLES: &str = "CREATE DATABASE erp; CREATE TABLE erp.line
        (qty DECIMAL(9,2), pos INT, ord CHAR(4), PRIMARY KEY (ord, pos))";

    #[tokio::test]
    async fn the_journal_tells_operations_keys_and_the_transaction_of_the_log() {
        let server = Mysql::start(Flavour::MariaDb).await.unwrap();
        server.execute(TABLES).await.unwrap();
        server.execute(SCHEMA).await.unwrap();
        let mut client = server.client().await.unwrap();
        audit(&mut client, &["erp.line"]).await.unwrap();
        client
            .query_drop(
                "SET @erpbridge_transaction = 7; START TRANSACTION;
                 INSERT INTO erp.line VALUES (1.50, 1, 'A'); UPDATE erp.line SET qty = 2;
                 UPDATE erp.line SET pos = 2; DELETE FROM erp.line; COMMIT;
                 INSERT INTO erpbridge_audit.commits VALUES (7, @@last_gtid)",
            )
            .await
            .unwrap();
        let gtid: Option<String> =
            client.query_first("SELECT gtid FROM erpbridge_audit.commits").await.unwrap();

        let rows = read(&mut client, 0).await.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.operation.as_str(), &*row.key[1])).collect();
        let expected =
            [("INSERT", "1"), ("UPDATE", "1"), ("DELETE", "1"), ("INSERT", "2"), ("DELETE", "2")];
        assert_eq!(told, expected);
        assert!(rows.iter().all(|row| Some(&row.transaction) == gtid.as_ref()));
        assert!(rows.iter().all(|row| row.table == "erp.line" && row.key[0] == "A"));
        assert_eq!(rows[1].before.as_ref().unwrap()["qty"], "1.50");
    }
}
