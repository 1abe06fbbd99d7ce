//! A snapshot that broke off goes on where it was, and not at the first row.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::testkit::{Line, Tables, Tail};
use erpbridge_connector::{Position, TableName};
use erpbridge_sqlserver::{Secret, SqlServerConfig, SqlServerSource};
use erpbridge_test_tds::{PASSWORD, TdsServer, USER, row};

const ROWS: i64 = 4_000;
const CHUNK: usize = 100;

struct Shop {
    tds: TdsServer,
    config: SqlServerConfig,
    tables: Vec<TableName>,
}

impl Shop {
    /// A captured table with many rows, whose keys are texts of different lengths.
    async fn open() -> Self {
        let tds = TdsServer::start().await;
        let erp = tds.database();
        erp.enable_cdc();
        erp.create_table("dbo.item", "code nvarchar(20) NOT NULL PRIMARY KEY, qty int");
        erp.capture("dbo.item").enable();
        let mut filling = erp.transaction();
        for number in 0..ROWS {
            filling = filling.insert("dbo.item", row! { "code": code(number).as_str(), "qty": 0 });
        }
        filling.commit().await;
        let url = format!("sqlserver://{USER}@127.0.0.1:{}/ERP", tds.port());
        let mut config = SqlServerConfig::from_url("north", &url).unwrap();
        config.password = Some(Secret::new(PASSWORD));
        config.snapshot_chunk_rows = CHUNK;
        config.poll_interval = Duration::from_millis(50);
        Self { tds, config, tables: vec![TableName::new("dbo", "item")] }
    }

    fn start(&self, resume_after: Option<&Position>) -> Tail {
        let source = SqlServerSource::new(self.config.clone(), Arc::new(Tables::new(&self.tables)));
        // A small queue, so that a kill leaves most of the table unread.
        Tail::start(source, resume_after, 16 << 10)
    }

    /// Waits while the capture job says now and then that nothing happens, as it does every five
    /// minutes on a real server.
    async fn while_idle<T>(&self, waiting: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let mut waiting = std::pin::pin!(waiting);
        loop {
            // Nothing is lost with either branch: the waiting goes on, a tick is as good as another.
            tokio::select! {
                done = &mut waiting => return done,
                _ = ticks.tick() => drop(self.tds.database().idle()),
            }
        }
    }

    /// Starts the source and kills it when it has sent so many rows.
    async fn kill_after(
        &self,
        rows: usize,
        resume_after: Option<&Position>,
    ) -> (Vec<Line>, Position) {
        let mut tail = self.start(resume_after);
        let received = tail.until("some rows", |tail| tail.lines.len() >= rows);
        self.while_idle(received).await;
        let lines = std::mem::take(&mut tail.lines);
        let at = tail.newest();
        tail.kill().await;
        (lines, at)
    }
}

fn code(number: i64) -> String {
    format!("{}-é{number:05}", "x".repeat(usize::try_from(number % 3).unwrap()))
}

/// What somebody has who applied these lines in their order.
fn applied(lines: &[Line]) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in lines {
        let (word, rest) = line.text.split_once(" item ").unwrap();
        let image = rest.trim_start_matches("was ").split(" was ").next().unwrap();
        let (code, qty) = image.trim_matches(['[', ']', ' ']).split_once('|').unwrap();
        match word {
            "delete" => drop(rows.remove(code)),
            _ => drop(rows.insert(code.to_owned(), qty.to_owned())),
        }
    }
    rows
}

#[tokio::test]
async fn a_table_is_read_on_behind_the_last_stored_key_and_its_changes_meet_both_parts() {
    let shop = Shop::open().await;
    let (mut lines, at) = shop.kill_after(900, None).await;
    assert!(at.as_str().contains(";part="), "{at}");

    // Changes of rows that were read, of rows that were not, and of a row that moves between them.
    let erp = shop.tds.database();
    let (early, late) = (code(0), code(2));
    erp.transaction()
        .update("dbo.item", row! { "code": early.as_str() }, row! { "qty": 1 })
        .update("dbo.item", row! { "code": late.as_str() }, row! { "qty": 2 })
        .delete("dbo.item", row! { "code": code(3).as_str() })
        .delete("dbo.item", row! { "code": code(3_998).as_str() })
        .insert("dbo.item", row! { "code": "-a", "qty": 3 })
        .insert("dbo.item", row! { "code": "zz", "qty": 4 })
        .commit()
        .await;

    // Once more in between: the second part also ends inside the table.
    let (second, at) = shop.kill_after(700, Some(&at)).await;
    lines.extend(second);
    let mut tail = shop.start(Some(&at));
    shop.while_idle(tail.following()).await;
    let third = tail.stop().await;
    let read = third.iter().filter(|line| line.text.starts_with("read")).count();
    let all = usize::try_from(ROWS).unwrap();
    assert!(read < all - 1_000, "{read} rows were read at the last start");

    lines.extend(third);
    let reads = lines.iter().filter(|line| line.text.starts_with("read")).count();
    assert!(reads < all + 6 * CHUNK, "{reads} rows were read in all");
    let rows = applied(&lines);
    assert_eq!(rows.len(), all, "two were deleted, two inserted");
    assert_eq!(rows.get(&early).map(String::as_str), Some("1"));
    assert_eq!(rows.get(&late).map(String::as_str), Some("2"));
    assert_eq!(rows.get("-a").map(String::as_str), Some("3"));
    assert_eq!(rows.get("zz").map(String::as_str), Some("4"));
    assert!(!rows.contains_key(&code(3)) && !rows.contains_key(&code(3_998)));
}
