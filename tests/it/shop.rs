//! A small shop on private servers, for tests that break one thing at a time: one table of items,
//! a mapping, the real bridge, and the comparison of the table with the stream.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use erpbridge::canonical::catalog;
use erpbridge_test_support::{
    Bridge, Directory, Nats, NatsVersion, Port, Postgres, PostgresBuilder, StoredMessage, log_tail,
    read_stream, wait_for, wait_until,
};

/// Long enough for a busy machine; reached only by a failing test.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

const SCHEMA: &str = "
    CREATE TABLE item (code text PRIMARY KEY, name text NOT NULL, weight numeric(12, 3));
    ALTER TABLE item REPLICA IDENTITY FULL;
    CREATE PUBLICATION erpbridge FOR TABLE item;";

/// The mapping of the shop.
pub(crate) const MAPPING: &str = "\
mapping: shop
company: { constant: main }
tables:
  item: { table: public.item, deleted: physical }
events:
  - emit: masterdata.item.upserted
    on: item
    when: [inserted, updated]
    snapshot: true
    fields: { description: name }
  - emit: masterdata.item.deleted
    on: item
    when: deleted
";

/// Servers, configuration and, once started, the bridge.
pub(crate) struct Shop {
    pub(crate) postgres: Postgres,
    pub(crate) nats: Nats,
    pub(crate) directory: Directory,
    pub(crate) http: String,
    /// The logs of its bridges, for a failure to show.
    logs: Mutex<Vec<PathBuf>>,
    _port: Port,
}

impl Shop {
    /// A shop whose servers run and whose tables are there.
    pub(crate) async fn open() -> Self {
        Self::open_with(Postgres::builder(), NatsVersion::Current).await
    }

    /// A shop on servers of one's choice.
    pub(crate) async fn open_with(postgres: PostgresBuilder, nats: NatsVersion) -> Self {
        let shop = Self::bare(postgres, nats).await;
        shop.postgres.execute(SCHEMA).await.unwrap();
        shop
    }

    /// A shop without its tables and publication.
    pub(crate) async fn bare(postgres: PostgresBuilder, nats: NatsVersion) -> Self {
        let directory = Directory::new("shop").unwrap();
        directory.write("mapping.yaml", MAPPING).unwrap();
        let port = Port::reserve().unwrap();
        Self {
            postgres: postgres.start().await.unwrap(),
            nats: Nats::start(nats).await.unwrap(),
            http: port.address(),
            directory,
            logs: Mutex::default(),
            _port: port,
        }
    }

    /// The configuration, with the databases and NATS at their own addresses.
    pub(crate) fn config(&self) -> String {
        self.config_at(&self.postgres.url("postgres"), &self.nats.url())
    }

    /// The configuration with addresses of one's choice, for a proxy between.
    pub(crate) fn config_at(&self, postgres: &str, nats: &str) -> String {
        let (mapping, state) = (self.directory.join("mapping.yaml"), self.directory.join("state"));
        format!(
            "sources:\n  - name: shop\n    postgres: {{ url: \"{postgres}\" }}\n    mappings: \
             [\"{}\"]\n    keep_interval: 1s\nnats: {{ servers: [\"{nats}\"] }}\nstate: \
             \"{}\"\nhttp: \"{}\"\n",
            mapping.display(),
            state.display(),
            self.http
        )
    }

    /// Starts the bridge and waits until it follows the log.
    pub(crate) async fn start(&self) -> Bridge {
        let mut bridge = self.launch(&self.config());
        bridge.wait_ready(&self.http, DEADLINE).await.unwrap();
        bridge
    }

    /// Starts the bridge with a configuration of one's choice.
    pub(crate) fn launch(&self, config: &str) -> Bridge {
        let bridge = Bridge::start(env!("CARGO_BIN_EXE_erpbridge"), config).unwrap();
        self.logs.lock().unwrap().push(bridge.log_path());
        bridge
    }

    /// Runs SQL as the shop's programs do.
    pub(crate) async fn sql(&self, sql: &str) {
        self.postgres.execute(sql).await.unwrap();
    }

    /// Everything the stream holds on the subjects of events.
    pub(crate) async fn events(&self) -> Vec<StoredMessage> {
        let Ok(client) = self.nats.client().await else { return Vec::new() };
        let all = read_stream(&client, "ERP_SHOP").await.unwrap_or_default();
        let events: Vec<_> = all.into_iter().filter(|m| m.subject.starts_with("erp.")).collect();
        events.iter().for_each(validate);
        events
    }

    /// Waits until the stream tells the same items as the table, then checks that no event is
    /// there twice, and returns the events.
    pub(crate) async fn wait_equal(&self) -> Vec<StoredMessage> {
        let table = self.table().await;
        let events = wait_for("the stream tells what the table holds", DEADLINE, async || {
            let events = self.events().await;
            (told(&events) == table).then_some(events)
        })
        .await;
        let events = match events {
            Ok(events) => events,
            Err(failure) => panic!("{failure}: {}", self.difference(&table).await),
        };
        let mut ids: Vec<_> = events.iter().map(|event| event.header("ce-id").unwrap()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(count, ids.len(), "an event is in the stream twice");
        events
    }

    /// How the stream differs from the table, and what the bridges said last.
    async fn difference(&self, table: &BTreeMap<String, String>) -> String {
        let events = self.events().await;
        let told = told(&events);
        let wrong = table.iter().filter(|(code, name)| told.get(*code) != Some(*name)).count();
        let paths = self.logs.lock().unwrap().clone();
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let logs: Vec<_> = paths.iter().map(|path| log_tail(&read(path))).collect();
        format!(
            "{} events tell {} items, the table holds {}, of which {wrong} differ; the log of the \
             bridge ends:\n{}\nand that of PostgreSQL:\n{}",
            events.len(),
            told.len(),
            table.len(),
            logs.join("\n"),
            log_tail(&self.postgres.log()),
        )
    }

    async fn table(&self) -> BTreeMap<String, String> {
        let client = self.postgres.client().await.unwrap();
        let rows = client.query("SELECT code, name FROM item", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Waits until a replication slot exists and nobody uses it.
    pub(crate) async fn wait_slot_free(&self) {
        let client = self.postgres.client().await.unwrap();
        let sql = "SELECT 1 FROM pg_replication_slots WHERE NOT active";
        wait_until("the slot is free", DEADLINE, async || {
            !client.query(sql, &[]).await.unwrap().is_empty()
        })
        .await
        .unwrap();
    }
}

/// Fails if an event is not what its schema says.
pub(crate) fn validate(event: &StoredMessage) {
    let event_type = event.header("ce-type").unwrap();
    let valid = catalog().validate(event_type, &event.payload);
    assert!(valid.is_ok(), "{event_type} at {}: {:?}", event.sequence, valid.err());
}

/// What the events tell when applied in order: code and name of every item that is not deleted.
fn told(events: &[StoredMessage]) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    for event in events {
        let data = event.json().unwrap();
        let key = data["entity"]["key"].as_str().unwrap().to_owned();
        match data["after"]["description"].as_str() {
            Some(name) => items.insert(key, name.to_owned()),
            None => items.remove(&key),
        };
    }
    items
}
