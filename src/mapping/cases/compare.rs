//! What a case expects against what happened.
//!
//! A case says as much as it wants to: every key it writes must be as written, what it does not
//! write is not compared. Only the number of events and dead letters always counts.

use serde_json::Value as Json;

use super::read::{Case, ExpectedEvent, ExpectedLetter};
use crate::canonical::{FrozenBatch, Message, catalog, header};
use crate::deadletter::DeadLetter;
use crate::document::{Content, Node};

/// Every difference as a line.
pub(super) fn differences(case: &Case, batch: &FrozenBatch) -> Vec<String> {
    let mut out = Vec::new();
    let messages: Vec<Message<'_>> = batch.messages().collect();
    for (number, message) in messages.iter().enumerate() {
        let name = format!("event {} ({})", number + 1, event_name(message));
        break_of_contract(&name, message, &mut out);
        match case.events.get(number) {
            Some(expected) => compare_event(&name, expected, message, &mut out),
            None => out.push(format!("{name}: not expected, on {}", message.subject())),
        }
    }
    for (number, expected) in case.events.iter().enumerate().skip(messages.len()) {
        let event = expected.event.as_deref().unwrap_or("any");
        out.push(format!("event {} ({event}): expected, did not come", number + 1));
    }
    compare_letters(&case.letters, &batch.dead_letters, &mut out);
    out
}

/// `procurement.purchaseorder.released`, from the type header.
pub(super) fn event_name<'m>(message: &Message<'m>) -> &'m str {
    let name = message.header(header::TYPE).unwrap_or_default();
    let name = name.strip_prefix("erpbridge.").unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(name, _version)| name)
}

fn break_of_contract(name: &str, message: &Message<'_>, out: &mut Vec<String>) {
    let kind = message.header(header::TYPE).unwrap_or_default();
    if let Err(findings) = catalog().validate(kind, &message.payload()) {
        out.extend(
            findings.into_iter().map(|finding| format!("{name}: against schema: {finding}")),
        );
    }
}

fn compare_event(
    name: &str,
    expected: &ExpectedEvent,
    message: &Message<'_>,
    out: &mut Vec<String>,
) {
    let mut same = |what: &str, wanted: &str, found: Option<&str>| {
        if found != Some(wanted) {
            out.push(differs(name, what, wanted, found.unwrap_or("nothing")));
        }
    };
    if let Some(event) = &expected.event {
        same("event", event, Some(event_name(message)));
    }
    if let Some(subject) = &expected.subject {
        same("subject", subject, Some(message.subject()));
    }
    for (header, value) in &expected.headers {
        same(header, value, message.header(header));
    }
    if let Some(data) = &expected.data {
        let found = serde_json::from_slice(&message.payload()).unwrap_or(Json::Null);
        compare_data(name, "data", data, Some(&found), out);
    }
}

fn compare_data(
    name: &str,
    path: &str,
    expected: &Node,
    found: Option<&Json>,
    out: &mut Vec<String>,
) {
    match (&expected.content, found) {
        (Content::Map(entries), Some(Json::Object(object))) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key);
                compare_data(name, &path, &entry.value, object.get(&entry.key), out);
            }
        }
        (Content::List(values), Some(Json::Array(array))) if values.len() == array.len() => {
            for (index, (value, found)) in values.iter().zip(array).enumerate() {
                compare_data(name, &format!("{path}[{index}]"), value, Some(found), out);
            }
        }
        (Content::Null, Some(Json::Null)) => {}
        (Content::Text { text, quoted }, Some(found)) if equals(text, *quoted, found) => {}
        (_, found) => {
            let found = found.map_or_else(|| "nothing".to_owned(), Json::to_string);
            out.push(differs(name, path, &show(expected), &found));
        }
    }
}

/// Text in quotes is a JSON string; plain text is whatever prints like it.
fn equals(text: &str, quoted: bool, found: &Json) -> bool {
    match found {
        Json::String(found) => found == text,
        Json::Number(number) => !quoted && number.to_string() == text,
        Json::Bool(truth) => !quoted && text == if *truth { "true" } else { "false" },
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    }
}

fn show(node: &Node) -> String {
    match &node.content {
        Content::Null => "null".to_owned(),
        Content::Text { text, .. } => text.clone(),
        Content::List(values) => {
            format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Content::Map(_) => "a map".to_owned(),
    }
}

fn differs(name: &str, what: &str, expected: &str, found: &str) -> String {
    format!("{name}: {what}\n    expected {expected}\n    found    {found}")
}

fn compare_letters(expected: &[ExpectedLetter], found: &[DeadLetter], out: &mut Vec<String>) {
    for (number, letter) in found.iter().enumerate() {
        let name = format!("dead letter {}", number + 1);
        let Some(wanted) = expected.get(number) else {
            let (reason, detail) = (letter.reason.as_str(), &letter.detail);
            out.push(format!("{name}: not expected: {reason}: {detail}"));
            continue;
        };
        let rule = letter.rule.as_deref().unwrap_or("none");
        if let Some(wanted) = wanted.rule.as_deref().filter(|wanted| *wanted != rule) {
            out.push(differs(&name, "rule", wanted, rule));
        }
        let reason = letter.reason.as_str();
        if let Some(wanted) = wanted.reason.as_deref().filter(|wanted| *wanted != reason) {
            out.push(differs(&name, "reason", wanted, &format!("{reason}: {}", letter.detail)));
        }
    }
    for number in found.len()..expected.len() {
        out.push(format!("dead letter {}: expected, did not come", number + 1));
    }
}
