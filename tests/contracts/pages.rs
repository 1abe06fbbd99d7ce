//! The pages about events are those their schemas give, and their examples are events.

use std::collections::BTreeSet;

use erpbridge::canonical::catalog;

use crate::page::sample::sample;
use crate::page::{json, pages, with_index};
use crate::{current, files, read};

#[test]
fn there_is_a_current_page_for_every_entity_and_no_other() {
    let pages = pages();
    for (entity, text) in &pages {
        current(format!("docs/events/{entity}.md"), text);
    }
    let made: BTreeSet<String> = pages.into_iter().map(|(entity, _)| entity + ".md").collect();
    let there = files("docs/events", "md");
    let there = there.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(there.collect::<BTreeSet<_>>(), made);
}

#[test]
fn the_contract_page_lists_every_entity() {
    let page = read("docs/events.md");
    current("docs/events.md", &with_index(&page));
}

#[test]
fn every_example_is_an_event_of_the_contract() {
    for event in catalog().events() {
        let sample = sample(event);
        let valid = catalog().validate(&event.type_name, &sample.payload);
        assert_eq!(valid, Ok(()), "{}", event.name);
        let shown = json::indented(&sample.payload);
        let (shown, written): (serde_json::Value, serde_json::Value) = (
            serde_json::from_str(&shown).unwrap(),
            serde_json::from_slice(&sample.payload).unwrap(),
        );
        assert_eq!(shown, written, "indenting changes nothing");
    }
}

#[test]
fn indenting_keeps_the_order_of_members_and_knows_strings() {
    let document = br#"{"b":{"x":"a,\"}{","y":1},"a":[{"z":{}},1],"n":null}"#;
    let expected = "{\n  \"b\": { \"x\": \"a,\\\"}{\", \"y\": 1 },\n  \"a\": [\n    {\n      \
                    \"z\": {}\n    },\n    1\n  ],\n  \"n\": null\n}";
    assert_eq!(json::indented(document), expected);
}
