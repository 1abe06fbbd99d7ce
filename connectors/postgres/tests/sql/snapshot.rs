//! Reading tables as of an exported snapshot.

use std::time::Duration;

use erpbridge_connector::{
    Operation, Pass, Position, Receiver, SourceContext, SourceError, SourceErrorKind, SourceEvent,
    SourceFuture, SourceStatus, TableSelection, Value, queue,
};
use erpbridge_postgres::session::connect;
use erpbridge_postgres::snapshot::{Mark, Moment, Reading};
use erpbridge_postgres::{Lsn, PostgresConfig, snapshot};
use erpbridge_test_support::{Postgres, wait_until};
use tokio::sync::watch;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{Named, Schema, config};

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
                assert_eq!(transaction.sequence.as_str(), "00000016B374D847");
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

/// A session that holds an exported snapshot open, as the replication session does.
async fn export(postgres: &Postgres, database: &str) -> (Client, String) {
    let client = postgres.client_of(database).await.unwrap();
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let name = client.query_one("SELECT pg_export_snapshot()", &[]).await.unwrap().get(0);
    (client, name)
}

async fn run(
    config: &PostgresConfig,
    selection: &dyn TableSelection,
    name: &str,
    context: SourceContext,
) -> Result<(), SourceError> {
    let moment = Moment { snapshot: name.to_owned(), at: Lsn::new(0x16_B374_D848) };
    let mark = Mark::Fixed(Position::new("resume-here"));
    let reading = Reading { config, selection, moment: &moment, pass: Pass::Snapshot, mark };
    // The type says that the bridge may run it on any of its threads.
    let running: SourceFuture<'_, _> = Box::pin(snapshot::run(&reading, &context));
    running.await.map(drop)
}

/// Reads everything wanted in one go.
async fn read(
    postgres: &Postgres,
    config: &PostgresConfig,
    selection: &dyn TableSelection,
) -> (Result<(), SourceError>, Vec<Row>) {
    let (_export, name) = export(postgres, &config.database).await;
    let (context, mut bridge) = bridge(8 << 20);
    tokio::join!(run(config, selection, &name, context), bridge.rows())
}

const TYPES: &str = r#"
CREATE TYPE state AS ENUM ('open', 'it''s "closed"');
CREATE TABLE types (
  id int PRIMARY KEY, b bool, i2 int2, i8 int8, n numeric, n2 numeric(12,4), f4 float4, f8 float8,
  t text, v varchar(20), c char(8), d date, tm time, ts timestamp, tz timestamptz, iv interval,
  u uuid, j json, jb jsonb, by bytea, m money, e state, a text[], r int4range, x xml, o regclass,
  ip inet, bits bit varying, pt point);
INSERT INTO types VALUES
 (1, true, -1, 9007199254740993, 'NaN', 1.1, 0.1, 1e-300, E'tab\t, new\nline, back\\slash, \\N',
  '', 'AB', '2024-02-29', '23:59:59.123456', '2024-01-02 03:04:05', '2024-01-02 03:04:05+09',
  '1 year 2 mons -3 days 04:05:06.7', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": 1 }',
  '{"b":2,"a":1.10}', '\xdeadBEEF', '-12.34', 'it''s "closed"', '{{a,NULL},{"x,y","q\"z"}}',
  '[1,5)', '<a>&amp;</a>', 'types', '10.0.0.1/8', B'101', '(1.5,-2)'),
 (2, false, 32767, -9223372036854775808, 0.00000000000000000001, -0.00005, 'Infinity', '-0',
  'Grüße, 世界 😀', 'x', '', 'infinity', '24:00', '-infinity', '0044-03-15 00:00:00+00 BC',
  '-00:00:01', NULL, 'null', 'null', '', NULL, 'open', '[0:1]={a,b}', 'empty', NULL, NULL, NULL,
  B'', NULL),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
ALTER TABLE types REPLICA IDENTITY FULL;
CREATE PUBLICATION erpbridge FOR TABLE types;
ALTER DATABASE postgres SET datestyle = 'German';
ALTER DATABASE postgres SET timezone = 'Asia/Tokyo';
ALTER DATABASE postgres SET intervalstyle = 'postgres_verbose';
ALTER DATABASE postgres SET bytea_output = 'escape';
ALTER DATABASE postgres SET extra_float_digits = -10;
ALTER DATABASE postgres SET statement_timeout = '1s'
"#;

/// What each cell prints as. Not `::text`, which is a cast of its own for some types (it takes
/// the blanks from a `char(n)`); `format` calls the type's output function.
async fn printed(config: &PostgresConfig) -> Vec<Vec<Option<String>>> {
    let session = connect(config).await.unwrap();
    let columns = "SELECT array_agg(format('CASE WHEN %1$I IS NOT NULL THEN \
                   format(''%%s'', %1$I) END', attname) ORDER BY attnum) FROM pg_attribute \
                   WHERE attrelid = 'public.types'::regclass AND attnum > 0";
    let columns: Vec<String> = session.client().query_one(columns, &[]).await.unwrap().get(0);
    let query = format!("SELECT {} FROM public.types ORDER BY id", columns.join(", "));
    let rows = session.client().query(&query, &[]).await.unwrap();
    let row = |row: &tokio_postgres::Row| (0..row.len()).map(|cell| row.get(cell)).collect();
    let rows = rows.iter().map(row).collect();
    session.close().await;
    rows
}

#[tokio::test]
async fn every_type_reads_as_the_text_its_output_function_prints() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute(TYPES).await.unwrap();
    let config = config(&postgres, "postgres");
    let (done, rows) = read(&postgres, &config, &Named::new(&["public.types"])).await;
    done.unwrap();

    let mut expected = printed(&config).await;
    for row in &mut expected {
        let words = row[1].as_deref().map(|b| if b == "t" { "true" } else { "false" });
        row[1] = words.map(str::to_owned);
    }
    let cells: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
    assert_eq!(cells, expected);

    let first: Vec<&str> = cells[0].iter().map(|cell| cell.as_deref().unwrap()).collect();
    let known = [
        (1, "true"),
        (4, "NaN"),
        (5, "1.1000"),
        (6, "0.1"),
        (8, "tab\t, new\nline, back\\slash, \\N"),
        (10, "AB      "),
        (11, "2024-02-29"),
        (14, "2024-01-01 18:04:05+00"),
        (15, "P1Y2M-3DT4H5M6.7S"),
        (16, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (18, r#"{"a": 1.10, "b": 2}"#),
        (19, "\\xdeadbeef"),
        (20, "-$12.34"),
        (22, r#"{{a,NULL},{"x,y","q\"z"}}"#),
        (25, "public.types"),
    ];
    for (column, text) in known {
        assert_eq!(first[column], text);
    }
    assert_eq!(cells[1][14].as_deref(), Some("0044-03-15 00:00:00+00 BC"));
    assert!(cells[2][1..].iter().all(Option::is_none));
}

#[tokio::test]
async fn nothing_that_is_committed_after_the_export_is_seen() {
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute(
            "CREATE TABLE a (id int, v text); CREATE TABLE b (id int); CREATE TABLE c (id int);
             INSERT INTO a SELECT n, 'before' FROM generate_series(1, 1000) n;
             INSERT INTO b SELECT n FROM generate_series(1, 500) n;
             CREATE PUBLICATION erpbridge FOR TABLE a, b, c WITH (publish = 'insert')",
        )
        .await
        .unwrap();
    let (_export, name) = export(&postgres, "postgres").await;
    postgres
        .execute(
            "INSERT INTO a VALUES (1001, 'after'); UPDATE a SET v = 'after' WHERE id = 1;
             DELETE FROM b; INSERT INTO c VALUES (1)",
        )
        .await
        .unwrap();

    let mut config = config(&postgres, "postgres");
    config.snapshot_tables_in_parallel = 3;
    config.batch_bytes = 4096;
    let (context, mut bridge) = bridge(16 << 10);
    let selection = Schema("public");
    let (done, rows) = tokio::join!(run(&config, &selection, &name, context), bridge.rows());
    done.unwrap();

    let ordinals: Vec<u64> = rows.iter().map(|row| row.ordinal).collect();
    assert_eq!(ordinals, (1..=1500).collect::<Vec<u64>>());
    let of = |table: &str| rows.iter().filter(|row| row.table == table).collect::<Vec<_>>();
    assert_eq!(of("b").len(), 500);
    assert!(of("c").is_empty());
    assert_eq!(of("a").len(), 1000);
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

#[tokio::test]
async fn the_publication_decides_which_rows_and_columns_are_read() {
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute(
            "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
             CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
             INSERT INTO p VALUES (1), (11);
             CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
             INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2);
             CREATE TABLE \"Filtered \"\"F\"\"\" (id int, kind text, secret text,
                                                  twice int GENERATED ALWAYS AS (id * 2) STORED);
             INSERT INTO \"Filtered \"\"F\"\"\" VALUES (1, 'x', 's'), (2, 'y', 's');
             CREATE TABLE empty ();  INSERT INTO empty DEFAULT VALUES;
             CREATE PUBLICATION erpbridge FOR TABLE p, parent, empty,
               \"Filtered \"\"F\"\"\" (id, kind) WHERE (kind = 'x')
               WITH (publish_via_partition_root = true, publish = 'insert')",
        )
        .await
        .unwrap();
    let config = config(&postgres, "postgres");
    let (done, rows) = read(&postgres, &config, &Schema("public")).await;
    done.unwrap();
    let mut seen: Vec<(String, String)> = rows
        .into_iter()
        .map(|row| (row.table, row.cells.into_iter().flatten().collect::<Vec<_>>().join("|")))
        .collect();
    seen.sort();
    let expected =
        [("Filtered \"F\"", "1|x"), ("child", "2"), ("p", "1"), ("p", "11"), ("parent", "1")];
    assert_eq!(seen, expected.map(|(table, row)| (table.to_owned(), row.to_owned())));
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn three_hundred_thousand_rows_pass_a_slow_receiver_in_flat_memory() {
    const ROWS: usize = 300_000;
    const QUEUE: usize = 1 << 20;
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute(&format!(
            "CREATE TABLE big AS
               SELECT n AS id, repeat('x', 400) AS pad FROM generate_series(1, {ROWS}) n;
             CREATE PUBLICATION erpbridge FOR TABLE big"
        ))
        .await
        .unwrap();
    let (_export, name) = export(&postgres, "postgres").await;
    let config = config(&postgres, "postgres");
    let (context, mut bridge) = bridge(QUEUE);
    let waiting = context.out.gauge();
    let selection = Named::new(&["public.big"]);
    let before = resident_bytes();
    let receive = async move {
        // Nothing is taken until the queue is full: the reader must wait, not collect.
        let full = wait_until("the queue is full", Duration::from_secs(30), async || {
            waiting.bytes_waiting() + config_batch() > QUEUE
        });
        full.await.unwrap();
        let (mut rows, mut peak) = (0, 0);
        while let Some(queued) = bridge.receiver.recv().await {
            let SourceEvent::Changes(batch) = &queued.event else { panic!("only rows") };
            rows += batch.len();
            peak = std::cmp::max(peak, resident_bytes());
            tokio::task::yield_now().await;
        }
        (rows, peak)
    };
    let (done, (rows, peak)) = tokio::join!(run(&config, &selection, &name, context), receive);
    done.unwrap();
    assert_eq!(rows, ROWS);
    // The rows together are 120 MB; other tests of this process may run beside this one.
    let grown = peak.saturating_sub(before);
    assert!(grown < 40 << 20, "memory grew by {grown} bytes");
}

fn config_batch() -> usize {
    (256 << 10) + (64 << 10)
}

#[tokio::test]
async fn a_stop_while_the_queue_is_full_ends_the_snapshot_as_unfinished() {
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute(
            "CREATE TABLE big AS SELECT repeat('x', 400) FROM generate_series(1, 20000);
             CREATE PUBLICATION erpbridge FOR TABLE big",
        )
        .await
        .unwrap();
    let (_export, name) = export(&postgres, "postgres").await;
    let config = config(&postgres, "postgres");
    let (context, bridge) = bridge(300 << 10);
    let waiting = context.out.gauge();
    let stop = async {
        let full = wait_until("the queue is full", Duration::from_secs(30), async || {
            waiting.bytes_waiting() > 200 << 10
        });
        full.await.unwrap();
        bridge.stop.cancel();
    };
    let selection = Named::new(&["public.big"]);
    let (done, ()) = tokio::join!(run(&config, &selection, &name, context), stop);
    assert_eq!(done.unwrap_err().kind(), SourceErrorKind::Closed);
    assert!(!bridge.status.borrow().snapshot[0].complete);
}

#[tokio::test]
async fn an_export_whose_session_has_ended_is_retried() {
    let postgres = Postgres::start().await.unwrap();
    postgres.execute("CREATE PUBLICATION erpbridge").await.unwrap();
    let (exporter, name) = export(&postgres, "postgres").await;
    exporter.batch_execute("COMMIT").await.unwrap();
    let config = config(&postgres, "postgres");
    for name in [name.as_str(), "00000003-0000001B-9", "nonsense"] {
        let (context, _bridge) = bridge(1 << 20);
        let error = run(&config, &Named::new(&[]), name, context).await.unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Connection, "{error}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_taken_names_its_table_and_not_its_values() {
    let postgres = Postgres::start().await.unwrap();
    postgres
        .execute("CREATE DATABASE legacy ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        .await
        .unwrap();
    for statement in [
        "CREATE TABLE latin (v text)",
        "CREATE TABLE wide (v text)",
        "INSERT INTO latin VALUES (convert_from('\\x4dfc6c6c6572', 'SQL_ASCII'))",
        "INSERT INTO wide VALUES (repeat('x', 5000))",
        "CREATE PUBLICATION erpbridge FOR TABLE latin, wide WITH (publish = 'insert')",
    ] {
        postgres.execute_in("legacy", statement).await.unwrap();
    }
    let mut config = config(&postgres, "legacy");
    config.max_row_bytes = 4096;
    let (done, _) = read(&postgres, &config, &Named::new(&["public.latin"])).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Decode);
    assert!(error.to_string().contains("public.latin") && !error.to_string().contains("ller"));
    assert!(error.hint().unwrap().contains("SQL_ASCII"));

    let (done, _) = read(&postgres, &config, &Named::new(&["public.wide"])).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::TooLarge);
    assert!(error.to_string().contains("public.wide"));
    assert!(error.hint().unwrap().contains("max_row_bytes"));
}
