//! What a row change looks like.

use crate::lab::Lab;

/// A text that the server keeps outside the row, uncompressed.
const LARGE: &str = "CREATE TABLE doc (id int PRIMARY KEY, n int, body text);
    ALTER TABLE doc ALTER body SET STORAGE EXTERNAL;
    CREATE PUBLICATION erpbridge FOR TABLE doc";

const LARGE_ROWS: [&str; 4] = [
    "INSERT INTO doc VALUES (1, 1, repeat('x', 5000))",
    "UPDATE doc SET n = 2",
    "UPDATE doc SET body = NULL",
    "UPDATE doc SET body = 'small'",
];

#[tokio::test]
async fn a_large_value_that_did_not_change_is_absent_under_a_key_identity() {
    let lab = Lab::new("toast_key", LARGE).await;
    let (mut tail, _) = lab.begin().await;
    for sql in LARGE_ROWS {
        lab.run(sql).await;
    }
    let expected = [
        "insert doc [1|1|5000 bytes]",
        "update doc [1|2|ABSENT]",
        "update doc [1|2|NULL]",
        "update doc [1|2|small]",
    ];
    assert_eq!(tail.texts_of(4).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn a_large_value_that_did_not_change_is_filled_in_under_a_full_identity() {
    let lab = Lab::new("toast_full", LARGE).await;
    lab.run("ALTER TABLE doc REPLICA IDENTITY FULL").await;
    let (mut tail, _) = lab.begin().await;
    for sql in LARGE_ROWS {
        lab.run(sql).await;
    }
    lab.run("DELETE FROM doc").await;
    let expected = [
        "insert doc [1|1|5000 bytes]",
        "update doc [1|2|5000 bytes] was [1|1|5000 bytes]",
        "update doc [1|2|NULL] was [1|2|5000 bytes]",
        "update doc [1|2|small] was [1|2|NULL]",
        "delete doc was [1|2|small]",
    ];
    assert_eq!(tail.texts_of(5).await, expected);
    tail.stop().await;
}

const LINES: &str = "CREATE TABLE line (po text, pos int, note text, qty numeric,
                                         PRIMARY KEY (pos, po));
    CREATE PUBLICATION erpbridge FOR TABLE line";

const LINE_CHANGES: &str = "
    INSERT INTO line VALUES ('A', 1, 'x', NULL); UPDATE line SET qty = 1.50;
    UPDATE line SET pos = 2; DELETE FROM line";

#[tokio::test]
async fn a_key_only_image_has_no_nulls_for_what_it_does_not_hold() {
    let lab = Lab::new("key_default", LINES).await;
    let (mut tail, _) = lab.begin().await;
    lab.run(LINE_CHANGES).await;
    let expected = [
        "insert line [A|1|x|NULL]",
        "update line [A|1|x|1.50]",
        "update line [A|2|x|1.50] was [A|1|ABSENT|ABSENT]",
        "delete line was [A|2|ABSENT|ABSENT]",
    ];
    assert_eq!(tail.texts_of(4).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn a_full_image_holds_everything_of_the_row_before() {
    let lab = Lab::new("key_full", LINES).await;
    lab.run("ALTER TABLE line REPLICA IDENTITY FULL").await;
    let (mut tail, _) = lab.begin().await;
    lab.run(LINE_CHANGES).await;
    let expected = [
        "insert line [A|1|x|NULL]",
        "update line [A|1|x|1.50] was [A|1|x|NULL]",
        "update line [A|2|x|1.50] was [A|1|x|1.50]",
        "delete line was [A|2|x|1.50]",
    ];
    assert_eq!(tail.texts_of(4).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn an_index_identity_holds_the_columns_of_the_index() {
    let lab = Lab::new("key_index", LINES).await;
    lab.run(
        "ALTER TABLE line ALTER note SET NOT NULL; CREATE UNIQUE INDEX by_note ON line (note);
         ALTER TABLE line REPLICA IDENTITY USING INDEX by_note",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO line VALUES ('A', 1, 'x', 1); DELETE FROM line").await;
    let expected = ["insert line [A|1|x|1]", "delete line was [ABSENT|ABSENT|x|ABSENT]"];
    assert_eq!(tail.texts_of(2).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn rows_of_one_copy_have_ordinals_of_their_own() {
    let lab = Lab::new(
        "copied",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION erpbridge FOR TABLE t",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    lab.run("COPY t FROM PROGRAM 'seq 3'").await;
    tail.texts_of(3).await;
    let lines = tail.stop().await;
    let ordinals: Vec<u64> = lines.iter().map(|line| line.ordinal).collect();
    assert_eq!(ordinals, [1, 2, 3]);
    assert!(lines.iter().all(|line| line.sequence == lines[0].sequence && line.complete));
}

#[tokio::test]
async fn a_row_that_crosses_the_row_filter_is_inserted_or_deleted() {
    let lab = Lab::new(
        "filtered",
        "CREATE TABLE t (id int PRIMARY KEY, note text);
         CREATE PUBLICATION erpbridge FOR TABLE t WHERE (id < 100)",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    for sql in [
        "INSERT INTO t VALUES (1, 'a'), (200, 'b')",
        "UPDATE t SET id = 101 WHERE id = 1",
        "UPDATE t SET id = 2 WHERE id = 200",
        "UPDATE t SET note = 'c' WHERE id = 101",
        "UPDATE t SET note = 'd' WHERE id = 2",
    ] {
        lab.run(sql).await;
    }
    let expected =
        ["insert t [1|a]", "delete t was [1|ABSENT]", "insert t [2|b]", "update t [2|d]"];
    assert_eq!(tail.texts_of(4).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn a_column_outside_the_column_list_is_not_there() {
    let lab = Lab::new(
        "listed",
        "CREATE TABLE t (secret text, id int PRIMARY KEY, note text);
         CREATE PUBLICATION erpbridge FOR TABLE t (id, note)",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES ('s', 1, 'a'); UPDATE t SET secret = 'z'; DELETE FROM t").await;
    let expected = ["insert t [1|a]", "update t [1|a]", "delete t was [1|ABSENT]"];
    assert_eq!(tail.texts_of(3).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn partitions_come_under_the_name_of_their_table() {
    let lab = Lab::new(
        "parted",
        "CREATE TABLE moves (id int, at int, qty int, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
         CREATE TABLE moves_1 PARTITION OF moves FOR VALUES IN (1);
         CREATE TABLE moves_2 (qty int, at int NOT NULL, id int NOT NULL, PRIMARY KEY (id, at));
         ALTER TABLE moves ATTACH PARTITION moves_2 FOR VALUES IN (2);
         CREATE PUBLICATION erpbridge FOR TABLE moves WITH (publish_via_partition_root = true)",
    )
    .await;
    let (mut tail, _) = lab.begin().await;
    for sql in [
        "INSERT INTO moves VALUES (1, 1, 10), (2, 2, 20)",
        "UPDATE moves SET qty = 11 WHERE id = 1",
        "UPDATE moves SET at = 2 WHERE id = 1",
        "TRUNCATE moves_1",
        "TRUNCATE moves",
    ] {
        lab.run(sql).await;
    }
    let expected = [
        "insert moves [1|1|10]",
        "insert moves [2|2|20]",
        "update moves [1|1|11]",
        "delete moves was [1|1|ABSENT]",
        "insert moves [1|2|11]",
        "truncate moves",
    ];
    assert_eq!(tail.texts_of(6).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn names_may_hold_capitals_blanks_and_quotes() {
    let mut lab = Lab::new(
        "Odd Name's",
        r#"CREATE SCHEMA "My Schema";
           CREATE TABLE "My Schema"."Order ""Head""" ("No." int PRIMARY KEY, "Größe in cm" int);
           INSERT INTO "My Schema"."Order ""Head""" VALUES (1, 170);
           CREATE PUBLICATION "Erp's ""Pub""" FOR TABLE "My Schema"."Order ""Head""""#,
    )
    .await;
    lab.config.publication = "Erp's \"Pub\"".to_owned();
    lab.config.snapshot = erpbridge_postgres::SnapshotMode::Initial;
    lab.schemas = &["My Schema"];
    let (mut tail, _) = lab.begin().await;
    lab.run(r#"UPDATE "My Schema"."Order ""Head""" SET "Größe in cm" = 171"#).await;
    let expected = [r#"read Order "Head" [1|170]"#, r#"update Order "Head" [1|171]"#];
    assert_eq!(tail.texts_of(2).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn a_latin_1_database_gives_utf_8() {
    let shared = Lab::new("latin_host", "").await.postgres;
    shared
        .execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .await
        .unwrap();
    let mut lab = Lab::over(
        shared,
        "latin",
        "CREATE TABLE t (id int PRIMARY KEY, \"größe\" text);
         INSERT INTO t VALUES (1, 'Müller');
         CREATE PUBLICATION erpbridge FOR TABLE t",
    )
    .await;
    lab.config.snapshot = erpbridge_postgres::SnapshotMode::Initial;
    let (mut tail, _) = lab.begin().await;
    lab.run("INSERT INTO t VALUES (2, 'Müller'); ALTER TABLE t ADD x int").await;
    lab.run("INSERT INTO t VALUES (3, 'ÿ', 1)").await;
    let expected = [
        "read t [1|Müller]",
        "insert t [2|Müller]",
        "shape t (id integer, größe text, x integer)",
        "insert t [3|ÿ|1]",
    ];
    assert_eq!(tail.texts_of(4).await, expected);
    tail.stop().await;
}

#[tokio::test]
async fn what_the_role_prefers_does_not_change_the_text_of_values() {
    let mut lab = Lab::new(
        "preferences",
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, d date, i interval, b bytea, f float8);
         CREATE PUBLICATION erpbridge FOR TABLE t;
         CREATE ROLE preferring LOGIN SUPERUSER PASSWORD 'secret';
         ALTER ROLE preferring SET datestyle = 'German';
         ALTER ROLE preferring SET timezone = 'Asia/Tokyo';
         ALTER ROLE preferring SET intervalstyle = 'postgres_verbose';
         ALTER ROLE preferring SET bytea_output = 'escape';
         ALTER ROLE preferring SET extra_float_digits = -10;
         ALTER ROLE preferring SET client_encoding = 'LATIN1';
         ALTER ROLE preferring SET search_path = 'nowhere';
         ALTER ROLE preferring SET default_transaction_read_only = on;
         ALTER ROLE preferring SET statement_timeout = '200ms';
         ALTER ROLE preferring SET idle_in_transaction_session_timeout = '200ms';
         ALTER ROLE preferring SET idle_session_timeout = '200ms';
         ALTER ROLE preferring SET lock_timeout = '1ms'",
    )
    .await;
    lab.config.user = "preferring".to_owned();
    lab.config.password = Some(erpbridge_postgres::Secret::new("secret"));
    lab.config.snapshot = erpbridge_postgres::SnapshotMode::Initial;
    let values = "'2024-03-05 01:02:03+00', '2024-03-05', '1 day 2 hours', '\\x41ff', 0.1";
    lab.run(&format!("INSERT INTO t VALUES (1, {values})")).await;
    let (mut tail, _) = lab.begin().await;
    // Longer than every timeout of the role.
    lab.run("SELECT pg_sleep(0.5)").await;
    lab.run(&format!("INSERT INTO t VALUES (2, {values})")).await;
    let text = "2024-03-05 01:02:03+00|2024-03-05|P1DT2H|\\x41ff|0.1]";
    let expected = [format!("read t [1|{text}"), format!("insert t [2|{text}")];
    assert_eq!(tail.texts_of(2).await, expected);
    tail.stop().await;
}
