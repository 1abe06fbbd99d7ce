//! Logs that have gone, were begun anew or belong to somebody else: never followed in silence.

use std::sync::Arc;

use erpbridge_connector::{Position, Severity, SourceErrorKind};
use erpbridge_test_support::{Flavour, Mysql, wait_until};

use crate::assert_told;
use crate::lab::{Lab, PATIENCE};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(200)) ENGINE = InnoDB";

/// A server of its own with a position in its log, behind which there are rows.
async fn left_behind(flavour: Flavour) -> (Lab, Position) {
    let lab = Lab::alone(Mysql::builder(flavour), TABLE).await;
    let origin = lab.begun().await;
    lab.run("INSERT INTO t VALUES (1, 'unseen')").await;
    (lab, origin)
}

#[tokio::test]
async fn a_log_that_was_removed_is_not_passed_over() {
    for flavour in Flavour::ALL {
        let (lab, origin) = left_behind(flavour).await;
        lab.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS").await;
        // The server keeps a file until it has noticed that its reader has gone.
        let purged = async || {
            lab.run("PURGE BINARY LOGS TO 'binlog.000003'").await;
            lab.ask("SHOW BINARY LOGS").await.as_deref() == Some("binlog.000003")
        };
        wait_until("the log is removed", PATIENCE, purged).await.unwrap();
        let error = lab.refused(Some(&origin)).await;
        let words = ["binlog.000003", "remove the stored offsets", "expire"];
        assert_told(&error, SourceErrorKind::PositionLost, &words);
    }
}

#[tokio::test]
async fn a_log_that_was_reset_is_not_taken_for_ours() {
    for flavour in Flavour::ALL {
        let (lab, origin) = left_behind(flavour).await;
        lab.run("RESET MASTER").await;
        let error = lab.refused(Some(&origin)).await;
        assert_told(&error, SourceErrorKind::IdentityChanged, &["remove the stored offsets"]);

        // The same file with the same statements as before is as long as before, and younger.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        lab.run("DROP DATABASE erp; RESET MASTER; CREATE DATABASE erp; USE erp").await;
        lab.run(TABLE).await;
        lab.run("INSERT INTO t VALUES (1, 'unseen'), (2, 'as well')").await;
        let error = lab.refused(Some(&origin)).await;
        assert_told(&error, SourceErrorKind::IdentityChanged, &["remove the stored offsets"]);
    }
}

#[tokio::test]
async fn a_log_of_another_name_is_not_ours() {
    for flavour in Flavour::ALL {
        let (mut lab, origin) = left_behind(flavour).await;
        let server = Arc::get_mut(&mut lab.server).unwrap();
        server.set("log_bin", "renamed").unwrap();
        server.restart().await.unwrap();
        let error = lab.refused(Some(&origin)).await;
        assert_told(&error, SourceErrorKind::IdentityChanged, &["another name", "log_bin"]);
    }
}

#[tokio::test]
async fn the_log_of_another_server_is_not_ours() {
    for flavour in Flavour::ALL {
        let (_lab, origin) = left_behind(flavour).await;
        let other = Lab::alone(Mysql::builder(flavour), TABLE).await;
        let error = other.refused(Some(&origin)).await;
        assert_told(&error, SourceErrorKind::IdentityChanged, &["of our position"]);
    }
}

#[tokio::test]
async fn a_place_at_which_no_event_begins_is_refused() {
    for flavour in Flavour::ALL {
        let (lab, origin) = left_behind(flavour).await;
        let text = origin.as_str();
        let (place, rest) = text.split_once(';').unwrap();
        let (file, offset) = place.rsplit_once(':').unwrap();
        let offset: u64 = offset.parse().unwrap();
        let rest: Vec<_> = rest.split(';').filter(|field| !field.starts_with("gtid=")).collect();
        let wrong = format!("{file}:{};{}", offset + 3, rest.join(";"));
        let error = lab.refused(Some(&Position::new(wrong))).await;
        let kinds = [SourceErrorKind::IdentityChanged, SourceErrorKind::Decode];
        assert!(kinds.contains(&error.kind()), "{flavour:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_without_a_log_says_what_to_set() {
    // MySQL 5.6 writes none unless told to; `MariaDB` neither.
    let (mut lab, origin) = left_behind(Flavour::MariaDb).await;
    let server = Arc::get_mut(&mut lab.server).unwrap();
    server.set("skip_log_bin", "1").unwrap();
    server.restart().await.unwrap();
    for position in [None, Some(&origin)] {
        assert_told(&lab.refused(position).await, SourceErrorKind::Setup, &["log_bin"]);
    }
}

#[tokio::test]
async fn a_stored_position_whose_log_is_gone_or_about_to_go_is_told_by_the_check() {
    for flavour in Flavour::ALL {
        let (lab, origin) = left_behind(flavour).await;
        // The file that is being written stays, however short the server keeps the others.
        let keep = match flavour {
            Flavour::MariaDb => "SET GLOBAL binlog_expire_logs_seconds = 7200",
            // It counts in days, and one is more than anybody is to be woken for.
            Flavour::Mysql56 => "SET GLOBAL expire_logs_days = 1",
        };
        lab.run(keep).await;
        assert!(lab.found_about(&origin).await.is_empty(), "{flavour:?}");
        lab.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS").await;
        let found = lab.found_about(&origin).await;
        if flavour == Flavour::MariaDb {
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].severity, Severity::Warning);
            assert!(found[0].subject.contains("binlog.000001"), "{found:#?}");
            assert!(found[0].problem.contains("will remove it in 1 h"), "{found:#?}");
            lab.run(&found[0].sql[0]).await;
            assert!(lab.found_about(&origin).await.is_empty());
        } else {
            assert!(found.is_empty(), "{found:#?}");
        }

        let purged = async || {
            lab.run("PURGE BINARY LOGS TO 'binlog.000003'").await;
            lab.ask("SHOW BINARY LOGS").await.as_deref() == Some("binlog.000003")
        };
        wait_until("the log is removed", PATIENCE, purged).await.unwrap();
        for position in [&origin, &Position::new("nonsense")] {
            let found = lab.found_about(position).await;
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].severity, Severity::Error);
        }
    }
}
