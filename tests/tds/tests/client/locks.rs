//! Transactions of clients: what they see, what they hold, and the exact snapshot.

use std::time::Duration;

use erpbridge_test_tds::{CaptureJob, Lsn, TdsServer, row};
use tiberius::numeric::Numeric;
use tokio::time::timeout;

use crate::{Sql, client, code, int, rows, run, try_rows};

const A_WHILE: Duration = Duration::from_millis(150);

async fn erp() -> (TdsServer, Sql) {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY");
    erp.enable_cdc();
    erp.capture("dbo.T").enable();
    erp.transaction().insert("dbo.T", row! { "id": 1 }).commit().await;
    let client = client(&server).await;
    (server, client)
}

async fn count(client: &mut Sql, table: &str) -> i32 {
    int(&rows(client, &format!("SELECT COUNT(*) FROM {table}"), &[]).await[0], 0)
}

#[tokio::test]
async fn a_snapshot_sees_one_moment_of_tables_and_change_tables() {
    let (server, mut client) = erp().await;
    run(&mut client, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN").await.unwrap();
    assert_eq!(count(&mut client, "dbo.T").await, 1);
    server.database().transaction().insert("dbo.T", row! { "id": 2 }).commit().await;
    assert_eq!(count(&mut client, "dbo.T").await, 1);
    assert_eq!(count(&mut client, "cdc.dbo_T_CT").await, 1);
    assert_eq!(count(&mut client, "cdc.lsn_time_mapping").await, 1);
    run(&mut client, "COMMIT").await.unwrap();
    assert_eq!(count(&mut client, "dbo.T").await, 2);
    assert_eq!(count(&mut client, "cdc.dbo_T_CT").await, 2);
}

#[tokio::test]
async fn snapshot_isolation_needs_to_be_allowed() {
    let (server, mut client) = erp().await;
    server.database().allow_snapshot_isolation(false);
    let sql = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; SELECT * FROM dbo.T";
    assert_eq!(code(run(&mut client, sql).await), 3952);
    let state = "SELECT CAST(snapshot_isolation_state AS int) FROM sys.databases \
                 WHERE database_id = DB_ID()";
    assert_eq!(int(&rows(&mut client, state, &[]).await[0], 0), 0);
}

#[tokio::test]
async fn a_locked_table_is_waited_for_as_long_as_the_session_says() {
    let (server, mut client) = erp().await;
    let held = server.database().lock("dbo.T");
    run(&mut client, "SET LOCK_TIMEOUT 50").await.unwrap();
    assert_eq!(code(try_rows(&mut client, "SELECT * FROM dbo.T", &[]).await), 1222);
    run(&mut client, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT").await.unwrap();
    assert_eq!(count(&mut client, "dbo.T").await, 1);
    run(&mut client, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
    drop(held);
    assert_eq!(count(&mut client, "dbo.T").await, 1);
}

#[tokio::test]
async fn a_table_lock_of_a_client_holds_writers_until_its_transaction_ends() {
    let (server, mut client) = erp().await;
    run(&mut client, "BEGIN TRAN").await.unwrap();
    rows(&mut client, "SELECT TOP (0) 1 FROM dbo.T WITH (TABLOCK, HOLDLOCK)", &[]).await;
    rows(&mut client, "SELECT TOP (1) id FROM dbo.T WITH (TABLOCK, HOLDLOCK)", &[]).await;
    let erp = server.database();
    let mut writing = Box::pin(erp.transaction().insert("dbo.T", row! { "id": 2 }).commit());
    assert!(timeout(A_WHILE, &mut writing).await.is_err());
    run(&mut client, "ROLLBACK").await.unwrap();
    writing.await;
    // A reader that only reads holds nobody.
    run(&mut client, "BEGIN TRAN").await.unwrap();
    assert_eq!(count(&mut client, "dbo.T").await, 2);
    erp.transaction().insert("dbo.T", row! { "id": 3 }).commit().await;
}

#[tokio::test]
async fn the_place_of_a_snapshot_in_the_log_is_told_by_its_savepoint() {
    let (server, mut locking) = erp().await;
    let mut reading = client(&server).await;
    run(&mut locking, "BEGIN TRAN; SELECT TOP (1) id FROM dbo.T WITH (TABLOCK, HOLDLOCK)")
        .await
        .unwrap();
    let begin = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN; \
                 SELECT TOP (1) object_id FROM cdc.change_tables; SAVE TRANSACTION place";
    run(&mut reading, begin).await.unwrap();
    run(&mut locking, "ROLLBACK").await.unwrap();
    let erp = server.database();
    let after = erp.transaction().insert("dbo.T", row! { "id": 2 }).commit().await;
    let place = "SELECT d.database_transaction_begin_lsn FROM sys.dm_tran_database_transactions d \
                 JOIN sys.dm_tran_session_transactions s ON s.transaction_id = d.transaction_id \
                 WHERE s.session_id = @@SPID AND d.database_id = DB_ID()";
    let number = rows(&mut reading, place, &[]).await[0].get::<Numeric, _>(0).unwrap();
    let digits = number.value() / 10_i128.pow(number.scale().into());
    let part = |from: i128, to: i128| u32::try_from(digits / from % to).unwrap();
    let lsn = Lsn::new(
        u32::try_from(digits / 10_i128.pow(15)).unwrap(),
        part(10_i128.pow(5), 10_i128.pow(10)),
        u16::try_from(part(1, 10_i128.pow(5))).unwrap(),
    );
    assert!(erp.low_water("dbo_T").unwrap() < lsn && lsn < after);
    assert_eq!(count(&mut reading, "dbo.T").await, 1);
}

#[tokio::test]
async fn what_the_job_has_not_captured_is_in_the_table_already() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    erp.set_capture(CaptureJob::Stopped);
    erp.transaction().insert("dbo.T", row! { "id": 2 }).commit().await;
    assert_eq!(count(&mut client, "dbo.T").await, 2);
    assert_eq!(count(&mut client, "cdc.dbo_T_CT").await, 1);
}
