//! Much at once: one transaction of half a million rows, and hundreds of captured tables. A test
//! binary of its own, because the first one measures the memory of its process.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod tables;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{TableName, TableSelection};
use erpbridge_sqlserver::{Secret, SnapshotMode, SqlServerConfig, SqlServerSource};
use erpbridge_test_tds::{PASSWORD, TdsServer, USER};

/// Every table of the schema `dbo`.
struct Everything;

impl TableSelection for Everything {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == "dbo"
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

async fn server() -> TdsServer {
    let server = TdsServer::start().await;
    server.database().enable_cdc();
    server
}

/// A source of all tables, without a snapshot.
fn source(server: &TdsServer) -> SqlServerSource {
    let url = format!("sqlserver://{USER}@127.0.0.1:{}/ERP", server.port());
    let mut config = SqlServerConfig::from_url("north", &url).unwrap();
    config.password = Some(Secret::new(PASSWORD));
    config.snapshot = SnapshotMode::Never;
    config.poll_interval = Duration::from_millis(100);
    SqlServerSource::new(config, Arc::new(Everything))
}
