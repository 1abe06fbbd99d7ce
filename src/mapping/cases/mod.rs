//! Cases: row changes in, events out, written beside the mapping they test.
//!
//! A case plays transactions of row changes as a connector would send them and compares the
//! events with what it expects. Every event is checked against its schema as well, expected or
//! not. How changes become events is the caller's: folding belongs to the pipeline, and a case
//! shall go the same way as production.

mod compare;
mod read;
mod rows;
mod update;
pub mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use erpbridge_connector::{ChangeBatch, Finding, TableSchema};

pub use self::compare::Difference;
use self::read::{Case, CaseFile};
use super::Mapping;
use crate::canonical::{EventBatch, FrozenBatch};
use crate::document::Place;

/// The source name cases run under: it is part of every subject and id.
pub const SOURCE: &str = "case";

/// What became of a case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// Every difference; none if the case holds.
    pub differences: Vec<Difference>,
}

impl CaseResult {
    /// Whether the case holds.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// How deep directories are searched for cases.
const MAX_DEPTH: usize = 8;

/// The cases files among some paths; of a directory, all in it and below it.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Finding>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            collect(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Vec<Finding>> {
    let entries = fs::read_dir(directory).map_err(|error| vec![unreadable(directory, &error)])?;
    let mut entries: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() && depth < MAX_DEPTH {
            collect(&entry, depth + 1, files)?;
        } else if is_cases_file(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}

/// Whether a file of a mapping directory holds cases.
pub fn is_cases_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".cases.yaml") || name.ends_with(".cases.yml")
}

/// What is played to run a case.
pub struct Play<'c> {
    /// The mapping under test.
    pub mapping: &'c Arc<Mapping>,
    /// The tables of the case.
    pub schemas: &'c [Arc<TableSchema>],
    /// Rows that are there before.
    pub given: ChangeBatch,
    /// What happens.
    pub changes: ChangeBatch,
}

/// Runs the cases of a file against the mapping in its directory. The findings tell why cases
/// could not run at all.
pub fn run(
    file: &Path,
    convert: impl Fn(&Play<'_>) -> EventBatch,
) -> Result<Vec<CaseResult>, Vec<Finding>> {
    let ready = Ready::load(file)?;
    let result = |case: &Case| {
        let batch = ready.play(case, &convert);
        CaseResult {
            name: case.name.clone(),
            place: case.place.clone(),
            differences: compare::differences(case, &batch),
        }
    };
    Ok(ready.cases.cases.iter().map(result).collect())
}

/// The text of a file of cases with its expectations rewritten to what really happens; everything
/// else, comments included, stays as it is.
pub fn update(
    file: &Path,
    convert: impl Fn(&Play<'_>) -> EventBatch,
) -> Result<String, Vec<Finding>> {
    Ok(Ready::load(file)?.updated(&convert))
}

/// The text of a file of cases, with what this mapping makes of its rows as what they expect.
pub fn fill(
    file: &str,
    text: &str,
    mapping: &Arc<Mapping>,
    convert: impl Fn(&Play<'_>) -> EventBatch,
) -> Result<String, Vec<Finding>> {
    Ready::of(file, text.to_owned(), Arc::clone(mapping)).map(|ready| ready.updated(&convert))
}

/// A file of cases and the mapping it tests.
struct Ready {
    text: String,
    cases: CaseFile,
    mapping: Arc<Mapping>,
}

impl Ready {
    fn load(file: &Path) -> Result<Self, Vec<Finding>> {
        let text = fs::read_to_string(file).map_err(|error| vec![unreadable(file, &error)])?;
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mapping = Mapping::load(&[directory.unwrap_or(Path::new(".")).to_owned()])?;
        Self::of(&file.display().to_string(), text, Arc::new(mapping))
    }

    fn of(file: &str, text: String, mapping: Arc<Mapping>) -> Result<Self, Vec<Finding>> {
        let cases = CaseFile::parse(file, &text)?;
        check_tables(&mapping, &cases.tables)?;
        Ok(Self { text, cases, mapping })
    }

    fn updated(&self, convert: &impl Fn(&Play<'_>) -> EventBatch) -> String {
        let played: Vec<(&Case, FrozenBatch)> =
            self.cases.cases.iter().map(|case| (case, self.play(case, convert))).collect();
        update::rewrite(&self.text, &played)
    }

    fn play(&self, case: &Case, convert: &impl Fn(&Play<'_>) -> EventBatch) -> FrozenBatch {
        let given = self.cases.given.iter().chain(&case.given);
        let play = Play {
            mapping: &self.mapping,
            schemas: &self.cases.tables,
            given: rows::seeds(given, &case.transactions),
            changes: rows::batch(&case.transactions),
        };
        convert(&play).freeze()
    }
}

/// The mapping must fit the tables the cases describe.
fn check_tables(mapping: &Mapping, tables: &[Arc<TableSchema>]) -> Result<(), Vec<Finding>> {
    let mut findings = Vec::new();
    for table in tables {
        if let Err(mut found) = mapping.bind(SOURCE, table, tables) {
            findings.append(&mut found);
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let problem = format!("cannot be read: {error}");
    Finding::error(path.display().to_string(), problem, "check its name and its permissions")
}
