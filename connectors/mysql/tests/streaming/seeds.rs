//! Seeds, where they are particular to this database.

use erpbridge_connector::{Pass, Phase};
use erpbridge_mysql::SnapshotMode;
use erpbridge_test_support::Flavour;

use crate::lab::Lab;

const TABLES: &str = "CREATE TABLE kept (id INT PRIMARY KEY, note VARCHAR(100)) ENGINE = InnoDB;
    CREATE TABLE bare (id INT PRIMARY KEY) ENGINE = InnoDB;
    CREATE TABLE other (id INT PRIMARY KEY) ENGINE = InnoDB";

#[tokio::test]
async fn seeds_come_without_a_snapshot_and_of_tables_without_rows_too() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "seed_only", TABLES).await;
        lab.run("INSERT INTO kept VALUES (1, 'a'), (2, NULL); INSERT INTO other VALUES (1)").await;
        lab.seeds = &["kept", "bare"];
        let (tail, origin) = lab.begin().await;
        let expected = ["seed kept [1|a]", "seed kept [2|NULL]", "seeded"];
        assert_eq!(tail.texts(), expected, "{flavour:?}");
        tail.stop().await;

        lab.seeds = &["bare"];
        lab.run("INSERT INTO kept VALUES (3, 'c')").await;
        let mut tail = lab.start(Some(&origin));
        assert_eq!(tail.texts_of(2).await, ["seeded", "insert kept [3|c]"], "{flavour:?}");
        tail.stop().await;
    }
}

/// A seed names the newest commit it can hold, and where the log goes on.
#[tokio::test]
async fn what_is_committed_after_the_seeds_has_a_greater_sequence() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "seed_order", TABLES).await;
        lab.seeds = &["kept"];
        let origin = lab.begun().await;
        lab.run("INSERT INTO kept VALUES (1, 'before')").await;
        let mut tail = lab.start(Some(&origin));
        tail.texts_of(3).await;
        lab.run("UPDATE kept SET note = 'after'").await;
        let texts = tail.texts_of(4).await;
        let expected = [
            "seed kept [1|before]",
            "seeded",
            "insert kept [1|before]",
            "update kept [1|after] was [1|before]",
        ];
        assert_eq!(texts, expected, "{flavour:?}");
        let [seed, _, replayed, later] = &tail.lines[..] else { panic!("{texts:?}") };
        assert!(replayed.sequence <= seed.sequence && seed.sequence < later.sequence);
        assert_eq!(seed.resume, origin);
        tail.stop().await;
    }
}

#[tokio::test]
async fn the_status_tells_each_pass() {
    for flavour in Flavour::ALL {
        let mut lab = Lab::new(flavour, "seed_status", TABLES).await;
        lab.config.snapshot = SnapshotMode::Initial;
        lab.config.batch_bytes = 1024;
        let values: Vec<String> = (1..=2000).map(|id| format!("({id}, REPEAT('x', 90))")).collect();
        lab.run(&format!("INSERT INTO kept VALUES {}", values.join(","))).await;
        (lab.seeds, lab.unread) = (&["kept"], &["other"]);
        let mut tail = lab.start_with_room(None, 4096);
        tail.texts_of(10).await;
        let status = tail.status.borrow().clone();
        assert_eq!(status.phase, Phase::Snapshot);
        let passes: Vec<_> =
            status.snapshot.iter().map(|t| (t.table.table.clone(), t.pass)).collect();
        assert_eq!(passes, [("kept".to_owned(), Pass::Seed)]);
        assert!((1..2000).contains(&status.snapshot[0].rows), "{status:?}");
        tail.following().await;
        let mut tables: Vec<_> = tail.status.borrow().snapshot.clone();
        tables.sort_by_key(|t| (t.pass == Pass::Snapshot, t.table.clone()));
        let told: Vec<_> =
            tables.iter().map(|t| (t.table.table.as_str(), t.pass, t.rows, t.complete)).collect();
        let expected = [
            ("kept", Pass::Seed, 2000, true),
            ("bare", Pass::Snapshot, 0, true),
            ("kept", Pass::Snapshot, 2000, true),
        ];
        assert_eq!(told, expected, "{flavour:?}");
        tail.stop().await;
    }
}
