//! The configuration: what the file says → what it means.
//!
//! Reading finds everything at once: unknown keys, wrong kinds, missing files, unset variables and
//! the findings of the mappings. Paths are relative to the configuration file. Secrets are read
//! from their files here and never printed.

mod connection;
mod engine;
mod interpolate;
pub mod mysql;
pub mod nats;
pub mod postgres;
mod reader;
pub mod sqlserver;
pub mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use erpbridge_connector::{Finding, Severity};

use crate::document::{Document, Fields, Findings, Node};
use crate::mapping::{Mapping, Pseudonym, contradictions};
use crate::pipeline::TruncatePolicy;
use crate::publish::jetstream::NatsConfig;
pub use connection::{Connection, connection};
pub use engine::Engine;
use reader::Reader;

/// Keys of the file's top level.
pub const TOP_KEYS: &[&str] = &["sources", "nats", "state", "http", "log"];
/// Keys of a source.
pub const SOURCE_KEYS: &[&str] = &[
    "name",
    "postgres",
    "mysql",
    "mariadb",
    "sqlserver",
    "mappings",
    "on_truncate",
    "queue_bytes",
    "rows_cache_bytes",
    "keep_interval",
    "pseudonym_key",
    "pseudonym_key_file",
];
/// Keys of `log`.
pub const LOG_KEYS: &[&str] = &["format", "level"];

const QUEUE_BYTES: u64 = 16 << 20;
const ROWS_CACHE_BYTES: u64 = 32 << 20;
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
const HTTP: &str = "127.0.0.1:9464";

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The databases to follow.
    pub sources: Vec<SourceConfig>,
    /// Where events go.
    pub nats: NatsConfig,
    /// Directory of the offsets.
    pub state: PathBuf,
    /// Address of `/metrics` and the health pages.
    pub http: SocketAddr,
    /// How to log.
    pub log: LogConfig,
}

/// One database and its mappings.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Name: a token of every subject, and of the slot.
    pub name: String,
    /// Which kind of database.
    pub engine: Engine,
    /// What its rows mean.
    pub mapping: Arc<Mapping>,
    /// What TRUNCATE of a mapped table means.
    pub on_truncate: TruncatePolicy,
    /// How many bytes of rows may wait between the database and the mapping.
    pub queue_bytes: usize,
    /// How many bytes of remembered rows may be kept in memory.
    pub rows_cache_bytes: usize,
    /// The key of pseudonyms, if there is one.
    pub pseudonym: Option<Arc<Pseudonym>>,
    /// How often a position beyond the last event is copied into NATS and confirmed.
    pub keep_interval: Duration,
}

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A level, or a filter like `info,erpbridge=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { json: false, filter: "info".to_owned() }
    }
}

/// What reading gave.
pub struct Loaded {
    /// The configuration, if nothing was wrong.
    pub config: Option<Config>,
    /// Everything that was found, warnings included.
    pub findings: Vec<Finding>,
}

/// Reads a configuration file.
pub fn load(path: &Path) -> Loaded {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) => {
            let findings = vec![unreadable(&path.display().to_string(), &error)];
            Loaded { config: None, findings }
        }
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> Finding {
    let problem = format!("could not read the configuration: {error}");
    Finding::error(file, problem, "name a file that exists and that this user may read")
}

/// Reads a configuration from its text; `path` is where relative paths start.
pub fn parse(path: &Path, text: &str) -> Loaded {
    let mut root = match Document::parse(&path.display().to_string(), text) {
        Ok(root) => root,
        Err(finding) => return Loaded { config: None, findings: vec![finding] },
    };
    let mut findings = Findings::new();
    interpolate::interpolate(&mut root, |name| std::env::var(name).ok(), &mut findings);
    let base = path.parent().unwrap_or(Path::new("."));
    let mut reader = Reader { base, findings };
    let config = config(&root, &mut reader);
    let findings = reader.findings.into_vec();
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    Loaded { config: config.filter(|_| !broken), findings }
}

fn config(root: &Node, reader: &mut Reader<'_>) -> Option<Config> {
    let top = root.fields(TOP_KEYS, &mut reader.findings)?;
    // Every part is read before the first missing one ends it: all findings at once.
    let sources = sources(&top, reader);
    let nats = top.required("nats", &mut reader.findings);
    let nats = nats.and_then(|node| nats::read(node, reader));
    let state = top.required("state", &mut reader.findings);
    let state = state.and_then(|node| reader.path(node));
    if let (Some(sources), Some(nats)) = (&sources, &nats) {
        one_stream_each(sources, nats, root, reader);
    }
    let http = address(&top, reader);
    let log = top.get("log").and_then(|node| log(node, reader)).unwrap_or_default();
    let (mut sources, state) = (sources?, state?);
    for source in &mut sources {
        source.engine.keep_in(&state, &source.name);
    }
    Some(Config { sources, nats: nats?, state, http: http?, log })
}

/// A stream has one writer, so its name cannot be given for several sources.
fn one_stream_each(
    sources: &[SourceConfig],
    nats: &NatsConfig,
    root: &Node,
    reader: &mut Reader<'_>,
) {
    let names = [&nats.stream.name, &nats.dead_letter_stream];
    if sources.len() > 1 && names.iter().any(|name| name.is_some()) {
        let problem = "a stream is named, but there are several sources";
        let mend = "leave the names away: each source gets a stream of its own, `ERP_<SOURCE>`";
        reader.findings.error(&root.place, problem, mend);
    }
}

fn sources(top: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Vec<SourceConfig>> {
    let node = top.required("sources", &mut reader.findings)?;
    let list = node.as_list(&mut reader.findings)?;
    if list.is_empty() {
        reader.findings.error(&node.place, "there is no source", "add one database to follow");
    }
    let sources: Vec<_> = list.iter().map(|node| source(node, reader)).collect();
    let mut names: Vec<&str> = sources.iter().flatten().map(|s| s.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        let name = twice.first().copied().unwrap_or_default();
        let problem = format!("two sources are named `{name}`");
        reader.findings.error(&node.place, problem, "give each source a name of its own");
    }
    let contradicting = contradictions(sources.iter().flatten().map(|source| &*source.mapping));
    reader.findings.extend(contradicting);
    sources.into_iter().collect()
}

fn source(node: &Node, reader: &mut Reader<'_>) -> Option<SourceConfig> {
    let fields = node.fields(SOURCE_KEYS, &mut reader.findings)?;
    let name = fields.required("name", &mut reader.findings);
    let name = name.and_then(|node| source_name(node, reader));
    let engine = engine::read(name.as_deref(), &fields, reader);
    let mapping = mapping(&fields, reader);
    let on_truncate = fields.get("on_truncate").and_then(|node| truncate_policy(node, reader));
    let queue_bytes = reader.bytes(&fields, "queue_bytes").unwrap_or(QUEUE_BYTES);
    let rows_cache_bytes = reader.bytes(&fields, "rows_cache_bytes").unwrap_or(ROWS_CACHE_BYTES);
    let keep_interval = reader.duration(&fields, "keep_interval").unwrap_or(KEEP_INTERVAL);
    let pseudonym = pseudonym(&fields, name.as_deref().unwrap_or_default(), reader);
    Some(SourceConfig {
        name: name?,
        engine: engine?,
        mapping: Arc::new(mapping?),
        on_truncate: on_truncate.unwrap_or_default(),
        queue_bytes: usize::try_from(queue_bytes).unwrap_or(usize::MAX),
        rows_cache_bytes: usize::try_from(rows_cache_bytes).unwrap_or(usize::MAX),
        pseudonym,
        keep_interval,
    })
}

/// The key of pseudonyms: whoever has it can tell who is who.
fn pseudonym(fields: &Fields<'_>, source: &str, reader: &mut Reader<'_>) -> Option<Arc<Pseudonym>> {
    let key = reader.secret(fields, "pseudonym_key")?;
    let pseudonym = Pseudonym::new(key.as_bytes(), source);
    if pseudonym.is_none() {
        let mend = "write at least 32 random bytes into the file, as `openssl rand -hex 32` does";
        reader.findings.error(fields.place(), "the key of pseudonyms is too short", mend);
    }
    pseudonym.map(Arc::new)
}

/// A source's name is a token of subjects, streams and slots, so it is kept to what all accept.
fn source_name(node: &Node, reader: &mut Reader<'_>) -> Option<String> {
    let name = node.as_text(&mut reader.findings)?;
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fits {
        let mend = "use 1 to 32 of a-z, 0-9 and _";
        reader.findings.error(&node.place, format!("`{name}` cannot name a source"), mend);
    }
    fits.then(|| name.to_owned())
}

fn mapping(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Mapping> {
    let node = fields.required("mappings", &mut reader.findings)?;
    let paths: Vec<_> = node.as_list_or_one().iter().filter_map(|node| reader.path(node)).collect();
    match Mapping::load(&paths) {
        Ok(mapping) => {
            for warning in mapping.warnings() {
                reader.findings.push(warning.clone());
            }
            Some(mapping)
        }
        Err(findings) => {
            for finding in findings {
                reader.findings.push(finding);
            }
            None
        }
    }
}

fn truncate_policy(node: &Node, reader: &mut Reader<'_>) -> Option<TruncatePolicy> {
    let words = [("stop", TruncatePolicy::Stop), ("ignore", TruncatePolicy::Ignore)];
    reader.word(node, &words)
}

fn address(top: &Fields<'_>, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let Some(node) = top.get("http") else { return HTTP.parse().ok() };
    let text = node.as_text(&mut reader.findings)?;
    let address = text.parse().ok();
    if address.is_none() {
        let problem = format!("`{text}` is not an address to listen on");
        reader.findings.error(
            &node.place,
            problem,
            "write an IP address and a port: 127.0.0.1:9464",
        );
    }
    address
}

fn log(node: &Node, reader: &mut Reader<'_>) -> Option<LogConfig> {
    let fields = node.fields(LOG_KEYS, &mut reader.findings)?;
    let json = fields.get("format");
    let json = json.and_then(|node| reader.word(node, &[("text", false), ("json", true)]));
    let filter = reader.text(&fields, "level");
    let default = LogConfig::default();
    Some(LogConfig {
        json: json.unwrap_or(default.json),
        filter: filter.map_or(default.filter, str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
sources:
  - name: shop
    postgres: { url: \"postgres://u@127.0.0.1/shop\" }
    mappings: [mapping.yaml]
nats: { servers: [\"nats://127.0.0.1:4222\"] }
state: state
";
    const MAPPING: &str = "\
mapping: shop
company: { constant: main }
tables:
  item: { table: public.item, deleted: ignore }
events:
  - emit: masterdata.item.upserted
    on: item
    when: [inserted, updated]
    fields: { description: name }
";

    fn load_text(text: &str) -> Loaded {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mapping.yaml"), MAPPING).unwrap();
        parse(&directory.path().join("erpbridge.yaml"), text)
    }

    fn problems(text: &str) -> Vec<String> {
        load_text(text).findings.into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn the_smallest_configuration_means_what_the_page_says() {
        let loaded = load_text(GOOD);
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        let source = config.sources.first().unwrap();
        let Engine::Postgres(postgres) = &source.engine else { panic!("not the one given") };
        assert_eq!(
            (postgres.slot.as_str(), postgres.publication.as_str()),
            ("erpbridge_shop", "erpbridge")
        );
        assert_eq!(source.queue_bytes, 16 << 20);
        assert_eq!(config.http, HTTP.parse().unwrap());
        assert_eq!(config.log, LogConfig::default());
    }

    #[test]
    fn a_source_is_one_database_of_any_kind() {
        for kind in ["mysql", "mariadb"] {
            let text = GOOD.replace(
                "postgres: { url: \"postgres://u@127.0.0.1/shop\" }",
                &format!("{kind}: {{ url: \"mysql://u@127.0.0.1\", server_id: 77 }}"),
            );
            let loaded = load_text(&text);
            let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings));
            let engine = &config.sources.first().unwrap().engine;
            let Engine::Mysql(mysql) = engine else { panic!("not the one given") };
            assert_eq!(mysql.server_id, 77);
            assert_eq!(mysql.shapes_file, Some(config.state.join("shapes/shop.json")));
        }
        let text = GOOD.replace(
            "postgres: { url: \"postgres://u@127.0.0.1/shop\" }",
            "sqlserver: { url: \"sqlserver://u@erp.example/shop\", poll_interval: 250ms, \
             tls: { mode: strict } }",
        );
        let loaded = load_text(&text);
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        let engine = &config.sources.first().unwrap().engine;
        let Engine::SqlServer(sqlserver) = engine else { panic!("not the one given") };
        assert_eq!(sqlserver.poll_interval, Duration::from_millis(250));
        assert_eq!(sqlserver.tls.mode, erpbridge_sqlserver::TlsMode::Strict);
        let both =
            GOOD.replace("mappings:", "sqlserver: { url: \"sqlserver://u@h/d\" }\n    mappings:");
        assert_eq!(problems(&both), ["there are two databases"]);
        let both = GOOD.replace("mappings:", "mysql: { url: \"mysql://u@h\" }\n    mappings:");
        assert_eq!(problems(&both), ["there are two databases"]);
        let none = GOOD.replace("postgres: { url: \"postgres://u@127.0.0.1/shop\" }", "");
        assert_eq!(problems(&none), ["there is no database"]);
    }

    #[test]
    fn everything_wrong_is_found_at_once() {
        let broken = GOOD
            .replace("name: shop", "name: Shop!")
            .replace("mappings: [mapping.yaml]", "mappings: [nowhere.yaml]\n    quue_bytes: 1MiB")
            .replace("state: state", "http: here");
        let problems = problems(&broken).join("\n");
        for part in [
            "`Shop!` cannot name a source",
            "cannot be read",
            "quue_bytes",
            "`state` is missing",
            "`here`",
        ] {
            assert!(problems.contains(part), "\"{part}\" is not in:\n{problems}");
        }
    }

    #[test]
    fn two_ways_to_log_in_and_two_sources_in_one_stream_are_refused() {
        let both = GOOD.replace("nats: { ", "nats: { token: t, user: u, ");
        assert_eq!(problems(&both), ["there are two ways to log in"]);
        let second = GOOD.replace("nats: { ", "nats: { stream: { name: ERP }, ").replace(
            "\nnats:",
            "\n  - { name: two, postgres: { url: \"postgres://u@h/x\" }, mappings: mapping.yaml }\nnats:",
        );
        assert_eq!(problems(&second), ["a stream is named, but there are several sources"]);
    }

    #[test]
    fn secrets_come_from_files_and_are_not_printed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mapping.yaml"), MAPPING).unwrap();
        std::fs::write(directory.path().join("pw"), "hunter2\n").unwrap();
        let text = GOOD.replace("/shop\" }", "/shop\", password_file: pw }");
        let loaded = parse(&directory.path().join("erpbridge.yaml"), &text);
        let config = loaded.config.unwrap();
        let engine = &config.sources.first().unwrap().engine;
        let Engine::Postgres(postgres) = engine else { panic!("not the one given") };
        assert_eq!(postgres.password.as_ref().unwrap().expose(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_page_names_every_key() {
        let page = include_str!("../../docs/configuration.md");
        let keys = [
            TOP_KEYS,
            SOURCE_KEYS,
            LOG_KEYS,
            postgres::KEYS,
            tls::KEYS,
            mysql::KEYS,
            sqlserver::KEYS,
            sqlserver::TLS_KEYS,
            nats::KEYS,
            nats::TLS_KEYS,
            nats::STREAM_KEYS,
        ];
        for key in keys.into_iter().flatten() {
            assert!(page.contains(&format!("`{key}`")), "docs/configuration.md lacks `{key}`");
        }
    }
}
