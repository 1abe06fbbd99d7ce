//! What is read of the tables' shapes.

use erpbridge_connector::{ColumnKind, ReplicaIdentity};
use erpbridge_mysql::catalog::{discover, log_end, tables};
use erpbridge_mysql::session::connect;
use erpbridge_test_support::{Flavour, Mysql};

use crate::{Database, config};

const SHAPES: &str = "
CREATE DATABASE erp; USE erp;
CREATE TABLE `Order` (
  line INT NOT NULL, plant CHAR(8) CHARACTER SET latin1 NOT NULL, note TEXT,
  state ENUM('open','it''s \"closed\"'), qty DECIMAL(12,4) UNSIGNED,
  at TIMESTAMP(3) NULL, gone INT, PRIMARY KEY (plant, line)) ENGINE=InnoDB;
ALTER TABLE `Order` DROP COLUMN gone;
CREATE TABLE nokey (a INT) ENGINE=MyISAM;
CREATE VIEW orders AS SELECT 1;
CREATE DATABASE other; CREATE TABLE other.`Order` (x INT);
INSERT INTO nokey VALUES (1), (2), (3)";

#[tokio::test]
async fn discover_tells_every_wanted_table() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(SHAPES).await.unwrap();
        let found = discover(&config(&server), &Database("erp")).await.unwrap();
        let names: Vec<String> = found.iter().map(|table| table.name.to_string()).collect();
        assert_eq!(names, ["erp.Order", "erp.nokey"]);

        let order = &found[0];
        let column = |name: &str| &order.columns[order.column(name).unwrap()];
        for (name, kind, type_name) in [
            ("line", ColumnKind::Integer, "int(11)"),
            ("plant", ColumnKind::Text, "char(8)"),
            ("state", ColumnKind::Text, "enum('open','it''s \"closed\"')"),
            ("qty", ColumnKind::Decimal, "decimal(12,4) unsigned"),
            ("at", ColumnKind::Instant, "timestamp(3)"),
        ] {
            assert_eq!((column(name).kind, column(name).type_name.as_str()), (kind, type_name));
        }
        assert!(order.column("gone").is_none());
        let key: Vec<&str> = order.primary_key.iter().map(|i| &*order.columns[*i].name).collect();
        assert_eq!(key, ["plant", "line"]);
        assert_eq!(order.identity, ReplicaIdentity::Full);
        assert!(found[1].primary_key.is_empty());

        server.execute("SET GLOBAL binlog_row_image = 'MINIMAL'").await.unwrap();
        let found = discover(&config(&server), &Database("erp")).await.unwrap();
        assert_eq!(found[0].identity, ReplicaIdentity::Key);
    }
}

#[tokio::test]
async fn a_table_has_the_shape_that_reads_its_rows_in_the_log() {
    for flavour in Flavour::ALL {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(SHAPES).await.unwrap();
        let mut session = connect(&config(&server)).await.unwrap();
        let found = tables(&mut session, |table| table.schema == "erp").await.unwrap();
        let order = &found[0];
        assert!(order.keeps_versions() && !found[1].keeps_versions());
        assert_eq!(found[1].rows_estimate, Some(3));
        let column = |name: &str| {
            let mut columns = order.shape.columns.iter();
            columns.find(|column| column.name == name).unwrap()
        };
        assert_eq!(column("plant").character_set.as_deref(), Some("latin1"));
        assert_eq!((column("plant").key, column("line").key), (Some(1), Some(2)));
        assert_eq!(column("plant").octet_length, Some(8));
        assert_eq!(column("at").datetime_precision, Some(3));
        assert_eq!(column("state").labels(), ["open", "it's \"closed\""]);
        assert!(column("qty").unsigned() && column("note").nullable && !column("line").nullable);
        session.close().await;
    }
}

#[tokio::test]
async fn computed_and_hidden_columns_are_told_as_the_log_has_them() {
    let server = Mysql::start(Flavour::MariaDb).await.unwrap();
    let sql = "CREATE DATABASE erp; CREATE TABLE erp.t (id INT PRIMARY KEY,
               twice INT GENERATED ALWAYS AS (id * 2) STORED,
               thrice INT GENERATED ALWAYS AS (id * 3) VIRTUAL, unseen INT INVISIBLE)";
    server.execute(sql).await.unwrap();
    let mut session = connect(&config(&server)).await.unwrap();
    let found = tables(&mut session, |table| table.schema == "erp").await.unwrap();
    let columns = found[0].shape.columns.iter();
    let columns: Vec<_> = columns.map(|column| (column.name.as_str(), column.generated)).collect();
    assert_eq!(columns, [("id", false), ("twice", true), ("thrice", true), ("unseen", false)]);
    session.close().await;
}

#[tokio::test]
async fn the_end_of_the_log_moves_with_each_commit_and_names_what_is_before_it() {
    for flavour in Flavour::ALL {
        let builder = Mysql::builder(flavour);
        let builder = match flavour {
            Flavour::MariaDb => builder,
            Flavour::Mysql56 => {
                builder.setting("gtid_mode", "ON").setting("enforce_gtid_consistency", "ON")
            }
        };
        let server = builder.start().await.unwrap();
        let mut session = connect(&config(&server)).await.unwrap();
        let before = log_end(&mut session).await.unwrap();
        server.execute("CREATE DATABASE erp").await.unwrap();
        let after = log_end(&mut session).await.unwrap();
        assert_eq!(before.at.file, after.at.file);
        assert!(before.at.offset < after.at.offset);
        assert_eq!(after.gtids.is_some(), flavour == Flavour::Mysql56);
        session.close().await;
    }
}

#[tokio::test]
async fn a_server_without_a_log_is_told_so() {
    let server = Mysql::builder(Flavour::MariaDb).setting("log_bin", "OFF");
    // `log_bin` names a file; without a log it must not be given at all.
    let server = server.setting("skip_log_bin", "").start().await.unwrap();
    let mut session = connect(&config(&server)).await.unwrap();
    let error = log_end(&mut session).await.unwrap_err();
    assert!(error.to_string().contains("writes no binary log"));
    session.close().await;
}
