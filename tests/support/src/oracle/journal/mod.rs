//! The journal: what the database itself says was changed. Here that of `PostgreSQL`; [`mariadb`]
//! has another, whose rows are the same.

pub mod mariadb;

use serde_json::Value;
use tokio_postgres::{Client, Row};

use crate::Result;
use crate::failure::Tried;

const SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS erpbridge_audit;
CREATE TABLE IF NOT EXISTS erpbridge_audit.journal (
    seq        bigserial PRIMARY KEY,
    xid        bigint NOT NULL,
    operation  text NOT NULL,
    table_name text NOT NULL,
    key        jsonb NOT NULL,
    before     jsonb,
    after      jsonb
);
CREATE OR REPLACE FUNCTION erpbridge_audit.key(image jsonb, columns text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_agg(image ->> name ORDER BY place)
    FROM unnest(columns) WITH ORDINALITY AS key_column (name, place)
$$;
CREATE OR REPLACE FUNCTION erpbridge_audit.note() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    xid     bigint := pg_current_xact_id()::text::numeric % 4294967296;
    name    text   := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
    before  jsonb  := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after   jsonb  := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    old_key jsonb  := erpbridge_audit.key(before, TG_ARGV);
    new_key jsonb  := erpbridge_audit.key(after, TG_ARGV);
BEGIN
    IF TG_OP = 'UPDATE' AND old_key <> new_key THEN
        INSERT INTO erpbridge_audit.journal (xid, operation, table_name, key, before, after)
        VALUES (xid, 'DELETE', name, old_key, before, NULL),
               (xid, 'INSERT', name, new_key, NULL, after);
    ELSE
        INSERT INTO erpbridge_audit.journal (xid, operation, table_name, key, before, after)
        VALUES (xid, TG_OP, name, CASE WHEN TG_OP = 'DELETE' THEN old_key ELSE new_key END,
                before, after);
    END IF;
    RETURN NULL;
END
$$;
";

/// A trigger on one table, given its primary key; `{table}` is replaced.
const TRIGGER: &str = "
DO $do$
DECLARE
    key_columns text;
BEGIN
    SELECT string_agg(quote_literal(attname), ', ' ORDER BY array_position(indkey, attnum))
    INTO key_columns
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
    WHERE indrelid = '{table}'::regclass AND indisprimary;
    IF key_columns IS NULL THEN
        RAISE EXCEPTION 'table {table} has no primary key to journal by';
    END IF;
    EXECUTE 'CREATE OR REPLACE TRIGGER erpbridge_audit AFTER INSERT OR UPDATE OR DELETE '
        || 'ON {table} FOR EACH ROW EXECUTE FUNCTION erpbridge_audit.note(' || key_columns || ')';
END
$do$;
";

const READ: &str = "
SELECT seq, xid, operation, table_name, key::text,
       (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(before))::text,
       (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(after))::text
FROM erpbridge_audit.journal WHERE seq > $1 ORDER BY seq";

const POSITION: &str = "SELECT coalesce(max(seq), 0) FROM erpbridge_audit.journal";

/// Statements that make the journal and let these tables (`schema.table`, quoted where needed)
/// write into it. The journal has a schema of its own: keep it out of the publication.
///
/// An update that changes the key is noted as a delete and an insert. TRUNCATE is not noted.
pub fn audit_sql(tables: &[&str]) -> String {
    let triggers = tables.iter().map(|table| TRIGGER.replace("{table}", table));
    std::iter::once(SCHEMA.to_owned()).chain(triggers).collect()
}

/// One row change as a trigger saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Its place in the journal. Two transactions that change one key wait for each other, so
    /// among the rows of a key this is commit order.
    pub seq: i64,
    /// The transaction, as the log names it: the low 32 bits.
    pub transaction: String,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub operation: String,
    /// `schema.table`.
    pub table: String,
    /// The primary key's values as text, in key order.
    pub key: Vec<String>,
    /// The row before: an object of texts and nulls, so that no number loses a digit.
    pub before: Option<Value>,
    /// The row after, likewise.
    pub after: Option<Value>,
}

/// The last place in the journal, to read from later.
pub async fn position(client: &Client) -> Result<i64> {
    let row = client.query_one(POSITION, &[]).await.tried("cannot read the journal's position")?;
    row.try_get(0).tried("cannot read the journal's position")
}

/// Everything committed behind `after` (0 for all), in journal order.
pub async fn read(client: &Client, after: i64) -> Result<Vec<JournalRow>> {
    let rows = client.query(READ, &[&after]).await.tried("cannot read the journal")?;
    rows.iter().map(journal_row).collect()
}

fn journal_row(row: &Row) -> Result<JournalRow> {
    let what = "cannot read a row of the journal";
    let key: String = row.try_get(4).tried(what)?;
    let image = |column: usize| -> Result<Option<Value>> {
        let text: Option<String> = row.try_get(column).tried(what)?;
        text.map(|text| serde_json::from_str(&text)).transpose().tried(what)
    };
    Ok(JournalRow {
        seq: row.try_get(0).tried(what)?,
        transaction: row.try_get::<_, i64>(1).tried(what)?.to_string(),
        operation: row.try_get(2).tried(what)?,
        table: row.try_get(3).tried(what)?,
        key: serde_json::from_str(&key).tried(what)?,
        before: image(5)?,
        after: image(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Postgres;

    const TABLES: &str = "CREATE SCHEMA erp;
        CREATE TABLE erp.\"Line\" (qty numeric, pos int, ord char(4), PRIMARY KEY (ord, pos));";

    #[tokio::test]
    async fn the_journal_tells_operations_keys_and_the_transaction_of_the_log() {
        let postgres = Postgres::start().await.unwrap();
        postgres.execute(TABLES).await.unwrap();
        let mut client = postgres.client().await.unwrap();
        client.batch_execute(&audit_sql(&["erp.\"Line\""])).await.unwrap();
        let begun = position(&client).await.unwrap();

        let transaction = client.transaction().await.unwrap();
        for statement in [
            "INSERT INTO erp.\"Line\" VALUES (1.50, 1, 'A')",
            "SAVEPOINT s; UPDATE erp.\"Line\" SET qty = 2; RELEASE s",
            "UPDATE erp.\"Line\" SET pos = 2",
            "DELETE FROM erp.\"Line\"",
        ] {
            transaction.batch_execute(statement).await.unwrap();
        }
        let xid = transaction.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap();
        transaction.commit().await.unwrap();

        let rows = read(&client, begun).await.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.operation.as_str(), &row.key[1])).collect();
        let (one, two) = ("1".to_owned(), "2".to_owned());
        let expected = [
            ("INSERT", &one),
            ("UPDATE", &one),
            ("DELETE", &one),
            ("INSERT", &two),
            ("DELETE", &two),
        ];
        assert_eq!(told, expected);
        assert!(rows.iter().all(|row| row.transaction == xid.get::<_, String>(0)));
        assert!(rows.iter().all(|row| row.table == "erp.Line" && row.key[0].trim() == "A"));
        assert_eq!(rows[1].before.as_ref().unwrap()["qty"], "1.50");
        assert_eq!(position(&client).await.unwrap(), rows[4].seq);
    }

    #[tokio::test]
    async fn a_table_without_a_key_cannot_be_journaled() {
        let postgres = Postgres::start().await.unwrap();
        postgres.execute("CREATE TABLE heap (a int)").await.unwrap();
        let failure = postgres.execute(&audit_sql(&["heap"])).await.unwrap_err().to_string();
        assert!(failure.contains("no primary key"), "{failure}");
    }
}
