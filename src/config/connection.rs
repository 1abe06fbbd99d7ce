//! One source by itself, for the tools that look at its database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use erpbridge_connector::Finding;

use super::reader::Reader;
use super::{Engine, SOURCE_KEYS, TOP_KEYS, engine, interpolate, pseudonym, unreadable};
use crate::document::{Document, Fields, Findings, Node};
use crate::mapping::Pseudonym;

/// A source as the tools for mappings need it: its database, whatever its mapping may be.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The source's name.
    pub name: String,
    /// Which kind of database, and where.
    pub engine: Engine,
    /// The key of pseudonyms, if there is one.
    pub pseudonym: Option<Arc<Pseudonym>>,
    /// Where its mappings are.
    pub mappings: Vec<PathBuf>,
}

/// Reads one source of a configuration file; a mapping that is still being written, or is not
/// there yet, does not stand in the way.
///
/// # Errors
/// What is wrong with it.
pub fn connection(path: &Path, name: &str) -> Result<Connection, Vec<Finding>> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| vec![unreadable(&file, &error)])?;
    let mut root = Document::parse(&file, &text).map_err(|finding| vec![finding])?;
    let mut findings = Findings::new();
    interpolate::interpolate(&mut root, |name| std::env::var(name).ok(), &mut findings);
    let base = path.parent().unwrap_or(Path::new("."));
    let mut reader = Reader { base, findings };
    match find_connection(&root, name, &mut reader) {
        Some(connection) if !reader.findings.has_errors() => Ok(connection),
        _ => Err(reader.findings.into_vec()),
    }
}

fn find_connection(root: &Node, name: &str, reader: &mut Reader<'_>) -> Option<Connection> {
    let top = root.fields(TOP_KEYS, &mut reader.findings)?;
    let node = top.required("sources", &mut reader.findings)?;
    let sources = node.as_list(&mut reader.findings)?;
    let mut known = Vec::new();
    for node in sources {
        let fields = node.fields(SOURCE_KEYS, &mut reader.findings)?;
        match fields.get("name").and_then(Node::text) {
            Some(own) if own == name => return one_connection(name, &fields, reader),
            own => known.extend(own),
        }
    }
    let mend = format!("write one of: {}", known.join(", "));
    reader.findings.error(&node.place, format!("there is no source `{name}`"), mend);
    None
}

fn one_connection(name: &str, fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Connection> {
    let engine = engine::read(Some(name), fields, reader);
    let pseudonym = pseudonym(fields, name, reader);
    let mappings = fields.get("mappings").map_or(&[][..], Node::as_list_or_one);
    let mappings = mappings.iter().filter_map(|node| reader.path(node)).collect();
    Some(Connection { name: name.to_owned(), engine: engine?, pseudonym, mappings })
}
