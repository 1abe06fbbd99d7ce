//! A server with a log to be drained: purchase orders and their lines, in transactions of 1 to 50
//! rows.

use erpbridge_mysql::shape::{ColumnShape, TableShape};
use erpbridge_test_support::{Flavour, Mysql};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

const TABLES: &str = "
CREATE TABLE po_header (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, code VARCHAR(20) NOT NULL,
  supplier VARCHAR(40) CHARACTER SET latin1, state ENUM('draft', 'open', 'closed') NOT NULL,
  ordered DATE NOT NULL, total DECIMAL(14,2) NOT NULL, rate DECIMAL(12,6), currency CHAR(3),
  note TEXT, made TIMESTAMP NOT NULL, changed DATETIME, version INT NOT NULL);
CREATE TABLE po_line (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, po INT UNSIGNED NOT NULL, line SMALLINT NOT NULL,
  item VARCHAR(30) NOT NULL, text VARCHAR(80) CHARACTER SET latin1, quantity DECIMAL(12,3) NOT NULL,
  received DECIMAL(12,3) NOT NULL, unit CHAR(3), price DECIMAL(14,4) NOT NULL, due DATE,
  promised DATE, closed TINYINT(1) NOT NULL, weight DOUBLE, site VARCHAR(10), changed DATETIME(3))";

const SHAPES: &str = "SELECT table_name, column_name, data_type, column_type, character_set_name, \
    character_octet_length, datetime_precision, column_key = 'PRI' \
    FROM information_schema.columns WHERE table_schema = 'erp' ORDER BY table_name, ordinal_position";

const FEWEST: u64 = 1;
const MOST: u64 = 50;

/// The server and what it has logged.
pub(crate) struct Backlog {
    pub(crate) server: Mysql,
    pub(crate) changes: u64,
    pub(crate) shapes: Vec<TableShape>,
}

impl Backlog {
    pub(crate) async fn write(rows: u64) -> Self {
        let builder = Mysql::builder(Flavour::MariaDb).setting("innodb_buffer_pool_size", "256M");
        let server = builder.setting("innodb_flush_log_at_trx_commit", "0").start().await.unwrap();
        server.create_database("erp").await.unwrap();
        let mut client = server.client_of("erp").await.unwrap();
        client.query_drop(TABLES).await.unwrap();
        let (mut changes, mut turn) = (0, 0);
        while changes < rows {
            changes += commit(&mut client, turn).await;
            turn += 1;
        }
        let shapes = shapes(&mut client).await;
        client.disconnect().await.unwrap();
        Self { server, changes, shapes }
    }

    pub(crate) fn bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.server.data()).unwrap().map(Result::unwrap);
        let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("binlog.0"));
        logs.map(|file| file.metadata().unwrap().len()).sum()
    }
}

/// One transaction: of five, three insert, one updates a range and one updates single rows.
async fn commit(client: &mut Conn, turn: u64) -> u64 {
    let rows = FEWEST + turn * 7 % MOST;
    let statements = match turn % 5 {
        0 => format!(
            "INSERT INTO po_header SELECT NULL, CONCAT('PO-', seq), 'Müller & Söhne', 'open', \
             '2024-02-29', seq * 1.17, 1.083411, 'EUR', 'a note about this order', NOW(), NOW(), 1 \
             FROM seq_1_to_{rows}"
        ),
        1 | 2 => format!(
            "INSERT INTO po_line SELECT NULL, {turn}, seq, CONCAT('ITEM-', seq), 'Schlüssel 13 mm', \
             seq * 1.5, 0, 'PCE', 12.3456, '2024-03-01', NULL, 0, seq / 7, 'MAIN', NOW(3) \
             FROM seq_1_to_{rows}"
        ),
        3 => format!(
            "SET @last = (SELECT MAX(id) FROM po_line); UPDATE po_line \
             SET received = received + 1, changed = NOW(3) WHERE id > @last - {rows}"
        ),
        _ => "UPDATE po_header SET version = version + 1 ORDER BY id DESC LIMIT 5".to_owned(),
    };
    client.query_drop(statements).await.unwrap();
    client.affected_rows()
}

async fn shapes(client: &mut Conn) -> Vec<TableShape> {
    let mut shapes: Vec<TableShape> = Vec::new();
    for row in client.query::<Row, _>(SHAPES).await.unwrap() {
        let table: String = row.get(0).unwrap();
        if shapes.last().is_none_or(|shape| shape.table != table) {
            shapes.push(TableShape { schema: "erp".to_owned(), table, columns: Vec::new() });
        }
        shapes.last_mut().unwrap().columns.push(column(&row));
    }
    shapes
}

fn column(row: &Row) -> ColumnShape {
    ColumnShape {
        name: row.get(1).unwrap(),
        data_type: row.get(2).unwrap(),
        column_type: row.get(3).unwrap(),
        character_set: row.get::<Option<String>, _>(4).unwrap(),
        octet_length: row.get::<Option<u64>, _>(5).unwrap(),
        datetime_precision: row.get::<Option<u8>, _>(6).unwrap(),
        nullable: true,
        key: row.get::<bool, _>(7).unwrap().then_some(1),
        generated: false,
    }
}
