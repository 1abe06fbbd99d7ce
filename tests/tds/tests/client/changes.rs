//! Change data capture as a client sees it.

use std::time::Duration;

use erpbridge_test_tds::{CaptureJob, Database, Lsn, TdsServer, row};
use tiberius::Row;

use crate::{Sql, client, code, int, lsn, rows, text, try_rows};

const CHANGES: &str = "SELECT __$start_lsn, __$seqval, __$operation, __$update_mask, __$command_id, \
     DocEntry, CardName FROM cdc.dbo_OPOR_CT WHERE __$start_lsn > @P1 AND __$start_lsn <= @P2 \
     ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";

async fn erp() -> (TdsServer, Sql) {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table(
        "dbo.OPOR",
        "DocEntry int PRIMARY KEY, CardName nvarchar(100), Note nvarchar(max)",
    );
    erp.enable_cdc();
    erp.capture("dbo.OPOR").enable();
    let client = client(&server).await;
    (server, client)
}

async fn all(client: &mut Sql) -> Vec<Row> {
    changes(client, Lsn::ZERO, Lsn([0xff; 10])).await
}

async fn changes(client: &mut Sql, after: Lsn, to: Lsn) -> Vec<Row> {
    rows(client, CHANGES, &[&after.as_bytes(), &to.as_bytes()]).await
}

/// Operation, key and name of each change.
fn told(changes: &[Row]) -> Vec<(i32, i32, Option<String>)> {
    let one = |row: &Row| (int(row, 2), int(row, 5), text(row, 6).map(str::to_owned));
    changes.iter().map(one).collect()
}

fn change(operation: i32, key: i32, name: &str) -> (i32, i32, Option<String>) {
    (operation, key, Some(name.to_owned()))
}

#[tokio::test]
async fn the_steps_of_a_transaction_are_rows_of_the_change_table() {
    let (server, mut client) = erp().await;
    let at = server
        .database()
        .transaction()
        .insert("dbo.OPOR", row! { "DocEntry": 1, "CardName": "a" })
        .update("dbo.OPOR", row! { "DocEntry": 1 }, row! { "CardName": "b" })
        .update("dbo.OPOR", row! { "DocEntry": 1 }, row! { "DocEntry": 2 })
        .delete("dbo.OPOR", row! { "DocEntry": 2 })
        .commit()
        .await;
    let found = all(&mut client).await;
    let expected = [
        change(2, 1, "a"),
        change(3, 1, "a"),
        change(4, 1, "b"),
        change(1, 1, "b"),
        change(2, 2, "b"),
        change(1, 2, "b"),
    ];
    assert_eq!(told(&found), expected);
    assert!(found.iter().all(|row| lsn(row, 0) == at));
    let commands: Vec<i32> = found.iter().map(|row| int(row, 4)).collect();
    assert_eq!(commands, [1, 2, 2, 3, 3, 4]);
    let masks: Vec<&[u8]> = found.iter().map(|row| row.get::<&[u8], _>(3).unwrap()).collect();
    assert_eq!(masks, [&[7][..], &[2], &[2], &[7], &[7], &[7]]);
    assert_eq!(lsn(&found[1], 1), lsn(&found[2], 1));
    assert!(lsn(&found[0], 1) < lsn(&found[1], 1) && lsn(&found[5], 1) < at);
}

#[tokio::test]
async fn transactions_come_in_the_order_of_their_commits() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    let early = erp.transaction().insert("dbo.OPOR", row! { "DocEntry": 1, "CardName": "early" });
    let late = erp.transaction().insert("dbo.OPOR", row! { "DocEntry": 2, "CardName": "late" });
    let second = late.commit().await;
    let first = early.commit().await;
    let found = all(&mut client).await;
    assert_eq!(told(&found), [change(2, 2, "late"), change(2, 1, "early")]);
    assert_eq!((lsn(&found[0], 0), lsn(&found[1], 0)), (second, first));
    // The records of the one that committed last are the older ones.
    assert!(lsn(&found[0], 1) > lsn(&found[1], 1));
}

#[tokio::test]
async fn a_window_has_only_what_the_parameters_say() {
    let (server, mut client) = erp().await;
    let mut places = Vec::new();
    for key in 1..=5 {
        let step = server.database().transaction();
        places.push(step.insert("dbo.OPOR", row! { "DocEntry": key }).commit().await);
    }
    let found = changes(&mut client, places[0], places[3]).await;
    let keys: Vec<i32> = found.iter().map(|row| int(row, 5)).collect();
    assert_eq!(keys, [2, 3, 4]);
    let top = "SELECT MAX(start_lsn) FROM (SELECT TOP (@P1 + 1) start_lsn FROM [ERP].cdc.\
               lsn_time_mapping WHERE start_lsn >= @P2 AND tran_id <> 0x00 ORDER BY start_lsn) AS n";
    let found = rows(&mut client, top, &[&2, &places[1].as_bytes()]).await;
    assert_eq!(lsn(&found[0], 0), places[3]);
}

#[tokio::test]
async fn an_unchanged_long_value_is_null_and_its_bit_is_not_set() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    erp.transaction()
        .insert("dbo.OPOR", row! { "DocEntry": 1, "CardName": "a", "Note": "long" })
        .update("dbo.OPOR", row! { "DocEntry": 1 }, row! { "CardName": "b" })
        .update("dbo.OPOR", row! { "DocEntry": 1 }, row! { "Note": "longer" })
        .delete("dbo.OPOR", row! { "DocEntry": 1 })
        .commit()
        .await;
    let sql = "SELECT __$operation, sys.fn_cdc_is_bit_set(3, __$update_mask), Note \
               FROM cdc.dbo_OPOR_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";
    let found = rows(&mut client, sql, &[]).await;
    let told: Vec<_> =
        found.iter().map(|r| (int(r, 0), r.get::<bool, _>(1).unwrap(), text(r, 2))).collect();
    let expected = [
        (2, true, Some("long")),
        (3, false, None),
        (4, false, None),
        (3, true, Some("long")),
        (4, true, Some("longer")),
        (1, true, Some("longer")),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_capture_job_may_stop_and_lag() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    let insert = async |key: i32| {
        erp.transaction().insert("dbo.OPOR", row! { "DocEntry": key }).commit().await
    };
    erp.set_capture(CaptureJob::Stopped);
    let first = insert(1).await;
    insert(2).await;
    assert_eq!((all(&mut client).await.len(), erp.newest(), erp.idle()), (0, None, None));
    assert_eq!(erp.capture_next(1), 1);
    assert_eq!(erp.newest(), Some(first));
    erp.set_capture(CaptureJob::Lagging(1));
    insert(3).await;
    assert_eq!(all(&mut client).await.len(), 2);
    erp.set_capture(CaptureJob::Running);
    assert_eq!(all(&mut client).await.len(), 3);
    let idle = erp.idle().unwrap();
    let newest = rows(&mut client, "SELECT sys.fn_cdc_get_max_lsn()", &[]).await;
    assert_eq!(lsn(&newest[0], 0), idle);
    let sql = "SELECT TOP (1) start_lsn FROM cdc.lsn_time_mapping WHERE tran_id = 0x00";
    assert_eq!(lsn(&rows(&mut client, sql, &[]).await[0], 0), idle);
}

#[tokio::test]
async fn cleanup_moves_the_low_water_mark_and_takes_the_rows() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    let mut places = Vec::new();
    for key in 1..=3 {
        places.push(erp.transaction().insert("dbo.OPOR", row! { "DocEntry": key }).commit().await);
    }
    erp.clean_up(places[1]);
    assert_eq!(all(&mut client).await.len(), 2);
    let sql = "SELECT sys.fn_cdc_get_min_lsn(N'dbo_OPOR'), sys.fn_cdc_get_min_lsn('dbo_opor')";
    let found = rows(&mut client, sql, &[]).await;
    assert_eq!((lsn(&found[0], 0), lsn(&found[0], 1)), (places[1], Lsn::ZERO));
    let function = "SELECT __$operation FROM cdc.fn_cdc_get_all_changes_dbo_OPOR(@P1, @P2, N'all')";
    let [gone, kept, last] = [0, 1, 2].map(|place: usize| places[place].as_bytes());
    assert_eq!(code(try_rows(&mut client, function, &[&gone, &last]).await), 313);
    assert_eq!(rows(&mut client, function, &[&kept, &last]).await.len(), 2);
}

#[tokio::test]
async fn two_instances_of_one_table_capture_side_by_side_and_a_third_is_refused() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    erp.transaction().insert("dbo.OPOR", row! { "DocEntry": 1 }).commit().await;
    erp.add_column("dbo.OPOR", "Total money");
    let second = erp.capture("dbo.OPOR").instance("dbo_OPOR_v2").enable();
    erp.transaction().insert("dbo.OPOR", row! { "DocEntry": 2, "Total": "1.50" }).commit().await;
    assert_eq!(all(&mut client).await.len(), 2);
    let sql = "SELECT DocEntry, CAST(Total AS decimal(19,4)) FROM cdc.dbo_OPOR_v2_CT";
    let found = rows(&mut client, sql, &[]).await;
    assert_eq!((found.len(), int(&found[0], 0)), (1, 2));
    let sql = "SELECT t.name, ct.capture_instance, ct.start_lsn FROM cdc.change_tables AS ct \
               JOIN sys.tables AS t ON t.object_id = ct.source_object_id ORDER BY ct.start_lsn";
    let instances = rows(&mut client, sql, &[]).await;
    assert_eq!((instances.len(), lsn(&instances[1], 2)), (2, second));
    assert_eq!(
        (text(&instances[0], 0), text(&instances[1], 1)),
        (Some("OPOR"), Some("dbo_OPOR_v2"))
    );
    let history = rows(&mut client, "SELECT ddl_command FROM cdc.ddl_history", &[]).await;
    assert_eq!(text(&history[0], 0), Some("ALTER TABLE dbo.OPOR ADD Total money"));
    let third = "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'OPOR', \
                 @role_name = NULL, @capture_instance = N'third'";
    assert_eq!(code(crate::run(&mut client, third).await), 22926);
    erp.release("dbo_OPOR");
    assert_eq!(code(try_rows(&mut client, "SELECT * FROM cdc.dbo_OPOR_CT", &[]).await), 208);
}

#[tokio::test]
async fn columns_that_come_and_go_do_not_move_the_others() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    erp.drop_column("dbo.OPOR", "CardName");
    erp.add_column("dbo.OPOR", "Extra int");
    erp.transaction()
        .insert("dbo.OPOR", row! { "DocEntry": 7, "Note": "n", "Extra": 3 })
        .commit()
        .await;
    let found =
        rows(&mut client, "SELECT DocEntry, CardName, Note FROM cdc.dbo_OPOR_CT", &[]).await;
    assert_eq!((int(&found[0], 0), text(&found[0], 1), text(&found[0], 2)), (7, None, Some("n")));
    erp.alter_column("dbo.OPOR", "Note nvarchar(40)");
    let sql = "SELECT column_name, column_ordinal, column_type FROM cdc.captured_columns";
    assert_eq!(rows(&mut client, sql, &[]).await.len(), 3);
}

#[tokio::test]
async fn an_old_server_has_no_command_id() {
    let server = TdsServer::start().await;
    server.change_facts(|facts| {
        facts.version = "10.50.6000.34".to_owned();
        facts.edition = erpbridge_test_tds::Edition::Enterprise;
    });
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY");
    erp.enable_cdc();
    erp.capture("dbo.T").enable();
    let mut client = client(&server).await;
    let sql =
        "SELECT COL_LENGTH('cdc.dbo_T_CT', '__$command_id'), COL_LENGTH('cdc.dbo_T_CT', 'id')";
    let found = rows(&mut client, sql, &[]).await;
    assert_eq!((found[0].get::<i16, _>(0), found[0].get::<i16, _>(1)), (None, Some(4)));
    let asked = try_rows(&mut client, "SELECT __$command_id FROM cdc.dbo_T_CT", &[]).await;
    assert_eq!(code(asked), 207);
}

#[tokio::test]
async fn a_restored_database_is_another_one_and_older() {
    let (server, mut client) = erp().await;
    let erp = server.database();
    let insert = async |db: &Database, key: i32| {
        db.transaction().insert("dbo.OPOR", row! { "DocEntry": key }).commit().await
    };
    let before = insert(erp, 1).await;
    let backup = erp.backup();
    insert(erp, 2).await;
    let identity = "SELECT recovery_fork_guid FROM sys.database_recovery_status \
                    WHERE database_id = DB_ID()";
    let old = format!("{:?}", rows(&mut client, identity, &[]).await);
    erp.restore(&backup, true);
    assert_eq!(erp.newest(), Some(before));
    assert_ne!(format!("{:?}", rows(&mut client, identity, &[]).await), old);
    assert_eq!(erp.rows("dbo.OPOR").len(), 1);
    erp.restore(&backup, false);
    assert_eq!(code(try_rows(&mut client, "SELECT * FROM cdc.change_tables", &[]).await), 208);
}

/// The next rows of the change table behind a place in its order.
const PAGE: &str = "SELECT TOP (@P1) __$seqval, DocEntry FROM cdc.dbo_OPOR_CT WHERE \
     (__$start_lsn > @P2 OR (__$start_lsn = @P2 AND (__$command_id > @P3 OR (__$command_id = @P3 \
     AND (__$seqval > @P4 OR (__$seqval = @P4 AND __$operation > 2)))))) AND __$start_lsn <= @P2 \
     ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation";

#[tokio::test]
async fn a_transaction_of_half_a_million_rows_is_read_in_pages() {
    let (server, mut client) = erp().await;
    let rows_made = (0..500_000).map(|key| row! { "DocEntry": key, "CardName": "x" });
    let at = server.database().transaction().insert_all("dbo.OPOR", rows_made).commit().await;
    let at = at.as_bytes();
    let jump = "SELECT __$seqval FROM cdc.dbo_OPOR_CT WHERE DocEntry = 479999";
    let late = lsn(&rows(&mut client, jump, &[]).await[0], 0);
    let mut took = Vec::new();
    for (mut last, from, to) in [(Lsn::ZERO, 0, 20_000), (late, 480_000, 500_000)] {
        let begun = std::time::Instant::now();
        let mut read = from;
        while read < to {
            let page = rows(&mut client, PAGE, &[&1000, &at, &1, &last.as_bytes()]).await;
            assert_eq!((page.len(), int(&page[0], 1)), (1000, read));
            read += 1000;
            last = lsn(page.last().unwrap(), 0);
        }
        took.push(begun.elapsed());
    }
    // A page costs what it holds, wherever it is.
    assert!(took[1] < took[0] * 5 + Duration::from_secs(2), "{took:?}");
    let count = "SELECT COUNT(*) FROM cdc.dbo_OPOR_CT WHERE __$start_lsn = @P1";
    assert_eq!(int(&rows(&mut client, count, &[&at]).await[0], 0), 500_000);
    assert!(rows(&mut client, CHANGES, &[&at, &at]).await.is_empty());
}
