//! The `nats:` section.

use super::reader::Reader;
use crate::document::{Fields, Node};
use crate::publish::jetstream::{Credentials, NatsConfig, StreamConfig, Tls};

/// Keys of the section.
pub const KEYS: &[&str] = &[
    "servers",
    "token",
    "token_file",
    "user",
    "password",
    "password_file",
    "creds_file",
    "nkey_seed_file",
    "tls",
    "stream",
    "dead_letter_stream",
    "bucket",
    "publish_timeout",
    "confirm_delay",
];
/// Keys of `tls` under it.
pub const TLS_KEYS: &[&str] = &["ca_file", "cert_file", "key_file", "required"];
/// Keys of `stream` under it.
pub const STREAM_KEYS: &[&str] =
    &["name", "replicas", "max_age", "max_bytes", "duplicate_window", "deny_delete", "deny_purge"];

/// Reads the section.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<NatsConfig> {
    let fields = node.fields(KEYS, &mut reader.findings)?;
    let servers = fields.required("servers", &mut reader.findings)?;
    let servers = servers.as_list_or_one().iter();
    let servers = servers.filter_map(|node| node.as_text(&mut reader.findings).map(str::to_owned));
    let mut config = NatsConfig { servers: servers.collect(), ..NatsConfig::default() };
    config.credentials = credentials(&fields, reader);
    if let Some(node) = fields.get("tls") {
        read_tls(node, &mut config.tls, reader);
    }
    if let Some(node) = fields.get("stream") {
        read_stream(node, &mut config.stream, reader);
    }
    if let Some(name) = reader.text(&fields, "dead_letter_stream") {
        config.dead_letter_stream = Some(name.to_owned());
    }
    if let Some(bucket) = reader.text(&fields, "bucket") {
        bucket.clone_into(&mut config.bucket);
    }
    if let Some(timeout) = reader.duration(&fields, "publish_timeout") {
        config.publish_timeout = timeout;
    }
    if let Some(delay) = reader.duration(&fields, "confirm_delay") {
        config.confirm_delay = delay;
    }
    Some(config)
}

/// One way to log in; two are a finding, because only one would be used.
fn credentials(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Credentials {
    let token = reader.secret(fields, "token").map(Credentials::Token);
    let user = reader.text(fields, "user").map(str::to_owned);
    let password = reader.secret(fields, "password");
    let user =
        user.map(|user| Credentials::UserPassword { user, password: password.unwrap_or_default() });
    let creds = reader.path_at(fields, "creds_file").map(Credentials::CredsFile);
    let seed = reader.path_at(fields, "nkey_seed_file").map(Credentials::NkeySeedFile);
    let mut given = [token, user, creds, seed].into_iter().flatten();
    let first = given.next();
    if given.next().is_some() {
        let mend = "keep one of token, user, creds_file, nkey_seed_file";
        reader.findings.error(fields.place(), "there are two ways to log in", mend);
    }
    first.unwrap_or_default()
}

fn read_tls(node: &Node, tls: &mut Tls, reader: &mut Reader<'_>) {
    let Some(fields) = node.fields(TLS_KEYS, &mut reader.findings) else { return };
    tls.ca_file = reader.path_at(&fields, "ca_file");
    tls.cert_file = reader.path_at(&fields, "cert_file");
    tls.key_file = reader.path_at(&fields, "key_file");
    tls.required = reader.flag(&fields, "required").unwrap_or(tls.required);
}

fn read_stream(node: &Node, stream: &mut StreamConfig, reader: &mut Reader<'_>) {
    let Some(fields) = node.fields(STREAM_KEYS, &mut reader.findings) else { return };
    stream.name = reader.text(&fields, "name").map(str::to_owned);
    stream.replicas = reader.number(&fields, "replicas").unwrap_or(stream.replicas);
    stream.max_age = reader.duration(&fields, "max_age");
    stream.max_bytes = reader.bytes(&fields, "max_bytes");
    let window = reader.duration(&fields, "duplicate_window");
    stream.duplicate_window = window.unwrap_or(stream.duplicate_window);
    stream.deny_delete = reader.flag(&fields, "deny_delete").unwrap_or(stream.deny_delete);
    stream.deny_purge = reader.flag(&fields, "deny_purge").unwrap_or(stream.deny_purge);
}
