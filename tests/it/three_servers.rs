//! The same rows give the same events, whichever server they come from.
//!
//! The made-up ERP of the demo runs on `PostgreSQL`, `MariaDB` and `MySQL` 5.6. The same statements
//! run on each, one mapping reads all three, and what comes out may differ only in where it came
//! from.

use std::collections::BTreeSet;
use std::time::Duration;

use erpbridge_test_support::{
    Bridge, Directory, Flavour, Mysql, Nats, NatsVersion, Port, Postgres, StoredMessage, log_tail,
    read_stream, wait_for,
};
use serde_json::Value;

use crate::shop::validate;

const DEADLINE: Duration = Duration::from_mins(1);

const POSTGRES: &str = include_str!("../../deploy/demo/schema.sql");
const MARIADB: &str = include_str!("../../deploy/demo/schema.mariadb.sql");

/// What the company has before the bridge comes.
const BEFORE: [&str; 4] = [
    "INSERT INTO legacy.spma (suco, susu, sunm, sucu, sult) VALUES
       ('01', 'S0001', 'SUPPLIER ONE', 'EUR', 5), ('02', 'S0002', 'SUPPLIER TWO', 'USD', 12)",
    "INSERT INTO legacy.itma (imco, imit, imds, imum, imgr, imwt, impr, imcd, imtx) VALUES
       ('01', 'I00001', 'BOLT', 'PC', 'G1', 0.1, 1.25, 20200102, NULL),
       ('01', 'I00002', 'It''s a \"NUT\"', 'KG', ' ', 16.1, 90.5, 0, 'words'),
       ('02', 'I00001', 'M 8', 'M', 'G3', 3.1, 0.0001, 20231231, 'more words')",
    "INSERT INTO legacy.stbl (blco, blpl, blit, blum, blqt) VALUES
       ('01', 'P10', 'I00001', 'PC', 100.5), ('02', 'P30', 'I00001', 'M', 0)",
    "INSERT INTO legacy.pohd (hdid, hdco, hdpl, hdno, hdst, hdsu, hdcu, hdby, hdod, hdtl) VALUES
       (1, '01', 'P10', NULL, 'D', 'S0001', 'EUR', 'ANN', 20240102, 0)",
];

/// What happens while it follows the log; each is a transaction.
const AFTER: [&str; 13] = [
    "INSERT INTO legacy.poln (lnhd, lnln, lnco, lnpl, lnit, lnum, lnqt, lnpr, lncu, lnrq) VALUES
       (1, 1, '01', 'P10', 'I00001', 'PC', 10, 1.25, 'EUR', 124033),
       (1, 2, '01', 'P10', 'I00002', 'KG', 2.5, 90.5, 'EUR', 0)",
    "UPDATE legacy.pohd SET hdtl = 238.75, hdby = 'BOB' WHERE hdid = 1",
    "UPDATE legacy.pohd SET hdst = 'S' WHERE hdid = 1",
    "UPDATE legacy.pohd SET hdst = 'R', hdno = '450001' WHERE hdid = 1",
    "INSERT INTO legacy.stmv (mvid, mvco, mvpl, mvit, mvty, mvqt, mvtl, mvum, mvdt, mvtm, mvhd, mvln,
       mvdn) VALUES (1, '01', 'P10', 'I00001', 'RC', 4, 'L1', 'PC', 20240115, 93059, 1, 1, 'DN-1')",
    "UPDATE legacy.poln SET lnrc = 4, lnst = 'P' WHERE lnhd = 1 AND lnln = 1",
    "UPDATE legacy.stbl SET blqt = 104.5, bldt = 20240115 WHERE blco = '01'",
    "UPDATE legacy.itma SET imds = 'BOLT M8', impr = 1.3 WHERE imco = '01' AND imit = 'I00001'",
    "UPDATE legacy.itma SET imac = 'N' WHERE imco = '01' AND imit = 'I00002'",
    "UPDATE legacy.spma SET suac = 'N', subl = '2024-01-16 08:00:00.5' WHERE suco = '02'",
    "DELETE FROM legacy.poln WHERE lnhd = 1 AND lnln = 2",
    "UPDATE legacy.pohd SET hdst = 'X', hdcl = '2024-01-17 12:30:00' WHERE hdid = 1",
    "INSERT INTO legacy.itma (imco, imit, imds, imum, imwt, impr) VALUES
       ('02', 'LAST', 'the last', 'PC', 1, 1)",
];

/// One server of the ERP.
enum Erp {
    Postgres(Postgres),
    Mysql(Mysql),
}

impl Erp {
    async fn postgres() -> Self {
        let server = Postgres::builder().start().await.unwrap();
        server.execute(tables(POSTGRES)).await.unwrap();
        let follow: String = ["spma", "itma", "pohd", "poln", "stmv", "stbl"]
            .map(|table| format!("ALTER TABLE legacy.{table} REPLICA IDENTITY FULL;"))
            .concat();
        server.execute(&follow).await.unwrap();
        server.execute("CREATE PUBLICATION erpbridge FOR ALL TABLES").await.unwrap();
        Self::Postgres(server)
    }

    async fn mysql(flavour: Flavour) -> Self {
        let server = Mysql::start(flavour).await.unwrap();
        server.execute(tables(MARIADB)).await.unwrap();
        Self::Mysql(server)
    }

    async fn run(&self, sql: &str) {
        match self {
            Self::Postgres(server) => server.execute(sql).await.unwrap(),
            Self::Mysql(server) => server.execute(sql).await.unwrap(),
        }
    }

    /// The section of the configuration that says where it is.
    fn section(&self) -> String {
        match self {
            Self::Postgres(server) => {
                format!("postgres: {{ url: \"{}\" }}", server.url("postgres"))
            }
            Self::Mysql(server) => format!("mysql: {{ url: \"{}\" }}", server.url("")),
        }
    }

    /// What the bridge makes of all that happens there.
    async fn told(&self) -> Vec<Told> {
        for sql in BEFORE {
            self.run(sql).await;
        }
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        let directory = Directory::new("erp").unwrap();
        let port = Port::reserve().unwrap();
        let mapping = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/legacy-demo");
        let config = format!(
            "sources:\n  - name: erp1\n    {}\n    mappings: [\"{mapping}\"]\n\
             nats: {{ servers: [\"{}\"] }}\nstate: \"{}\"\nhttp: \"{}\"\n",
            self.section(),
            nats.url(),
            directory.join("state").display(),
            port.address(),
        );
        let mut bridge = Bridge::start(env!("CARGO_BIN_EXE_erpbridge"), &config).unwrap();
        bridge.wait_ready(&port.address(), DEADLINE).await.unwrap();
        for sql in AFTER {
            self.run(sql).await;
        }
        let client = nats.client().await.unwrap();
        let all = wait_for("the last event", DEADLINE, async || {
            let mut all = read_stream(&client, "ERP_ERP1").await.unwrap_or_default();
            all.retain(|message| message.subject.starts_with("erp."));
            let last =
                |event: &StoredMessage| String::from_utf8_lossy(&event.payload).contains("LAST");
            all.last().is_some_and(last).then_some(all)
        });
        let all = match all.await {
            Ok(all) => all,
            Err(failure) => panic!("{failure}: {}", log_tail(&bridge.log())),
        };
        assert!(bridge.terminate(DEADLINE).await.unwrap().success());
        all.iter().for_each(validate);
        let mut told: Vec<Told> = all.iter().map(Told::of).collect();
        // Tables are read side by side: their rows come in the order the readers are fast.
        let read =
            told.iter().take_while(|told| told.data["source"]["operation"] == "read").count();
        told[..read].sort_by_cached_key(|told| (told.subject.clone(), told.data.to_string()));
        told
    }
}

/// The part of a script that makes the tables.
fn tables(script: &str) -> &str {
    script.split_once("-- What the company has before").unwrap().0
}

/// An event, without where it came from.
#[derive(Debug, PartialEq)]
struct Told {
    subject: String,
    data: Value,
}

impl Told {
    fn of(event: &StoredMessage) -> Self {
        let mut data = event.json().unwrap();
        let members = data.as_object_mut().unwrap();
        // It begins with a place of the server's log.
        members.remove("revision").unwrap();
        let source = members["source"].as_object_mut().unwrap();
        for own in ["committed_at", "transaction"] {
            source.remove(own).unwrap();
        }
        Self { subject: event.subject.clone(), data }
    }
}

#[tokio::test]
async fn the_same_rows_give_the_same_events_from_three_servers() {
    let expected = Erp::postgres().await.told().await;
    let types: BTreeSet<_> = expected.iter().map(|told| &told.subject).collect();
    assert!(types.len() > 10, "{types:#?}");
    for flavour in Flavour::ALL {
        let found = Erp::mysql(flavour).await.told().await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{flavour:?}");
        }
        assert_eq!(found.len(), expected.len(), "{flavour:?}");
    }
}
