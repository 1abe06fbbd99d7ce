//! A scripted server behind the checks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erpbridge_connector::testkit::{Bench, Explores, Tables, TypeCase, Write};
use erpbridge_connector::{Explorer, Source, TableName, TableSelection};
use erpbridge_sqlserver::{Secret, SqlServerConfig, SqlServerSource};
use erpbridge_test_tds::{Login, PASSWORD, TdsServer, Value, row};

use crate::types::types;

const READER: &str = "reader";

/// A private server with one captured database.
pub(crate) struct Server {
    tds: TdsServer,
    tables: Mutex<Vec<String>>,
    /// What the reader may not select from, as statements name it.
    revoked: Mutex<BTreeSet<String>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let tds = TdsServer::start().await;
        tds.database().enable_cdc();
        let server = Self { tds, tables: Mutex::default(), revoked: Mutex::default() };
        server.grant();
        server
    }

    fn grant(&self) {
        let (tables, revoked) = (self.tables.lock().unwrap(), self.revoked.lock().unwrap());
        let mut login = Login::new(READER, PASSWORD).view_database_state().view_server_state();
        if !revoked.contains("SCHEMA::cdc") {
            login = login.select("cdc");
        }
        for table in tables.iter().filter(|table| !revoked.contains(&format!("[dbo].[{table}]"))) {
            login = login.select(&format!("dbo.{table}"));
        }
        self.tds.login(login);
    }

    fn config(&self) -> SqlServerConfig {
        let url = format!("sqlserver://{READER}@127.0.0.1:{}/ERP", self.tds.port());
        let mut config = SqlServerConfig::from_url("north", &url).unwrap();
        config.password = Some(Secret::new(PASSWORD));
        config.poll_interval = Duration::from_millis(50);
        config
    }

    fn create(&self, name: &str, columns: &str) -> TableName {
        let table = format!("dbo.{name}");
        self.tds.database().create_table(&table, columns);
        self.tds.database().capture(&table).enable();
        self.tables.lock().unwrap().push(name.to_owned());
        self.grant();
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
        let mut transaction = self.tds.database().transaction();
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
        self.tds.database().transaction().insert(&table.to_string(), row).commit().await;
    }

    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source> {
        Box::new(SqlServerSource::new(self.config(), selection))
    }

    fn types(&self) -> Vec<TypeCase> {
        types()
    }

    fn silence_limit(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn privileges(&self, tables: &[TableName]) -> Vec<String> {
        let tables = tables.iter().map(|table| format!("[{}].[{}]", table.schema, table.table));
        std::iter::once("SCHEMA::cdc".to_owned()).chain(tables).collect()
    }

    async fn revoke(&self, privilege: &str) {
        self.revoked.lock().unwrap().insert(privilege.to_owned());
        self.grant();
    }

    async fn mend(&self, statement: &str) {
        let grant = statement.strip_prefix("GRANT SELECT ON ");
        let (what, _) = grant.and_then(|grant| grant.split_once(" TO ")).expect("a grant");
        self.revoked.lock().unwrap().remove(what);
        self.grant();
    }
}

impl Explores for Server {
    fn explorer(&self) -> Box<dyn Explorer> {
        Box::new(SqlServerSource::new(self.config(), Arc::new(Tables::new([]))))
    }
}
