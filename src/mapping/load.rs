//! From files to a [`Mapping`]: which files belong together, and what must hold between them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use erpbridge_connector::Finding;
use xxhash_rust::xxh3::xxh3_64;

use super::Mapping;
use super::file::{Compiled, check_name, compile};
use crate::document::{Content, Document, Entry, Findings, MAX_BYTES, Node};

/// Whether a file of a mapping directory is part of the mapping: YAML, but not cases.
pub fn is_mapping_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    yaml && !name.ends_with(".cases.yaml") && !name.ends_with(".cases.yml")
}

impl Mapping {
    /// Reads mapping files; of a directory, every one in it. All findings at once.
    pub fn load(files: &[PathBuf]) -> Result<Self, Vec<Finding>> {
        let mut findings = Findings::new();
        let mut texts = Vec::new();
        let paths: Vec<PathBuf> =
            files.iter().flat_map(|path| expand(path, &mut findings)).collect();
        for path in paths {
            let name = path.display().to_string();
            match read(&path) {
                Ok(text) => texts.push((name, text)),
                Err(error) => findings.push(unreadable(&name, &error)),
            }
        }
        Self::compile(&texts, findings)
    }

    /// The same from texts that are already there.
    pub fn from_texts(texts: &[(&str, &str)]) -> Result<Self, Vec<Finding>> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let texts: Vec<(String, String)> = texts.iter().map(own).collect();
        Self::compile(&texts, Findings::new())
    }

    fn compile(texts: &[(String, String)], mut findings: Findings) -> Result<Self, Vec<Finding>> {
        let mut mappings: BTreeMap<String, Vec<(&str, Node)>> = BTreeMap::new();
        let mut overlays: BTreeMap<String, Vec<(&str, Node)>> = BTreeMap::new();
        for (file, text) in texts {
            match Document::parse(file, text) {
                Ok(node) => {
                    let (name, overlay) = name_of(&node, &mut findings);
                    let files = if overlay { &mut overlays } else { &mut mappings };
                    files.entry(name).or_default().push((text, node));
                }
                Err(finding) => findings.push(finding),
            }
        }
        if texts.is_empty() && findings.is_empty() {
            let mend = "name a file, or a directory with files ending in `.yaml`";
            findings.push(Finding::error("mappings", "there is no mapping file", mend));
        }
        let mut compiled = Vec::new();
        for (name, files) in &mappings {
            let nodes: Vec<&Node> = files.iter().map(|(_, node)| node).collect();
            let over = overlays.remove(name).unwrap_or_default();
            let texts = files.iter().chain(&over).map(|(text, _)| *text);
            let version = format!("{name}@{:016x}", hash(texts));
            let over: Vec<&Node> = over.iter().map(|(_, node)| node).collect();
            compiled.extend(compile(name, &version, &nodes, &over, &mut findings));
        }
        for (_, node) in overlays.values().flatten() {
            let mend = "name the mapping it lies over, and load both";
            findings.error(&node.place, "there is no mapping under this overlay", mend);
        }
        check_ids(&compiled, &mut findings);
        finish(compiled, findings)
    }
}

fn finish(compiled: Vec<Compiled>, findings: Findings) -> Result<Mapping, Vec<Finding>> {
    let failed = findings.has_errors();
    // A code table used by several rules would be blamed by each of them.
    let mut known = HashSet::new();
    let mut unique = findings.into_vec();
    unique.retain(|finding| known.insert((finding.subject.clone(), finding.problem.clone())));
    unique.sort_by_key(|finding| place_of(&finding.subject));
    if failed {
        return Err(unique);
    }
    Ok(Mapping::new(compiled, unique))
}

/// File, line and column of a subject, so that findings come in reading order.
fn place_of(subject: &str) -> (String, usize, usize) {
    let mut parts = subject.rsplitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    match (number(), number(), parts.next()) {
        (Some(column), Some(line), Some(file)) => (file.to_owned(), line, column),
        _ => (subject.to_owned(), 0, 0),
    }
}

/// The files a path stands for: itself, or the mapping files of the directory, in order of name.
fn expand(path: &Path, findings: &mut Findings) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    match fs::read_dir(path) {
        Ok(entries) => {
            let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
            let mut files: Vec<PathBuf> = paths.filter(|path| is_mapping_file(path)).collect();
            files.sort();
            files
        }
        Err(error) => {
            findings.push(unreadable(&path.display().to_string(), &error));
            Vec::new()
        }
    }
}

/// Reads no more than a document may hold: a path given by mistake may be anything.
fn read(path: &Path) -> std::io::Result<String> {
    let bound = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut std::io::Read::take(fs::File::open(path)?, bound),
        &mut text,
    )?;
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Finding {
    let problem = format!("the file cannot be read: {error}");
    Finding::error(name, problem, "check its name and its permissions")
}

/// The name of the mapping a file is part of, and whether it is an overlay.
fn name_of(node: &Node, findings: &mut Findings) -> (String, bool) {
    let entries = match &node.content {
        Content::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let named = |entry: &&Entry| entry.key == "mapping" || entry.key == "overlay";
    let Some(entry) = entries.iter().find(named) else {
        findings.error(&node.place, "the mapping has no name", "begin with `mapping: <name>`");
        return (String::new(), false);
    };
    let name = entry.value.as_text(findings).unwrap_or_default();
    check_name(name, &entry.value.place, findings);
    (name.to_owned(), entry.key == "overlay")
}

/// The hash of what the files hold, whatever they are called and in whichever order they come.
fn hash<'t>(texts: impl Iterator<Item = &'t str>) -> u64 {
    let mut hashes: Vec<u64> = texts.map(|text| xxh3_64(text.as_bytes())).collect();
    hashes.sort_unstable();
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect();
    xxh3_64(&bytes)
}

/// Rule ids are part of event ids, so no two rules of a source share one.
fn check_ids(mappings: &[Compiled], findings: &mut Findings) {
    let mut first = BTreeMap::new();
    for rule in mappings.iter().flat_map(Compiled::all_rules) {
        if let Some(earlier) = first.insert(&rule.id, &rule.place) {
            let problem = format!("two rules have the id `{}`", rule.id);
            let mend = format!("give this one a `rule:` of its own; the other is at {earlier}");
            findings.error(&rule.place, problem, mend);
        }
    }
}
