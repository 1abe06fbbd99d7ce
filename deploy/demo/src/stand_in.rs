//! What stands in for SQL Server: there is none that a demo could install and throw away.
//!
//! ```text
//! people ──▶ PostgreSQL ── each commit, row by row ──▶ scripted server ── TDS ──▶ bridge
//!                └─ journal, by triggers ──▶ check
//! ```
//!
//! The business is real: people work at once on a real database, which locks, refuses and rolls
//! back. What a transaction has done is in the journal that triggers write, and right behind its
//! commit the same rows are committed to the scripted server, which has the tables of
//! `schema.sqlserver.sql` and captures their changes. The bridge speaks to that one as it would to
//! SQL Server. The check reads the journal, and so asks neither the bridge nor the scripted server
//! what happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use erpbridge_test_support::oracle::{JournalRow, journal};
use erpbridge_test_support::{Failure, Postgres, Result};
use erpbridge_test_tds::{PASSWORD, Row, TdsServer, USER, Value};
use serde_json::Value as Json;
use tiberius::{AuthMethod, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_postgres::{Client, Transaction};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::erp::{DATABASE, TABLES};

const SCHEMA: &str = include_str!("../schema.sqlserver.sql");
const GRANTS: &str = include_str!("../grants.sqlserver.sql");
/// The bridge's login and its password, as in the grants.
const LOGIN: (&str, &str) = ("bridge", "Demo-4711");

/// A transaction finds its own rows at once, however long the journal is.
const JOURNAL_INDEX: &str = "CREATE INDEX journal_xid ON erpbridge_audit.journal (xid)";

/// A `PostgreSQL` with the ERP, and a scripted server that repeats what is committed there.
#[derive(Debug)]
pub struct StandIn {
    postgres: Postgres,
    repeater: Arc<Repeater>,
}

/// The scripted server.
#[derive(Debug)]
pub struct Repeater {
    server: TdsServer,
    /// The names of the tables' key columns.
    keys: HashMap<&'static str, Vec<String>>,
    /// Held from a commit to its repetition: both servers commit in one order.
    turn: tokio::sync::Mutex<()>,
    /// What transactions of the journal are called in the log of the scripted server.
    names: Mutex<HashMap<String, String>>,
}

impl StandIn {
    /// Starts both servers with the tables and rows that this script makes on `PostgreSQL`.
    pub async fn start(script: &str) -> Result<Self> {
        let postgres = Postgres::start().await?;
        postgres.create_database(DATABASE).await?;
        postgres.execute_in(DATABASE, script).await?;
        let server = TdsServer::builder().database(DATABASE).start().await;
        run_script(&server, SCHEMA).await?;
        copy(&postgres.client_of(DATABASE).await?, &server).await?;
        // What was there before is in no change table.
        run_script(&server, GRANTS).await?;
        postgres.execute_in(DATABASE, &journal::audit_sql(&TABLES)).await?;
        postgres.execute_in(DATABASE, JOURNAL_INDEX).await?;
        Ok(Self { postgres, repeater: Arc::new(Repeater::new(server)) })
    }

    /// A connection on which people work; what they commit is repeated by [`Repeater::commit`].
    pub async fn client(&self) -> Result<Client> {
        self.postgres.client_of(DATABASE).await
    }

    /// The scripted server.
    pub fn repeater(&self) -> Arc<Repeater> {
        Arc::clone(&self.repeater)
    }

    /// Runs statements as one transaction.
    pub async fn run(&self, sql: &str) -> Result<()> {
        let failed = |error| Failure::caused(format_args!("cannot run \"{sql}\""), &error);
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute(sql).await.map_err(failed)?;
        self.repeater.commit(transaction).await.map(drop)
    }

    /// What the bridge connects to.
    pub fn url(&self) -> String {
        let ((user, password), port) = (LOGIN, self.repeater.server.port());
        format!("sqlserver://{user}:{password}@127.0.0.1:{port}/{DATABASE}")
    }
}

impl Repeater {
    fn new(server: TdsServer) -> Self {
        let keys = TABLES.map(|table| (table, server.database().key(table)));
        Self {
            server,
            keys: keys.into(),
            turn: tokio::sync::Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// Commits and repeats a transaction, and says what the log of the scripted server calls it:
    /// nothing, if it changed no captured table.
    pub async fn commit(&self, transaction: Transaction<'_>) -> Result<Option<String>> {
        let rows = journal::read_own(&transaction).await?;
        let turn = self.turn.lock().await;
        let committed = transaction.commit().await;
        committed.map_err(|error| Failure::caused("cannot commit", &error))?;
        let name = self.repeat(&rows).await;
        drop(turn);
        if let (Some(row), Some(name)) = (rows.first(), &name) {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.insert(row.transaction.clone(), name.clone());
        }
        Ok(name)
    }

    async fn repeat(&self, rows: &[JournalRow]) -> Option<String> {
        let database = self.server.database();
        let mut transaction = database.transaction();
        for row in rows {
            let table = row.table.as_str();
            transaction = match &row.after {
                Some(after) if row.before.is_none() => transaction.insert(table, cells(after)),
                Some(after) => transaction.update(table, self.key(row), cells(after)),
                None => transaction.delete(table, self.key(row)),
            };
        }
        let commit = transaction.commit().await;
        let id = database.transaction_id(commit)?;
        let digits = id.iter().map(|byte| format!("{byte:02x}"));
        Some(std::iter::once("0x".to_owned()).chain(digits).collect())
    }

    /// The cells by which the row is found.
    fn key(&self, row: &JournalRow) -> Row {
        let names = self.keys.get(row.table.as_str()).into_iter().flatten();
        let cell = |(name, text): (&String, &String)| (name.clone(), Value::from(text.as_str()));
        names.zip(&row.key).map(cell).collect()
    }

    /// Calls transactions as the scripted server's log does.
    pub fn name(&self, mut rows: Vec<JournalRow>) -> Vec<JournalRow> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &mut rows {
            row.transaction = match names.get(&row.transaction) {
                Some(name) => name.clone(),
                None => format!("not noted: {}", row.transaction),
            };
        }
        rows
    }
}

/// The scripted server makes of a text what its column holds.
fn cells(image: &Json) -> Row {
    let cells = image.as_object().into_iter().flatten();
    cells.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// Brings over what was there before anybody looked.
async fn copy(postgres: &Client, server: &TdsServer) -> Result<()> {
    for table in TABLES {
        let failed = |error: &dyn std::error::Error| {
            Failure::caused(format_args!("cannot copy the rows of \"{table}\""), error)
        };
        let sql = format!(
            "SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(to_jsonb(t)))::text \
             FROM {table} AS t"
        );
        let mut images = Vec::new();
        for row in postgres.query(&sql, &[]).await.map_err(|error| failed(&error))? {
            let image: String = row.try_get(0).map_err(|error| failed(&error))?;
            let image: Json = serde_json::from_str(&image).map_err(|error| failed(&error))?;
            images.push(cells(&image));
        }
        server.database().transaction().insert_all(table, images).commit().await;
    }
    Ok(())
}

/// Runs a script as SQL Server's own tools do: batches end at lines that say `GO`.
async fn run_script(server: &TdsServer, script: &str) -> Result<()> {
    let failed = |error| Failure::caused("cannot set up the scripted server", &error);
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(server.port());
    config.database(DATABASE);
    config.authentication(AuthMethod::sql_server(USER, PASSWORD));
    config.encryption(EncryptionLevel::NotSupported);
    let stream = TcpStream::connect(config.get_addr()).await;
    let stream = stream.map_err(|error| Failure::caused("cannot reach it", &error))?;
    let connecting = Box::pin(tiberius::Client::connect(config, stream.compat_write()));
    let mut client = connecting.await.map_err(failed)?;
    for batch in script.split("\nGO\n") {
        let answers = client.simple_query(batch).await.map_err(failed)?;
        answers.into_results().await.map_err(failed)?;
    }
    client.close().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Source;
    use crate::erp::Erp;
    use crate::simulate::{Pace, Simulation};
    use std::time::Duration;

    /// Both servers hold the same rows, however busy it was.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_scripted_server_holds_what_was_committed() {
        let erp = Erp::start(Source::SqlServer).await.unwrap();
        let pace = Pace { people: 4, rate: 400, seed: 5 };
        let simulation = Simulation::start(&erp, pace).await.unwrap();
        // People are at work for a while; how far they get does not matter.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let tally = simulation.stop().await.unwrap();
        assert!(tally.transactions() > 10);

        let Erp::SqlServer(stand_in) = &erp else { unreachable!("it was made so") };
        let fresh = TdsServer::builder().database(DATABASE).start().await;
        run_script(&fresh, SCHEMA).await.unwrap();
        copy(&stand_in.client().await.unwrap(), &fresh).await.unwrap();
        for table in TABLES {
            let rows = stand_in.repeater.server.database().rows(table);
            assert!(!rows.is_empty());
            assert_eq!(rows, fresh.database().rows(table), "{table}");
        }
    }
}
