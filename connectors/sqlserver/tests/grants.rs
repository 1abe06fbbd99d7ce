//! The grants script that is shipped, on a scripted server.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use erpbridge_connector::TableName;
use erpbridge_connector::testkit::Tables;
use erpbridge_sqlserver::{Secret, SqlServerConfig, check};
use erpbridge_test_tds::{PASSWORD, TdsServer, USER};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt;

const SCRIPT: &str = "../../deploy/grants/sqlserver.sql";

/// Runs a script as SQL Server's own tools do: batches end at lines that say `GO`.
async fn run(server: &TdsServer, script: &str) {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(server.port());
    config.database("ERP");
    config.authentication(AuthMethod::sql_server(USER, PASSWORD));
    config.encryption(EncryptionLevel::NotSupported);
    let stream = TcpStream::connect(config.get_addr()).await.unwrap();
    let connecting = Box::pin(Client::connect(config, stream.compat_write()));
    let mut client = connecting.await.unwrap();
    for batch in script.split("\nGO\n") {
        let answers = client.simple_query(batch).await.unwrap();
        answers.into_results().await.unwrap();
    }
}

#[tokio::test]
async fn after_the_shipped_script_the_check_has_nothing_to_say() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    let mut script = std::fs::read_to_string(script).unwrap();
    // The scripted server's own administrator has the name the script gives to the bridge.
    assert_eq!(USER, "erpbridge");
    for behind in [";", " WITH", " FOR"] {
        script = script.replace(&format!(" erpbridge{behind}"), &format!(" bridge{behind}"));
    }
    let server = TdsServer::start().await;
    server.database().create_table("dbo.purchase_order", "id int PRIMARY KEY, note nvarchar(max)");
    let lines = "ord int, line int, PRIMARY KEY (ord, line)";
    server.database().create_table("dbo.purchase_order_line", lines);
    run(&server, &script).await;

    let url = format!("sqlserver://bridge@127.0.0.1:{}/ERP", server.port());
    let mut config = SqlServerConfig::from_url("north", &url).unwrap();
    config.password = Some(Secret::new("Change-me-1"));
    let mapped = ["purchase_order", "purchase_order_line"].map(|name| TableName::new("dbo", name));
    let findings = check(&config, &Tables::new(&mapped)).await.unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}
