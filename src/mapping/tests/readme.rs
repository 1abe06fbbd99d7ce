//! The page that describes the language names what the language has.

use std::collections::BTreeSet;

use crate::canonical::catalog;
use crate::deadletter::Reason;
use crate::mapping::codec::DateFormat;
use crate::mapping::{Mapping, keys};

const README: &str = include_str!("../../../mappings/README.md");

/// The rows of the tables between two headings: first cell, and the names in backticks of the
/// second.
fn rows(heading: &str) -> Vec<(String, BTreeSet<String>)> {
    let (_, section) = README.split_once(heading).expect("the page has the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
            let names = cells[1].split('`').skip(1).step_by(2).map(str::to_owned);
            (cells[0].trim().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn every_key_is_on_the_page_and_no_other() {
    let documented = rows("\n## All keys");
    let implemented: Vec<(String, BTreeSet<String>)> = keys::ALL
        .iter()
        .map(|(place, keys)| {
            ((*place).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect())
        })
        .collect();
    assert_eq!(documented, implemented);
}

#[test]
fn every_date_format_is_on_the_page() {
    for (name, _) in DateFormat::NAMES {
        assert!(README.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_reason_of_a_mapping_is_on_the_page() {
    for reason in
        [Reason::Decode, Reason::UnknownCode, Reason::MissingRequired, Reason::AbsentValue]
    {
        assert!(README.contains(&format!("`{}`", reason.as_str())), "{}", reason.as_str());
    }
}

#[test]
fn the_example_on_the_page_is_a_mapping() {
    let (_, example) = README.split_once("```yaml\nmapping:").expect("the page has an example");
    let example = example.split("```").next().unwrap_or_default();
    let mapping = Mapping::from_texts(&[("README.md", &format!("mapping:{example}"))]);
    let mapping = mapping.unwrap_or_else(|findings| panic!("{findings:#?}"));
    assert_eq!(mapping.warnings(), []);
    assert!(mapping.event_types().iter().all(|event| catalog().event(event).is_some()));
}
