//! `kill -9` in the middle of the first snapshot, while people write to all of its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use erpbridge_test_support::{
    Bridge, NatsVersion, Postgres, StoredMessage, read_stream, wait_for, wait_until,
};

use crate::shop::{DEADLINE, MAPPING, Shop, validate};

/// Six branches of the shop, each with a table and a mapping of its own.
const BRANCHES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const ROWS: usize = 3000;

async fn six_branches() -> (Shop, String) {
    let shop = Shop::bare(Postgres::builder(), NatsVersion::Current).await;
    let mut mappings = Vec::new();
    for branch in BRANCHES {
        let mapping = MAPPING
            .replace("mapping: shop", &format!("mapping: branch-{branch}"))
            .replace("constant: main", &format!("constant: {branch}"))
            .replace(
                "item: { table: public.item",
                &format!("i{branch}: {{ table: public.item_{branch}"),
            )
            .replace("on: item", &format!("on: i{branch}"));
        shop.directory.write(&format!("{branch}.yaml"), &mapping).unwrap();
        mappings.push(format!("\"{}\"", shop.directory.join(format!("{branch}.yaml")).display()));
        shop.sql(&format!(
            "CREATE TABLE item_{branch} (code text PRIMARY KEY, name text NOT NULL);
             ALTER TABLE item_{branch} REPLICA IDENTITY FULL;
             INSERT INTO item_{branch} SELECT n, 'first' FROM generate_series(1, {ROWS}) n"
        ))
        .await;
    }
    let tables = BRANCHES.map(|branch| format!("item_{branch}")).join(", ");
    shop.sql(&format!("CREATE PUBLICATION erpbridge FOR TABLE {tables}")).await;
    let one = format!("\"{}\"", shop.directory.join("mapping.yaml").display());
    let config = shop.config().replace(&one, &mappings.join(", "));
    (shop, config)
}

/// Rows come, change and go in all tables until it is done.
async fn write(shop: &Shop, done: &AtomicBool) {
    let client = shop.postgres.client().await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let mut round = ROWS;
    while !done.load(Ordering::SeqCst) {
        pace.tick().await;
        round += 1;
        let mut sql = String::new();
        for branch in BRANCHES {
            let (old, gone) = (round % ROWS, (round + 1) % ROWS);
            write!(
                sql,
                "INSERT INTO item_{branch} VALUES ('{round}', 'new');
                 UPDATE item_{branch} SET name = 'changed {round}' WHERE code = '{old}';
                 DELETE FROM item_{branch} WHERE code = '{gone}';"
            )
            .unwrap();
        }
        client.batch_execute(&sql).await.unwrap();
    }
}

/// The last message of the stream: its sequence, and the branches its position names as read; none
/// once the snapshot is complete.
async fn newest(shop: &Shop) -> Option<(u64, BTreeSet<&'static str>)> {
    let client = shop.nats.client().await.ok()?;
    let stream = async_nats::jetstream::new(client).get_stream("ERP_SHOP").await.ok()?;
    let last = stream.get_last_raw_message_by_subject("erp.>").await.ok()?;
    let position = last.headers.get("Erp-Position")?.as_str().to_owned();
    let unfinished = position.strip_prefix("snapshot:")?;
    let done = unfinished.split(';').find_map(|field| field.strip_prefix("done="));
    let bits = done.and_then(|done| done.split_once(':')).map_or("00", |(_, bits)| bits);
    let bits = u8::from_str_radix(bits, 16).unwrap();
    let read = BRANCHES.into_iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    Some((last.sequence, read.map(|(_, branch)| branch).collect()))
}

/// Where the stream stood at a kill, and what had been read by then.
type Kill = (u64, BTreeSet<&'static str>);

/// Kills the bridge each time that another table has been read, while there are two more to read.
async fn kill_it(shop: &Shop, bridge: &mut Bridge) -> Vec<Kill> {
    let mut kills: Vec<Kill> = Vec::new();
    for wanted in 1..=4 {
        let read = wait_for("another table is read", DEADLINE, async || {
            newest(shop).await.filter(|(_, read)| read.len() >= wanted)
        })
        .await;
        assert!(read.is_ok(), "{kills:?}\n{}", bridge.log());
        bridge.kill9();
        // What was under way when it died is stored by now, or never.
        let at_rest = newest(shop).await.unwrap();
        kills.push(at_rest);
        bridge.start_again().unwrap();
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_killed_in_its_first_snapshot_finishes_it_and_loses_nothing() {
    let (shop, config) = six_branches().await;
    let mut bridge = shop.launch(&config);
    let done = AtomicBool::new(false);
    let running = async {
        let kills = kill_it(&shop, &mut bridge).await;
        bridge.wait_ready(&shop.http, DEADLINE).await.unwrap();
        done.store(true, Ordering::SeqCst);
        kills
    };
    let (kills, ()) = tokio::join!(running, write(&shop, &done));

    let tables = tables(&shop).await;
    let told_all = wait_until("the stream tells what the tables hold", DEADLINE, async || {
        told(&events(&shop).await) == tables
    });
    assert!(told_all.await.is_ok(), "{}", bridge.log());
    let events = events(&shop).await;
    events.iter().for_each(validate);
    let ids: BTreeSet<&str> = events.iter().map(|event| event.header("ce-id").unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "an event is in the stream twice");
    for (sequence, read) in &kills {
        let again = events.iter().filter(|event| event.sequence > *sequence).filter(|event| {
            event.header("ce-snapshot") == Some("true") && read.contains(&*branch(event))
        });
        assert_eq!(again.count(), 0, "tables {read:?} were read again");
    }
    facts_come_once(&events, &kills[0].1);
}

/// Of tables that were read before the first kill no fact is told twice in a row.
fn facts_come_once(events: &[StoredMessage], read: &BTreeSet<&str>) {
    let mut last = BTreeMap::new();
    for event in events.iter().filter(|event| read.contains(&*branch(event))) {
        let fact = event.header("ce-idempotencykey").unwrap();
        let before = last.insert((branch(event), key(event)), fact);
        assert_ne!(before, Some(fact), "told twice: {:?}", event.subject);
    }
}

async fn events(shop: &Shop) -> Vec<StoredMessage> {
    let client = shop.nats.client().await.unwrap();
    let all = read_stream(&client, "ERP_SHOP").await.unwrap();
    all.into_iter().filter(|message| message.subject.starts_with("erp.")).collect()
}

/// `/erp/<source>/<company>`.
fn branch(event: &StoredMessage) -> String {
    event.header("ce-source").unwrap().rsplit('/').next().unwrap().to_owned()
}

fn key(event: &StoredMessage) -> String {
    event.json().unwrap()["entity"]["key"].as_str().unwrap().to_owned()
}

type Items = BTreeMap<(String, String), String>;

/// What the events tell when applied in order.
fn told(events: &[StoredMessage]) -> Items {
    let mut items = Items::new();
    for event in events {
        let item = (branch(event), key(event));
        match event.json().unwrap()["after"]["description"].as_str() {
            Some(name) => items.insert(item, name.to_owned()),
            None => items.remove(&item),
        };
    }
    items
}

async fn tables(shop: &Shop) -> Items {
    let client = shop.postgres.client().await.unwrap();
    let mut items = Items::new();
    for branch in BRANCHES {
        let sql = format!("SELECT code, name FROM item_{branch}");
        let rows = client.query(&sql, &[]).await.unwrap();
        items.extend(rows.iter().map(|row| ((branch.to_owned(), row.get(0)), row.get(1))));
    }
    items
}
