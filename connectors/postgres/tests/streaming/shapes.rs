//! Tables that change while they are followed.

use crate::lab::Lab;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text, qty int);
    CREATE PUBLICATION erpbridge FOR TABLE t";

#[tokio::test]
async fn every_change_of_shape_is_told_before_its_first_row() {
    let lab = Lab::new("altered", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    for sql in [
        "INSERT INTO t VALUES (1, 'a', 1)",
        "ALTER TABLE t ADD price numeric(8,2) DEFAULT 9.5",
        "UPDATE t SET qty = 2",
        "ALTER TABLE t RENAME note TO remark",
        "INSERT INTO t VALUES (2, 'b', 1, 1)",
        "ALTER TABLE t DROP remark",
        "INSERT INTO t VALUES (3, 1, 1)",
        "ALTER TABLE t ALTER qty TYPE bigint",
        "DELETE FROM t WHERE id = 3",
        "ALTER TABLE t RENAME TO u",
        "DELETE FROM u WHERE id = 2",
    ] {
        lab.run(sql).await;
    }
    let expected = [
        "insert t [1|a|1]",
        "shape t (id integer, note text, qty integer, price numeric(8,2))",
        "update t [1|a|2|9.50]",
        "shape t (id integer, remark text, qty integer, price numeric(8,2))",
        "insert t [2|b|1|1.00]",
        "shape t (id integer, qty integer, price numeric(8,2))",
        "insert t [3|1|1.00]",
        "shape t (id integer, qty bigint, price numeric(8,2))",
        "delete t was [3|ABSENT|ABSENT]",
        "shape u (id integer, qty bigint, price numeric(8,2))",
        "delete u was [2|ABSENT|ABSENT]",
    ];
    assert_eq!(tail.texts_of(11).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn a_shape_that_changes_within_a_transaction_fits_the_rows_on_both_sides() {
    let lab = Lab::new("altered_within", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    lab.run(
        "INSERT INTO t VALUES (1, 'a', 1); ALTER TABLE t DROP note, ADD more text;
         INSERT INTO t VALUES (2, 1, 'b'); ALTER TABLE t DROP more; INSERT INTO t VALUES (3, 1)",
    )
    .await;
    tail.texts_of(5).await;
    let lines = tail.stop().await;
    let rows: Vec<&str> =
        lines.iter().map(|line| line.text.as_str()).filter(|text| text.starts_with('i')).collect();
    assert_eq!(rows, ["insert t [1|a|1]", "insert t [2|1|b]", "insert t [3|1]"]);
    let place = |text: &str| lines.iter().position(|line| line.text == text).unwrap();
    assert!(place("shape t (id integer, qty integer, more text)") < place("insert t [2|1|b]"));
    assert!(place("shape t (id integer, qty integer)") < place("insert t [3|1]"));
}

#[tokio::test]
async fn shapes_of_the_past_are_read_with_the_catalogue_of_today() {
    let lab = Lab::new("altered_before", TABLE).await;
    let origin = lab.begun().await;
    lab.run(
        "CREATE TYPE state AS ENUM ('open'); CREATE DOMAIN flag AS bool;
         ALTER TABLE t ADD s state, ADD f flag",
    )
    .await;
    lab.run("INSERT INTO t VALUES (1, 'a', 1, 'open', true)").await;
    lab.run("ALTER TABLE t DROP s, DROP f, DROP qty; DROP TYPE state; DROP DOMAIN flag").await;
    lab.run("INSERT INTO t VALUES (2, 'b')").await;
    lab.run("DROP TABLE t").await;
    let mut tail = lab.start(Some(&origin));
    let texts = tail.texts_of(3).await;
    assert!(texts[0].starts_with("insert t [1|a|1|open|t"), "{texts:?}");
    assert_eq!(texts[1..], ["shape t (id integer, note text)", "insert t [2|b]"]);
    tail.stop().await;
}

#[tokio::test]
async fn a_table_that_is_published_later_is_followed_from_then_on() {
    let lab = Lab::new("added", TABLE).await;
    let (mut tail, _) = lab.begin().await;
    lab.run("CREATE TABLE later (id int PRIMARY KEY)").await;
    lab.run("INSERT INTO later VALUES (1)").await;
    lab.run("ALTER PUBLICATION erpbridge ADD TABLE later").await;
    lab.run("INSERT INTO later VALUES (2)").await;
    assert_eq!(tail.texts_of(1).await, ["insert later [2]"]);
    tail.stop().await;
}

/// The selection of the lab is a pattern: it names no table.
#[tokio::test]
async fn a_table_created_in_what_is_published_whole_appears_by_itself() {
    for (name, published) in [("whole", "ALL TABLES"), ("by_schema", "TABLES IN SCHEMA public")] {
        let lab = Lab::new(name, &format!("CREATE PUBLICATION erpbridge FOR {published}")).await;
        let (mut tail, _) = lab.begin().await;
        lab.run(
            "CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY);
             CREATE TABLE north (id int PRIMARY KEY, note text)",
        )
        .await;
        lab.run("INSERT INTO other.t VALUES (1); INSERT INTO north VALUES (1, 'a')").await;
        lab.run("CREATE TABLE south AS SELECT 7 AS id; ALTER TABLE south ADD PRIMARY KEY (id)")
            .await;
        lab.run("UPDATE south SET id = 8").await;
        let texts = tail.texts_of(3).await;
        assert_eq!(texts, ["insert north [1|a]", "insert south [7]", "update south [8] was [7]"]);
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_table_without_columns_and_one_made_anew_are_followed() {
    let lab = Lab::new("remade", TABLE).await;
    lab.run("CREATE TABLE empty (); ALTER TABLE empty REPLICA IDENTITY FULL").await;
    lab.run("ALTER PUBLICATION erpbridge ADD TABLE empty").await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO empty DEFAULT VALUES").await;
    lab.run("INSERT INTO t VALUES (1, 'a', 1)").await;
    lab.run("DROP TABLE t; CREATE TABLE t (code text PRIMARY KEY)").await;
    lab.run("ALTER PUBLICATION erpbridge ADD TABLE t").await;
    lab.run("INSERT INTO t VALUES ('x')").await;
    let texts = tail.texts_of(3).await;
    assert_eq!(texts, ["insert empty []", "insert t [1|a|1]", "insert t [x]"]);
    tail.stop().await;
}

#[tokio::test]
async fn the_key_is_the_primary_key_even_where_the_log_flags_every_column() {
    let lab = Lab::new(
        "keys",
        "CREATE TABLE t (note text, b int NOT NULL, a int NOT NULL, PRIMARY KEY (a, b));
         ALTER TABLE t REPLICA IDENTITY FULL; CREATE PUBLICATION erpbridge FOR TABLE t",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES ('x', 1, 2)").await;
    lab.run("UPDATE t SET note = 'y'").await;
    tail.texts_of(2).await;
    lab.run("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (b)").await;
    lab.run("DELETE FROM t").await;
    let texts = tail.texts_of(4).await;
    assert_eq!(texts[2], "shape t (note text, b integer, a integer)");
    assert_eq!(texts[3], "delete t was [y|1|2]");
    let keys: Vec<_> = tail.lines.iter().map(|line| line.key.join(", ")).collect();
    assert_eq!(keys, ["a, b", "a, b", "", "b"]);
    tail.stop().await;
}
