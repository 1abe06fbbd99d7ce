//! A scripted server behind the checks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use erpbridge_connector::testkit::{Bench, TypeCase, Write};
use erpbridge_connector::{Source, TableName, TableSelection};
use erpbridge_sqlserver::session::connect;
use erpbridge_sqlserver::{Secret, SqlServerConfig, SqlServerSource};
use erpbridge_test_tds::{Login, PASSWORD, TdsServer, USER, Value, row};

use crate::types::types;

const READER: &str = "reader";

/// A private server with one captured database.
pub struct Server {
    server: TdsServer,
    /// What the reader has been granted.
    granted: Mutex<Vec<&'static str>>,
}

const GRANTS: [&str; 3] = ["SELECT ON SCHEMA::cdc", "SELECT ON SCHEMA::dbo", "VIEW SERVER STATE"];

impl Server {
    pub async fn start() -> Self {
        let server = TdsServer::start().await;
        server.database().enable_cdc();
        let server = Self { server, granted: Mutex::new(GRANTS.to_vec()) };
        server.grant();
        server
    }

    fn grant(&self) {
        let granted = self.granted.lock().unwrap();
        let login = Login::new(READER, PASSWORD).view_database_state();
        let login = granted.iter().fold(login, |login, grant| match *grant {
            "SELECT ON SCHEMA::cdc" => login.select("cdc"),
            "SELECT ON SCHEMA::dbo" => login.select("dbo"),
            _ => login.view_server_state(),
        });
        self.server.login(login);
    }

    fn config(&self, user: &str) -> SqlServerConfig {
        let url = format!("sqlserver://{user}@127.0.0.1:{}/ERP", self.server.port());
        let mut config = SqlServerConfig::from_url("north", &url).unwrap();
        config.password = Some(Secret::new(PASSWORD));
        config.poll_interval = Duration::from_millis(50);
        config
    }

    fn create(&self, name: &str, columns: &str) -> TableName {
        let table = format!("dbo.{name}");
        self.server.database().create_table(&table, columns);
        self.server.database().capture(&table).enable();
        TableName::new("dbo", name)
    }
}

impl Bench for Server {
    async fn create_table(&self, name: &str) -> TableName {
        self.create(name, "id int NOT NULL PRIMARY KEY, note nvarchar(max)")
    }

    async fn create_table_of(&self, name: &str, types: &[TypeCase]) -> TableName {
        let columns = types.iter().enumerate();
        let columns = columns.map(|(place, case)| format!(", c{place} {}", case.declared));
        self.create(name, &format!("id int NOT NULL PRIMARY KEY{}", columns.collect::<String>()))
    }

    async fn commit(&self, writes: &[Write]) {
        let id = |id: &u32| row! { "id": i64::from(*id) };
        let mut transaction = self.server.database().transaction();
        for write in writes {
            transaction = match write {
                Write::Insert(table, number, note) => transaction.insert(
                    &table.to_string(),
                    row! { "id": i64::from(*number), "note": note.as_str() },
                ),
                Write::Update(table, number, note) => transaction.update(
                    &table.to_string(),
                    id(number),
                    row! { "note": note.as_str() },
                ),
                Write::Delete(table, number) => transaction.delete(&table.to_string(), id(number)),
            };
        }
        transaction.commit().await;
    }

    async fn insert_values(&self, table: &TableName, id: u32, values: &[&str]) {
        let mut row = row! { "id": i64::from(id) };
        for (place, value) in values.iter().enumerate() {
            let value = match *value {
                "NULL" => Value::Null,
                text => Value::from(text),
            };
            row.push((format!("c{place}"), value));
        }
        self.server.database().transaction().insert(&table.to_string(), row).commit().await;
    }

    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source> {
        Box::new(SqlServerSource::new(self.config(READER), selection))
    }

    fn types(&self) -> Vec<TypeCase> {
        types()
    }

    fn silence_limit(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn privileges(&self, tables: &[TableName]) -> Vec<String> {
        let captured = tables.iter().map(|table| format!("capture of {}", table.table));
        let grants = GRANTS.iter().take(2).map(|&grant| grant.to_owned());
        grants.chain(captured).collect()
    }

    async fn revoke(&self, privilege: &str) {
        match privilege.strip_prefix("capture of ") {
            Some(table) => self.server.database().release(&format!("dbo_{table}")),
            None => {
                self.granted.lock().unwrap().retain(|grant| *grant != privilege);
                self.grant();
            }
        }
    }

    async fn mend(&self, statement: &str) {
        let granted = GRANTS.iter().find(|grant| statement.starts_with(&format!("GRANT {grant} ")));
        if let Some(grant) = granted {
            self.granted.lock().unwrap().push(grant);
            return self.grant();
        }
        let mut session = connect(&self.config(USER)).await.unwrap();
        session.run("mend", statement).await.unwrap();
        session.close().await;
    }
}
