//! What a row change looks like.

use erpbridge_test_support::{Flavour, Mysql};

use crate::lab::Lab;

const LINES: &str = "CREATE TABLE line (po VARCHAR(10), pos INT, note TEXT, qty DECIMAL(10,2),
    PRIMARY KEY (pos, po)) ENGINE = InnoDB";

const CHANGES: &str = "INSERT INTO line VALUES ('A', 1, 'x', NULL); UPDATE line SET qty = 1.5;
    UPDATE line SET pos = 2; DELETE FROM line";

#[tokio::test]
async fn rows_come_whole_before_and_after() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "rows_full", LINES).await;
        let (mut tail, _) = lab.begin().await;
        lab.run(CHANGES).await;
        let expected = [
            "insert line [A|1|x|NULL]",
            "update line [A|1|x|1.50] was [A|1|x|NULL]",
            "update line [A|2|x|1.50] was [A|1|x|1.50]",
            "delete line was [A|2|x|1.50]",
        ];
        assert_eq!(tail.texts_of(4).await, expected, "{flavour:?}");
        let key: Vec<String> = vec!["pos".into(), "po".into()];
        assert!(tail.lines.iter().all(|line| line.key == key));
        tail.stop().await;
    }
}

#[tokio::test]
async fn what_a_minimal_image_leaves_out_is_absent() {
    for flavour in Flavour::ALL {
        let builder = Mysql::builder(flavour).setting("binlog_row_image", "MINIMAL");
        let lab = Lab::alone(builder, LINES).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO line VALUES ('A', 1, 'x', NULL); UPDATE line SET qty = 1.5; DELETE FROM line")
            .await;
        let expected = [
            "insert line [A|1|x|NULL]",
            "update line [ABSENT|ABSENT|ABSENT|1.50] was [A|1|ABSENT|ABSENT]",
            "delete line was [A|1|ABSENT|ABSENT]",
        ];
        let texts = tail.texts_of(3).await;
        assert_eq!(texts[0], expected[0], "{flavour:?}");
        assert_eq!(texts[2], expected[2], "{flavour:?}");
        assert!(texts[1].ends_with("|1.50] was [A|1|ABSENT|ABSENT]"), "{flavour:?}: {}", texts[1]);
        tail.stop().await;
    }
}

#[tokio::test]
async fn rows_of_the_old_version_and_compressed_rows_are_read_too() {
    let old = Mysql::builder(Flavour::Mysql56).setting("log_bin_use_v1_row_events", "1");
    let compressed = Mysql::builder(Flavour::MariaDb)
        .setting("log_bin_compress", "ON")
        .setting("log_bin_compress_min_len", "10");
    for builder in [old, compressed] {
        let lab = Lab::alone(builder, LINES).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO line VALUES ('A', 1, REPEAT('x', 5000), 1), ('B', 2, 'y', 2)").await;
        lab.run("ALTER TABLE line ADD COLUMN c INT").await;
        lab.run("UPDATE line SET c = 7 WHERE pos = 2").await;
        let texts = tail.texts_of(4).await;
        assert_eq!(texts[0], "insert line [A|1|5000 bytes|1.00]");
        assert_eq!(texts[3], "update line [B|2|y|2.00|7] was [B|2|y|2.00|NULL]");
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_row_of_forty_megabytes_passes_and_a_larger_one_than_allowed_does_not() {
    for flavour in Flavour::ALL {
        // The server's own limit for clients is smaller than what its log holds for an update.
        let builder = Mysql::builder(flavour)
            .setting("max_allowed_packet", "64M")
            .setting("innodb_log_file_size", "512M");
        let table = "CREATE TABLE doc (id INT PRIMARY KEY, n INT, body LONGTEXT) ENGINE = InnoDB";
        let mut lab = Lab::alone(builder, table).await;
        let (mut tail, origin) = lab.begin().await;
        lab.run("INSERT INTO doc VALUES (1, 1, REPEAT('x', 40 << 20)); UPDATE doc SET n = 2").await;
        let size = 40 << 20;
        let texts = tail.texts_of(2).await;
        assert_eq!(texts[0], format!("insert doc [1|1|{size} bytes]"), "{flavour:?}");
        assert_eq!(texts[1], format!("update doc [1|2|{size} bytes] was [1|1|{size} bytes]"));
        tail.stop().await;

        lab.config.max_row_bytes = 1 << 20;
        let error = lab.refused(Some(&origin)).await;
        let kind = erpbridge_connector::SourceErrorKind::TooLarge;
        crate::assert_told(&error, kind, &["max_row_bytes"]);
    }
}
