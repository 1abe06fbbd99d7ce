//! The `sqlserver:` section of a source.

use erpbridge_sqlserver::{Secret, SnapshotMode, SqlServerConfig, TlsConfig, TlsMode};

use super::reader::Reader;
use crate::document::{Fields, Node};

/// Keys of the section.
pub const KEYS: &[&str] = &[
    "url",
    "password",
    "password_file",
    "snapshot",
    "snapshot_tables_in_parallel",
    "max_row_bytes",
    "read_only",
    "poll_interval",
    "lock_timeout",
    "query_timeout",
    "connect_timeout",
    "tls",
];
/// Keys of `tls` under it.
pub const TLS_KEYS: &[&str] = &["mode", "ca_file", "host_in_certificate"];

/// Reads the section; `source` is the source's name, if that could be read.
pub(super) fn read(
    node: &Node,
    source: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<SqlServerConfig> {
    let fields = node.fields(KEYS, &mut reader.findings)?;
    let url = fields.required("url", &mut reader.findings)?;
    let text = url.as_text(&mut reader.findings)?;
    let mut config = match SqlServerConfig::from_url(source.unwrap_or("source"), text) {
        Ok(config) => config,
        Err(error) => {
            let mend = "write sqlserver://user@host:port/database?encrypt=required";
            reader.findings.error(&url.place, error.to_string(), mend);
            return None;
        }
    };
    read_reading(&fields, &mut config, reader);
    read_sizes(&fields, &mut config, reader);
    if let Some(node) = fields.get("tls") {
        read_tls(node, &mut config.tls, reader);
    }
    for problem in config.validate() {
        reader.findings.error(&node.place, problem, "correct the setting named");
    }
    Some(config)
}

fn read_reading(fields: &Fields<'_>, config: &mut SqlServerConfig, reader: &mut Reader<'_>) {
    if let Some(password) = reader.secret(fields, "password") {
        config.password = Some(Secret::new(password));
    }
    if let Some(read_only) = reader.flag(fields, "read_only") {
        config.read_only = read_only;
    }
    let modes = [("initial", SnapshotMode::Initial), ("never", SnapshotMode::Never)];
    if let Some(mode) = fields.get("snapshot").and_then(|node| reader.word(node, &modes)) {
        config.snapshot = mode;
    }
}

fn read_sizes(fields: &Fields<'_>, config: &mut SqlServerConfig, reader: &mut Reader<'_>) {
    if let Some(tables) = reader.number(fields, "snapshot_tables_in_parallel") {
        config.snapshot_tables_in_parallel = tables;
    }
    if let Some(bytes) = reader.bytes(fields, "max_row_bytes") {
        config.max_row_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    for (key, time) in [
        ("poll_interval", &mut config.poll_interval),
        ("lock_timeout", &mut config.lock_timeout),
        ("query_timeout", &mut config.query_timeout),
        ("connect_timeout", &mut config.connect_timeout),
    ] {
        if let Some(given) = reader.duration(fields, key) {
            *time = given;
        }
    }
}

fn read_tls(node: &Node, tls: &mut TlsConfig, reader: &mut Reader<'_>) {
    let Some(fields) = node.fields(TLS_KEYS, &mut reader.findings) else { return };
    let modes = TlsMode::ALL.map(|mode| (mode.as_str(), mode));
    if let Some(mode) = fields.get("mode").and_then(|node| reader.word(node, &modes)) {
        tls.mode = mode;
    }
    if let Some(path) = reader.path_at(&fields, "ca_file") {
        tls.ca_file = Some(path);
    }
    if let Some(host) = reader.text(&fields, "host_in_certificate") {
        tls.host_in_certificate = Some(host.to_owned());
    }
}
