//! A connector's README names the test of every trap; a name that leads nowhere would be a promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The connectors, and how many traps of its kind of database each is built around.
const CONNECTORS: &[(&str, u32)] = &[("mysql", 30), ("postgres", 30), ("sqlserver", 27)];

/// The places with tests a trap may name.
const SOURCES: &[&str] = &["connectors", "src", "tests", "deploy/demo"];

/// The last column of each row of the table of traps.
fn cells(readme: &str) -> Vec<(u32, String)> {
    let table = readme.split_once("## Traps").unwrap().1;
    let table = table.split_once("\n## ").map_or(table, |(table, _)| table);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').collect();
        Some((cells.first()?.trim().parse().ok()?, (*cells.last()?).to_owned()))
    };
    table.lines().filter_map(row).collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions, and of what the contract's macro makes functions of.
fn functions() -> BTreeSet<String> {
    let root = crate::root();
    let mut files = Vec::new();
    for place in SOURCES {
        sources(&root.join(place), &mut files);
    }
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let name = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap().to_owned()
    };
    text.split(" fn ").chain(text.split("\nfn ")).skip(1).map(name).collect()
}

#[test]
fn every_test_named_in_a_table_of_traps_exists() {
    let functions = functions();
    for (connector, traps) in CONNECTORS {
        let readme = crate::root().join("connectors").join(connector).join("README.md");
        let cells = cells(&fs::read_to_string(readme).unwrap());
        let numbers: Vec<u32> = cells.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=*traps).collect::<Vec<u32>>(), "{connector}: a row for each trap");
        let lost: Vec<&str> = cells
            .iter()
            .flat_map(|(_, cell)| quoted(cell))
            .filter(|name| !functions.contains(*name))
            .collect();
        assert!(lost.is_empty(), "{connector}: no such tests: {lost:#?}");
    }
}
