//! Reading tables as of a moment.

use std::time::Duration;

use erpbridge_connector::{
    Operation, Pass, Position, Receiver, ReplicaIdentity, SourceContext, SourceError,
    SourceErrorKind, SourceEvent, SourceFuture, SourceStatus, TableSelection, Value, queue,
};
use erpbridge_mysql::binlog::{Change, Decoder, Event, Family};
use erpbridge_mysql::catalog::tables;
use erpbridge_mysql::config::MysqlConfig;
use erpbridge_mysql::position::{Coordinates, Identity, Server};
use erpbridge_mysql::session::connect;
use erpbridge_mysql::snapshot::{self, Mark, Moment, Reading};
use erpbridge_mysql::values::{Cells, Plan};
use erpbridge_test_support::{Flavour, Mysql, wait_until};
use mysql_async::prelude::Queryable;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::types::types;
use crate::{Database, Named, config};

/// The bridge's side of a running snapshot.
struct Bridge {
    receiver: Receiver,
    status: watch::Receiver<SourceStatus>,
    stop: CancellationToken,
    _confirmed: watch::Sender<Option<Position>>,
}

fn bridge(bytes: usize) -> (SourceContext, Bridge) {
    let (out, receiver) = queue(bytes);
    let (confirmed_by_us, confirmed) = watch::channel(None);
    let (status, seen) = watch::channel(SourceStatus::default());
    let stop = CancellationToken::new();
    let context = SourceContext { resume_after: None, out, confirmed, stop: stop.clone(), status };
    (context, Bridge { receiver, status: seen, stop, _confirmed: confirmed_by_us })
}

/// A row as it arrived: its table, its ordinal, its cells.
#[derive(Debug, PartialEq)]
struct Row {
    table: String,
    ordinal: u64,
    cells: Vec<Option<String>>,
}

impl Bridge {
    /// Everything that arrives until the source's side of the queue is gone.
    async fn rows(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        while let Some(queued) = self.receiver.recv().await {
            let SourceEvent::Changes(batch) = &queued.event else { panic!("{:?}", queued.event) };
            for change in batch.changes() {
                assert_eq!(change.operation(), Operation::Read);
                let transaction = change.transaction();
                assert!(transaction.complete && transaction.snapshot);
                assert_eq!(transaction.resume.as_str(), "resume-here");
                rows.push(Row {
                    table: change.table().name.table.clone(),
                    ordinal: change.ordinal(),
                    cells: change.after().unwrap().values().map(text).collect(),
                });
            }
        }
        rows
    }
}

fn text(value: Value<'_>) -> Option<String> {
    assert_ne!(value, Value::Absent);
    value.text().map(str::to_owned)
}

async fn take(config: &MysqlConfig, selection: &dyn TableSelection) -> Moment {
    snapshot::take(config, |table| selection.wants(table)).await.unwrap()
}

async fn run(
    config: &MysqlConfig,
    selection: &dyn TableSelection,
    moment: &mut Moment,
    context: SourceContext,
) -> Result<(), SourceError> {
    let reading = Reading {
        config,
        selection,
        pass: Pass::Snapshot,
        identity: Identity { server: Server::Id(1), era: 0 },
        old_images: ReplicaIdentity::Full,
        mark: Mark::Fixed(Position::new("resume-here")),
    };
    // The type says that the bridge may run it on any of its threads.
    let running: SourceFuture<'_, _> = Box::pin(snapshot::run(&reading, moment, &context));
    running.await.map(drop)
}

/// Reads everything wanted in one go.
async fn read(
    config: &MysqlConfig,
    selection: &dyn TableSelection,
) -> (Result<(), SourceError>, Vec<Row>) {
    let mut moment = take(config, selection).await;
    let (context, mut bridge) = bridge(8 << 20);
    tokio::join!(run(config, selection, &mut moment, context), bridge.rows())
}

/// The same rows out of the server's own log file, in their order.
async fn logged(server: &Mysql, table: &str) -> Vec<Vec<Option<String>>> {
    let mut session = connect(&config(server)).await.unwrap();
    let found = tables(&mut session, |name| name.table == table).await.unwrap();
    session.close().await;
    let family = match server.flavour() {
        Flavour::MariaDb => Family::MariaDb,
        Flavour::Mysql56 => Family::MySql,
    };
    let file = std::fs::read(server.data().join("binlog.000001")).unwrap();
    let mut decoder = Decoder::new(family, Some(Coordinates::new("binlog.000001", 4)));
    let (mut rows, mut plan, mut cells) = (Vec::new(), None, Cells::default());
    let mut rest = &file[4..];
    while rest.len() > 13 {
        let size = u32::from_le_bytes(rest[9..13].try_into().unwrap()).try_into().unwrap();
        let (event, following) = rest.split_at(size);
        rest = following;
        let event = event.to_vec();
        let packet = decoder.packet_of_bytes(&event).unwrap();
        match decoder.take(packet).unwrap().event {
            Event::TableMap(map) => {
                let columns = map.columns().unwrap();
                let wanted = map.table == table;
                let made =
                    wanted.then(|| Plan::new(&found[0].shape, &columns, ReplicaIdentity::Full));
                plan = made.transpose().unwrap();
            }
            Event::Rows(event) if event.change == Change::Insert => {
                let Some(plan) = &plan else { continue };
                let mut bytes = event.rows;
                while !bytes.is_empty() {
                    plan.read(&mut bytes, event.present, &mut cells).unwrap();
                    rows.push(cells.values().map(text).collect());
                }
            }
            _ => {}
        }
    }
    rows
}

#[tokio::test]
async fn every_type_reads_as_the_same_text_from_the_tables_and_from_the_log() {
    for flavour in Flavour::ALL {
        // What the server is set to otherwise does not matter.
        let builder = Mysql::builder(flavour).setting("default_time_zone", "+05:30");
        let server = builder.start().await.unwrap();
        let types = types(flavour);
        let column = |(place, case): (usize, &erpbridge_connector::testkit::TypeCase)| {
            format!("c{place} {}", case.declared)
        };
        let columns: Vec<String> = types.iter().enumerate().map(column).collect();
        let create = format!("CREATE TABLE erp.typed (id INT PRIMARY KEY, {})", columns.join(", "));
        server.execute(&format!("CREATE DATABASE erp; {create}")).await.unwrap();
        let rows = types.iter().map(|case| case.values.len()).max().unwrap();
        let mut client = server.client().await.unwrap();
        client.query_drop("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = ''").await.unwrap();
        let mut expected = Vec::new();
        for row in 0..rows {
            let case = |case: &erpbridge_connector::testkit::TypeCase| {
                *case.values.get(row % case.values.len()).unwrap()
            };
            let values: Vec<_> = types.iter().map(case).collect();
            let sql: Vec<&str> = values.iter().map(|(sql, _)| *sql).collect();
            let insert = format!("INSERT INTO erp.typed VALUES ({row}, {})", sql.join(", "));
            client.query_drop(insert).await.unwrap();
            let texts = values.iter().map(|(_, text)| text.map(str::to_owned));
            expected.push(std::iter::once(Some(row.to_string())).chain(texts).collect::<Vec<_>>());
        }
        let (done, read) = read(&config(&server), &Named::new(&["erp.typed"])).await;
        done.unwrap();
        let read: Vec<_> = read.into_iter().map(|row| row.cells).collect();
        compare(&types, &read, &expected, "tables", flavour);
        compare(&types, &logged(&server, "typed").await, &expected, "log", flavour);
    }
}

fn compare(
    types: &[erpbridge_connector::testkit::TypeCase],
    found: &[Vec<Option<String>>],
    expected: &[Vec<Option<String>>],
    from: &str,
    flavour: Flavour,
) {
    assert_eq!(found.len(), expected.len());
    let mut wrong = Vec::new();
    for (found, expected) in found.iter().zip(expected) {
        for (place, case) in types.iter().enumerate() {
            if found[place + 1] != expected[place + 1] {
                let (found, expected) = (&found[place + 1], &expected[place + 1]);
                wrong.push(format!("{}: {found:?} instead of {expected:?}", case.declared));
            }
        }
    }
    assert!(wrong.is_empty(), "from the {from} of {flavour:?}: {wrong:#?}");
}

#[tokio::test]
async fn nothing_that_is_committed_after_the_moment_is_seen() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server
            .execute(
                "CREATE DATABASE erp; USE erp;
                 CREATE TABLE digits (d INT); INSERT INTO digits VALUES
                   (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
                 CREATE TABLE a (id INT PRIMARY KEY, v TEXT);
                 CREATE TABLE b (id INT); CREATE TABLE c (id INT);
                 INSERT INTO a SELECT x.d + 10 * y.d + 100 * z.d, 'before'
                   FROM digits x, digits y, digits z;
                 INSERT INTO b SELECT id FROM a WHERE id < 500",
            )
            .await
            .unwrap();
        let mut config = config(&server);
        config.snapshot_tables_in_parallel = 3;
        config.batch_bytes = 4096;
        let selection = Named::new(&["erp.a", "erp.b", "erp.c"]);
        let mut moment = take(&config, &selection).await;
        server
            .execute(
                "USE erp; INSERT INTO a VALUES (1001, 'after'); UPDATE a SET v = 'after' WHERE id = 1;
                 DELETE FROM b; INSERT INTO c VALUES (1)",
            )
            .await
            .unwrap();
        let (context, mut bridge) = bridge(16 << 10);
        let (done, rows) =
            tokio::join!(run(&config, &selection, &mut moment, context), bridge.rows());
        done.unwrap();

        let ordinals: Vec<u64> = rows.iter().map(|row| row.ordinal).collect();
        assert_eq!(ordinals, (1..=1500).collect::<Vec<u64>>());
        let of = |table: &str| rows.iter().filter(|row| row.table == table).collect::<Vec<_>>();
        assert_eq!((of("a").len(), of("b").len(), of("c").len()), (1000, 500, 0));
        assert!(of("a").iter().all(|row| row.cells[1].as_deref() == Some("before")));

        let status = bridge.status.borrow();
        let mut progress: Vec<(&str, u64, bool)> = status
            .snapshot
            .iter()
            .map(|table| (table.table.table.as_str(), table.rows, table.complete))
            .collect();
        progress.sort_unstable();
        assert_eq!(progress, [("a", 1000, true), ("b", 500, true), ("c", 0, true)]);
    }
}

#[tokio::test]
async fn a_table_may_be_altered_before_and_after_it_is_read() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server
            .execute(
                "CREATE DATABASE erp; USE erp; CREATE TABLE a (id INT PRIMARY KEY);
                 CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO a VALUES (1);
                 INSERT INTO b VALUES (1), (2), (3)",
            )
            .await
            .unwrap();
        let config = config(&server);
        let mut moment = take(&config, &Database("erp")).await;
        let (context, mut bridge) = bridge(1 << 20);
        let selection = Database("erp");
        let (done, _) = tokio::join!(run(&config, &selection, &mut moment, context), bridge.rows());
        done.unwrap();
        // The sessions are still there; their tables are free.
        let altered = server.execute("SET lock_wait_timeout = 5; ALTER TABLE erp.b ADD x INT");
        altered.await.unwrap();

        let mut moment = take(&config, &selection).await;
        server.execute("ALTER TABLE erp.b ADD y INT, ALGORITHM = COPY").await.unwrap();
        let (context, _bridge) = self::bridge(1 << 20);
        let error = run(&config, &selection, &mut moment, context).await.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Busy, "{error}");
        assert!(error.to_string().contains("erp.b"), "{error}");
    }
}

#[tokio::test]
async fn names_may_hold_capitals_blanks_and_quotes() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server
            .execute(
                "CREATE DATABASE `E R``P`; CREATE TABLE `E R``P`.`Order 'x' %` (`a``b` INT, `ü` INT);
                 INSERT INTO `E R``P`.`Order 'x' %` VALUES (1, 2)",
            )
            .await
            .unwrap();
        let (done, rows) = read(&config(&server), &Named::new(&["E R`P.Order 'x' %"])).await;
        done.unwrap();
        assert_eq!(rows[0].cells, [Some("1".to_owned()), Some("2".to_owned())]);
    }
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

const DIGITS: &str = "CREATE DATABASE erp; USE erp; CREATE TABLE digits (d INT);
    INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
    CREATE TABLE big (pad VARCHAR(400));";

#[tokio::test]
async fn three_hundred_thousand_rows_pass_a_slow_receiver_in_flat_memory() {
    const ROWS: usize = 300_000;
    const QUEUE: usize = 1 << 20;
    let server = Mysql::builder(Flavour::MariaDb).setting("net_write_timeout", "1");
    let server = server.start().await.unwrap();
    let fill =
        "INSERT INTO big SELECT REPEAT('x', 400) FROM digits a, digits b, digits c, digits d,
                digits e, digits f WHERE f.d < 3";
    server.execute(&format!("{DIGITS}{fill}")).await.unwrap();
    let config = config(&server);
    let (context, mut bridge) = bridge(QUEUE);
    let waiting = context.out.gauge();
    let selection = Named::new(&["erp.big"]);
    let mut moment = take(&config, &selection).await;
    let before = resident_bytes();
    let receive = async move {
        // Nothing is taken until the queue is full: the reader must wait, not collect.
        let full = wait_until("the queue is full", Duration::from_secs(30), async || {
            waiting.bytes_waiting() + (320 << 10) > QUEUE
        });
        full.await.unwrap();
        // Longer than the server would wait for a reader that is not ours.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (mut rows, mut peak) = (0, 0);
        while let Some(queued) = bridge.receiver.recv().await {
            let SourceEvent::Changes(batch) = &queued.event else { panic!("only rows") };
            rows += batch.len();
            peak = std::cmp::max(peak, resident_bytes());
            tokio::task::yield_now().await;
        }
        (rows, peak)
    };
    let (done, (rows, peak)) =
        tokio::join!(run(&config, &selection, &mut moment, context), receive);
    done.unwrap();
    assert_eq!(rows, ROWS);
    // The rows together are 120 MB; other tests of this process may run beside this one.
    let grown = peak.saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {grown} bytes");
}

#[tokio::test]
async fn a_stop_while_the_queue_is_full_ends_the_snapshot_as_unfinished() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    let fill =
        "INSERT INTO big SELECT REPEAT('x', 400) FROM digits a, digits b, digits c, digits d";
    server.execute(&format!("{DIGITS}{fill}")).await.unwrap();
    let config = config(&server);
    let (context, bridge) = bridge(300 << 10);
    let waiting = context.out.gauge();
    let stop = async {
        let full = wait_until("the queue is full", Duration::from_secs(30), async || {
            waiting.bytes_waiting() > 200 << 10
        });
        full.await.unwrap();
        bridge.stop.cancel();
    };
    let selection = Named::new(&["erp.big"]);
    let mut moment = take(&config, &selection).await;
    let (done, ()) = tokio::join!(run(&config, &selection, &mut moment, context), stop);
    assert_eq!(done.unwrap_err().kind(), SourceErrorKind::Closed);
    assert!(!bridge.status.borrow().snapshot[0].complete);
}

#[tokio::test]
async fn a_row_that_cannot_be_taken_names_its_table_and_not_its_values() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    let sql = "CREATE DATABASE erp; CREATE TABLE erp.wide (v TEXT);
               INSERT INTO erp.wide VALUES (REPEAT('x', 5000))";
    server.execute(sql).await.unwrap();
    let mut config = config(&server);
    config.max_row_bytes = 4096;
    let (done, _) = read(&config, &Named::new(&["erp.wide"])).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::TooLarge);
    assert!(error.to_string().contains("erp.wide") && !error.to_string().contains("xxx"));
    assert!(error.hint().unwrap().contains("max_row_bytes"));
}

#[tokio::test]
async fn a_prepared_transaction_across_the_moment_is_waited_for_and_then_named() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    server.execute("CREATE DATABASE erp; CREATE TABLE erp.t (id INT PRIMARY KEY)").await.unwrap();
    let prepare = "XA START 'left over'; INSERT INTO erp.t VALUES (1); XA END 'left over';
                   XA PREPARE 'left over'";
    let mut holder = server.client().await.unwrap();
    holder.query_drop(prepare).await.unwrap();
    let (config, selection) = (config(&server), Database("erp"));
    let end = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.query_drop("XA COMMIT 'left over'").await.unwrap();
    };
    let ((done, rows), ()) = tokio::join!(read(&config, &selection), end);
    done.unwrap();
    assert_eq!(rows.len(), 1, "the moment came after the commit");
}

#[tokio::test]
async fn limits_that_are_meant_for_people_do_not_cut_a_table_short() {
    let server = Mysql::builder(Flavour::MariaDb)
        .setting("max_statement_time", "0.2")
        .setting("max_join_size", "10")
        .setting("init_connect", "'SET SESSION sql_select_limit = 5'");
    let server = server.start().await.unwrap();
    let fill = "SET SESSION max_statement_time = 0, sql_big_selects = 1; INSERT INTO big
                SELECT REPEAT('x', 400) FROM digits a, digits b, digits c, digits d";
    server.execute(&format!("{DIGITS}{fill}")).await.unwrap();
    server.execute("SET GLOBAL sql_select_limit = 5").await.unwrap();
    server.create_user("bridge", "secret").await.unwrap();
    let grants = "GRANT SELECT ON erp.* TO bridge@127.0.0.1;
                  GRANT REPLICATION CLIENT ON *.* TO bridge@127.0.0.1";
    server.execute(grants).await.unwrap();
    let url = server.url_for("bridge", "secret", "");
    let config = MysqlConfig::from_url("north", &url).unwrap();
    let (done, rows) = read(&config, &Named::new(&["erp.big"])).await;
    done.unwrap();
    assert_eq!(rows.len(), 10_000);
}

#[tokio::test]
async fn a_text_larger_than_the_servers_packets_is_read_whole() {
    let server = Mysql::builder(Flavour::MariaDb).setting("max_allowed_packet", "64M");
    let server = server.start().await.unwrap();
    let sql = "CREATE DATABASE erp; CREATE TABLE erp.notes (id INT PRIMARY KEY,
               a LONGTEXT CHARACTER SET latin1, b LONGBLOB, c LONGTEXT CHARACTER SET utf8mb4);
               INSERT INTO erp.notes VALUES (1, REPEAT(_latin1 X'FC', 3000000),
                 REPEAT('b', 3000000), REPEAT('c', 3000000));
               SET GLOBAL max_allowed_packet = 1048576";
    server.execute(sql).await.unwrap();
    let (done, rows) = read(&config(&server), &Named::new(&["erp.notes"])).await;
    done.unwrap();
    let lengths = rows[0].cells.iter().map(|cell| cell.as_ref().map(|cell| cell.chars().count()));
    let expected = [1, 3_000_000, 6_000_002, 3_000_000].map(Some);
    assert_eq!(lengths.collect::<Vec<_>>(), expected);
}
