//! One transaction of half a million rows. It has one place in the log and cannot be cut by it.

use std::time::Duration;

use erpbridge_connector::{Source, SourceContext, SourceEvent, SourceStatus, queue};
use erpbridge_test_tds::{TdsServer, Value, row};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{server, source};

const ROWS: i64 = 500_000;
/// What one half of the rows weighs is far more than this.
const MOST: u64 = 96 << 20;
const PATIENCE: Duration = Duration::from_mins(5);

/// What this process holds in memory now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A table with one transaction of rows of about 200 bytes, all in the change table.
async fn imported(server: &TdsServer) {
    let erp = server.database();
    erp.create_table("dbo.item", "id int NOT NULL PRIMARY KEY, note nvarchar(200)");
    erp.capture("dbo.item").enable();
    erp.transaction().insert("dbo.item", row! { "id": 0, "note": "before" }).commit().await;
    let note = Value::from("n".repeat(190));
    let rows = (1..=ROWS).map(|id| vec![("id".into(), id.into()), ("note".into(), note.clone())]);
    erp.transaction().insert_all("dbo.item", rows).commit().await;
    erp.transaction().insert("dbo.item", row! { "id": ROWS + 1, "note": "after" }).commit().await;
}

/// The server of this test holds the rows as well, so only what is added while the source reads
/// them is counted: pages, batches and the queue.
#[tokio::test]
async fn half_a_million_rows_in_one_transaction_are_streamed_in_bounded_memory() {
    let server = server().await;
    let (out, mut events) = queue(4 << 20);
    let begin = begin_of_the_log(&server).await;
    imported(&server).await;
    let (_keep, confirmed) = watch::channel(Some(begin.clone()));
    let stop = CancellationToken::new();
    let context = SourceContext {
        resume_after: Some(begin),
        out,
        confirmed,
        stop: stop.clone(),
        status: watch::channel(SourceStatus::default()).0,
    };
    let source = source(&server);
    let before = resident();
    let (mut most, mut next, mut windows) = (0, 0, 0);
    let reading = async {
        let mut last = (String::new(), 0);
        while next <= ROWS + 1 {
            let Some(queued) = timeout(PATIENCE, events.recv()).await.unwrap() else { break };
            let SourceEvent::Changes(batch) = &queued.event else { continue };
            windows += 1;
            for change in batch.changes() {
                let id = change.after().unwrap().values().next().unwrap();
                assert_eq!(id.text(), Some(next.to_string().as_str()), "nothing lost or twice");
                let order = (change.transaction().sequence.to_string(), change.ordinal());
                assert!(last < order, "{last:?} before {order:?}");
                (last, next) = (order, next + 1);
            }
            most = std::cmp::max(most, resident().saturating_sub(before));
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(source.run(context), reading);
    ended.unwrap();
    assert_eq!(next, ROWS + 2, "every row");
    assert!(windows > 100, "it came in {windows} batches");
    assert!(most < MOST, "the source took {most} bytes");
}

/// The position of a source that has just begun.
async fn begin_of_the_log(server: &TdsServer) -> erpbridge_connector::Position {
    let mut tail = erpbridge_connector::testkit::Tail::start(source(server), None, 1 << 20);
    let begin = tail.following().await;
    tail.stop().await;
    begin
}
