//! The SQL half against real servers: the catalog, the checks, the snapshot.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed unwrap or index is a failed test"
)]

mod catalog;
mod check;
mod grants;
mod snapshot;
#[path = "../contract/types.rs"]
mod types;

use erpbridge_connector::{TableName, TableSelection};
use erpbridge_mysql::config::MysqlConfig;
use erpbridge_test_support::Mysql;

/// Tables by name, as a mapping without patterns selects them.
struct Named(Vec<TableName>);

impl Named {
    /// From `database.table` names.
    fn new(names: &[&str]) -> Self {
        let name = |name: &&str| {
            let (schema, table) = name.split_once('.').unwrap();
            TableName::new(schema, table)
        };
        Self(names.iter().map(name).collect())
    }
}

impl TableSelection for Named {
    fn wants(&self, table: &TableName) -> bool {
        self.0.contains(table)
    }

    fn named(&self) -> Vec<TableName> {
        self.0.clone()
    }
}

/// Every table of a database, as a mapping with a pattern selects them.
struct Database(&'static str);

impl TableSelection for Database {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == self.0
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

/// The superuser's source.
fn config(server: &Mysql) -> MysqlConfig {
    MysqlConfig::from_url("north", &server.url("")).unwrap()
}

/// A user with nothing but a login.
async fn bare_user(server: &Mysql) -> MysqlConfig {
    server.create_user("bridge", "bridge-secret").await.unwrap();
    MysqlConfig::from_url("north", &server.url_for("bridge", "bridge-secret", "")).unwrap()
}
