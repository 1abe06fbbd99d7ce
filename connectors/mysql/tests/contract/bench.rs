//! A private server with one source, as the checks of the contract want it.

use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::{Bench, Explores, Tables, TypeCase, Write};
use erpbridge_connector::{Explorer, Position, Source, TableName, TableSelection};
use erpbridge_mysql::{MysqlConfig, MysqlSource};
use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::Mutex;

use crate::types::types;

/// `net_write_timeout` of the server: how long it waits for a reader of its log to take more.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

/// The user of the bridge, which may do no more than it must.
const PREPARE: &str = "
CREATE DATABASE erp;
CREATE USER 'bridge'@'127.0.0.1' IDENTIFIED BY 'bridge-secret';
GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.* TO 'bridge'@'127.0.0.1';
GRANT LOCK TABLES ON erp.* TO 'bridge'@'127.0.0.1'";

/// The server, and a superuser's session on it.
pub(crate) struct Server {
    client: Mutex<Conn>,
    config: MysqlConfig,
    mysql: Mysql,
}

impl Server {
    pub(crate) async fn start(flavour: Flavour) -> Self {
        let timeout = SILENCE_LIMIT.as_secs().to_string();
        let builder = Mysql::builder(flavour).setting("net_write_timeout", &timeout);
        let mysql = builder.start().await.unwrap();
        mysql.execute(PREPARE).await.unwrap();
        let mut client = mysql.client().await.unwrap();
        let set = "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = ''";
        client.query_drop(set).await.unwrap();
        let url = mysql.url_for("bridge", "bridge-secret", "");
        let config = MysqlConfig::from_url("contract", &url).unwrap();
        Self { client: Mutex::new(client), config, mysql }
    }

    async fn run(&self, sql: &str) {
        let ran = self.client.lock().await.query_drop(sql).await;
        ran.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn create(&self, name: &str, columns: &str) -> TableName {
        self.run(&format!(
            "CREATE TABLE erp.{name} (id INTEGER PRIMARY KEY, {columns}) ENGINE = InnoDB;
             GRANT SELECT ON erp.{name} TO 'bridge'@'127.0.0.1'"
        ))
        .await;
        TableName::new("erp", name)
    }
}

impl Bench for Server {
    async fn create_table(&self, name: &str) -> TableName {
        self.create(name, "note LONGTEXT").await
    }

    async fn create_table_of(&self, name: &str, types: &[TypeCase]) -> TableName {
        let column = |(place, case): (usize, &TypeCase)| format!("c{place} {}", case.declared);
        let columns: Vec<String> = types.iter().enumerate().map(column).collect();
        self.create(name, &columns.join(", ")).await
    }

    async fn commit(&self, writes: &[Write]) {
        let statements: Vec<String> = writes.iter().map(Write::sql).collect();
        self.run(&format!("START TRANSACTION; {}; COMMIT", statements.join("; "))).await;
    }

    async fn insert_values(&self, table: &TableName, id: u32, values: &[&str]) {
        self.run(&format!("INSERT INTO {table} VALUES ({id}, {})", values.join(", "))).await;
    }

    fn source(&self, selection: Arc<dyn TableSelection>) -> Box<dyn Source> {
        Box::new(MysqlSource::new(self.config.clone(), selection))
    }

    fn types(&self) -> Vec<TypeCase> {
        types(self.mysql.flavour())
    }

    fn follows_after(&self, position: &Position) -> bool {
        !position.as_str().starts_with("snapshot:")
    }

    fn silence_limit(&self) -> Duration {
        SILENCE_LIMIT
    }

    fn privileges(&self, tables: &[TableName]) -> Vec<String> {
        let revoke = |what: &str| format!("REVOKE {what} FROM 'bridge'@'127.0.0.1'");
        let mut privileges = vec![
            revoke("REPLICATION SLAVE ON *.*"),
            revoke("REPLICATION CLIENT ON *.*"),
            "SET GLOBAL binlog_format = 'STATEMENT'".to_owned(),
        ];
        if self.mysql.flavour() == Flavour::Mysql56 {
            let process = revoke("PROCESS ON *.*");
            privileges.push(format!("{process}; {}", revoke("LOCK TABLES ON erp.*")));
        }
        privileges.extend(tables.iter().map(|table| revoke(&format!("SELECT ON {table}"))));
        privileges
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
        Box::new(MysqlSource::new(self.config.clone(), Arc::new(Tables::new([]))))
    }
}
