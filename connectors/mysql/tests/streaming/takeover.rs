//! Another server takes over: followed by the names of transactions, or not at all.

use std::sync::Arc;

use erpbridge_connector::SourceErrorKind;
use erpbridge_test_support::{Flavour, Mysql, MysqlBuilder, wait_until};

use crate::assert_told;
use crate::lab::{Lab, PATIENCE};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT) ENGINE = InnoDB";

fn with_gtids(flavour: Flavour) -> MysqlBuilder {
    let builder = Mysql::builder(flavour);
    match flavour {
        Flavour::MariaDb => builder.setting("gtid_strict_mode", "ON"),
        Flavour::Mysql56 => {
            builder.setting("gtid_mode", "ON").setting("enforce_gtid_consistency", "ON")
        }
    }
}

/// Waits until the replica has this many rows.
async fn replicated(replica: &Mysql, count: u64) {
    let exists = "SELECT COUNT(*) FROM information_schema.tables \
                  WHERE table_schema = 'erp' AND table_name = 't'";
    let number = async |sql: &str| replica.query::<u64>(sql).await.unwrap().first().copied();
    let there = async || {
        number(exists).await == Some(1) && number("SELECT COUNT(*) FROM erp.t").await == Some(count)
    };
    wait_until("the replica has caught up", PATIENCE, there).await.unwrap();
}

/// Points the lab at another server.
fn turn_to(lab: &mut Lab, server: Mysql) {
    lab.config.port = server.port();
    lab.server = Arc::new(server);
}

#[tokio::test]
async fn a_replica_that_takes_over_goes_on_where_the_first_server_stopped() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::alone(with_gtids(flavour), TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 1, 1); INSERT INTO t VALUES (2, 2, 2)").await;
        tail.texts_of(2).await;
        let replica = lab.server.replica().await.unwrap();
        lab.run("INSERT INTO t VALUES (3, 3, 3)").await;
        tail.texts_of(3).await;
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        let last = tail.lines[2].sequence.clone();
        tail.stop().await;
        // What nobody has read yet, a change of the shape among it.
        lab.run("INSERT INTO t VALUES (4, 10, 20); ALTER TABLE t MODIFY a INT AFTER b").await;
        lab.run("INSERT INTO t (id, a, b) VALUES (5, 10, 20)").await;
        replicated(&replica, 5).await;
        replica.execute("STOP SLAVE; RESET SLAVE ALL").await.unwrap();
        turn_to(&mut lab, replica);
        lab.run("INSERT INTO t (id, a, b) VALUES (6, 10, 20)").await;

        let mut tail = lab.start(Some(&at));
        let texts = tail.texts_of(4).await;
        assert_eq!(texts[0], "insert t [4|10|20]", "{flavour:?}");
        assert!(texts[1].starts_with("shape t (id "), "{texts:?}");
        assert_eq!(texts[2..], ["insert t [5|20|10]", "insert t [6|20|10]"], "{flavour:?}");
        assert!(last < tail.lines[0].sequence && last < tail.lines[2].sequence);
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        tail.stop().await;

        // From here on its places are ours.
        lab.run("INSERT INTO t (id, a, b) VALUES (7, 10, 20)").await;
        let mut tail = lab.start(Some(&at));
        assert_eq!(tail.texts_of(1).await, ["insert t [7|20|10]"], "{flavour:?}");
        lab.caught_up(&mut tail).await;
        assert_eq!(tail.lines.len(), 1);
        tail.stop().await;
    }
}

#[tokio::test]
async fn a_position_told_right_after_a_takeover_repeats_nothing() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::alone(with_gtids(flavour), TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 1, 1); INSERT INTO t VALUES (2, 2, 2)").await;
        tail.texts_of(2).await;
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        tail.stop().await;
        let replica = lab.server.replica().await.unwrap();
        replicated(&replica, 2).await;
        replica.execute("STOP SLAVE; RESET SLAVE ALL").await.unwrap();
        turn_to(&mut lab, replica);
        // Idle: whichever position is told, nothing that is known comes after it.
        let mut tail = lab.start(Some(&at));
        tail.until("progress", |tail| tail.progress.len() >= 3).await;
        let positions = tail.progress.clone();
        tail.stop().await;
        lab.run("INSERT INTO t VALUES (3, 3, 3)").await;
        for position in positions {
            let mut tail = lab.start(Some(&position));
            assert_eq!(tail.texts_of(1).await, ["insert t [3|3|3]"], "{flavour:?} {position}");
            tail.stop().await;
        }
    }
}

#[tokio::test]
async fn a_replica_that_lacks_what_we_have_is_not_followed() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::alone(with_gtids(flavour), TABLE).await;
        let (mut tail, _) = lab.begin().await;
        lab.run("INSERT INTO t VALUES (1, 1, 1)").await;
        let replica = lab.server.replica().await.unwrap();
        replicated(&replica, 1).await;
        replica.execute("STOP SLAVE; RESET SLAVE ALL").await.unwrap();
        lab.run("INSERT INTO t VALUES (2, 2, 2)").await;
        tail.texts_of(2).await;
        lab.caught_up(&mut tail).await;
        let at = tail.newest();
        tail.stop().await;
        turn_to(&mut lab, replica);
        let error = lab.refused(Some(&at)).await;
        let words = ["lacks transactions that we have seen", "begin anew"];
        assert_told(&error, SourceErrorKind::IdentityChanged, &words);
    }
}

#[tokio::test]
async fn without_names_of_transactions_nobody_takes_over() {
    let mut lab = Lab::alone(Mysql::builder(Flavour::Mysql56), TABLE).await;
    let origin = lab.begun().await;
    let replica = lab.server.replica().await.unwrap();
    replicated(&replica, 0).await;
    turn_to(&mut lab, replica);
    let error = lab.refused(Some(&origin)).await;
    assert_told(&error, SourceErrorKind::IdentityChanged, &["not the server", "GTID"]);
}
