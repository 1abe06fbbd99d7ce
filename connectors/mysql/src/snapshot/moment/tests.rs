//! Moments of a server whose tables are written to all the time. The log counts the commits before
//! a place, the tables count those that are seen: at a moment they are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;

use super::*;

const WRITERS: u32 = 6;
const MOMENTS: usize = 25;

const PREPARE: &str = "
CREATE DATABASE erp;
CREATE TABLE erp.counter (id INT PRIMARY KEY, v INT NOT NULL) ENGINE = InnoDB;
INSERT INTO erp.counter VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)";

/// A server with writers at work, who stop with it.
struct Busy {
    server: Mysql,
    stop: Arc<AtomicBool>,
    writers: JoinSet<()>,
    /// The end of the log before the first of them.
    begin: u64,
}

impl Busy {
    async fn start(flavour: Flavour) -> Self {
        let server = Mysql::builder(flavour).setting("max_binlog_size", "1G").start().await;
        let server = server.unwrap();
        server.execute(PREPARE).await.unwrap();
        let mut session = connect(&config(&server, "root", "superuser-secret")).await.unwrap();
        let begin = catalog::log_end(&mut session).await.unwrap().at.offset;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for id in 0..WRITERS {
            let (stop, mut client) = (Arc::clone(&stop), server.client().await.unwrap());
            writers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let update = format!("UPDATE erp.counter SET v = v + 1 WHERE id = {id}");
                    client.query_drop(update).await.unwrap();
                }
            });
        }
        Self { server, stop, writers, begin }
    }

    /// How many of the writers' commits stand before each of these places.
    async fn commits(mut self, places: &[u64]) -> Vec<i64> {
        self.stop.store(true, Ordering::Relaxed);
        while self.writers.join_next().await.is_some() {}
        let sql = "SHOW BINLOG EVENTS IN 'binlog.000001'";
        let events: Vec<mysql_async::Row> = self.server.query(sql).await.unwrap();
        let end = |row: &mysql_async::Row| {
            let commit = catalog::text(row, "Event_type") == "Xid";
            catalog::number(row, "End_log_pos").filter(|end| commit && *end > self.begin)
        };
        let ends: Vec<u64> = events.iter().filter_map(end).collect();
        let before = |place: &u64| ends.iter().filter(|end| *end <= place).count();
        places.iter().map(|place| i64::try_from(before(place)).unwrap()).collect()
    }
}

fn config(server: &Mysql, user: &str, password: &str) -> MysqlConfig {
    let url = server.url_for(user, password, "erp");
    let config = MysqlConfig::from_url("north", &url).unwrap();
    MysqlConfig { snapshot_tables_in_parallel: 3, ..config }
}

/// What every session of a moment counts.
async fn seen(moment: &mut Moment) -> Vec<i64> {
    let mut seen = Vec::new();
    for session in &mut moment.sessions {
        let sum = "SELECT CAST(SUM(v) AS SIGNED) FROM erp.counter";
        seen.push(session.conn().query_first(sum).await.unwrap().unwrap());
    }
    seen
}

async fn take_one(config: &MysqlConfig) -> Moment {
    take(config, |table| table.schema == "erp").await.unwrap()
}

async fn every_moment_is_exact(busy: Busy, config: &MysqlConfig) {
    let (mut places, mut sums) = (Vec::new(), Vec::new());
    for _ in 0..MOMENTS {
        let mut moment = take_one(config).await;
        assert_eq!(moment.until, moment.log.at);
        assert_eq!(moment.tables.len(), 1);
        places.push(moment.log.at.offset);
        sums.push(seen(&mut moment).await);
    }
    let commits = busy.commits(&places).await;
    assert!(commits.last() > commits.first(), "the writers write");
    for (sums, commits) in sums.iter().zip(commits) {
        assert!(sums.iter().all(|sum| *sum == commits), "{sums:?} of {commits}");
    }
}

#[tokio::test]
async fn mariadb_under_load_gives_exact_moments_without_a_lock() {
    let busy = Busy::start(Flavour::MariaDb).await;
    // Nothing but the right to follow the log and to read.
    busy.server.create_user("bridge", "secret").await.unwrap();
    let grants = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO bridge@127.0.0.1; \
                  GRANT SELECT ON erp.* TO bridge@127.0.0.1";
    busy.server.execute(grants).await.unwrap();
    let config = config(&busy.server, "bridge", "secret");
    every_moment_is_exact(busy, &config).await;
}

#[tokio::test]
async fn mysql_under_load_gives_exact_moments_under_a_lock() {
    let busy = Busy::start(Flavour::Mysql56).await;
    busy.server.create_user("bridge", "secret").await.unwrap();
    let grants = "GRANT REPLICATION CLIENT ON *.* TO bridge@127.0.0.1; \
                  GRANT SELECT, LOCK TABLES ON erp.* TO bridge@127.0.0.1";
    busy.server.execute(grants).await.unwrap();
    let config = config(&busy.server, "bridge", "secret");
    every_moment_is_exact(busy, &config).await;
}

#[tokio::test]
async fn mysql_under_load_gives_overlapping_moments_where_the_lock_is_refused() {
    let busy = Busy::start(Flavour::Mysql56).await;
    busy.server.create_user("bridge", "secret").await.unwrap();
    let grants = "GRANT REPLICATION CLIENT, PROCESS ON *.* TO bridge@127.0.0.1; \
                  GRANT SELECT ON erp.* TO bridge@127.0.0.1";
    busy.server.execute(grants).await.unwrap();
    let config = config(&busy.server, "bridge", "secret");
    moments_overlap_and_lose_nothing(busy, &config, 5).await;
}

#[tokio::test]
async fn a_lock_that_somebody_stands_in_the_way_of_is_given_up_and_nothing_is_lost() {
    let busy = Busy::start(Flavour::Mysql56).await;
    // Written to and not ended: the lock would wait for it, and all writers behind the lock.
    let mut holder = busy.server.client_of("erp").await.unwrap();
    let write = "START TRANSACTION; INSERT INTO counter VALUES (100, 0)";
    holder.query_drop(write).await.unwrap();
    let config = config(&busy.server, "root", "superuser-secret");
    moments_overlap_and_lose_nothing(busy, &config, 1).await;
}

/// Every commit before the place the log goes on from is seen, none after the other.
async fn moments_overlap_and_lose_nothing(busy: Busy, config: &MysqlConfig, count: usize) {
    let (mut places, mut sums) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut moment = take_one(config).await;
        places.extend([moment.log.at.offset, moment.until.offset]);
        sums.push(seen(&mut moment).await);
    }
    let commits = busy.commits(&places).await;
    for (sums, commits) in sums.iter().zip(commits.as_chunks::<2>().0) {
        let [from, until] = commits;
        assert!(sums.iter().all(|sum| (from..=until).contains(&sum)), "{sums:?} of {commits:?}");
    }
}

#[tokio::test]
async fn a_quiet_server_needs_neither_lock_nor_overlap() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(PREPARE).await.unwrap();
        let mut writer = server.client_of("erp").await.unwrap();
        // Written to, and not committing: its session sleeps.
        let write = "START TRANSACTION; UPDATE counter SET v = 7 WHERE id = 1";
        writer.query_drop(write).await.unwrap();
        let mut moment = take_one(&config(&server, "root", "superuser-secret")).await;
        assert_eq!(moment.until, moment.log.at);
        assert_eq!(seen(&mut moment).await, [0]);
        writer.query_drop("COMMIT").await.unwrap();
        assert_eq!(seen(&mut moment).await, [0], "the moment stays");
    }
}

#[tokio::test]
async fn a_moment_of_no_tables_needs_no_right_to_lock_or_look() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(PREPARE).await.unwrap();
        server.create_user("bridge", "secret").await.unwrap();
        let grants = "GRANT REPLICATION CLIENT ON *.* TO bridge@127.0.0.1;
                      GRANT SELECT ON erp.* TO bridge@127.0.0.1";
        server.execute(grants).await.unwrap();
        let moment = take(&config(&server, "bridge", "secret"), |_| false).await.unwrap();
        assert!(moment.tables.is_empty());
        assert_eq!(moment.sessions.len(), 1);
    }
}

#[tokio::test]
async fn a_moment_outlives_what_the_server_grants_to_idle_transactions() {
    let server = Mysql::builder(Flavour::MariaDb)
        .setting("idle_transaction_timeout", "1")
        .setting("idle_readonly_transaction_timeout", "1")
        .setting("wait_timeout", "1");
    let server = server.start().await.unwrap();
    server.execute(PREPARE).await.unwrap();
    let mut moment = take_one(&config(&server, "root", "superuser-secret")).await;
    // Not for something to happen: for nothing to happen.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(seen(&mut moment).await, [0]);
}
