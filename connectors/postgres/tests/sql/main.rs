//! The SQL half against a real server: connecting, the catalog, the checks, the snapshot.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod catalog;
mod check;
mod connection;
mod grants;
mod snapshot;

use erpbridge_connector::{TableName, TableSelection};
use erpbridge_postgres::PostgresConfig;
use erpbridge_test_support::Postgres;

/// Tables by name, as a mapping without patterns selects them.
struct Named(Vec<TableName>);

impl Named {
    /// From `schema.table` names.
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

/// Every table of a schema, as a mapping with a pattern selects them.
struct Schema(&'static str);

impl TableSelection for Schema {
    fn wants(&self, table: &TableName) -> bool {
        table.schema == self.0
    }

    fn named(&self) -> Vec<TableName> {
        Vec::new()
    }
}

/// The superuser's source over this database.
fn config(postgres: &Postgres, database: &str) -> PostgresConfig {
    PostgresConfig::from_url("north", &postgres.url(database)).unwrap()
}

/// A role with nothing but a login.
async fn bare_role(postgres: &Postgres, database: &str) -> PostgresConfig {
    postgres.execute("CREATE ROLE bridge LOGIN PASSWORD 'bridge-secret'").await.unwrap();
    let url = postgres.url_for("bridge", "bridge-secret", database);
    PostgresConfig::from_url("north", &url).unwrap()
}
