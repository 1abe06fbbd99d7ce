//! The `postgres:` section of a source.

use erpbridge_postgres::{PostgresConfig, Secret, SnapshotMode};

use super::reader::Reader;
use super::tls;
use crate::document::{Fields, Node};

/// Keys of the section.
pub const KEYS: &[&str] = &[
    "url",
    "password",
    "password_file",
    "publication",
    "slot",
    "snapshot",
    "snapshot_tables_in_parallel",
    "max_row_bytes",
    "connect_timeout",
    "tls",
];

/// Reads the section; `source` is the source's name, if that could be read.
pub(super) fn read(
    node: &Node,
    source: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<PostgresConfig> {
    let fields = node.fields(KEYS, &mut reader.findings)?;
    let url = fields.required("url", &mut reader.findings)?;
    let text = url.as_text(&mut reader.findings)?;
    let mut config = match PostgresConfig::from_url(source.unwrap_or("source"), text) {
        Ok(config) => config,
        Err(error) => {
            let mend = "write postgres://user@host:port/database?sslmode=verify-full";
            reader.findings.error(&url.place, error.to_string(), mend);
            return None;
        }
    };
    read_names(&fields, &mut config, reader);
    read_sizes(&fields, &mut config, reader);
    if let Some(node) = fields.get("tls") {
        tls::read(node, &mut config.tls, reader);
    }
    for problem in config.validate() {
        reader.findings.error(&node.place, problem, "correct the setting named");
    }
    Some(config)
}

fn read_names(fields: &Fields<'_>, config: &mut PostgresConfig, reader: &mut Reader<'_>) {
    if let Some(password) = reader.secret(fields, "password") {
        config.password = Some(Secret::new(password));
    }
    if let Some(publication) = reader.text(fields, "publication") {
        publication.clone_into(&mut config.publication);
    }
    if let Some(slot) = reader.text(fields, "slot") {
        slot.clone_into(&mut config.slot);
    }
    let modes = [("initial", SnapshotMode::Initial), ("never", SnapshotMode::Never)];
    if let Some(mode) = fields.get("snapshot").and_then(|node| reader.word(node, &modes)) {
        config.snapshot = mode;
    }
}

fn read_sizes(fields: &Fields<'_>, config: &mut PostgresConfig, reader: &mut Reader<'_>) {
    if let Some(tables) = reader.number(fields, "snapshot_tables_in_parallel") {
        config.snapshot_tables_in_parallel = tables;
    }
    if let Some(bytes) = reader.bytes(fields, "max_row_bytes") {
        config.max_row_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }
    if let Some(timeout) = reader.duration(fields, "connect_timeout") {
        config.connect_timeout = timeout;
    }
}
