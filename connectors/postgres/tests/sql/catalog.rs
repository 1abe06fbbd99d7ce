//! What is read of the tables' shapes.

use erpbridge_connector::{ColumnKind, ReplicaIdentity, TableSelection};
use erpbridge_postgres::catalog::{base_types, discover, primary_key, tables};
use erpbridge_postgres::session::connect;
use erpbridge_test_support::Postgres;

use crate::{Named, Schema, config};

const SHAPES: &str = "
CREATE SCHEMA erp;
CREATE DOMAIN erp.code AS char(8);
CREATE DOMAIN erp.plant_code AS erp.code;
CREATE TYPE erp.state AS ENUM ('open', 'closed');
CREATE TYPE erp.pair AS (a int, b int);
CREATE TABLE erp.\"Order\" (
  line int NOT NULL, plant erp.plant_code NOT NULL, note text,
  state erp.state, tags text[], span int4range, both_of erp.pair,
  qty numeric(12,4), doubled numeric GENERATED ALWAYS AS (qty * 2) STORED,
  gone int,
  PRIMARY KEY (plant, line) INCLUDE (note));
ALTER TABLE erp.\"Order\" DROP COLUMN gone;
CREATE TABLE erp.nokey (a int);
CREATE TABLE erp.moves (id int PRIMARY KEY, at date) PARTITION BY RANGE (id);
CREATE TABLE erp.moves_1 PARTITION OF erp.moves FOR VALUES FROM (0) TO (100);
CREATE TABLE erp.moves_2 PARTITION OF erp.moves FOR VALUES FROM (100) TO (200);
ALTER TABLE erp.moves REPLICA IDENTITY FULL;
ALTER TABLE erp.moves_1 REPLICA IDENTITY FULL";

#[tokio::test]
async fn discover_tells_every_wanted_table_published_or_not() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute(SHAPES).await.unwrap();
    let found = discover(&config(&postgres, "postgres"), &Schema("erp")).await.unwrap();
    let names: Vec<String> = found.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["erp.Order", "erp.moves", "erp.nokey"]);

    let order = &found[0];
    let kind = |name: &str| order.columns[order.column(name).unwrap()].kind;
    for (column, expected) in [
        ("line", ColumnKind::Integer),
        ("plant", ColumnKind::Text),
        ("state", ColumnKind::Text),
        ("tags", ColumnKind::Other),
        ("span", ColumnKind::Other),
        ("both_of", ColumnKind::Other),
        ("qty", ColumnKind::Decimal),
    ] {
        assert_eq!(kind(column), expected, "{column}");
    }
    let column = |name: &str| &order.columns[order.column(name).unwrap()];
    assert_eq!(column("qty").type_name, "numeric(12,4)");
    assert!(column("doubled").missing_in_log && !column("qty").missing_in_log);
    assert!(order.column("gone").is_none());
    let key: Vec<&str> = order.primary_key.iter().map(|i| &*order.columns[*i].name).collect();
    assert_eq!(key, ["plant", "line"]);
    assert_eq!(order.identity, ReplicaIdentity::Key);

    // The table says FULL, but one of its partitions does not.
    assert_eq!(found[1].identity, ReplicaIdentity::Key);
    assert_eq!(found[2].identity, ReplicaIdentity::Nothing);
}

#[tokio::test]
async fn a_published_table_has_the_columns_of_the_log() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute(SHAPES).await.unwrap();
    postgres
        .execute(
            "CREATE PUBLICATION erpbridge FOR TABLE erp.\"Order\", erp.nokey (a), erp.moves
             WHERE (id < 150) WITH (publish_via_partition_root = true);
             INSERT INTO erp.moves SELECT n FROM generate_series(1, 150) n; ANALYZE erp.moves",
        )
        .await
        .unwrap();
    let session = connect(&config(&postgres, "postgres")).await.unwrap();
    let selection = Named::new(&["erp.Order", "erp.moves"]);
    let found = tables(&session, "erpbridge", |table| selection.wants(table)).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].schema.column("doubled").is_none());
    assert_eq!(found[0].rows_estimate, None);
    assert!(found[1].partitioned);
    assert_eq!(found[1].rows_estimate, Some(150));
    assert!(found[1].row_filter.as_ref().unwrap().contains("id < 150"));
    assert_eq!(primary_key(&session, found[0].oid).await.unwrap(), ["plant", "line"]);
    assert!(tables(&session, "no such publication", |_| true).await.unwrap().is_empty());
    session.close().await;
}

#[tokio::test]
async fn a_domain_is_its_base_type_and_an_enum_is_text() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute(SHAPES).await.unwrap();
    let session = connect(&config(&postgres, "postgres")).await.unwrap();
    let oid = async |name: &str| -> u32 {
        let row = session.client().query_one("SELECT $1::text::regtype::oid", &[&name]).await;
        row.unwrap().get(0)
    };
    for (name, kind, shown) in [
        ("erp.plant_code", Some(ColumnKind::Text), "erp.plant_code"),
        ("erp.state", Some(ColumnKind::Text), "erp.state"),
        ("numeric", Some(ColumnKind::Decimal), "numeric"),
        ("timestamptz", Some(ColumnKind::Instant), "timestamp with time zone"),
        ("erp.pair", None, "erp.pair"),
        ("int4[]", None, "integer[]"),
    ] {
        let oid = oid(name).await;
        let types = base_types(&session, &[oid]).await.unwrap();
        assert_eq!(types[&oid].kind, kind, "{name}");
        assert_eq!(types[&oid].type_name, shown);
    }
    session.close().await;
}
