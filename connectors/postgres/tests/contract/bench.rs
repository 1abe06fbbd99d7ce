//! A private server with one source, as the checks of the contract want it.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::{Bench, Explores, Tables, TypeCase, Write};
use erpbridge_connector::{
    Explorer, Finding, Position, Source, SourceContext, SourceError, SourceFuture, TableName,
    TableSchema, TableSelection,
};
use erpbridge_postgres::{PostgresConfig, PostgresSource};
use erpbridge_test_support::Postgres;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::types::{PREPARE, TYPES};

/// `wal_sender_timeout` of the server.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// The database, where everything of the ERP lies in a schema `erp`, and the role of the bridge,
/// which may do no more than it must.
const PREPARE_SCHEMA: &str = "
CREATE ROLE bridge LOGIN REPLICATION PASSWORD 'bridge-secret';
CREATE SCHEMA erp;
GRANT USAGE ON SCHEMA erp TO bridge;
CREATE PUBLICATION erpbridge WITH (publish_via_partition_root = true)";

/// The server, and a superuser's session on it.
pub(crate) struct Server {
    client: Client,
    config: PostgresConfig,
    postgres: Arc<Postgres>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let timeout = format!("{}s", SILENCE_LIMIT.as_secs());
        let builder = Postgres::builder().setting("wal_sender_timeout", &timeout);
        let postgres = builder.start().await.unwrap();
        let client = postgres.client().await.unwrap();
        client.batch_execute(PREPARE_SCHEMA).await.unwrap();
        client.batch_execute(PREPARE).await.unwrap();
        let url = postgres.url_for("bridge", "bridge-secret", "postgres");
        let config = PostgresConfig::from_url("contract", &url).unwrap();
        Self { client, config, postgres: Arc::new(postgres) }
    }

    async fn run(&self, sql: &str) {
        let ran = self.client.batch_execute(sql).await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn create(&self, name: &str, columns: &str) -> TableName {
        self.run(&format!(
            "CREATE TABLE erp.{name} (id integer PRIMARY KEY, {columns});
             GRANT SELECT ON erp.{name} TO bridge;
             ALTER PUBLICATION erpbridge ADD TABLE erp.{name}"
        ))
        .await;
        TableName::new("erp", name)
    }
}

impl Bench for Server {
    async fn create_table(&self, name: &str) -> TableName {
        self.create(name, "note text").await
    }

    async fn create_table_of(&self, name: &str, types: &[TypeCase]) -> TableName {
        let column = |(place, case): (usize, &TypeCase)| format!("c{place} {}", case.declared);
        let columns: Vec<String> = types.iter().enumerate().map(column).collect();
        self.create(name, &columns.join(", ")).await
    }

    async fn commit(&self, writes: &[Write]) {
        let statements: Vec<String> = writes.iter().map(Write::sql).collect();
        // Statements sent together are one transaction.
        self.run(&statements.join("; ")).await;
    }

    async fn insert_values(&self, table: &TableName, id: u32, values: &[&str]) {
        self.run(&format!("INSERT INTO {table} VALUES ({id}, {})", values.join(", "))).await;
    }

    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source> {
        let source = PostgresSource::new(self.config.clone(), selection);
        let slot = self.config.slot.clone();
        Box::new(StartedByAPerson { source, slot, postgres: Arc::clone(&self.postgres) })
    }

    fn types(&self) -> Vec<TypeCase> {
        TYPES.to_vec()
    }

    fn follows_after(&self, position: &Position) -> bool {
        !position.as_str().starts_with("snapshot:")
    }

    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT
    }

    fn privileges(&self, tables: &[TableName]) -> Vec<String> {
        let of_all = [
            "ALTER ROLE bridge NOREPLICATION",
            "REVOKE USAGE ON SCHEMA erp FROM bridge",
            "DROP PUBLICATION erpbridge",
        ];
        let of_each = tables.iter().flat_map(|table| {
            [
                format!("REVOKE SELECT ON {table} FROM bridge"),
                format!(
                    "ALTER ROLE bridge NOBYPASSRLS; ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
                ),
            ]
        });
        of_all.map(str::to_owned).into_iter().chain(of_each).collect()
    }

    async fn revoke(&self, privilege: &str) {
        self.run(privilege).await;
    }

    async fn mend(&self, statement: &str) {
        self.run(statement).await;
    }
}

impl Explores for Server {
    fn explorer(&self) -> Box<dyn Explorer> {
        let tables = Arc::new(Tables::new([]));
        Box::new(PostgresSource::new(self.config.clone(), tables))
    }
}

/// A source that finds no slot when it has no position: the connector never takes a slot over,
/// and says that a person has to drop it. This is that person.
struct StartedByAPerson {
    source: PostgresSource,
    slot: String,
    postgres: Arc<Postgres>,
}

impl StartedByAPerson {
    async fn drop_slot(&self) {
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
             WHERE slot_name = '{}'",
            self.slot
        );
        // The session of the last run may still hold it.
        let drop = async {
            while self.postgres.execute(&sql).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), drop).await.unwrap();
    }
}

impl Source for StartedByAPerson {
    fn check(&self) -> SourceFuture<'_, Result<Vec<Finding>, SourceError>> {
        self.source.check()
    }

    fn discover(&self) -> SourceFuture<'_, Result<Vec<TableSchema>, SourceError>> {
        self.source.discover()
    }

    fn run(&self, context: SourceContext) -> SourceFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            if context.resume_after.is_none() {
                self.drop_slot().await;
            }
            self.source.run(context).await
        })
    }
}
