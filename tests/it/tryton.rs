//! Tryton for real: people work in it through its own client, and the canonical events come out.
//!
//! ```text
//! business.py → Tryton → PostgreSQL → bridge with mappings/tryton → JetStream → checked here
//! ```
//!
//! Two bridges follow the same log into streams of their own. One runs through the day; the other
//! is killed in the middle of it and started again. They must tell the same, byte for byte.

use std::path::Path;

use erpbridge_test_support::{
    Bridge, Directory, Nats, NatsVersion, Port, StoredMessage, Tryton, read_stream, wait_for,
};
use serde_json::Value;

use crate::shop::{DEADLINE, validate};

/// What an administrator runs for the bridge. Identities stay as Tryton made them: the log carries
/// the key of a deleted row and nothing else of it.
const GRANTS: &str = "
    CREATE ROLE erpbridge LOGIN REPLICATION PASSWORD 'bridge-secret';
    GRANT USAGE ON SCHEMA public TO erpbridge;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO erpbridge;
    CREATE PUBLICATION erpbridge FOR TABLE
        party_party, company_company, currency_currency, product_uom, product_template,
        product_product, stock_location, purchase_product_supplier, purchase_request,
        purchase_purchase, purchase_line, stock_move, stock_shipment_in, account_invoice,
        account_invoice_line;";

/// A day at work: what people do, and what the bridge tells of it, in order. Order 1 is the one
/// that was requested; its line 1 is the requested item, movements 1 and 4 bring it in.
const DAY: &[(&str, &[&str])] = &[
    ("request_stock", &["requisition/1 created"]),
    // Nobody ordered it, so the next supply run deletes it and requests it anew.
    ("request_stock", &["requisition/1 cancelled", "requisition/2 created"]),
    (
        "order_request",
        &[
            "purchaseorder/1 created",
            "purchaseorderline/1 added",
            "requisition/2 converted",
            "link/purchaseorderline/1 established",
        ],
    ),
    // The remark added with them is no line.
    (
        "add_lines",
        &["purchaseorder/1 changed", "purchaseorderline/2 added", "purchaseorderline/3 added"],
    ),
    ("change_line", &["purchaseorderline/1 changed"]),
    ("delete_line", &["purchaseorderline/3 deleted"]),
    ("quote", &["purchaseorder/1 submitted"]),
    ("confirm", &["purchaseorder/1 approved", "purchaseorder/1 released"]),
    ("announce_part", &["shipmentnotice/1 announced"]),
    // The back order is a planned movement: no news.
    (
        "receive",
        &[
            "goodsreceipt/1 posted",
            "purchaseorderline/1 receiptprogressed",
            "movement/1 recorded",
            "shipmentnotice/1 arrived",
            "purchaseorder/1 changed",
        ],
    ),
    ("put_away", &["movement/3 recorded"]),
    ("announce_rest", &["shipmentnotice/2 announced"]),
    (
        "receive",
        &[
            "goodsreceipt/2 posted",
            "purchaseorderline/2 receiptprogressed",
            "movement/2 recorded",
            "goodsreceipt/4 posted",
            "purchaseorderline/1 receiptprogressed",
            "movement/4 recorded",
            "shipmentnotice/2 arrived",
            "purchaseorder/1 changed",
            "overreceipt/1 opened",
        ],
    ),
    ("put_away", &["movement/5 recorded", "movement/6 recorded"]),
    ("count", &["movement/7 recorded"]),
    (
        "invoice",
        &["supplierinvoice/1 received", "supplierinvoice/1 approved", "purchaseorder/1 changed"],
    ),
    ("request_other", &["requisition/3 created"]),
    (
        "quote_other",
        &[
            "purchaseorder/2 created",
            "purchaseorderline/5 added",
            "requisition/3 converted",
            "link/purchaseorderline/5 established",
            "purchaseorder/2 submitted",
        ],
    ),
    // The request is open again, until somebody drops it.
    ("cancel_other", &["purchaseorder/2 cancelled", "requisition/3 changed"]),
    ("drop_request", &["requisition/3 cancelled"]),
    ("draft", &["purchaseorder/3 created", "purchaseorderline/6 added"]),
    ("delete_draft", &["purchaseorderline/6 deleted", "purchaseorder/3 deleted"]),
    // It is written to the template alone, and the template is no item.
    ("rename_item", &[]),
    ("block_supplier", &["supplier/3 upserted", "supplier/3 deactivated"]),
];

/// The second bridge is down while this is done.
const ACCIDENT: &str = "announce_rest";

/// Everything that descends from the requisition.
const DESCENT: &[&str] = &[
    "requisition/2",
    "link/purchaseorderline/1",
    "purchaseorderline/1",
    "goodsreceipt/1",
    "goodsreceipt/4",
    "movement/1",
    "movement/3",
    "movement/4",
    "movement/5",
];

/// Cells of events, exact: which event (the last of that name), where in it, and what is there.
const FACTS: &[(&str, &str, &str)] = &[
    ("requisition/2 created", "/after/quantity/value", "120"),
    ("purchaseorderline/1 added", "/after/unit_price/value", "1.1000"),
    ("purchaseorderline/1 changed", "/after/unit_price/value", "1.05"),
    ("purchaseorderline/3 deleted", "/before/order", "1"),
    ("purchaseorderline/3 deleted", "/before/quantity/value", "1"),
    ("purchaseorder/1 submitted", "/entity/number", "1"),
    ("purchaseorder/1 released", "/transition/from", "approved"),
    ("purchaseorder/1 released", "/after/total/value", "207.84"),
    ("purchaseorder/1 released", "/after/lines/0/quantity/value", "120"),
    ("purchaseorder/1 released", "/after/lines/1/quantity/value", "26.4"),
    ("purchaseorder/1 released", "/after/lines/1/quantity/unit", "LBR"),
    ("shipmentnotice/1 announced", "/after/lines/0/quantity/value", "50"),
    ("goodsreceipt/1 posted", "/after/quantity/value", "50"),
    ("goodsreceipt/1 posted", "/after/order_line", "1"),
    ("goodsreceipt/1 posted", "/after/delivery_note", "note 1"),
    ("goodsreceipt/2 posted", "/after/quantity/value", "26.4"),
    ("goodsreceipt/4 posted", "/after/quantity/value", "75"),
    ("purchaseorderline/1 receiptprogressed", "/after/received_quantity/value", "125"),
    ("purchaseorderline/1 receiptprogressed", "/after/receipt_status", "over"),
    ("overreceipt/1 opened", "/after/actual/value", "125"),
    ("overreceipt/1 opened", "/after/expected/value", "120"),
    ("movement/3 recorded", "/after/kind", "transfer"),
    ("movement/7 recorded", "/after/kind", "adjustment"),
    ("movement/7 recorded", "/after/quantity/value", "3"),
    ("supplierinvoice/1 approved", "/after/total/value", "207.84"),
    ("purchaseorder/1 changed", "/transition/axis", "invoice"),
    ("purchaseorder/2 cancelled", "/transition/from", "pending_approval"),
    ("requisition/3 changed", "/transition/from", "converted"),
    ("requisition/3 changed", "/transition/to", "approved"),
    ("purchaseorderline/6 deleted", "/before/order", "3"),
    ("purchaseorder/3 deleted", "/before/supplier_number", "DS2"),
];

/// Tryton and NATS, and what bridges between them need.
struct Company {
    tryton: Tryton,
    nats: Nats,
    directory: Directory,
}

/// A bridge that follows Tryton under a name of its own.
struct Follower {
    name: &'static str,
    bridge: Bridge,
    http: Port,
}

impl Company {
    async fn open() -> Self {
        let tryton = Tryton::start().await.unwrap();
        tryton.server().execute_in(tryton.database(), GRANTS).await.unwrap();
        let nats = Nats::start(NatsVersion::Current).await.unwrap();
        Self { tryton, nats, directory: Directory::new("company").unwrap() }
    }

    async fn follow(&self, name: &'static str) -> Follower {
        let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/tryton");
        let (server, database) = (self.tryton.server(), self.tryton.database());
        let http = Port::reserve().unwrap();
        let config = format!(
            "sources:\n  - name: {name}\n    postgres: {{ url: \"{}\" }}\n    mappings: \
             [\"{}\"]\nnats: {{ servers: [\"{}\"] }}\nstate: \"{}\"\nhttp: \"{}\"\n",
            server.url_for("erpbridge", "bridge-secret", database),
            mapping.display(),
            self.nats.url(),
            self.directory.join(name).display(),
            http.address(),
        );
        let bridge = Bridge::start(env!("CARGO_BIN_EXE_erpbridge"), &config).unwrap();
        let mut follower = Follower { name, bridge, http };
        follower.wait_ready().await;
        follower
    }

    async fn stored(&self, stream: &str) -> Vec<StoredMessage> {
        read_stream(&self.nats.client().await.unwrap(), stream).await.unwrap()
    }

    /// Every event a follower told.
    async fn events(&self, follower: &Follower) -> Vec<StoredMessage> {
        let stored = self.stored(&format!("ERP_{}", follower.name.to_uppercase())).await;
        stored.into_iter().filter(|message| message.subject.starts_with("erp.")).collect()
    }

    /// What it told of what happened, and not of what was there before.
    async fn told(&self, follower: &Follower) -> Vec<StoredMessage> {
        let events = self.events(follower).await.into_iter();
        events.filter(|event| event.header("ce-snapshot").is_none()).collect()
    }

    /// Waits until it has told so many events.
    async fn wait_told(&self, follower: &Follower, count: usize) -> Vec<StoredMessage> {
        let told = wait_for("the events arrive", DEADLINE, async || {
            let told = self.told(follower).await;
            (told.len() >= count).then_some(told)
        })
        .await;
        match told {
            Ok(told) => told,
            Err(failure) => panic!(
                "{failure}: {count} wanted, told are {:#?}\n{}",
                self.told(follower).await.iter().map(summary).collect::<Vec<_>>(),
                follower.bridge.log()
            ),
        }
    }

    async fn has_no_dead_letters(&self, follower: &Follower) {
        let stream = format!("ERP_{}_DEADLETTER", follower.name.to_uppercase());
        let letters = self.stored(&stream).await;
        let letters = letters.iter().map(|letter| String::from_utf8_lossy(&letter.payload));
        assert_eq!(letters.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

impl Follower {
    async fn wait_ready(&mut self) {
        self.bridge.wait_ready(&self.http.address(), DEADLINE).await.unwrap();
    }
}

/// `<entity>/<key> <event>`.
fn summary(event: &StoredMessage) -> String {
    let kind = event.subject.rsplit('.').next().unwrap();
    format!("{} {kind}", event.header("ce-subject").unwrap())
}

/// What consumers see of an event, all but the name of its source.
fn content(event: &StoredMessage) -> Vec<String> {
    let unnamed = |text: &str| text.replacen("killed", "tryton", 1);
    let headers = event.headers.iter().map(|(name, values)| format!("{name}: {}", values[0]));
    let headers = headers.filter(|header| header.starts_with("ce-"));
    let payload = String::from_utf8(event.payload.clone()).unwrap();
    let mut content: Vec<_> = headers.map(|header| unnamed(&header)).collect();
    content.sort();
    content.extend([unnamed(&event.subject), payload]);
    content
}

fn check_descent(told: &[StoredMessage]) {
    for event in told {
        let (subject, root) = (event.header("ce-subject"), event.header("ce-correlationid"));
        let descends = DESCENT.contains(&subject.unwrap());
        assert_eq!(descends, root == Some("requisition/2"), "{}: {root:?}", summary(event));
    }
}

fn check_causes(told: &[StoredMessage]) {
    for (event, cause) in [
        ("purchaseorderline/1 added", "requisition/2"),
        ("goodsreceipt/4 posted", "purchaseorderline/1"),
        ("movement/4 recorded", "purchaseorderline/1"),
        ("movement/5 recorded", "movement/4"),
    ] {
        assert_eq!(last(told, event).header("ce-causationid"), Some(cause), "{event}");
    }
}

fn check_facts(told: &[StoredMessage]) {
    for (event, place, value) in FACTS {
        let data = last(told, event).json().unwrap();
        let found = data.pointer(place).and_then(Value::as_str);
        assert_eq!(found, Some(*value), "{event}, {place}: {data:#}");
    }
}

fn last<'e>(told: &'e [StoredMessage], name: &str) -> &'e StoredMessage {
    told.iter().rfind(|event| summary(event) == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_tryton_is_told_exactly_also_by_a_bridge_that_was_killed() {
    let mut company = Company::open().await;
    let (steady, mut killed) = (company.follow("tryton").await, company.follow("killed").await);
    let known = company.events(&steady).await;
    for name in ["item/1 upserted", "supplier/2 upserted", "location/5 upserted"] {
        assert_eq!(last(&known, name).header("ce-snapshot"), Some("true"), "{name}");
    }

    let mut told = Vec::new();
    for (action, expected) in DAY {
        if *action == ACCIDENT {
            killed.bridge.kill9();
        }
        company.tryton.perform(action).await.unwrap();
        if *action == ACCIDENT {
            killed.bridge.start_again().unwrap();
        }
        let before = told.len();
        told = company.wait_told(&steady, before + expected.len()).await;
        let found: Vec<_> = told[before..].iter().map(summary).collect();
        assert_eq!(found, *expected, "{action}");
    }

    company.events(&steady).await.iter().for_each(validate);
    check_facts(&told);
    check_descent(&told);
    check_causes(&told);
    killed.wait_ready().await;
    let again = company.wait_told(&killed, told.len()).await;
    let contents = |events: &[StoredMessage]| events.iter().map(content).collect::<Vec<_>>();
    assert_eq!(contents(&again), contents(&told));
    company.has_no_dead_letters(&steady).await;
    company.has_no_dead_letters(&killed).await;
}
