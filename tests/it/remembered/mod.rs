//! Remembered rows: what is looked up is as of the change that is mapped, whatever happens to the
//! bridge in between. Two bridges follow the same database; one of them is killed again and again,
//! and must publish the same events, byte for byte.

use std::time::Duration;

use erpbridge_test_support::{
    Bridge, Directory, Nats, NatsVersion, Port, Postgres, Seed, StoredMessage, read_stream,
    wait_until,
};
use rand::Rng;
use rand::rngs::StdRng;

use crate::shop::{DEADLINE, validate};

const MAPPING: &str = include_str!("mapping.yaml");

/// Logs of these tables carry keys and nothing else of old rows.
const SCHEMA: &str = "
    CREATE TABLE party (id int PRIMARY KEY, code text);
    CREATE TABLE currency (id int PRIMARY KEY, code text);
    CREATE TABLE uom (id int PRIMARY KEY, symbol text);
    CREATE TABLE product (id int PRIMARY KEY, code text, uom int);
    CREATE TABLE po (id int PRIMARY KEY, number text, state text, party int, currency int);
    CREATE TABLE po_line (id int PRIMARY KEY, po int, product int, quantity numeric, received numeric);
    CREATE TABLE request (id int PRIMARY KEY, po_line int);
    CREATE TABLE move (id int PRIMARY KEY, state text, origin text, quantity numeric);
    CREATE PUBLICATION erpbridge FOR ALL TABLES;
    INSERT INTO currency VALUES (1, 'EUR'), (2, 'USD');
    INSERT INTO uom VALUES (1, 'u'), (2, 'kg');
    INSERT INTO party SELECT n, 'S' || n FROM generate_series(1, 20) n;
    INSERT INTO product SELECT n, 'P' || n, 1 + n % 2 FROM generate_series(1, 50) n;
    INSERT INTO request SELECT n, NULL FROM generate_series(1, 40) n;
    INSERT INTO po SELECT n, NULL, 'draft', 1 + n % 20, 1 FROM generate_series(1, 10) n;
    INSERT INTO po_line SELECT n, 1 + n % 10, 1 + n % 50, n, 0 FROM generate_series(1, 30) n;";

/// One bridge with a configuration, state and page of its own.
struct Follower {
    bridge: Bridge,
    http: Port,
    name: &'static str,
    state: Directory,
}

impl Follower {
    async fn start(name: &'static str, postgres: &Postgres, nats: &Nats) -> Self {
        let (state, http) = (Directory::new(name).unwrap(), Port::reserve().unwrap());
        state.write("mapping.yaml", MAPPING).unwrap();
        let config = format!(
            "sources:\n  - name: {name}\n    postgres: {{ url: \"{}\" }}\n    mappings: [\"{}\"]\n    \
             keep_interval: 1s\n    on_truncate: ignore\nnats: {{ servers: [\"{}\"] }}\nstate: \"{}\"\nhttp: \"{}\"\n",
            postgres.url("postgres"),
            state.join("mapping.yaml").display(),
            nats.url(),
            state.join("state").display(),
            http.address(),
        );
        let mut bridge = Bridge::start(env!("CARGO_BIN_EXE_erpbridge"), &config).unwrap();
        bridge.wait_ready(&http.address(), DEADLINE).await.unwrap();
        Self { bridge, http, name, state }
    }

    async fn events(&self, nats: &Nats) -> Vec<StoredMessage> {
        let stream = format!("ERP_{}", self.name.to_uppercase());
        let Ok(client) = nats.client().await else { return Vec::new() };
        let all = read_stream(&client, &stream).await.unwrap_or_default();
        all.into_iter().filter(|message| message.subject.starts_with("erp.")).collect()
    }
}

/// What an event says, without what tells the two bridges apart.
fn said(event: &StoredMessage, name: &str) -> String {
    let headers = ["ce-id", "ce-type", "ce-subject", "ce-time", "ce-sequence", "ce-correlationid"];
    let headers = headers.map(|header| event.header(header).unwrap_or_default());
    let text = format!(
        "{} {} {}",
        event.subject,
        headers.join(" "),
        String::from_utf8_lossy(&event.payload)
    );
    text.replace(&format!("erp.{name}."), "erp._.").replace(&format!("{name}:"), "_:")
}

/// People at work: orders, lines, receipts and the master data behind them, in transactions of
/// one to a few statements.
fn work(rng: &mut StdRng, next: &mut i32) -> String {
    *next += 1;
    let (id, party, product) = (*next + 1000, rng.random_range(1..=20), rng.random_range(1..=50));
    let old = rng.random_range(1000..=id);
    // Orders that come later than some of their lines, or never.
    let late = 50_000 + *next / 8 + rng.random_range(0..4);
    match rng.random_range(0..16) {
        0 | 1 => format!(
            "INSERT INTO po VALUES ({id}, NULL, 'draft', {party}, 1 + {id} % 2);
             INSERT INTO po_line VALUES ({id}, {id}, {product}, {party}, 0);
             UPDATE request SET po_line = {id} WHERE id = {};",
            1 + id % 40
        ),
        2 => format!("INSERT INTO po_line VALUES ({id}, {old}, {product}, 7, 0);"),
        3 => format!(
            "UPDATE po SET number = 'N' || id WHERE id = {old};
             UPDATE po SET state = 'processing' WHERE id = {old};"
        ),
        4 => format!("UPDATE po SET state = 'done' WHERE id = {old};"),
        5 => format!(
            "INSERT INTO move SELECT {id}, 'draft', 'purchase.line,' || l.id, 3 FROM po_line l
                 WHERE l.id = {old};
             UPDATE move SET state = 'done' WHERE id = {id};"
        ),
        6 => format!("UPDATE po_line SET received = received + 5 WHERE id = {old};"),
        7 => format!("UPDATE party SET code = 'S' || {id} WHERE id = {party};"),
        8 => format!(
            "UPDATE product SET code = 'P' || {id}, uom = 1 + {id} % 2 WHERE id = {product};"
        ),
        9 => format!("INSERT INTO po_line VALUES ({id}, {late}, {product}, 7, 0);"),
        10 => format!(
            "INSERT INTO po VALUES ({late}, 'L{late}', 'draft', {party}, 1) ON CONFLICT DO NOTHING;
             UPDATE po_line SET quantity = quantity + 1 WHERE id = {old};"
        ),
        // What a table held is forgotten, also where that ends its transaction.
        13 => format!(
            "UPDATE po_line SET quantity = quantity + 1 WHERE id = {old};
             TRUNCATE product; TRUNCATE request;"
        ),
        14 | 15 => "INSERT INTO product SELECT n, 'P' || n, 1 + n % 2 FROM generate_series(1, 50) n
                 ON CONFLICT DO NOTHING;
             INSERT INTO request SELECT n, NULL FROM generate_series(1, 40) n ON CONFLICT DO NOTHING;"
            .to_owned(),
        11 => format!(
            "UPDATE po_line SET quantity = quantity + 1, received = received + 4 WHERE po = {late};"
        ),
        _ => format!(
            "DELETE FROM po_line WHERE id = {old} AND received = 0 AND NOT EXISTS (SELECT FROM move WHERE origin = 'purchase.line,' || {old});"
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bridge_publishes_the_same_events_byte_for_byte() {
    let seed = Seed::take().unwrap();
    let mut rng = seed.rng();
    let postgres = Postgres::builder().start().await.unwrap();
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    postgres.execute(SCHEMA).await.unwrap();
    let calm = Follower::start("calm", &postgres, &nats).await;
    let mut killed = Follower::start("killed", &postgres, &nats).await;
    // A start that is cut short begins again, and tells what happened since only as it is then.
    postgres.execute("INSERT INTO po_line VALUES (999, 1, 1, 1, 0)").await.unwrap();
    wait_count(&calm, &nats, 1).await;
    wait_count(&killed, &nats, 1).await;
    let mut next = 0;
    // The first time at once: seeds must be on disk before anything is told that is made of them.
    for round in 0..8 {
        let pause = if round == 0 { 0 } else { rng.random_range(50..1200) };
        let until = tokio::time::Instant::now() + Duration::from_millis(pause);
        while tokio::time::Instant::now() < until {
            let sql = format!("BEGIN; {} COMMIT;", work(&mut rng, &mut next));
            postgres.execute(&sql).await.unwrap();
        }
        killed.bridge.kill9();
        killed.bridge.start_again().unwrap();
    }
    let same = wait_until("both tell the same", DEADLINE, async || {
        let (one, other) = (calm.events(&nats).await, killed.events(&nats).await);
        one.len() == other.len() && one.len() > 50
    });
    if let Err(failure) = same.await {
        panic!("{failure}\n{}\n{}", calm.bridge.log(), killed.bridge.log());
    }
    let (one, other) = (calm.events(&nats).await, killed.events(&nats).await);
    one.iter().for_each(validate);
    for (a, b) in one.iter().zip(&other) {
        assert_eq!(said(a, "calm"), said(b, "killed"));
    }
    let late = one.iter().filter(|event| event.header("ce-sequence").unwrap().contains("-5000"));
    let late = late.count();
    println!("{} events, {late} of them late, {next} changes", one.len());
    assert!(late > 0, "nothing had to wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_directory_is_seeded_again_and_nothing_is_told_twice() {
    let postgres = Postgres::builder().start().await.unwrap();
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    postgres.execute(SCHEMA).await.unwrap();
    let mut follower = Follower::start("lost", &postgres, &nats).await;
    postgres.execute("INSERT INTO po_line VALUES (500, 1, 3, 7, 0)").await.unwrap();
    wait_count(&follower, &nats, 1).await;
    assert!(follower.bridge.terminate(DEADLINE).await.unwrap().success());
    std::fs::remove_dir_all(follower.state.join("state")).unwrap();
    postgres.execute("UPDATE po SET number = 'late' WHERE id = 2").await.unwrap();
    follower.bridge.start_again().unwrap();
    postgres.execute("INSERT INTO po_line VALUES (501, 2, 3, 7, 0)").await.unwrap();
    wait_count(&follower, &nats, 2).await;
    let events = follower.events(&nats).await;
    let number = &events[1].json().unwrap()["after"]["order_number"];
    assert_eq!(number, "late", "{}", follower.bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_that_waited_are_told_once_although_the_bridge_is_killed_in_between() {
    const LINES: usize = 12_000;
    let postgres = Postgres::builder().start().await.unwrap();
    let nats = Nats::start(NatsVersion::Current).await.unwrap();
    postgres.execute(SCHEMA).await.unwrap();
    let mut follower = Follower::start("many", &postgres, &nats).await;
    let lines = format!(
        "INSERT INTO po_line SELECT n, 777, 1, n % 9 + 1, 0 FROM generate_series(1001, 1000 + {LINES}) n"
    );
    postgres.execute(&lines).await.unwrap();
    let waiting = wait_until("all lines wait", DEADLINE, async || {
        // The next transaction shows what the one before it left.
        postgres.execute("UPDATE po SET number = 'x' WHERE id = 1").await.unwrap();
        let metrics = follower.bridge.metrics(&follower.http.address()).await.unwrap_or_default();
        metrics.contains(&format!("erpbridge_waiting_changes{{source=\"many\"}} {LINES}\n"))
    });
    if let Err(failure) = waiting.await {
        panic!("{failure}\n{}", follower.bridge.log());
    }
    follower.bridge.kill9();
    follower.bridge.start_again().unwrap();
    let start = std::time::Instant::now();
    postgres.execute("INSERT INTO po VALUES (777, 'N777', 'draft', 1, 1)").await.unwrap();
    wait_until("some are told", DEADLINE, async || !follower.events(&nats).await.is_empty())
        .await
        .unwrap();
    follower.bridge.kill9();
    follower.bridge.start_again().unwrap();
    wait_count(&follower, &nats, LINES).await;
    println!("{LINES} lines told in {:?}", start.elapsed());
    let events = follower.events(&nats).await;
    let keys: Vec<_> = events.iter().map(|event| event.header("ce-sequence").unwrap()).collect();
    assert!(keys.is_sorted_by(|one, other| one < other));
    for (number, event) in (1001..).zip(&events) {
        assert_eq!(event.header("ce-subject").unwrap(), format!("purchaseorderline/{number}"));
        assert_eq!(event.json().unwrap()["after"]["order_number"], "N777");
    }
}

async fn wait_count(follower: &Follower, nats: &Nats, count: usize) {
    let arrived = wait_until("the events have arrived", DEADLINE, async || {
        follower.events(nats).await.len() == count
    });
    if let Err(failure) = arrived.await {
        panic!(
            "{failure}: {} of {count}\n{}",
            follower.events(nats).await.len(),
            follower.bridge.log()
        );
    }
}
