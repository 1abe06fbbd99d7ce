//! The ERP becomes another one while the bridge runs: every kind of drift, by every policy, on a
//! real database. Whatever the policy, nothing is lost and somebody is told.

use erpbridge_test_support::{
    Bridge, NatsVersion, Postgres, StoredMessage, read_stream, sample, wait_until,
};

use crate::shop::{DEADLINE, Shop};

const MAPPING: &str = "\
mapping: shop
company: { constant: main }
drift: { POLICY }
tables:
  item: { pattern: 'public\\.item(?<branch>_[a-z]+)?', deleted: ignore }
codes:
  units: { PCE: C62, KG: KGM, '*': dead_letter }
events:
  - emit: masterdata.item.upserted
    on: item
    when: [inserted, updated]
    effective: made
    fields: { description: name, base_unit: { from: unit, code: units } }
";

const TABLE: &str = "
    CREATE TABLE item (code text PRIMARY KEY, name varchar(20), unit text NOT NULL, made date);
    ALTER TABLE item REPLICA IDENTITY FULL;
    CREATE PUBLICATION erpbridge FOR ALL TABLES;";

/// A shop under a policy, and its bridge.
struct Site {
    shop: Shop,
    bridge: Bridge,
}

impl Site {
    async fn open(policy: &str) -> Self {
        let shop = Shop::bare(Postgres::builder(), NatsVersion::Current).await;
        let mapping = MAPPING.replace("POLICY", policy);
        shop.directory.write("mapping.yaml", &mapping).unwrap();
        shop.sql(TABLE).await;
        let bridge = shop.start().await;
        let site = Self { shop, bridge };
        site.sell("before", "PCE").await;
        site.wait_events(&["before"]).await;
        site
    }

    async fn sell(&self, code: &str, unit: &str) {
        let sql = format!("INSERT INTO item (code, name, unit) VALUES ('{code}', 'x', '{unit}')");
        self.shop.sql(&sql).await;
    }

    /// Waits until exactly these items are told, in this order.
    async fn wait_events(&self, codes: &[&str]) {
        let told = wait_until("the items are told", DEADLINE, async || {
            keys(&self.shop.events().await) == codes
        });
        if let Err(failure) = told.await {
            let events = keys(&self.shop.events().await);
            panic!("{failure}: {events:?}, not {codes:?}\n{}", self.bridge.log());
        }
    }

    /// Waits until so many dead letters for this reason lie in their stream.
    async fn wait_letters(&self, count: usize, reason: &str) {
        let client = self.shop.nats.client().await.unwrap();
        let there = wait_until("the dead letters are there", DEADLINE, async || {
            read_stream(&client, "ERP_SHOP_DEADLETTER").await.unwrap_or_default().len() == count
        });
        if let Err(failure) = there.await {
            panic!("{failure}\n{}", self.bridge.log());
        }
        for letter in read_stream(&client, "ERP_SHOP_DEADLETTER").await.unwrap() {
            assert_eq!(letter.header("Erp-Reason"), Some(reason));
        }
    }

    /// Waits until the drift is counted and the log says this.
    async fn wait_told(&mut self, kind: &str, text: &str) {
        let label = format!("kind=\"{kind}\"");
        let labels = ["source=\"shop\"", label.as_str()];
        let counted = wait_until("the drift is counted", DEADLINE, async || {
            let metrics = self.bridge.metrics(&self.shop.http).await.unwrap_or_default();
            sample(&metrics, "erpbridge_mapping_drift_total", &labels) >= Some(1.0)
        });
        if let Err(failure) = counted.await {
            panic!("{failure}\n{}", self.bridge.log());
        }
        self.bridge.wait_log(text, DEADLINE).await.unwrap();
    }

    /// Waits until the bridge, whose only source stopped, has ended and its log says this. What it
    /// counted is gone with it; that it had counted is tested beside the pipeline.
    async fn wait_stopped(&mut self, text: &str) {
        self.bridge.wait_log(text, DEADLINE).await.unwrap();
        assert!(!self.bridge.wait_exit(DEADLINE).await.unwrap().success());
    }

    /// The mapping is mended and the bridge started with it; nothing that happened is missing.
    async fn mend(&mut self, from: &str, to: &str) {
        let path = self.shop.directory.join("mapping.yaml");
        let mapping = std::fs::read_to_string(path).unwrap();
        assert!(mapping.contains(from), "{mapping}");
        self.shop.directory.write("mapping.yaml", &mapping.replace(from, to)).unwrap();
        if self.bridge.exited().is_none() {
            self.bridge.terminate(DEADLINE).await.unwrap();
        }
        self.bridge.start_again().unwrap();
    }
}

fn keys(events: &[StoredMessage]) -> Vec<String> {
    let key =
        |event: &StoredMessage| event.json().unwrap()["entity"]["key"].as_str().unwrap().to_owned();
    events.iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_code_is_a_dead_letter_and_what_follows_flows() {
    let mut site = Site::open("unknown_code: dead_letter").await;
    site.sell("boxed", "BOX").await;
    site.sell("after", "KG").await;
    site.wait_events(&["before", "after"]).await;
    site.wait_letters(1, "unknown_code").await;
    site.wait_told("unknown_code", "code table `units` does not know").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_code_that_is_to_be_ignored_gives_no_event_and_no_letter() {
    let mut site = Site::open("unknown_code: ignore").await;
    site.sell("boxed", "BOX").await;
    site.sell("after", "KG").await;
    site.wait_events(&["before", "after"]).await;
    site.wait_letters(0, "").await;
    site.wait_told("unknown_code", "are ignored, as it says").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_code_stops_the_source_until_its_table_knows_it() {
    let mut site = Site::open("unknown_code: stop").await;
    site.sell("boxed", "BOX").await;
    site.sell("after", "KG").await;
    site.wait_stopped("Add the code to its code table").await;
    site.wait_events(&["before"]).await;
    site.mend("KG: KGM", "KG: KGM, BOX: XBX").await;
    site.wait_events(&["before", "boxed", "after"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_longer_is_told_and_events_flow() {
    let mut site = Site::open("column: stop").await;
    site.shop.sql("ALTER TABLE item ALTER name TYPE varchar(40)").await;
    site.sell("after", "KG").await;
    site.wait_events(&["before", "after"]).await;
    site.wait_told("column", "was character varying(20) and is character varying(40)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_gone_stops_the_source_until_the_mapping_goes_without_it() {
    let mut site = Site::open("column: stop, table: stop").await;
    site.shop.sql("ALTER TABLE item DROP name").await;
    site.shop.sql("INSERT INTO item (code, unit) VALUES ('after', 'KG')").await;
    site.wait_stopped("no column `name`").await;
    site.wait_events(&["before"]).await;
    site.mend("description: name", "description: { constant: \"-\" }").await;
    site.wait_events(&["before", "after"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_column_the_mapping_reads_become_dead_letters_if_it_says_so() {
    let mut site = Site::open("column: dead_letter, table: dead_letter").await;
    site.shop.sql("ALTER TABLE item DROP name").await;
    site.shop.sql("INSERT INTO item (code, unit) VALUES ('after', 'KG')").await;
    site.wait_letters(1, "schema_drift").await;
    site.wait_told("table", "no column `name`").await;
    site.wait_events(&["before"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_a_type_that_does_not_fit_stops_the_source() {
    let mut site = Site::open("column: stop, table: stop").await;
    site.shop.sql("ALTER TABLE item ALTER made TYPE bool USING true").await;
    site.sell("after", "KG").await;
    site.wait_stopped("was date and is boolean").await;
    site.wait_events(&["before"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_that_fits_a_pattern_is_mapped_and_one_that_does_not_is_ignored_by_policy() {
    let mut site = Site::open("table: ignore").await;
    let fitting = "CREATE TABLE item_east (code text PRIMARY KEY, name text, unit text, made date);
        INSERT INTO item_east VALUES ('east', 'x', 'KG')";
    let other = "CREATE TABLE item_west (code text PRIMARY KEY, weight numeric);
        INSERT INTO item_west VALUES ('west', 1)";
    site.shop.sql(fitting).await;
    site.shop.sql(other).await;
    site.sell("after", "KG").await;
    site.wait_events(&["before", "east", "after"]).await;
    site.wait_letters(0, "").await;
    site.wait_told("table", "item_west").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_that_does_not_fit_its_pattern_stops_the_source_or_becomes_dead_letters() {
    for (policy, letters) in [("stop", 0), ("dead_letter", 1)] {
        let mut site = Site::open(&format!("table: {policy}")).await;
        let other = "CREATE TABLE item_west (code text PRIMARY KEY, weight numeric);
            INSERT INTO item_west VALUES ('west', 1)";
        site.shop.sql(other).await;
        site.sell("after", "KG").await;
        match letters {
            0 => site.wait_stopped("item_west").await,
            _ => site.wait_told("table", "item_west").await,
        }
        site.wait_letters(letters, "schema_drift").await;
        match letters {
            0 => site.wait_events(&["before"]).await,
            _ => site.wait_events(&["before", "after"]).await,
        }
    }
}
