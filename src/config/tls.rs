//! The `tls` of a source whose server's certificate can be verified more or less.

use erpbridge_connector::{TlsConfig, TlsMode};

use super::reader::Reader;
use crate::document::Node;

/// Keys of `tls` under a source.
pub const KEYS: &[&str] = &["mode", "ca_file", "cert_file", "key_file"];

/// Reads the section into what the URL says already.
pub(super) fn read(node: &Node, tls: &mut TlsConfig, reader: &mut Reader<'_>) {
    let Some(fields) = node.fields(KEYS, &mut reader.findings) else { return };
    let modes = [
        ("disable", TlsMode::Disable),
        ("require", TlsMode::Require),
        ("verify-ca", TlsMode::VerifyCa),
        ("verify-full", TlsMode::VerifyFull),
    ];
    if let Some(mode) = fields.get("mode").and_then(|node| reader.word(node, &modes)) {
        tls.mode = mode;
    }
    for (key, file) in [
        ("ca_file", &mut tls.ca_file),
        ("cert_file", &mut tls.cert_file),
        ("key_file", &mut tls.key_file),
    ] {
        if let Some(path) = reader.path_at(&fields, key) {
            *file = Some(path);
        }
    }
}
