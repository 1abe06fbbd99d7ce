//! Tables that change their shape, and rows that must not be read by the wrong one.

use erpbridge_connector::testkit::Tail;
use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_test_support::{Directory, Flavour, Mysql, wait_until};

use crate::assert_told;
use crate::lab::{Lab, PATIENCE};

/// Two columns of one type: the log cannot tell them apart.
const TWINS: &str = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT) ENGINE = InnoDB";

/// `a` and `b` change places; then a value of each says which is which.
const SWAP: &str = "INSERT INTO t (id, a, b) VALUES (1, 10, 20); \
    ALTER TABLE t MODIFY a INT AFTER b; INSERT INTO t (id, a, b) VALUES (2, 10, 20)";

const SWAPPED: [&str; 3] = ["insert t [1|10|20]", "shape t (id, b, a)", "insert t [2|20|10]"];

/// Lines without the types, which servers spell differently.
fn told(tail: &Tail) -> Vec<String> {
    let name = |column: &str| column.split(' ').next().unwrap().to_owned();
    let line = |text: String| match text.split_once(" (") {
        Some((shape, columns)) if shape.starts_with("shape ") => {
            let columns: Vec<String> =
                columns.trim_end_matches(')').split(", ").map(name).collect();
            format!("{shape} ({})", columns.join(", "))
        }
        _ => text,
    };
    tail.texts().into_iter().map(line).collect()
}

async fn follow(lab: &Lab, from: &Position, expected: &[&str]) {
    let mut tail = lab.start(Some(from));
    tail.texts_of(expected.len()).await;
    lab.caught_up(&mut tail).await;
    assert_eq!(told(&tail), expected, "{:?}", lab.server.flavour());
    tail.stop().await;
}

#[tokio::test]
async fn columns_that_change_places_behind_our_back_do_not_swap_their_values() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "swapped", TWINS).await;
        let origin = lab.begun().await;
        lab.run(SWAP).await;
        follow(&lab, &origin, &SWAPPED).await;
        // Once more, now that both shapes are known.
        follow(&lab, &origin, &SWAPPED).await;
    }
}

#[tokio::test]
async fn rows_of_a_shape_that_nobody_knows_any_more_are_not_guessed() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "guessed", TWINS).await;
        let origin = lab.begun().await;
        lab.run(SWAP).await;
        let elsewhere = Directory::new("elsewhere").unwrap();
        let file = elsewhere.path().join("shapes.json");
        lab.config.shapes_file = Some(file.clone());
        let error = lab.refused(Some(&origin)).await;
        let words = ["`guessed.t`", "ALTER TABLE t MODIFY a INT AFTER b", "shapes.json"];
        assert_told(&error, SourceErrorKind::Schema, &words);

        // A person knows, and says so.
        let kept = std::fs::read_to_string(&file).unwrap();
        let column = |name: &str, key: &str| {
            format!(
                "{{\"name\":\"{name}\",\"data_type\":\"int\",\"column_type\":\"int(11)\",\
                 \"character_set\":null,\"octet_length\":null,\"datetime_precision\":null,\
                 \"nullable\":true,\"key\":{key},\"generated\":false}}"
            )
        };
        let columns = [column("id", "1"), column("a", "null"), column("b", "null")].join(",");
        let from = origin.as_str().split(';').next().unwrap();
        let version = format!(
            "\"versions\":[{{\"schema\":\"guessed\",\"table\":\"t\",\"from\":\"{from}\",\
             \"shape\":{{\"schema\":\"guessed\",\"table\":\"t\",\"columns\":[{columns}]}}}}"
        );
        assert!(kept.contains("\"versions\":["), "{kept}");
        let comma = if kept.contains("\"versions\":[]") { "" } else { "," };
        let mended = kept.replace("\"versions\":[", &format!("{version}{comma}"));
        std::fs::write(&file, mended).unwrap();
        follow(&lab, &origin, &SWAPPED).await;
    }
}

#[tokio::test]
async fn a_log_that_names_its_columns_needs_no_memory() {
    let builder = Mysql::builder(Flavour::MariaDb).setting("binlog_row_metadata", "FULL");
    let mut lab = Lab::alone(builder, TWINS).await;
    let origin = lab.begun().await;
    lab.run(SWAP).await;
    lab.run("ALTER TABLE t ADD COLUMN c INT FIRST").await;
    lab.run("INSERT INTO t (id, a, b, c) VALUES (3, 10, 20, 30)").await;
    lab.run("DROP TABLE t").await;
    lab.config.shapes_file = None;
    let expected = [
        "insert t [1|10|20]",
        "shape t (id, b, a)",
        "insert t [2|20|10]",
        "shape t (c, id, b, a)",
        "insert t [3|...]",
    ];
    let mut tail = lab.start(Some(&origin));
    tail.texts_of(5).await;
    let told = told(&tail);
    assert_eq!(told[..4], expected[..4]);
    assert_eq!(told[4], "insert t [30|3|20|10]");
    tail.stop().await;
}

#[tokio::test]
async fn a_change_is_told_before_the_rows_that_have_it() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "changed_now", TWINS).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 1, 1)").await;
        tail.texts_of(1).await;
        for (count, sql) in [
            (1, "ALTER TABLE t ADD COLUMN note VARCHAR(20) CHARACTER SET latin1 AFTER id"),
            (3, "INSERT INTO t VALUES (2, 'é', 2, 2)"),
            (3, "ALTER TABLE t DROP COLUMN a, COMMENT = 'x'"),
            (5, "CREATE INDEX by_b ON t (b); ANALYZE TABLE t; INSERT INTO t VALUES (3, 'ü', 3)"),
            (5, "CREATE TABLE scratch_like LIKE t; RENAME TABLE t TO scratch_t"),
            (5, "CREATE TABLE t (id INT PRIMARY KEY, z TEXT) ENGINE = InnoDB"),
            (7, "INSERT INTO t VALUES (4, 'new')"),
        ] {
            lab.run(sql).await;
            tail.texts_of(count).await;
        }
        let expected = [
            "insert t [1|1|1]",
            "shape t (id, note, a, b)",
            "insert t [2|é|2|2]",
            "shape t (id, note, b)",
            "insert t [3|ü|3]",
            "shape t (id, z)",
            "insert t [4|new]",
        ];
        assert_eq!(told(&tail), expected, "{flavour:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_table_that_takes_anothers_place_brings_its_own_shape() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "online_change", TWINS).await;
        let origin = lab.begun().await;
        // As tools for changes without downtime do it, while nobody reads.
        for sql in [
            "INSERT INTO t VALUES (1, 1, 1)",
            "CREATE TABLE scratch_new LIKE t",
            "ALTER TABLE scratch_new MODIFY b INT AFTER id, ADD COLUMN c INT",
            "INSERT INTO scratch_new (id, a, b) SELECT id, a, b FROM t",
            "RENAME TABLE t TO scratch_old, scratch_new TO t",
            "DROP TABLE scratch_old",
            "INSERT INTO t (id, a, b, c) VALUES (2, 10, 20, 30)",
        ] {
            lab.run(sql).await;
        }
        let expected = ["insert t [1|1|1]", "shape t (id, b, a, c)", "insert t [2|20|10|30]"];
        follow(&lab, &origin, &expected).await;
    }
}

#[tokio::test]
async fn many_changes_between_two_rows_are_one_for_us() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "many_changes", TWINS).await;
        let origin = lab.begun().await;
        lab.run(
            "INSERT INTO t VALUES (1, 10, 20); ALTER TABLE t MODIFY a INT AFTER b; \
             ALTER TABLE t ADD COLUMN c INT; ALTER TABLE t DROP COLUMN c; \
             /* t again */ ALTER TABLE `t` ADD COLUMN d INT FIRST; \
             INSERT INTO t (id, a, b, d) VALUES (2, 10, 20, 30)",
        )
        .await;
        let expected = ["insert t [1|10|20]", "shape t (d, id, b, a)", "insert t [30|...]"];
        let mut tail = lab.start(Some(&origin));
        tail.texts_of(3).await;
        let told = told(&tail);
        assert_eq!(told[..2], expected[..2], "{flavour:?}");
        assert_eq!(told[2], "insert t [30|2|20|10]");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_shape_between_two_changes_that_nobody_saw_stops_the_source() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "between_changes", TWINS).await;
        let origin = lab.begun().await;
        lab.run(SWAP).await;
        lab.run("ALTER TABLE t MODIFY a INT AFTER id").await;
        let mut tail = lab.start(Some(&origin));
        assert_eq!(tail.texts_of(1).await, ["insert t [1|10|20]"], "{flavour:?}");
        let error = tail.ended().await;
        assert_told(&error, SourceErrorKind::Schema, &["MODIFY a INT AFTER id", "FULL"]);
    }
}

#[tokio::test]
async fn a_bridge_that_was_away_sees_what_changed_meanwhile() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "away", TWINS).await;
        let origin = lab.begun().await;
        lab.run("INSERT INTO t VALUES (1, 10, 20)").await;
        follow(&lab, &origin, &["insert t [1|10|20]"]).await;
        // Another bridge with files of its own goes on for a while.
        let ours = lab.config.shapes_file.clone();
        let elsewhere = Directory::new("elsewhere").unwrap();
        lab.config.shapes_file = Some(elsewhere.path().join("shapes.json"));
        let mut tail = lab.start(Some(&origin));
        tail.texts_of(1).await;
        lab.run("ALTER TABLE t MODIFY a INT AFTER b").await;
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        tail.stop().await;
        lab.config.shapes_file = ours;
        lab.run("INSERT INTO t (id, a, b) VALUES (2, 10, 20)").await;
        follow(&lab, &at, &["insert t [2|20|10]"]).await;
    }
}

#[tokio::test]
async fn a_change_without_a_trace_is_found_near_the_end_of_the_log() {
    for flavour in Flavour::ALL {
        for (name, change) in [
            ("untraced_swap", "ALTER TABLE t MODIFY a INT AFTER b"),
            ("untraced_type", "ALTER TABLE t MODIFY a VARCHAR(20)"),
        ] {
            let lab = Lab::new(flavour, name, TWINS).await;
            let (mut tail, _) = lab.begin().await;
            lab.run("INSERT INTO t VALUES (1, 10, 20)").await;
            tail.texts_of(1).await;
            let at = tail.newest();
            tail.stop().await;
            lab.run(&format!("SET sql_log_bin = 0; {change}")).await;
            lab.run("INSERT INTO t (id, a, b) VALUES (2, 10, 20)").await;
            let error = lab.refused(Some(&at)).await;
            assert_told(&error, SourceErrorKind::Schema, &[&format!("`{name}.t`"), "snapshot"]);
        }
    }
}

#[tokio::test]
async fn changes_of_shapes_while_rows_are_written_misplace_no_value() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "concurrent_changes", TWINS).await;
        let (mut tail, _) = lab.begin().await;
        let rows = async {
            for id in 1..=200 {
                lab.run(&format!("INSERT INTO t (id, a, b) VALUES ({id}, 1000, 2000)")).await;
            }
        };
        let changes = async {
            for round in 0..10 {
                let place = if round % 2 == 0 { "AFTER b" } else { "AFTER id" };
                lab.run(&format!("ALTER TABLE t MODIFY a INT {place}")).await;
                // Each shape is seen before the next comes.
                let file = lab.config.shapes_file.clone().unwrap();
                let seen = async || {
                    let kept = std::fs::read_to_string(&file).unwrap();
                    kept.matches("\"from\"").count() == round + 2 && !kept.contains("shape\":null")
                };
                wait_until("the shape is known", PATIENCE, seen).await.unwrap();
            }
        };
        let rows_of =
            |tail: &Tail| tail.texts().iter().filter(|text| text.starts_with("insert")).count();
        let reading = tail.until("all rows", |tail| rows_of(tail) >= 200);
        tokio::join!(rows, changes, reading);
        let mut order = "id, a, b".to_owned();
        for text in told(&tail) {
            if let Some(columns) = text.strip_prefix("shape t (") {
                order = columns.trim_end_matches(')').to_owned();
            } else {
                let expected = if order == "id, a, b" { "|1000|2000]" } else { "|2000|1000]" };
                assert!(text.ends_with(expected), "{flavour:?}: {order}: {text}");
            }
        }
        tail.stop().await;
    }
}
