//! A private server whose log's files are read as the connector would read them off the wire.

use std::collections::BTreeMap;
use std::fs;

use erpbridge_connector::SourceError;
use erpbridge_mysql::assemble::{Known, Limits};
use erpbridge_mysql::binlog::Family;
use erpbridge_mysql::position::{Coordinates, FIRST_OFFSET, Reached};
use erpbridge_mysql::shape::{ColumnShape, TableShape};
use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::reading::{DATABASE, Log, Reading};

const COLUMNS: &str = "SELECT table_name, column_name, data_type, column_type, \
    character_set_name, character_octet_length, datetime_precision, is_nullable, column_key, extra \
    FROM information_schema.columns WHERE table_schema = 'erp' ORDER BY table_name, ordinal_position";

pub(crate) struct Lab {
    pub(crate) server: Mysql,
    pub(crate) limits: Limits,
    /// Whether to believe the log where it names the columns, and nobody else.
    pub(crate) by_names: bool,
}

impl Lab {
    pub(crate) async fn start(flavour: Flavour, settings: &[(&str, &str)]) -> Self {
        let builder = settings
            .iter()
            .fold(Mysql::builder(flavour), |builder, (name, value)| builder.setting(name, value));
        let server = builder.start().await.unwrap();
        server.create_database(DATABASE).await.unwrap();
        Self { server, limits: Reading::LIMITS, by_names: false }
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.server.execute_in(DATABASE, sql).await.unwrap();
    }

    fn family(&self) -> Family {
        match self.server.flavour() {
            Flavour::MariaDb => Family::MariaDb,
            Flavour::Mysql56 => Family::MySql,
        }
    }

    /// Everything the server has logged, or the error it ends with.
    pub(crate) async fn log(&self) -> Result<Log, SourceError> {
        let start = Coordinates::new("binlog.000001", FIRST_OFFSET);
        self.log_from(Reached::new(start), Known::Nothing).await
    }

    pub(crate) async fn log_from(
        &self,
        reached: Reached,
        known: Known,
    ) -> Result<Log, SourceError> {
        let reading = Reading {
            family: self.family(),
            limits: self.limits,
            by_names: self.by_names,
            shapes: shapes(&mut self.server.client().await.unwrap()).await,
        };
        let files = self.files(reached.read_from());
        reading.files(&files, reached, known)
    }

    fn files(&self, from: &Coordinates) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.server.data())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| {
                let name = entry.file_name().into_string().unwrap();
                name.starts_with("binlog.0") && name >= from.file
            })
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

/// The tables of the test's database as they are now.
pub(crate) async fn shapes(client: &mut Conn) -> BTreeMap<String, TableShape> {
    let mut shapes: BTreeMap<String, TableShape> = BTreeMap::new();
    for row in client.query::<Row, _>(COLUMNS).await.unwrap() {
        let table: String = row.get(0).unwrap();
        let column = column(&row);
        let shape = shapes.entry(table.clone()).or_insert_with(|| TableShape {
            schema: DATABASE.to_owned(),
            table,
            columns: Vec::new(),
        });
        shape.columns.push(column);
    }
    shapes
}

fn column(row: &Row) -> ColumnShape {
    let text = |place: usize| row.get::<String, _>(place).unwrap();
    ColumnShape {
        name: text(1),
        data_type: text(2),
        column_type: text(3),
        character_set: row.get::<Option<String>, _>(4).unwrap(),
        octet_length: row.get::<Option<u64>, _>(5).unwrap(),
        datetime_precision: row.get::<Option<u8>, _>(6).unwrap(),
        nullable: text(7) == "YES",
        key: (text(8) == "PRI").then_some(1),
        generated: text(9).contains("GENERATED"),
    }
}
