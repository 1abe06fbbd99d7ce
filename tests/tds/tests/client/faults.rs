//! What goes wrong on command.

use std::time::{Duration, Instant};

use erpbridge_test_tds::{Fault, TdsServer, row};
use tokio::time::timeout;

use crate::{client, code, int, rows, run, try_rows};

const SOON: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_millis(150);

#[tokio::test]
async fn an_error_is_raised_for_the_requests_it_is_meant_for() {
    let server = TdsServer::start().await;
    let mut client = client(&server).await;
    server.fault(Fault::raise(1222).on("@p1 + 1").skip(1).times(2));
    let ask = "SELECT @P1 + 1";
    assert_eq!(int(&rows(&mut client, ask, &[&1]).await[0], 0), 2);
    assert_eq!(int(&rows(&mut client, "SELECT 1", &[]).await[0], 0), 1);
    for _ in 0..2 {
        assert_eq!(code(try_rows(&mut client, ask, &[&1]).await), 1222);
    }
    assert_eq!(int(&rows(&mut client, ask, &[&1]).await[0], 0), 2);
    assert_eq!(server.faults_left(), 0);
    for number in [208, 313, 40501] {
        server.fault(Fault::raise(number));
        assert_eq!(code(try_rows(&mut client, ask, &[&1]).await), number);
    }
}

#[tokio::test]
async fn a_deadlock_ends_the_transaction() {
    let server = TdsServer::start().await;
    let mut client = client(&server).await;
    run(&mut client, "BEGIN TRAN").await.unwrap();
    server.fault(Fault::raise(1205));
    assert_eq!(code(run(&mut client, "SELECT 1").await), 1205);
    assert_eq!(int(&rows(&mut client, "SELECT @@TRANCOUNT", &[]).await[0], 0), 0);
}

#[tokio::test]
async fn a_dropped_connection_is_an_error_and_the_next_one_works() {
    let server = TdsServer::start().await;
    let mut first = client(&server).await;
    server.fault(Fault::drop_connection());
    assert!(try_rows(&mut first, "SELECT 1", &[]).await.is_err());
    let mut second = client(&server).await;
    server.disconnect_all();
    assert!(try_rows(&mut second, "SELECT 1", &[]).await.is_err());
    rows(&mut client(&server).await, "SELECT 1", &[]).await;
}

#[tokio::test]
async fn a_stalled_answer_comes_when_it_is_healed() {
    let server = TdsServer::start().await;
    let mut client = client(&server).await;
    server.fault(Fault::stall());
    let mut asked = Box::pin(try_rows(&mut client, "SELECT 1", &[]));
    assert!(timeout(A_WHILE, &mut asked).await.is_err());
    server.heal();
    timeout(SOON, asked).await.unwrap().unwrap();
}

async fn with_rows(server: &TdsServer) {
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY, filler nvarchar(100)");
    let rows = (0..2000).map(|id| row! { "id": id, "filler": "some more text in here" });
    erp.transaction().insert_all("dbo.T", rows).commit().await;
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error_in_the_middle() {
    let server = TdsServer::start().await;
    with_rows(&server).await;
    for bytes in [0, 3, 100, 50_000] {
        let mut client = client(&server).await;
        server.fault(Fault::cut_after(bytes).on("dbo.T"));
        let outcome = timeout(SOON, try_rows(&mut client, "SELECT * FROM dbo.T", &[])).await;
        assert!(outcome.unwrap().is_err(), "{bytes}");
    }
}

#[tokio::test]
async fn an_answer_in_two_parts_is_one_answer() {
    let server = TdsServer::start().await;
    with_rows(&server).await;
    let mut client = client(&server).await;
    for bytes in [1, 9, 4096, 50_000] {
        server.fault(Fault::split_after(bytes, A_WHILE));
        let begun = Instant::now();
        assert_eq!(rows(&mut client, "SELECT * FROM dbo.T", &[]).await.len(), 2000);
        assert!(begun.elapsed() >= A_WHILE, "{bytes}");
    }
    server.fault(Fault::delay(A_WHILE));
    let begun = Instant::now();
    rows(&mut client, "SELECT 1", &[]).await;
    assert!(begun.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn an_attention_takes_a_request_back() {
    let server = TdsServer::start().await;
    with_rows(&server).await;
    let mut client = client(&server).await;
    let held = server.database().lock("dbo.T");
    for stalled in [false, true] {
        if stalled {
            server.fault(Fault::stall());
        }
        {
            let mut asked = Box::pin(client.query("SELECT * FROM dbo.T", &[]));
            assert!(timeout(A_WHILE, &mut asked).await.is_err());
        }
        timeout(SOON, client.cancel_query()).await.unwrap().unwrap();
        assert_eq!(int(&rows(&mut client, "SELECT 5", &[]).await[0], 0), 5);
    }
    drop(held);
    // In the middle of a long answer.
    drop(client.query("SELECT a.id FROM dbo.T a CROSS JOIN dbo.T b", &[]).await.unwrap());
    timeout(SOON, client.cancel_query()).await.unwrap().unwrap();
    assert_eq!(int(&rows(&mut client, "SELECT 6", &[]).await[0], 0), 6);
}
