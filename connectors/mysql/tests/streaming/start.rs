//! Where the source may begin, and where it refuses to.

use erpbridge_connector::{Position, SourceErrorKind};
use erpbridge_mysql::SnapshotMode;
use erpbridge_test_support::{Flavour, Mysql};

use crate::assert_told;
use crate::lab::{Lab, place};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(20)) ENGINE = InnoDB";

#[tokio::test]
async fn a_first_start_reads_the_tables_and_follows_the_log_from_that_moment() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "first_start", TABLE).await;
        lab.config.snapshot = SnapshotMode::Initial;
        lab.run("INSERT INTO t VALUES (1, 'a'), (2, NULL)").await;
        let (mut tail, origin) = lab.begin().await;
        assert!(!origin.as_str().starts_with("snapshot:"));
        lab.run("UPDATE t SET note = 'b' WHERE id = 2").await;
        let expected = ["read t [1|a]", "read t [2|NULL]", "update t [2|b] was [2|NULL]"];
        assert_eq!(tail.texts_of(3).await, expected, "{flavour:?}");
        assert!(tail.lines[1].sequence < tail.lines[2].sequence);
        tail.stop().await;
    }
}

#[tokio::test]
async fn without_a_snapshot_nothing_from_before_the_first_start_is_sent() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "never_start", TABLE).await;
        lab.run("INSERT INTO t VALUES (1, 'before')").await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (2, 'after')").await;
        assert_eq!(tail.texts_of(1).await, ["insert t [2|after]"], "{flavour:?}");
        tail.stop().await;
    }
}

#[tokio::test]
async fn every_position_that_was_sent_can_be_resumed_from() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "resumed", TABLE).await;
        let (mut tail, origin) = lab.begin().await;
        for id in 1..=4 {
            lab.run(&format!("INSERT INTO t VALUES ({id}, 'x')")).await;
            if id == 2 {
                lab.run("FLUSH BINARY LOGS").await;
            }
        }
        tail.texts_of(4).await;
        lab.caught_up(&mut tail).await;
        let mut positions = vec![(origin, 0)];
        positions.extend((1..).zip(&tail.lines).map(|(seen, line)| (line.resume.clone(), seen)));
        positions.push((tail.newest(), 4));
        tail.stop().await;
        lab.run("INSERT INTO t VALUES (5, 'x')").await;
        for (position, seen) in positions {
            let mut tail = lab.start(Some(&position));
            let expected: Vec<_> = (seen + 1..=5).map(|id| format!("insert t [{id}|x]")).collect();
            // Rows of one batch carry the position of its last transaction or of their own.
            let texts = tail.texts_of(expected.len()).await;
            assert_eq!(texts, expected, "{flavour:?} after {position}");
            tail.stop().await;
        }
    }
}

#[tokio::test]
async fn a_position_that_is_none_is_refused() {
    let lab = Lab::new(Flavour::MariaDb, "nonsense", TABLE).await;
    let error = lab.refused(Some(&Position::new("0/16B3748"))).await;
    assert_told(&error, SourceErrorKind::Setup, &["`0/16B3748`", "import the offsets"]);
}

#[tokio::test]
async fn the_log_goes_on_in_its_next_file_whether_it_was_closed_or_not() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::alone(Mysql::builder(flavour).durable(), TABLE).await;
        let (mut tail, origin) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 'a'); FLUSH BINARY LOGS; INSERT INTO t VALUES (2, 'b')")
            .await;
        tail.texts_of(2).await;
        let at = tail.newest();
        tail.kill().await;
        // It dies in the middle of its file.
        let server = std::sync::Arc::get_mut(&mut lab.server).unwrap();
        server.kill9();
        server.restart().await.unwrap();
        lab.run("INSERT INTO t VALUES (3, 'c')").await;
        for (position, expected) in [(&at, 1), (&origin, 3)] {
            let mut tail = lab.start(Some(position));
            let texts = tail.texts_of(expected).await;
            assert_eq!(texts.last().unwrap(), "insert t [3|c]", "{flavour:?}");
            assert!(place(&tail.lines.last().unwrap().resume) > place(&origin));
            tail.stop().await;
        }
    }
}

#[tokio::test]
async fn two_bridges_with_one_number_notice_each_other() {
    for flavour in Flavour::ALL {
        let lab = Lab::new(flavour, "same_number", TABLE).await;
        let (first, origin) = lab.begin().await;
        let mut second = lab.start(Some(&origin));
        second.until("a sign of life", |tail| !tail.progress.is_empty()).await;
        let error = first.ended().await;
        let kinds = [SourceErrorKind::Busy, SourceErrorKind::Connection];
        assert!(kinds.contains(&error.kind()), "{flavour:?}: {error:?}");
        second.stop().await;
    }
}
