//! Who may see what.

use erpbridge_test_tds::{Login, Lsn, TdsServer, row};

use crate::{Sql, code, config, connect, int, lsn, rows, run, try_rows};

async fn erp() -> TdsServer {
    let server = TdsServer::start().await;
    let erp = server.database();
    erp.create_table("dbo.T", "id int PRIMARY KEY");
    erp.create_table("dbo.Secret", "id int PRIMARY KEY");
    erp.enable_cdc();
    erp.capture("dbo.T").role("cdc_reader").enable();
    erp.transaction().insert("dbo.T", row! { "id": 1 }).commit().await;
    server
}

async fn reader(server: &TdsServer, login: Login) -> Sql {
    server.login(login);
    connect(config(server, "reader", "word")).await.unwrap()
}

fn plain() -> Login {
    Login::new("reader", "word")
}

#[tokio::test]
async fn nothing_is_shown_without_a_grant() {
    let server = erp().await;
    let mut client = reader(&server, plain()).await;
    for sql in
        ["SELECT * FROM dbo.T", "SELECT * FROM cdc.change_tables", "SELECT * FROM cdc.dbo_T_CT"]
    {
        assert_eq!(code(try_rows(&mut client, sql, &[]).await), 229, "{sql}");
    }
    assert!(rows(&mut client, "SELECT name FROM sys.tables", &[]).await.is_empty());
    assert!(rows(&mut client, "EXEC sys.sp_cdc_help_change_data_capture", &[]).await.is_empty());
    let min = rows(&mut client, "SELECT sys.fn_cdc_get_min_lsn('dbo_T')", &[]).await;
    assert_eq!(lsn(&min[0], 0), Lsn::ZERO);
    for (sql, number) in [
        ("SELECT * FROM sys.dm_cdc_log_scan_sessions", 262),
        ("SELECT * FROM sys.dm_server_services", 300),
        ("SELECT * FROM msdb.dbo.cdc_jobs", 916),
        ("EXEC sys.sp_cdc_enable_db", 22904),
    ] {
        assert_eq!(code(run(&mut client, sql).await), number, "{sql}");
    }
}

#[tokio::test]
async fn grants_show_what_they_are_for() {
    let server = erp().await;
    let login = plain().select("cdc").select("dbo.T").role("cdc_reader");
    let login = login.view_database_state().view_server_state().msdb();
    let mut client = reader(&server, login).await;
    assert_eq!(rows(&mut client, "SELECT * FROM cdc.dbo_T_CT", &[]).await.len(), 1);
    assert_eq!(rows(&mut client, "SELECT * FROM dbo.T", &[]).await.len(), 1);
    assert_eq!(code(try_rows(&mut client, "SELECT * FROM dbo.Secret", &[]).await), 229);
    let min = rows(&mut client, "SELECT sys.fn_cdc_get_min_lsn('dbo_T')", &[]).await;
    assert!(lsn(&min[0], 0) > Lsn::ZERO);
    let help = rows(&mut client, "EXEC sys.sp_cdc_help_change_data_capture", &[]).await;
    assert_eq!(help.len(), 1);
    for sql in [
        "SELECT * FROM sys.dm_cdc_log_scan_sessions",
        "SELECT * FROM sys.dm_server_services",
        "SELECT * FROM msdb.dbo.cdc_jobs",
    ] {
        assert!(!rows(&mut client, sql, &[]).await.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn a_script_of_the_owner_gives_what_it_says() {
    let server = erp().await;
    let mut client = reader(&server, plain()).await;
    let mut owner = crate::client(&server).await;
    let script = "GRANT SELECT ON SCHEMA::cdc TO [reader]; GRANT SELECT ON dbo.T TO [reader]; \
                  ALTER ROLE [cdc_reader] ADD MEMBER [reader]; GRANT VIEW DATABASE STATE TO [reader]; \
                  ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON";
    assert_eq!(code(run(&mut client, script).await), 15247);
    run(&mut owner, script).await.unwrap();
    let permission = "SELECT HAS_PERMS_BY_NAME('cdc', 'SCHEMA', 'SELECT'), \
                      IS_ROLEMEMBER('cdc_reader'), HAS_PERMS_BY_NAME(NULL, 'DATABASE', \
                      'VIEW DATABASE STATE'), HAS_PERMS_BY_NAME('dbo.Secret', 'OBJECT', 'SELECT')";
    let held = &rows(&mut client, permission, &[]).await[0];
    assert_eq!([0, 1, 2, 3].map(|column| int(held, column)), [1, 1, 1, 0]);
    assert_eq!(rows(&mut client, "SELECT * FROM cdc.dbo_T_CT", &[]).await.len(), 1);
}
