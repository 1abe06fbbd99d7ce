//! The consumers under `examples/consumers` count every movement once: killed in the middle,
//! started again, and shown the same facts under other ids. Events come from the real bridge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bigdecimal::BigDecimal;
use erpbridge_test_support::{NatsVersion, Postgres, Process, wait_until};

use crate::shop::{DEADLINE, Shop};

const SCHEMA: &str = "
    CREATE TABLE movement (
        id bigint PRIMARY KEY, item text NOT NULL, quantity numeric(30, 6) NOT NULL,
        unit text NOT NULL, taken_from text, put_to text);
    ALTER TABLE movement REPLICA IDENTITY FULL;
    CREATE PUBLICATION erpbridge FOR TABLE movement;";

const MAPPING: &str = "\
mapping: stock
company: { constant: main }
codes:
  units: { PC: C62, KG: KGM, \"*\": dead_letter }
tables:
  movement: { table: public.movement, deleted: reversed }
fields:
  movement:
    kind: { constant: adjustment }
    item: item
    quantity: { value: quantity, unit: { from: unit, code: units } }
    from_location: taken_from
    to_location: put_to
events:
  - { emit: inventory.movement.recorded, on: movement, when: inserted, fields: movement }
  - { emit: inventory.movement.reversed, on: movement, when: deleted, fields: movement }
";

/// Movements of seven items: in, out and across, of tenths that no binary number holds.
const MOVEMENTS: &str = "
    INSERT INTO movement
    SELECT id, 'item-' || id % 7, 0.1 + id / 1000.0, CASE WHEN id % 7 = 0 THEN 'KG' ELSE 'PC' END,
           CASE WHEN id % 3 > 0 THEN 'A' END, CASE WHEN id % 3 < 2 THEN 'B' END
    FROM generate_series(1 + (SELECT count(*) FROM movement), 150 + (SELECT count(*) FROM movement)) id";

/// Every ninth is taken back, in a transaction of its own.
const TAKEN_BACK: &str = "DELETE FROM movement WHERE id % 9 = 0";

const STOCK: &str = "
    SELECT item, CASE unit WHEN 'PC' THEN 'C62' ELSE 'KGM' END,
           sum(CASE id % 3 WHEN 0 THEN quantity WHEN 1 THEN 0 ELSE -quantity END)::text
    FROM movement GROUP BY item, unit";

type Stock = BTreeMap<(String, String), BigDecimal>;

/// A consumer's program, up to its own options.
struct Consumer {
    program: PathBuf,
    arguments: Vec<PathBuf>,
    environment: Vec<(&'static str, PathBuf)>,
    /// Whether its ledger is a file of lines.
    lines: bool,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Something `tests/install.sh` puts into the cache.
fn installed(path: &str) -> PathBuf {
    let path = project().join(".cache").join(path);
    assert!(path.exists(), "{} is missing; run tests/install.sh test", path.display());
    path
}

fn python() -> Consumer {
    Consumer {
        program: "python3".into(),
        arguments: vec![project().join("examples/consumers/python/stock.py")],
        environment: vec![("PYTHONPATH", installed("python"))],
        lines: false,
    }
}

/// Node looks for packages above the program's own place, so it is run from where they are.
fn javascript(directory: &Path) -> Consumer {
    let modules = installed("node/node_modules");
    std::os::unix::fs::symlink(modules, directory.join("node_modules")).unwrap();
    let source = project().join("examples/consumers/javascript");
    for file in ["stock.js", "ledger.js", "decimal.js", "package.json"] {
        std::fs::copy(source.join(file), directory.join(file)).unwrap();
    }
    Consumer {
        program: "node".into(),
        arguments: vec![directory.join("stock.js")],
        environment: vec![],
        lines: true,
    }
}

/// Cargo builds examples with the tests, but not when it is asked for one test binary alone.
fn rust() -> Consumer {
    let built = Path::new(env!("CARGO_BIN_EXE_erpbridge")).with_file_name("examples");
    let program = built.join("stock_consumer");
    let source = project().join("examples/consumers/rust/src");
    let written = |path: &Path| std::fs::metadata(path).and_then(|of| of.modified()).ok();
    let changed = ["main.rs", "ledger.rs"].map(|file| written(&source.join(file)));
    if changed.into_iter().max() > Some(written(&program)) {
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo tells a test about its package makes build scripts run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        let built = cargo.current_dir(project()).args(["build", "--example", "stock_consumer"]);
        assert!(built.status().unwrap().success(), "the Rust consumer does not build");
    }
    Consumer { program, arguments: vec![], environment: vec![], lines: true }
}

/// The Go consumer, where there is a Go to build it. Its modules are fetched by Go itself.
fn go(directory: &Path) -> Option<Consumer> {
    Command::new("go").arg("version").output().ok().filter(|run| run.status.success())?;
    let source = project().join("examples/consumers/go");
    let copy = directory.join("go");
    std::fs::create_dir(&copy).unwrap();
    for file in ["main.go", "ledger.go", "decimal.go", "go.mod"] {
        std::fs::copy(source.join(file), copy.join(file)).unwrap();
    }
    for arguments in [&["mod", "tidy"][..], &["build", "-o", "stock", "."]] {
        let done = Command::new("go").current_dir(&copy).args(arguments).status().unwrap();
        assert!(done.success(), "go {} failed", arguments.join(" "));
    }
    let program = copy.join("stock");
    Some(Consumer { program, arguments: vec![], environment: vec![], lines: true })
}

/// A durable consumer and its ledger.
struct Run<'r> {
    consumer: &'r Consumer,
    shop: &'r Shop,
    durable: &'static str,
    remember: &'static str,
}

impl Run<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.shop.directory.join(format!("{}.{name}", self.durable))
    }

    fn start(&self, log: &str, once: bool) -> Process {
        let log = self.file(log);
        Process::start(&self.consumer.program, &log, |command| {
            command.args(&self.consumer.arguments);
            command.envs(self.consumer.environment.iter().map(|(name, value)| (name, value)));
            command.args(["--server", &self.shop.nats.url(), "--stream", "ERP_SHOP"]);
            command.args(["--durable", self.durable, "--remember", self.remember, "--batch", "10"]);
            command.args(["--ack-wait", "2"]).arg("--state").arg(self.file("state"));
            if once {
                command.arg("--once");
            }
        })
        .unwrap()
    }

    /// Kills it as soon as it says that it stored something.
    async fn kill_in_the_middle(&self, log: &str) {
        let mut process = self.start(log, false);
        wait_until("the consumer stored a batch", DEADLINE, async || {
            process.log().contains("stored") || process.exited().is_some()
        })
        .await
        .unwrap();
        assert!(process.exited().is_none(), "{}", process.log());
        process.kill9();
    }

    /// Lets it read what is left, and returns the stock it tells and what it wrote.
    async fn finish(&self, log: &str) -> (Stock, String) {
        let mut process = self.start(log, true);
        let ended = process.wait(DEADLINE).await.unwrap();
        let written = process.log();
        assert!(ended.success(), "{written}");
        let lines = written.lines().filter_map(|line| line.strip_prefix("stock "));
        let stock = lines.map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            stock_of(words[0], words[1], words[2])
        });
        (stock.collect(), written)
    }
}

fn stock_of(item: &str, unit: &str, quantity: &str) -> ((String, String), BigDecimal) {
    let quantity: BigDecimal = quantity.parse().unwrap();
    ((item.to_owned(), unit.to_owned()), quantity.normalized())
}

async fn stock_in(postgres: &Postgres) -> Stock {
    let client = postgres.client().await.unwrap();
    let rows = client.query(STOCK, &[]).await.unwrap();
    rows.iter().map(|row| stock_of(row.get(0), row.get(1), row.get(2))).collect()
}

async fn open() -> Shop {
    let shop = Shop::bare(Postgres::builder(), NatsVersion::Current).await;
    shop.directory.write("mapping.yaml", MAPPING).unwrap();
    shop.sql(SCHEMA).await;
    shop
}

/// Kills the consumer three times while the bridge publishes, and ends the bridge when the stream
/// holds everything.
async fn kill_while_events_come(shop: &Shop, run: &Run<'_>) {
    let mut bridge = shop.start().await;
    for log in ["first.log", "second.log", "third.log"] {
        shop.sql(MOVEMENTS).await;
        run.kill_in_the_middle(log).await;
    }
    shop.sql(TAKEN_BACK).await;
    wait_until("the stream holds all movements", DEADLINE, async || {
        shop.events().await.len() == 500
    })
    .await
    .unwrap();
    bridge.terminate(DEADLINE).await.unwrap();
}

/// Publishes the last events again under ids of their own, as if the source had been read anew.
async fn repeat_the_last(shop: &Shop) {
    let jetstream = async_nats::jetstream::new(shop.nats.client().await.unwrap());
    for event in shop.events().await.into_iter().skip(485) {
        let id = format!("again:{}", event.header("ce-id").unwrap());
        let mut headers = event.headers.clone();
        headers.insert("ce-id", id.as_str());
        let of_event = headers.iter().filter(|(name, _)| name.to_string().starts_with("ce-"));
        let headers = of_event.map(|(name, values)| (name.clone(), values[0].clone()));
        let headers: async_nats::HeaderMap = headers.collect();
        let payload = event.payload.into();
        let stored = jetstream.publish_with_headers(event.subject, headers, payload).await;
        stored.unwrap().await.unwrap();
    }
}

async fn counts_every_movement_once(shop: &Shop, consumer: &Consumer) {
    let run = Run { consumer, shop, durable: "killed", remember: "1000000" };
    kill_while_events_come(shop, &run).await;
    repeat_the_last(shop).await;
    let expected = stock_in(&shop.postgres).await;
    let (stock, log) = run.finish("last.log").await;
    assert_eq!(stock, expected, "{log}");

    if consumer.lines {
        let mut state = std::fs::read(run.file("state")).unwrap();
        state.extend_from_slice(br#"{"keys":["cut short"],"su"#);
        std::fs::write(run.file("state"), state).unwrap();
    }
    assert_eq!(run.finish("again.log").await.0, expected, "read back from its file");

    let run = Run { consumer, shop, durable: "forgetful", remember: "20" };
    assert_eq!(run.finish("forgetful.log").await.0, expected);
    if consumer.lines {
        let state = std::fs::read_to_string(run.file("state")).unwrap();
        assert!(state.lines().count() <= 40, "the file is written anew when it has grown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_consumer_counts_every_movement_once() {
    counts_every_movement_once(&open().await, &python()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_consumer_counts_every_movement_once() {
    let shop = open().await;
    let consumer = javascript(shop.directory.path());
    counts_every_movement_once(&shop, &consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_consumer_counts_every_movement_once() {
    counts_every_movement_once(&open().await, &rust()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_go_consumer_counts_every_movement_once_where_there_is_a_go() {
    let shop = open().await;
    match go(shop.directory.path()) {
        Some(consumer) => counts_every_movement_once(&shop, &consumer).await,
        None => println!("go is not installed: the Go consumer was neither built nor run"),
    }
}
