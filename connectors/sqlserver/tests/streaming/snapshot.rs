//! Reading what is in the tables already: at which moment, in which parts, and without standing in
//! anybody's way.

use std::collections::BTreeSet;
use std::time::Duration;

use erpbridge_connector::SourceErrorKind;
use erpbridge_sqlserver::SnapshotMode;
use erpbridge_test_tds::{Fault, Login, PASSWORD, Value, row};

use crate::assert_told;
use crate::lab::{Lab, Said};

/// A table of so many rows, to be read at the first start.
async fn filled(tables: &[&str], rows: i64) -> Lab {
    let mut lab = Lab::of(tables).await;
    lab.config.snapshot = SnapshotMode::Initial;
    for table in tables {
        let rows = (0..rows).map(|id| row! { "id": id, "note": "old" });
        lab.erp().transaction().insert_all(&format!("dbo.{table}"), rows).commit().await;
    }
    lab
}

fn reads(texts: &[String]) -> usize {
    texts.iter().filter(|text| text.starts_with("read")).count()
}

#[tokio::test]
async fn under_snapshot_isolation_the_log_goes_on_exactly_where_the_tables_were_read() {
    let said = Said::listen();
    let lab = filled(&["item"], 300).await;
    let mut tail = lab.start_with_room(None, 2048);
    tail.texts_of(1).await;
    // In the middle of reading; rows not read yet are changed.
    let (of, set) = (row! { "id": 299 }, row! { "note": "new" });
    lab.erp().transaction().update("dbo.item", of, set).commit().await;
    lab.erp().transaction().delete("dbo.item", row! { "id": 298 }).commit().await;
    let texts = tail.texts_of(302).await;
    assert_eq!(reads(&texts), 300, "as they were at the moment");
    assert!(texts.contains(&"read item [299|old]".to_owned()));
    assert_eq!(
        texts[300..],
        ["update item [299|new] was [299|old]", "delete item was [298|old]"],
        "and each change once"
    );
    tail.stop().await;
    assert!(said.text().contains("reading tables as of one moment"), "{}", said.text());
}

#[tokio::test]
async fn without_snapshot_isolation_changes_made_meanwhile_come_twice_and_that_is_said() {
    let said = Said::listen();
    let lab = filled(&["item"], 300).await;
    lab.erp().allow_snapshot_isolation(false);
    let mut tail = lab.start_with_room(None, 2048);
    tail.texts_of(1).await;
    let (of, set) = (row! { "id": 0 }, row! { "note": "new" });
    lab.erp().transaction().update("dbo.item", of, set).commit().await;
    lab.insert("item", 300, "late").await;
    tail.until("the changes", |tail| tail.texts().iter().any(|t| t == "insert item [300|late]"))
        .await;
    let texts = tail.texts();
    let ids: BTreeSet<&str> = texts
        .iter()
        .filter_map(|text| text.strip_prefix("read item ["))
        .filter_map(|row| row.split('|').next())
        .collect();
    assert!((0..300).all(|id| ids.contains(id.to_string().as_str())), "no row is left out");
    assert!(texts.contains(&"update item [0|new] was [0|old]".to_owned()), "{texts:?}");
    assert!(said.text().contains("changes made meanwhile come twice"), "{}", said.text());
    tail.stop().await;
}

#[tokio::test]
async fn a_login_that_may_not_ask_for_places_reads_with_overlap_and_says_so() {
    let said = Said::listen();
    let mut lab = filled(&["item"], 20).await;
    lab.tds.login(Login::new("plain", PASSWORD).select("cdc").select("dbo.item"));
    lab.config.user = "plain".to_owned();
    let mut tail = lab.start(None);
    tail.following().await;
    lab.insert("item", 100, "next").await;
    tail.until("the next row", |tail| tail.texts().iter().any(|t| t == "insert item [100|next]"))
        .await;
    assert_eq!(reads(&tail.texts()), 20);
    assert!(said.text().contains("without an exact moment"), "{}", said.text());
    tail.stop().await;
}

#[tokio::test]
async fn a_table_is_read_in_parts_by_its_whole_key() {
    let mut lab = Lab::of(&[]).await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.config.snapshot_chunk_rows = 7;
    let columns = "company char(3) NOT NULL, code nvarchar(20) NOT NULL, at datetime2(3) NOT NULL, \
                   qty decimal(19,6), PRIMARY KEY (company, code, at)";
    lab.capture("stock", columns);
    let days = ["2024-01-01 00:00:00.003", "2024-02-29 12:00:00"];
    let mut expected = BTreeSet::new();
    let mut filling = lab.erp().transaction();
    for company in ["A", "B  ", "Ö"] {
        for code in ["", "a", "A-1", "it's", "Ä", "z z"] {
            for at in days {
                let new = row! { "company": company, "code": code, "at": at, "qty": "1.5" };
                filling = filling.insert("dbo.stock", new);
                expected.insert((company.trim().to_owned(), code.to_owned(), at));
            }
        }
    }
    filling.commit().await;
    let mut tail = lab.start(None);
    tail.following().await;
    let texts = tail.texts();
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), expected.len(), "each row once");
    let requests = lab.tds.requests();
    let parts = requests.iter().filter(|one| {
        one.sql.contains("[dbo].[stock]") && one.sql.contains("TOP") && !one.sql.contains("TABLOCK")
    });
    assert!(parts.count() > 36 / 7, "it was read in parts");
    tail.stop().await;
}

#[tokio::test]
async fn several_tables_are_read_at_a_time_over_sessions_of_their_own() {
    let mut lab = filled(&["a", "b", "c", "d"], 200).await;
    lab.config.snapshot_tables_in_parallel = 3;
    let mut tail = lab.start_with_room(None, 2048);
    tail.texts_of(1).await;
    let readers = lab.tds.sessions();
    let readers = readers.iter().filter(|session| session.isolation == "snapshot").count();
    assert_eq!(readers, 3);
    tail.texts_of(800).await;
    tail.following().await;
    assert!(lab.tds.sessions().iter().all(|one| one.open_transactions == 0), "and then let go");
    tail.stop().await;
}

/// Whoever writes waits for nobody: shared locks are held for the blink of an eye, and not while
/// rows are read.
#[tokio::test]
async fn the_erp_writes_while_its_tables_are_read() {
    let lab = filled(&["item"], 500).await;
    let mut tail = lab.start_with_room(None, 2048);
    tail.texts_of(1).await;
    // The queue is full and reading stands still; the commits below would wait and panic.
    for id in 1000..1010 {
        lab.insert("item", id, "new").await;
    }
    tail.texts_of(510).await;
    tail.stop().await;
}

/// Somebody has a table locked all the time: the snapshot is made all the same, with overlap.
#[tokio::test]
async fn a_table_that_somebody_else_keeps_locked_is_read_without_a_moment() {
    let said = Said::listen();
    let mut lab = filled(&["item"], 10).await;
    lab.config.lock_timeout = Duration::from_millis(50);
    let locked = lab.erp().lock("dbo.item");
    let mut tail = lab.start(None);
    assert_eq!(tail.texts_of(10).await.len(), 10, "versions of rows need no lock");
    tail.following().await;
    drop(locked);
    assert!(said.text().contains("without an exact moment"), "{}", said.text());
    tail.stop().await;
}

#[tokio::test]
async fn an_empty_table_and_a_table_without_a_key_are_read_too() {
    let mut lab = filled(&["item"], 0).await;
    lab.config.snapshot = SnapshotMode::Initial;
    lab.capture("heap", "code nvarchar(10), qty int");
    let rows = (0..30).map(|n| row! { "code": Value::Null, "qty": n % 3 });
    lab.erp().transaction().insert_all("dbo.heap", rows).commit().await;
    let mut tail = lab.start(None);
    tail.following().await;
    let texts = tail.texts();
    assert_eq!(texts.len(), 30, "{texts:?}");
    assert_eq!(texts.iter().filter(|text| *text == "read heap [NULL|1]").count(), 10);
    tail.stop().await;
}

/// Capture stands still while the tables are read, so the place of the moment is ahead of it.
#[tokio::test]
async fn a_lagging_capture_job_does_not_bring_back_what_the_snapshot_has() {
    let lab = filled(&["item"], 5).await;
    lab.erp().set_capture(erpbridge_test_tds::CaptureJob::Stopped);
    lab.insert("item", 100, "seen by the snapshot").await;
    let mut tail = lab.start(None);
    tail.following().await;
    assert_eq!(reads(&tail.texts()), 6);
    lab.erp().set_capture(erpbridge_test_tds::CaptureJob::Running);
    lab.insert("item", 101, "next").await;
    assert_eq!(tail.texts_of(7).await[6], "insert item [101|next]");
    tail.stop().await;
}

/// A deadlock ends the transaction and with it the moment: what would be read next is of another.
#[tokio::test]
async fn a_deadlock_while_tables_are_read_is_not_asked_again_beyond_its_moment() {
    for (on, skip) in [("[dbo].[item]", 2), ("FROM cdc.change_tables AS ct", 1)] {
        let mut lab = filled(&["item"], 300).await;
        lab.config.snapshot_chunk_rows = 50;
        let mut tail = lab.start_with_room(None, 1024);
        lab.tds.fault(Fault::raise(1205).on(on).skip(skip));
        lab.faults_are_spent().await;
        tail.runs_out().await;
        assert_told(&tail.ended().await, SourceErrorKind::Busy, &["1205"]);
    }
}
