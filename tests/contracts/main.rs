//! What is written beside the code stays true: dashboards, alerts, runbooks, the example
//! configuration and the metric page name only what the product serves.
//!
//! A wrong metric name raises no error anywhere: a panel stays empty, an alert never fires. So the
//! names are compared here, the queries are parsed by Prometheus' own tool, and the rules of a
//! good dashboard (the names are those of Grafana's dashboard linter) are checked one by one.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::indexing_slicing, reason = "a missing JSON field is a failed test")]
#![expect(clippy::string_slice, reason = "cut at ASCII characters of JSON")]
#![expect(clippy::format_push_string, reason = "a page is put together line by line")]

mod asyncapi;
mod catalogue;
mod configuration;
mod dashboards;
mod files;
mod operations;
#[path = "../../examples/catalogue/page/mod.rs"]
mod page;
mod pages;
mod promql;
mod schemas;
mod traps;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file, named from the root.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

/// The files of a directory with this extension, named from the root, in order. Never none: a
/// check over nothing would pass.
pub(crate) fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| Path::new(directory).join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{directory} holds no .{extension} file");
    found
}

/// Fails if a file that is made from something else is not what it must be. With `UPDATE=1` in the
/// environment it is written instead.
pub(crate) fn current(path: impl AsRef<Path>, text: &str) {
    let full = root().join(path.as_ref());
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&full, text).unwrap();
    }
    let written = std::fs::read_to_string(&full).unwrap_or_default();
    let path = path.as_ref().display();
    assert!(
        written == text,
        "{path} is not what it is made from; run cargo run --example catalogue"
    );
}

/// Fails with all findings at once.
pub(crate) fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}
