//! Every operation of the mapping language has a mapping that shows it, and every mapping that is
//! shipped keeps its cases.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use crate::{assert_none, files, read, root};

const OPERATIONS: &str = "mappings/operations";

/// The names of the directories of examples.
fn examples() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(OPERATIONS)).unwrap().map(Result::unwrap);
    let directories = entries.filter(|entry| entry.path().is_dir());
    directories.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The examples the rows of a table lead to, one per row, in order. The table is the first one
/// below the heading; an empty name is a row without a link.
fn linked(page: &str, heading: &str, before: &str) -> Vec<String> {
    let page = read(page);
    let (_, section) = page.split_once(heading).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    rows.take_while(|line| line.starts_with('|')).map(|row| link(row, before)).collect()
}

/// `floats` from a row that ends in `[floats](operations/floats) |`.
fn link(row: &str, before: &str) -> String {
    let cell = row.trim_end_matches(" |").rsplit("| ").next().unwrap();
    let name = cell.split_once("](").map_or("", |(name, _)| name.trim_start_matches('['));
    assert_eq!(cell, format!("[{name}]({before}{name})"), "{row}");
    name.to_owned()
}

fn map(command: &str, path: &str) -> Output {
    let mut erpbridge = Command::new(env!("CARGO_BIN_EXE_erpbridge"));
    erpbridge.current_dir(root()).args(["map", command, path]).output().unwrap()
}

fn printed(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// The names of the cases that passed.
fn passed(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("ok      ")).collect()
}

#[test]
fn every_operation_leads_to_its_example_and_every_example_is_listed() {
    let pages = [
        ("mappings/README.md", "\n## Every operation, by example", "operations/"),
        ("mappings/operations/README.md", "# Every operation", ""),
    ];
    for (page, heading, before) in pages {
        let linked = linked(page, heading, before);
        assert_eq!(linked.iter().cloned().collect::<BTreeSet<_>>(), examples(), "{page}");
        assert_eq!(linked.len(), examples().len(), "{page} lists an example twice");
    }
}

#[test]
fn every_example_is_one_mapping_of_its_name_that_checks_without_a_finding() {
    let mut findings = Vec::new();
    for name in examples() {
        let directory = format!("{OPERATIONS}/{name}");
        let there = files(&directory, "yaml");
        let named = ["mapping.yaml".to_owned(), format!("{name}.cases.yaml")];
        let mut named = named.map(|file| std::path::Path::new(&directory).join(file));
        named.sort();
        assert_eq!(there, named);
        let mapping = read(format!("{directory}/mapping.yaml"));
        if !mapping.contains(&format!("\nmapping: {name}\n")) {
            findings.push(format!("{directory} is not the mapping {name}"));
        }
        let output = map("check", &directory);
        let text = printed(&output);
        if !output.status.success() || !text.contains("0 errors, 0 warnings") {
            findings.push(format!("{directory}: {text}"));
        }
    }
    assert_none(&findings);
}

#[test]
fn the_cases_of_every_mapping_pass_and_every_example_has_two_at_least() {
    let output = map("test", "mappings");
    let text = printed(&output);
    let failed: Vec<&str> = text.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(output.status.success(), "{}", failed.join("\n"));
    let all: BTreeSet<&str> = passed(&text).into_iter().collect();
    for name in examples() {
        let output = map("test", &format!("{OPERATIONS}/{name}"));
        let text = printed(&output);
        let cases: BTreeSet<&str> = passed(&text).into_iter().collect();
        assert!(output.status.success() && cases.len() >= 2, "{name}: {text}");
        assert!(cases.is_subset(&all), "cases of {name} are not run with those of `mappings`");
    }
}
