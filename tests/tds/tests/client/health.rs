//! What the server tells about itself and its jobs.

use std::time::Duration;

use erpbridge_test_tds::{CaptureJob, Edition, ServerFacts, TdsServer, row};

use crate::{client, code, int, rows, run, text, try_rows};

#[tokio::test]
async fn editions_and_versions_are_told_and_decide_what_there_is() {
    let facts = ServerFacts {
        version: "16.0.4085.2".to_owned(),
        edition: Edition::Express,
        name: "SHOP\\EXPRESS".to_owned(),
        ..ServerFacts::default()
    };
    let server = TdsServer::builder().facts(facts).start().await;
    let mut client = client(&server).await;
    let sql = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), \
               CAST(SERVERPROPERTY('EngineEdition') AS int), @@SERVERNAME, @@VERSION, \
               CAST(SERVERPROPERTY('Edition') AS nvarchar(128))";
    let told = &rows(&mut client, sql, &[]).await[0];
    assert_eq!((text(told, 0), int(told, 1)), (Some("16.0.4085.2"), 4));
    assert_eq!(
        (text(told, 2), text(told, 4)),
        (Some("SHOP\\EXPRESS"), Some("Express Edition (64-bit)"))
    );
    assert!(text(told, 3).unwrap().starts_with("Microsoft SQL Server 2022"));
    assert_eq!(code(run(&mut client, "EXEC sys.sp_cdc_enable_db").await), 22988);
    server.change_facts(|facts| facts.edition = Edition::Standard);
    run(&mut client, "EXEC sys.sp_cdc_enable_db").await.unwrap();
    let enabled = "SELECT CAST(is_cdc_enabled AS int) FROM sys.databases WHERE name = DB_NAME()";
    assert_eq!(int(&rows(&mut client, enabled, &[]).await[0], 0), 1);
    server.change_facts(|facts| facts.edition = Edition::Azure);
    assert_eq!(code(try_rows(&mut client, "SELECT * FROM sys.dm_server_services", &[]).await), 208);
}

#[tokio::test]
async fn a_stopped_job_shows_in_its_last_session_and_in_its_errors() {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY");
    erp.enable_cdc();
    erp.capture("dbo.T").enable();
    erp.set_clock(1_706_700_000_000_000);
    erp.transaction().insert("dbo.T", row! { "id": 1 }).commit().await;
    erp.set_capture(CaptureJob::Stopped);
    erp.transaction().insert("dbo.T", row! { "id": 2 }).commit().await;
    erp.advance_clock(Duration::from_secs(90));
    let mut client = client(&server).await;
    let sql = "SELECT latency, CAST(CASE WHEN end_time IS NULL THEN 0 ELSE 1 END AS int) \
               FROM sys.dm_cdc_log_scan_sessions";
    let told = &rows(&mut client, sql, &[]).await[0];
    assert_eq!((int(told, 0), int(told, 1)), (90, 1));
    erp.capture_failed(18_805, "The Log Reader Agent failed.");
    let errors = "SELECT error_number, error_message FROM sys.dm_cdc_errors";
    assert_eq!(int(&rows(&mut client, errors, &[]).await[0], 0), 18_805);
    let age = "SELECT DATEDIFF(second, MAX(tran_end_time), GETDATE()) FROM cdc.lsn_time_mapping";
    assert_eq!(int(&rows(&mut client, age, &[]).await[0], 0), 90);
    server.change_facts(|facts| facts.agent_running = false);
    let agent = "SELECT CASE WHEN dss.[status] = 4 THEN 1 ELSE 0 END FROM sys.dm_server_services \
                 dss WHERE dss.[servicename] LIKE N'SQL Server Agent (%'";
    assert_eq!(int(&rows(&mut client, agent, &[]).await[0], 0), 0);
    let jobs = "SELECT retention FROM msdb.dbo.cdc_jobs WHERE job_type = N'cleanup' \
                AND database_id = DB_ID()";
    erp.set_retention(60);
    assert_eq!(rows(&mut client, jobs, &[]).await[0].get::<i64, _>(0), Some(60));
}

#[tokio::test]
async fn tables_columns_and_keys_are_described() {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table(
        "dbo.Item",
        "Code varchar(20) COLLATE SQL_Latin1_General_CP850_CI_AS, Plant char(4), Qty decimal(19,6), \
         Twice AS CAST(Qty * 2 AS decimal(19,6)), PRIMARY KEY (Plant, Code)",
    );
    let mut client = client(&server).await;
    let sql = "SELECT c.name, t.name, CAST(c.max_length AS int), c.collation_name, ic.key_ordinal \
               FROM sys.tables AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id \
               JOIN sys.columns AS c ON c.object_id = o.object_id \
               JOIN sys.types AS t ON t.user_type_id = c.user_type_id \
               LEFT JOIN sys.indexes AS i ON i.object_id = o.object_id AND i.is_primary_key = 1 \
               LEFT JOIN sys.index_columns AS ic ON ic.object_id = i.object_id \
                    AND ic.index_id = i.index_id AND ic.column_id = c.column_id \
               WHERE s.name = N'DBO' AND o.name = N'item' ORDER BY c.column_id";
    let found = rows(&mut client, sql, &[]).await;
    let told: Vec<_> = found
        .iter()
        .map(|row| (text(row, 0).unwrap(), text(row, 1).unwrap(), int(row, 2), row.get::<u8, _>(4)))
        .collect();
    let expected = [
        ("Code", "varchar", 20, Some(2)),
        ("Plant", "char", 4, Some(1)),
        ("Qty", "decimal", 9, None),
        ("Twice", "decimal", 9, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(text(&found[0], 3), Some("SQL_Latin1_General_CP850_CI_AS"));
    let sql =
        "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE ORDER BY ORDINAL_POSITION";
    assert_eq!(text(&rows(&mut client, sql, &[]).await[0], 0), Some("Plant"));
}
